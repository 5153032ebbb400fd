/** The clients of the conformance suite: what each needs on the machine, and how its driver is started.
 *
 * To add one: a driver in drivers/ and an entry here. Left out: what a client can do, which its driver says. @module */
import { type Requirement, testPython } from "../requirements.ts";
import { franzDriver, javaDriver } from "./built_drivers.ts";
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

function pythonDriver(file: string): DriverCommand {
  return { program: testPython(), args: ["-u", folder + file] };
}

export const clients: readonly Client[] = [
  { name: "kafkajs", requires: [], command: () => denoDriver("kafkajs.ts") },
  { name: "@platformatic/kafka", requires: [], command: () => denoDriver("platformatic.ts") },
  { name: "confluent-kafka", requires: ["confluent-kafka"], command: () => pythonDriver("confluent.py") },
  { name: "kafka-python", requires: ["kafka-python"], command: () => pythonDriver("kafka_python.py") },
  { name: "aiokafka", requires: ["aiokafka"], command: () => pythonDriver("aiokafka_driver.py") },
  { name: "kcat", requires: ["kcat"], command: () => denoDriver("kcat.ts") },
  { name: "franz-go", requires: ["go"], command: franzDriver },
  { name: "java", requires: ["jdk"], command: javaDriver },
];
