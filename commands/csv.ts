/** CSV as programs write it: rows of a text that comes in pieces, whose cells may be quoted and then hold anything.
 *
 * What is broken costs its own line and no other: a quote that is never closed does not swallow the rest of the file. Left out: what
 * cells mean (measurement_csv.ts); line ends of a CR alone.
 * @see {@link https://www.rfc-editor.org/rfc/rfc4180}
 * @module */

/** A row; `line` is its first line in the file, from 1 on. */
export type CsvRow =
  | { readonly line: number; readonly cells: readonly string[] }
  /** `broken`: what is wrong with the line. */
  | { readonly line: number; readonly cells: null; readonly broken: string };

/** What may stand between cells. */
const csvDelimiters = [",", ";", "\t"] as const;
/** Longest row, in UTF-16 code units. */
export const maxRowLength = 256 * 1024;

/** Where a row with quotes ends and what it holds; `open` while its end is not there yet. */
type Quoted = { readonly cells: string[]; readonly next: number } | { readonly broken: string } | "open";

/** Reads rows. */
export class CsvParser {
  #delimiter: string | undefined;
  #text = "";
  #line = 1;
  /** In a line that is too long, up to its end. */
  #isSkipping = false;

  /** @param delimiter default: whichever of {@linkcode csvDelimiters} the first line has most of */
  constructor(delimiter?: string) {
    this.#delimiter = delimiter;
  }

  /** Between cells; known with the first row. */
  get delimiter(): string {
    return this.#delimiter ?? csvDelimiters[0];
  }

  /** The rows that are whole by now, without empty lines.
   * @param isEnd whether nothing comes any more */
  push(piece: string, isEnd = false): CsvRow[] {
    const text = this.#line === 1 ? (this.#text + piece).replace(/^\uFEFF/, "") : this.#text + piece;
    const rows: CsvRow[] = [];
    let at = 0;
    while (at < text.length) {
      const next = this.#row(text, at, isEnd, rows);
      if (next < 0) break;
      at = next;
    }
    this.#text = text.slice(at);
    return rows;
  }

  /** @returns where the next row begins, −1 while this one is not whole */
  #row(text: string, at: number, isEnd: boolean, rows: CsvRow[]): number {
    const found = text.indexOf("\n", at);
    const end = found < 0 ? text.length : found, next = found < 0 ? text.length : found + 1;
    const isTooLong = end - at > maxRowLength;
    if (this.#isSkipping || isTooLong) {
      if (!this.#isSkipping) rows.push(this.#broken(`more than ${maxRowLength} characters`));
      this.#isSkipping = found < 0;
      if (found >= 0) this.#line++;
      return next;
    }
    if (found < 0 && !isEnd) return -1;
    const line = text.slice(at, text[end - 1] === "\r" && end > at ? end - 1 : end);
    this.#delimiter ??= delimiterOf(line);
    if (!line.includes('"')) {
      if (line !== "") rows.push({ line: this.#line, cells: line.split(this.#delimiter) });
      this.#line++;
      return next;
    }
    const quoted = readQuoted(text, at, this.#delimiter, isEnd);
    if (quoted === "open" && !isEnd && text.length - at <= maxRowLength) return -1;
    if (quoted === "open" || "broken" in quoted) {
      rows.push(this.#broken(quoted === "open" ? "a quote that is not closed" : quoted.broken));
      this.#line++;
      return next;
    }
    rows.push({ line: this.#line, cells: quoted.cells });
    for (let i = at; (i = text.indexOf("\n", i) + 1) > 0 && i <= quoted.next;) this.#line++;
    return quoted.next;
  }

  #broken(broken: string): CsvRow {
    return { line: this.#line, cells: null, broken };
  }
}

/** Reads a row that holds quotes, over as many lines as they span. */
function readQuoted(text: string, start: number, delimiter: string, isEnd: boolean): Quoted {
  const cells: string[] = [];
  for (let at = start;;) {
    let cell = "";
    if (text[at] === '"') {
      for (let from = at + 1;;) {
        const quote = text.indexOf('"', from);
        // At the end of what is there, a second quote may follow.
        if (quote < 0 || quote + 1 === text.length && !isEnd) return "open";
        cell += text.slice(from, quote);
        from = at = quote + 1;
        if (text[from] !== '"') break;
        cell += '"';
        from++;
      }
      if (text.startsWith("\r\n", at)) at++;
      if (text[at] === "\r" && at + 1 === text.length) at++; // its line feed comes with the next piece, if at all
    } else {
      const from = at;
      while (at < text.length && text[at] !== delimiter && text[at] !== "\n") at++;
      cell = text.slice(from, at);
      if (text[at] !== delimiter) cell = cell.replace(/\r$/, "");
    }
    cells.push(cell);
    if (at >= text.length) return isEnd ? { cells, next: at } : "open";
    if (text[at] === "\n") return { cells, next: at + 1 };
    if (text[at] !== delimiter) return { broken: "text behind a closing quote" };
    at++;
  }
}

function delimiterOf(line: string): string {
  const bare = line.replaceAll(/"[^"]*"/g, "");
  const count = (delimiter: string) => bare.split(delimiter).length;
  return csvDelimiters.reduce((most, one) => count(one) > count(most) ? one : most);
}
