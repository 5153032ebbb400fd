/** Where somebody begins who comes without a place: at a moment between two finished windows, of which it is known what there was.
 *
 * What is counted is read from one topic and finished windows from others, so that either may be ahead. A picture of the former belongs
 * to a place in the latter when that has not moved while it was taken: then it has all windows that finished before the place, and none
 * of those that will be told after it. Left out: what is told (aggregation_stream.ts).
 * @module */
import { appendedOffset, KafkaError, latestOffset } from "../kafka/connection.ts";
import {
  clusterHash,
  formatCursor,
  parseCursor,
  type Positions,
  type StartAt,
  unknownOffset,
} from "../kafka/cursor.ts";
import type { History } from "../kafka/history.ts";
import type { Aggregations } from "../kafka/processors/windows/types.ts";

/** A picture and the places that it belongs to, in the order of the topics. */
export interface Beginning<T> {
  readonly picture: T;
  readonly starts: readonly StartAt[];
}

/** How often it is tried while windows finish. */
const tries = 5;

/** Takes a picture between two finished windows.
 * @param take makes the picture of what `aggregations` know now; the newest one counts
 * @returns null when Kafka does not answer, when a topic is not there yet, or when windows finish all the time */
export async function beginBetween<T>(
  history: Pick<History, "positions" | "clusterId">,
  aggregations: Aggregations,
  topics: readonly string[],
  take: () => T,
): Promise<Beginning<T> | null> {
  const ends = (at: number) => Promise.all(topics.map((topic) => history.positions(topic, at)));
  try {
    const cluster = clusterHash(await history.clusterId());
    for (let i = 0; i < tries; i++) {
      const before = await ends(latestOffset);
      if (!await (aggregations.current?.() ?? true)) return null;
      const picture = take();
      const after = await ends(appendedOffset);
      if (before.some((positions) => positions.includes(unknownOffset))) return null;
      if (!isSame(before, after)) continue;
      return { picture, starts: before.map((positions) => parseCursor(formatCursor(cluster, positions))) };
    }
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
  }
  return null;
}

function isSame(before: readonly Positions[], after: readonly Positions[]): boolean {
  return before.every((positions, i) =>
    positions.length === after[i]!.length &&
    positions.every((next, partition) => next === after[i]![partition])
  );
}
