/** The clients of the conformance suite: what each needs on the machine, and how its driver is started.
 *
 * To add one: a driver in drivers/ and an entry here. Left out: what a client can do, which its driver says. @module */
import type { Requirement } from "../requirements.ts";
import type { DriverCommand } from "./driver.ts";

/** A client library with its driver. */
export interface Client {
  /** As it is called in the names of tests. */
  readonly name: string;
  readonly requires: readonly Requirement[];
  /** How to start its driver; builds it first where that is needed, once however often it is called. */
  command(): DriverCommand | Promise<DriverCommand>;
}

const folder = new URL("./drivers/", import.meta.url).pathname;

/** A driver that Deno runs. */
export function denoDriver(file: string): DriverCommand {
  return { program: Deno.execPath(), args: ["run", "--quiet", "-A", folder + file] };
}

export const clients: readonly Client[] = [
  { name: "kafkajs", requires: [], command: () => denoDriver("kafkajs.ts") },
];
