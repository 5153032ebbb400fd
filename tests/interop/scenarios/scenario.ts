/** What a scenario is: a function that drives one client on one broker, the same on ours and on Apache Kafka.
 *
 * Left out: running them (../conformance_run.ts). @module */
import type { Admin } from "kafkajs";
import { eventually } from "../../eventually.ts";
import { BrokerProxy } from "../../kafka/broker_proxy.ts";
import type { Driver } from "../driver.ts";
import type { Feature, NewRecord, ReadRecord } from "../driver_protocol.ts";

/** One scenario. It fails by throwing. */
export interface Scenario {
  readonly name: string;
  /** Clients that have not got all of these do not run it. */
  readonly needs: readonly Feature[];
  /** Clients, by name, that cannot although they have what it needs, and why: what their library does on Apache Kafka too. */
  readonly not?: Readonly<Record<string, string>>;
  run(driver: Driver, context: Context): Promise<void>;
}

/** What a scenario may use beside its driver. */
export interface Context {
  /** host:port of the broker. */
  readonly bootstrap: string;
  /** kafkajs's admin client, connected, for what a scenario needs but is not about. */
  readonly admin: Admin;
  /** A name that nothing else has. */
  name(what: string): string;
  /** Makes a topic of that many partitions (1) and gives its name. */
  topic(what: string, options?: { partitions?: number; configs?: Record<string, string> }): Promise<string>;
  /** Another client of another library family, shared with other scenarios, that has `features`; null when this machine has none. */
  peer(...features: readonly Feature[]): Promise<Driver | null>;
  /** Every client of this machine that has `features`, this one included. */
  everyone(...features: readonly Feature[]): Promise<Driver[]>;
  /** Another process of the same client; ended after the scenario.
   * @param bootstrap instead of the broker's own */
  start(bootstrap?: string): Promise<Driver>;
  /** Runs after the scenario, whatever became of it; last added first. */
  defer(work: () => Promise<unknown>): void;
}

/** A proxy in front of the broker, closed after the scenario. */
export function proxyFor(context: Context): BrokerProxy {
  const [hostname, port] = context.bootstrap.split(":");
  const proxy = new BrokerProxy({ hostname: hostname!, port: Number(port) });
  context.defer(() => proxy[Symbol.asyncDispose]());
  return proxy;
}

/** Long enough for anything that is waited for, in milliseconds; nothing waits so long when all is well. */
export const waitMs = 60_000;

/** Values 0 … count − 1 as text, in the order they are sent. */
export function numbered(count: number, partition?: number): NewRecord[] {
  return Array.from({ length: count }, (_, n) => ({
    key: `key-${n % 5}`,
    value: `${n}`,
    ...(partition === undefined ? {} : { partition }),
  }));
}

/** What one partition holds now, from its start: `count` records, not more. */
export async function readPartition(
  driver: Driver,
  topic: string,
  count: number,
  partition = 0,
): Promise<ReadRecord[]> {
  const positions = { [partition]: "earliest" as const };
  const { records } = await driver.ask("consume", { topic, positions, count, timeoutMs: waitMs });
  return records;
}

/** What records say. */
export function values(records: readonly { readonly value: unknown }[]): unknown[] {
  return records.map(({ value }) => value);
}

/** Waits until a member's state is as `wanted`. */
export async function memberState(
  driver: Driver,
  member: string,
  what: string,
  wanted: (state: { assigned: { topic: string; partition: number }[]; records: ReadRecord[] }) => boolean,
) {
  let seen: unknown;
  return await eventually(
    `${member} to ${what}`,
    async () => {
      const state = await driver.ask("group.state", { member });
      seen = { assigned: state.assigned, records: state.records.length };
      return wanted(state) ? state : undefined;
    },
    waitMs,
    () => seen,
  );
}
