/** Where the last records of a topic begin. @module */
import { KafkaError } from "../kafka/connection.ts";
import { parseCursor, type Positions, type StartAt } from "../kafka/cursor.ts";
import type { History } from "../kafka/history.ts";
import { readRecords } from "../kafka/record_pages.ts";
import { CommandError } from "./run.ts";

/** The place before the last `count` records, in the order of their times over all partitions.
 * @throws {CommandError} when Kafka does not answer */
export async function startOfLast(history: History, topic: string, count: number): Promise<StartAt> {
  if (count === 0) return { kind: "latest" };
  try {
    const cluster = await endOf(history, topic);
    for (let back = count;; back *= 4) {
      const starts = cluster.positions.map((end) => Math.max(0, end - back));
      const last = await lastRecords(history, topic, { ...cluster, positions: starts }, count);
      // Offsets that hold no record (compacted ones, markers of transactions) do not count.
      if (last.count >= count || starts.every((at) => at === 0)) {
        return { ...cluster, positions: last.positions };
      }
    }
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    throw new CommandError(`Cannot look for the last records of ${topic}: ${error.message}`, {
      cause: error,
    });
  }
}

type Place = Extract<StartAt, { kind: "id" }>;

async function endOf(history: History, topic: string): Promise<Place> {
  const { cursor } = await readRecords(history, topic, { start: { kind: "latest" }, limit: 1 });
  return parseCursor(cursor) as Place;
}

/** Goes from a place to the end, and gives the place before the last `count` records on the way. */
async function lastRecords(
  history: History,
  topic: string,
  from: Place,
  count: number,
): Promise<{ positions: Positions; count: number }> {
  let last: { partition: number; offset: number }[] = [];
  for (let start = from;;) {
    const page = await readRecords(history, topic, { start, limit: 1_000 });
    last = [...last, ...page.records.map(placeIn)].slice(-count);
    start = parseCursor(page.cursor) as Place;
    if (page.more) continue;
    const positions = [...start.positions];
    for (const { partition, offset } of last.reverse()) positions[partition] = offset;
    return { positions, count: last.length };
  }
}

function placeIn(json: string): { partition: number; offset: number } {
  const [, partition, offset] = /^\{"topic":"[^"]*","partition":(\d+),"offset":(\d+),/.exec(json)!;
  return { partition: Number(partition), offset: Number(offset) };
}
