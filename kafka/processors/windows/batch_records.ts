/** What a fold has counted as records of the by-id topic, and such records read again.
 *
 *     key    none        value  FoldBatch as JSON, at most some 400 KB: a larger batch becomes several parts
 *     partition  that of the ids in it
 *
 * They are written in transactions only. Others may write to the topic too, so whatever a record holds is looked at before it is believed.
 * Left out: whether a batch was counted before (window_state.ts).
 * @module */
import { Buffer } from "node:buffer";
import { isVideoId, maxSizes, maxWindowMs } from "../../windows.ts";
import type { TransactionRecord } from "../../transactions.ts";
import { maxTimeMs } from "./click.ts";
import { type FoldBatch, isCount, type PaneCount } from "./types.ts";

/** Bytes of the counts in one part, and how many counts of one id stay together: they are some 200 KB at most. */
const maxPartBytes = 400_000, maxPanesTogether = 8_000;
const decoder = new TextDecoder("utf-8", { fatal: true });

/** What a count of a batch may be. */
interface Limits {
  readonly marks: number;
  readonly maxPane: number;
}

/** The records of a commit.
 * @param batches one for each partition of ids, in their order */
export function batchRecords(topic: string, batches: readonly FoldBatch[]): TransactionRecord[] {
  return batches.flatMap(({ counts, wrong, ahead, missed, ...head }, partition) => {
    const parts = partsOf(counts);
    return parts.map((texts, part) => {
      const told = part === 0 ? { wrong, ahead, missed } : {};
      const opening = JSON.stringify({ ...head, ...told, part, parts: parts.length }).slice(0, -1);
      return { topic, partition, value: `${opening},"counts":[${texts.join()}]}` };
    });
  });
}

/** Reads the value of a record of the by-id topic; null for what is no batch. */
export function readFoldBatch(value: Uint8Array | null): FoldBatch | null {
  if (value === null) return null;
  try {
    const batch = JSON.parse(decoder.decode(value));
    return isFoldBatch(batch) ? batch : null;
  } catch {
    return null; // somebody else's, whatever it is
  }
}

/** Counts as JSON, in parts, one at least. */
function partsOf(counts: FoldBatch["counts"]): string[][] {
  let part: string[] = [], bytes = 0;
  const parts = [part];
  for (const [id, panes] of counts) {
    for (let begin = 0; begin < panes.length; begin += maxPanesTogether) {
      const together = panes.length <= maxPanesTogether
        ? panes
        : panes.slice(begin, begin + maxPanesTogether);
      const text = JSON.stringify([id, together]), size = Buffer.byteLength(text) + 1;
      if (bytes + size > maxPartBytes && bytes > 0) {
        parts.push(part = []);
        bytes = 0;
      }
      part.push(text);
      bytes += size;
    }
  }
  return parts;
}

// deno-lint-ignore no-explicit-any
function isFoldBatch(batch: any): batch is FoldBatch {
  if (typeof batch !== "object" || batch === null || batch.v !== 1 || typeof batch.log !== "string") {
    return false;
  }
  const { source, from, next, part, parts, high, at, paneMs, sizes, counts } = batch;
  const isPlaced = isCount(source) && isCount(from) && isCount(next) && from <= next &&
    isCount(part) && isCount(parts) && part < parts;
  return isPlaced && isTime(high) && isTime(at) && areSizes(sizes, paneMs) && areTold(batch) &&
    Array.isArray(counts) &&
    counts.every((entry) => isIdCount(entry, { marks: 1 << sizes.length, maxPane: maxTimeMs / paneMs }));
}

function areSizes(sizes: unknown, paneMs: unknown): boolean {
  return isCount(paneMs) && paneMs > 0 && Array.isArray(sizes) && sizes.length > 0 &&
    sizes.length <= maxSizes &&
    sizes.every((ms, i) => isCount(ms) && ms > (sizes[i - 1] ?? 0) && ms <= maxWindowMs && ms % paneMs === 0);
}

function areTold({ wrong = {}, ahead = 0, missed = 0 }: Record<string, unknown>): boolean {
  return typeof wrong === "object" && wrong !== null && Object.values(wrong).every(isCount) &&
    isCount(ahead) && isCount(missed);
}

function isIdCount(entry: unknown, limits: Limits): entry is FoldBatch["counts"][number] {
  if (!Array.isArray(entry) || entry.length !== 2) return false;
  const [id, panes] = entry;
  return typeof id === "string" && isVideoId(id) && Array.isArray(panes) &&
    panes.every((pane) => isPaneCount(pane, limits));
}

function isPaneCount(entry: unknown, { marks, maxPane }: Limits): entry is PaneCount {
  if (!Array.isArray(entry) || entry.length < 2 || entry.length > 3) return false;
  const [pane, count, behind = 0] = entry;
  return isCount(pane) && pane <= maxPane && isCount(count) && count > 0 && isCount(behind) && behind < marks;
}

function isTime(value: unknown): boolean {
  return value === null || isCount(value) && value <= maxTimeMs;
}
