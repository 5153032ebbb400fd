/** The same request to two brokers, and whether they answer the same: what has to differ is made alike first (ids,
 * ports, sizes, prose), and what has no order is sorted. Left out: anything about what a request means.
 * @module */
import { assertEquals } from "@std/assert";
import { eventually } from "../eventually.ts";
import type { ProtocolClient } from "../protocol/client.ts";
import type { Value, Values } from "../protocol/codec.ts";

/** Fields that differ from broker to broker whatever they do. */
const PRIVATE = new Set([
  ...["topicId", "memberId", "leader", "clusterId", "port", "logDir", "partitionSize", "totalBytes"],
  ...["usableBytes", "documentation", "throttleTimeMs"],
]);

/** One of the two brokers, and what a member was told by it. */
export interface Side {
  readonly client: ProtocolClient;
  memberId: string;
}

/** Both brokers. */
export class Pair {
  constructor(readonly ours: Side, readonly theirs: Side) {}

  /** Asks both once.
   * @returns the answers, ours first */
  async ask(
    key: number,
    version: number,
    values: Values | ((side: Side) => Values),
  ): Promise<[Values, Values]> {
    const asked = [this.ours, this.theirs].map((side) =>
      side.client.ask(key, version, typeof values === "function" ? values(side) : values)
    );
    return await Promise.all(asked) as [Values, Values];
  }

  /** Asks both once; the answers have to be the same. */
  async same(
    what: string,
    key: number,
    version: number,
    values: Values | ((side: Side) => Values),
  ): Promise<void> {
    const [ours, theirs] = await this.ask(key, version, values);
    assertEquals(alike(ours), alike(theirs), what);
  }

  /** Asks both until the answers are the same: what was changed takes Kafka a moment to tell. */
  async agree(what: string, key: number, version: number, values: Values): Promise<void> {
    let last: (Value | undefined)[] = [];
    const agreed = async () => {
      last = (await this.ask(key, version, values)).map(alike);
      return JSON.stringify(last[0]) === JSON.stringify(last[1]);
    };
    await eventually(what, agreed, 60_000).catch(() => {}); // what differs says more than the time it took
    assertEquals(last[0], last[1], what);
  }
}

/** A copy without what is private to a broker, lists sorted. */
function alike(value: Value | undefined): Value {
  if (value instanceof Uint8Array) return value.toHex();
  if (Array.isArray(value)) {
    const items = value.map(alike).map((item): [string, Value] => [JSON.stringify(item), item]);
    return items.sort(([a], [b]) => a < b ? -1 : 1).map(([, item]) => item);
  }
  if (typeof value !== "object" || value === null) return value ?? null;
  const fields = Object.entries(value).map(([name, field]) => {
    return [name, PRIVATE.has(name) ? (field === "" ? "none" : "some") : alike(field)];
  });
  return Object.fromEntries(fields);
}
