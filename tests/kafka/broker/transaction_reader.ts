/** Reads a topic as a consumer does that leaves out control batches and aborted transactions, apart from any client's
 * and the broker's own code. @module */

import { valuesIn } from "./batches.ts";
import type { Fetched, TransactionClient } from "./transaction_client.ts";

/** One record that a consumer hands on. */
export interface Visible {
  readonly offset: number;
  readonly value: string | null;
}

/** Everything in a partition from `from` on, fetched piece by piece.
 * @param maxBytes of one fetch; small ones cut transactions in pieces */
export async function readAll(
  client: TransactionClient,
  { from = 0, partition = 0, committed = true, maxBytes = 10_000_000 } = {},
): Promise<Visible[]> {
  const seen: Visible[] = [];
  for (let offset = from;;) {
    const fetched = await client.fetch({ offset, partition, committed, maxBytes });
    if (fetched.error !== 0) throw new Error(`Cannot fetch at ${offset}: error ${fetched.error}`);
    const { values, next } = visible(fetched);
    if (next <= offset) return seen;
    seen.push(...values.filter((record) => record.offset >= offset));
    offset = next;
  }
}

/** What of a fetch is handed on, and where to go on (−1 when it was empty). */
export function visible({ records, aborted }: Fetched): { values: Visible[]; next: number } {
  const values: Visible[] = [];
  const toCome = (aborted ?? []).map((text) => {
    const [producer, first] = text.split("@");
    return { producer: Number(producer), first: Number(first) };
  });
  const left = new Set<number>();
  let next = -1;
  for (let at = 0; at < records.byteLength;) {
    const view = new DataView(records.buffer, records.byteOffset + at);
    const size = view.getInt32(8) + 12;
    const last = Number(view.getBigInt64(0)) + view.getInt32(23);
    const attributes = view.getInt16(21);
    const producer = Number(view.getBigInt64(43));
    while (toCome[0] !== undefined && toCome[0].first <= last) left.add(toCome.shift()?.producer ?? -1);
    const batch = records.subarray(at, at + size);
    if ((attributes & 0x20) !== 0) {
      if (isAbort(batch)) left.delete(producer);
    } else if ((attributes & 0x10) === 0 || !left.has(producer)) {
      values.push(...valuesIn(batch));
    }
    next = last + 1;
    at += size;
  }
  return { values, next };
}

/** The type in the key of a marker's one record. */
function isAbort(batch: Uint8Array): boolean {
  return batch[61 + 8] === 0;
}
