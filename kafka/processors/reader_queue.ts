/** What a reader has told and nobody has worked off yet, in order: at most one answer of each node waits here, as a reader is held up until
 * its answer is taken. A compressed batch may hold very many records, so an answer is taken in pieces.
 *
 * Left out: what becomes of it (histogram_processor.ts).
 * @module */
import type { FetchedPartition } from "../fetch_response.ts";
import type { ReaderEvents } from "../reader_events.ts";

/** What came: records of a partition; offsets that were passed over; the log is another one now, or perhaps is; somebody wants to begin
 * again. */
export type Read =
  | { readonly kind: "records"; readonly fetched: FetchedPartition }
  | {
    readonly kind: "skipped";
    readonly partition: number;
    readonly from: number;
    readonly to: number;
    readonly isRetention: boolean;
  }
  | { readonly kind: "restarted" | "again" }
  | { readonly kind: "doubted" };

interface Waiting {
  readonly read: Read;
  readonly taken: () => void;
}

/** Most records of one piece. */
const maxPiece = 4_000;

/** Between a reader, which pushes, and one that takes. */
export class ReaderQueue implements Disposable {
  readonly #waiting: Waiting[] = [];
  /** Ends the wait of whoever takes. */
  #wake: () => void = () => {};
  #isClosed = false;

  /** What is given to the reader.
   * @param status told as the reader tells it, past the queue */
  events(status: (up: boolean) => void): ReaderEvents {
    return {
      started() {},
      records: (fetched) => this.#pushRecords(fetched),
      skipped: (partition, from, to, reason) =>
        this.#push({ kind: "skipped", partition, from, to, isRetention: reason === "retention" }),
      restarted: () => void this.#push({ kind: "restarted" }),
      doubted: () => this.#push({ kind: "doubted" }),
      status,
    };
  }

  /** Waits until there is something. One at a time.
   * @param maxRecords when so many are taken, the rest stays for the next time
   * @param ms how long it is waited; default: for ever
   * @returns all that has come, null when it was closed */
  async take(maxRecords: number, ms?: number): Promise<Read[] | null> {
    if (!this.#isClosed && this.#waiting.length === 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
      this.#wake = resolve;
      await promise;
      clearTimeout(timer);
    }
    if (this.#isClosed) return null;
    const reads: Read[] = [];
    for (let records = 0; records < maxRecords && this.#waiting.length > 0;) {
      const { read, taken } = this.#waiting.shift()!;
      taken();
      reads.push(read);
      if (read.kind === "records") records += read.fetched.records.length;
    }
    return reads;
  }

  /** Puts in a wish to begin again. */
  again(): void {
    void this.#push({ kind: "again" });
  }

  /** Ends every wait, the reader's too; what has not been taken is forgotten. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const { taken } of this.#waiting.splice(0)) taken();
    this.#wake();
  }

  /** @returns what resolves when all of it was taken */
  #pushRecords(fetched: FetchedPartition): Promise<void> | undefined {
    const { records } = fetched;
    let begin = 0;
    for (; records.length - begin > maxPiece; begin += maxPiece) {
      const next = records[begin + maxPiece]!.offset;
      const piece = { ...fetched, records: records.slice(begin, begin + maxPiece), next };
      void this.#push({ kind: "records", fetched: piece });
    }
    const rest = begin === 0 ? fetched : { ...fetched, records: records.slice(begin) };
    return this.#push({ kind: "records", fetched: rest });
  }

  #push(read: Read): Promise<void> | undefined {
    if (this.#isClosed) return undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ read, taken: resolve });
    this.#wake();
    return promise;
  }
}
