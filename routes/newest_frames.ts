/** Where who watches live begins: at the newest frame that there is, so that a camera that stands still shows its last picture.
 *
 * Left out: which of them a filter lets through; a newest record that is no picture.
 * @module */
import { earliestOffset, KafkaError, latestOffset } from "../kafka/connection.ts";
import {
  clusterHash,
  formatCursor,
  parseCursor,
  type Positions,
  type StartAt,
  unknownOffset,
} from "../kafka/cursor.ts";
import type { History } from "../kafka/history.ts";

/** The newest frame of each partition, or the end of the log when that cannot be told now. */
export async function newestFrames(history: History, topic: string): Promise<StartAt> {
  try {
    const [firsts, ends] = await Promise.all(
      [earliestOffset, latestOffset].map((at) => history.positions(topic, at)),
    ) as [Positions, Positions];
    if (ends.length === 0 || [...firsts, ...ends].includes(unknownOffset)) return { kind: "latest" };
    const cluster = clusterHash(await history.clusterId());
    return parseCursor(
      formatCursor(cluster, ends.map((end, partition) => Math.max(firsts[partition] ?? 0, end - 1))),
    );
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    return { kind: "latest" };
  }
}
