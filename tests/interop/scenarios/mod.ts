/** The list of scenarios. To add one: a function in the file of its theme, in that file's list. @module */
import { adminScenarios } from "./admin.ts";
import { compactionScenarios } from "./compaction.ts";
import { exactlyOnceScenarios } from "./exactly_once.ts";
import { groupAdminScenarios } from "./group_admin.ts";
import { groupScenarios } from "./groups.ts";
import { limitScenarios } from "./limits.ts";
import { positionScenarios } from "./positions.ts";
import { producerScenarios } from "./producers.ts";
import { recordScenarios } from "./records.ts";
import type { Scenario } from "./scenario.ts";
import { transactionScenarios } from "./transactions.ts";

export type { Context, Scenario } from "./scenario.ts";

export const scenarios: readonly Scenario[] = [
  ...recordScenarios,
  ...limitScenarios,
  ...positionScenarios,
  ...producerScenarios,
  ...groupScenarios,
  ...transactionScenarios,
  ...exactlyOnceScenarios,
  ...adminScenarios,
  ...groupAdminScenarios,
  ...compactionScenarios,
];
