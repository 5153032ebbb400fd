/** What must be true of a broker's log after whatever happened to it, given what its producers were told. @module */
import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals } from "@std/assert";
import { eventually } from "../eventually.ts";
import { ProtocolClient } from "../protocol/client.ts";
import type { Values } from "../protocol/codec.ts";
import { type Follower, type PartitionLog, readPartition } from "./broker_log.ts";
import { positionsTopic } from "./broker_producers.ts";
import type { Ledger, Transaction } from "./ledger.ts";

/** What is compared. */
export interface CheckOptions {
  readonly port: number;
  readonly ledger: Ledger;
  /** Partitions by topic. */
  readonly topics: Readonly<Record<string, number>>;
  readonly followers?: readonly Follower[];
  /** What was told later than this counts as not told, in milliseconds since the epoch. */
  readonly untilMs?: number;
}

/** Fails unless every acknowledged record is there once at its offset, nothing is there twice, the records of each
 * idempotent producer are there without a gap, transactions are there wholly or not at all as they ended, groups are
 * where their last committed transaction put them, and followers saw nothing that is not there.
 * @returns how many records there are */
export async function checkLog(options: CheckOptions): Promise<number> {
  const { port, ledger, topics, followers = [], untilMs = Infinity } = options;
  using client = await ProtocolClient.connect(port);
  const logs = new Map<string, PartitionLog[]>();
  for (const [topic, partitions] of Object.entries(topics)) {
    const read: PartitionLog[] = [];
    for (let n = 0; n < partitions; n++) read.push(await readPartition(client, topic, n));
    logs.set(topic, read);
  }
  const told = ledger.records.filter(({ atMs }) => atMs <= untilMs);
  const lost = told.filter(({ topic, partition, offset, value }) =>
    logs.get(topic)![partition]!.all.get(offset) !== value
  );
  assertEquals(
    lost.slice(0, 5),
    [],
    `${lost.length} of ${told.length} acknowledged records are not at their offset`,
  );
  const all = [...logs.values()].flat();
  checkOnce(all);
  checkNoGaps(all);
  const visible = new Set(all.flatMap((log) => [...log.committed.values()]));
  checkTransactions(ledger, visible, untilMs);
  await checkPositions(client, ledger, visible);
  for (const follower of followers) checkFollower(follower, logs.get(follower.topic)!);
  return all.reduce((sum, log) => sum + log.committed.size, 0);
}

/** Fails unless SQLite finds its file whole; the broker must not run. */
export function checkDatabase(dataDir: string): void {
  const db = new DatabaseSync(`${dataDir}/broker.db`);
  try {
    assertEquals(db.prepare("PRAGMA integrity_check").all().map((row) => Object.values(row)[0]), ["ok"]);
  } finally {
    db.close();
  }
}

function checkOnce(logs: readonly PartitionLog[]): void {
  const known = new Set<string>();
  for (const log of logs) {
    for (const value of log.all.values()) {
      if (value === null) continue;
      assert(!known.has(value), `${value} is there twice`);
      known.add(value);
    }
  }
}

/** Records of an idempotent producer are `name:partition:number`, the numbers in order. */
function checkNoGaps(logs: readonly PartitionLog[]): void {
  for (const log of logs) {
    const next = new Map<string, number>();
    for (const value of log.all.values()) {
      if (value === null || !value.startsWith("i")) continue;
      const producer = value.slice(0, value.lastIndexOf(":"));
      const number = Number(value.slice(value.lastIndexOf(":") + 1));
      assertEquals(number, next.get(producer) ?? 0, `next number of ${producer}`);
      next.set(producer, number + 1);
    }
  }
}

function checkTransactions(ledger: Ledger, visible: ReadonlySet<string | null>, untilMs: number): void {
  const wrong: string[] = [];
  for (const transaction of ledger.transactions) {
    const { producer, number, values } = transaction;
    const shown = values.filter((value) => visible.has(value)).length;
    const outcome = transaction.endedMs <= untilMs ? transaction.outcome : "unknown";
    const isRight = outcome === "committed"
      ? shown === values.length
      : outcome === "unknown"
      ? shown === values.length || shown === 0
      : shown === 0;
    if (!isRight) wrong.push(`${producer}:${number} (${outcome}): ${shown} of ${values.length} are visible`);
  }
  assertEquals(
    wrong.slice(0, 5),
    [],
    `${wrong.length} of ${ledger.transactions.length} transactions are wrong`,
  );
}

/** The group of a transactional producer is where the newest transaction that is visible has put it. */
async function checkPositions(
  client: ProtocolClient,
  ledger: Ledger,
  visible: ReadonlySet<string | null>,
): Promise<void> {
  const newest = new Map<string, Transaction>();
  for (const transaction of ledger.transactions) {
    if (visible.has(transaction.values[0]!)) newest.set(transaction.producer, transaction);
  }
  for (const [groupId, { number }] of newest) {
    let found: unknown;
    await eventually(
      `group ${groupId} to be at ${number}`,
      async () => {
        const request = { groupId, topics: [{ name: positionsTopic, partitionIndexes: [0] }] };
        const { topics } = await client.ask(9, 5, request);
        found = ((topics as Values[])[0]!.partitions as Values[])[0]!.committedOffset;
        return found === number;
      },
      60_000,
      () => found,
    );
  }
}

/** What a follower was shown is still there; at the end it was shown everything. */
function checkFollower(follower: Follower, logs: readonly PartitionLog[]): void {
  const name = follower.isolation === 1 ? "committed" : "all";
  for (const [partition, seen] of follower.seen.entries()) {
    const log = logs[partition]![name];
    for (const [offset, value] of seen) {
      assert(
        log.get(offset) === value,
        `${value} was seen at ${follower.topic}-${partition}:${offset} and is not there`,
      );
    }
    assertEquals(
      seen.size,
      log.size,
      `${name} records that a follower saw of ${follower.topic}-${partition}`,
    );
  }
}
