/** The counts of a histogram as the text that a row keeps of them, made again only where they changed.
 *
 * Every row holds the counts after it, and one measurement changes one of them: the text is put together from pieces of which most
 * are still right. Left out: counting (histogram.ts).
 * @module */

const binsInPiece = 32;

/** Counts with commas between them. */
export class CountsText {
  readonly #counts: ArrayLike<number>;
  readonly #texts: string[];
  readonly #pieces: string[];
  readonly #isChanged: Uint8Array;
  /** Bins whose texts are not those of their counts, each once. */
  readonly #changed: number[] = [];
  #whole: string;

  /** @param counts shape [bins]; looked at again where `changed` says so */
  constructor(counts: ArrayLike<number>) {
    this.#counts = counts;
    this.#texts = Array.from(counts, String);
    this.#isChanged = new Uint8Array(counts.length);
    this.#pieces = Array.from(
      { length: Math.ceil(counts.length / binsInPiece) },
      (_, piece) => this.#joined(piece),
    );
    this.#whole = this.#pieces.join();
  }

  /** Tells that the count of a bin is another one. */
  changed(bin: number): void {
    if (this.#isChanged[bin] === 1) return;
    this.#isChanged[bin] = 1;
    this.#changed.push(bin);
  }

  toString(): string {
    if (this.#changed.length === 0) return this.#whole;
    const pieces = new Set<number>();
    for (const bin of this.#changed) {
      this.#isChanged[bin] = 0;
      this.#texts[bin] = String(this.#counts[bin]);
      pieces.add(Math.floor(bin / binsInPiece));
    }
    this.#changed.length = 0;
    for (const piece of pieces) this.#pieces[piece] = this.#joined(piece);
    return this.#whole = this.#pieces.join();
  }

  #joined(piece: number): string {
    return this.#texts.slice(piece * binsInPiece, (piece + 1) * binsInPiece).join();
  }
}
