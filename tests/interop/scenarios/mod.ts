/** The list of scenarios. To add one: a function in the file of its theme, in that file's list. @module */
import type { Scenario } from "./scenario.ts";
import { recordScenarios } from "./records.ts";

export type { Context, Scenario } from "./scenario.ts";

export const scenarios: readonly Scenario[] = [
  ...recordScenarios,
];
