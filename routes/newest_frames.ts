/** Where who watches live begins: at the newest frame that there is, so that a camera that stands still shows its last picture.
 *
 * Left out: finding the newest one of some keys among the others' (kafka/passing.ts does, when the viewer is behind); a newest record that
 * is no picture.
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
import type { AskedStream } from "./streams.ts";

/** Where the newest frame of some keys is looked for, in offsets from the end, as the policy `latest` looks for it. */
const keyedTail = 64;

/** The newest frame of each partition, or the end of the log when that cannot be told now. With keys, a place in front of their newest ones
 * where the policy `latest` goes on to those. */
export async function newestFrames(
  history: History,
  { topic, isKeyed = false }: Pick<AskedStream, "topic" | "isKeyed">,
): Promise<StartAt> {
  const tail = isKeyed ? keyedTail : 1;
  try {
    const [firsts, ends] = await Promise.all(
      [earliestOffset, latestOffset].map((at) => history.positions(topic, at)),
    ) as [Positions, Positions];
    if (ends.length === 0 || [...firsts, ...ends].includes(unknownOffset)) return { kind: "latest" };
    const cluster = clusterHash(await history.clusterId());
    return parseCursor(
      formatCursor(cluster, ends.map((end, partition) => Math.max(firsts[partition] ?? 0, end - tail))),
    );
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    return { kind: "latest" };
  }
}
