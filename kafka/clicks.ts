/** A like as its record has it: the value is the video's id as UTF-8, the record's time is when it was.
 *
 * Without a key, so that likes of a video that everybody likes at once lie in all partitions. Left out: what a record of others may
 * be (processors/windows/click.ts).
 * @module */
import type { OutRecord } from "./producer.ts";

/** @param atMs ms since the epoch */
export function clickRecord(videoId: string, atMs: number): OutRecord {
  return { key: null, value: videoId, timestamp: atMs };
}
