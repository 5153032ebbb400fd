/** The parts of a `multipart/…` body while it comes in, as cameras send it without end.
 *
 * Lenient where senders differ: the boundary of the Content-Type may have the dashes in front that begin a delimiter, lines may end
 * with LF alone, behind a part with a Content-Length the line end may be missing, and so may the delimiter that closes all. A part
 * without a Content-Length is had when the next delimiter is. Left out: what is in a part, parts within parts, transfer encodings,
 * folded header lines.
 * @see {@link https://www.rfc-editor.org/rfc/rfc2046#section-5.1} for the form
 * @module */
import { Buffer } from "node:buffer";
import { GatheredBytes } from "../kafka/gathered_bytes.ts";
import { FrameTooLarge } from "../kafka/jpeg_stream.ts";

/** A part as it came. */
export interface Part {
  /** By name in lower case; of a name that repeats, the last. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** A body that is no multipart; nothing after it can be read. */
export class BadMultipart extends Error {
  override readonly name = "BadMultipart";
}

/** Bounds of a parser, in bytes. */
export interface MultipartOptions {
  /** The longest body of a part. */
  readonly maxPartBytes: number;
  /** The longest header of a part, and the most that may be before the first one. */
  readonly maxHeaderBytes?: number;
}

/** A delimiter with its line: `end` is where the part begins that it opens. */
interface Delimiter {
  readonly at: number;
  readonly end: number;
  readonly isLast: boolean;
}

const lineFeed = 0x0a, carriageReturn = 0x0d, space = 0x20, tab = 0x09, dash = 0x2d;
/** Blanks that may be behind a delimiter in its line. */
const maxDelimiterTail = 256;
/** Twice what RFC 2046 allows. */
const maxBoundaryLength = 140;

/** The boundary that a Content-Type names, quoted or not; null when it is no multipart.
 * @throws {BadMultipart} for a multipart that names none */
export function boundaryOf(contentType: string): string | null {
  if (!/^\s*multipart\//i.test(contentType)) return null;
  const found = contentType.match(/;\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/i);
  const boundary = found?.[1]?.replace(/\\(.)/g, "$1") ?? found?.[2] ?? "";
  if (boundary.length > 0 && boundary.length <= maxBoundaryLength) return boundary;
  throw new BadMultipart(
    `Cannot read a body of type ${JSON.stringify(contentType.slice(0, 200))}: ` +
      `a boundary of 1 to ${maxBoundaryLength} characters is wanted`,
  );
}

/** Reads one body. */
export class MultipartParser {
  readonly #maxPartBytes: number;
  readonly #maxHeaderBytes: number;
  readonly #held = new GatheredBytes();
  /** With their dashes; the first one that comes tells which it is. */
  #delimiters: readonly Buffer[];
  /** What of `held` need not be searched again. */
  #searched = 0;
  #place: "preamble" | "delimiter" | "header" | "body" | "epilogue" = "preamble";
  #headers = new Map<string, string>();
  #headerBytes = 0;
  /** Of the body, when its header tells. */
  #length: number | undefined;

  /** @param boundary as the Content-Type has it */
  constructor(boundary: string, { maxPartBytes, maxHeaderBytes = 8 * 1024 }: MultipartOptions) {
    this.#maxPartBytes = maxPartBytes;
    this.#maxHeaderBytes = maxHeaderBytes;
    const names = boundary.startsWith("--") ? [boundary, `--${boundary}`] : [`--${boundary}`];
    this.#delimiters = names.map((name) => Buffer.from(name, "latin1"));
  }

  /** Yields the parts that end with this piece of the body. To be gone through to its end, so that the parts before what is wrong
   * are had.
   * @throws {BadMultipart}
   * @throws {FrameTooLarge} as soon as it shows that a part will be longer than it may be */
  *push(piece: Uint8Array): Generator<Part, void> {
    if (this.#place === "epilogue") return;
    this.#held.add(piece);
    while (true) {
      const step = this.#step();
      if (step === "later") return;
      if (step !== "on") yield step;
    }
  }

  /** Says that the body has ended. Yields what has neither a length nor a delimiter behind it: it is as long as it is.
   * @throws {BadMultipart} when something else is missing */
  *end(): Generator<Part, void> {
    const { length } = this.#held, begun = this.#headers.size > 0;
    const isOver = this.#place === "epilogue" || this.#place === "delimiter" && length <= maxDelimiterTail ||
      this.#place === "header" && !begun && length <= 2 || this.#place === "preamble" && length === 0;
    if (isOver) return;
    if (this.#place === "body" && this.#length === undefined) {
      yield { headers: this.#headers, body: this.#held.take(length) };
    } else throw new BadMultipart(`Cannot read a multipart body that breaks off in its ${this.#place}`);
  }

  #step(): Part | "on" | "later" {
    if (this.#place === "preamble") return this.#preamble();
    if (this.#place === "delimiter") return this.#delimiter();
    if (this.#place === "header") return this.#headerLine();
    if (this.#place === "body") {
      return this.#length === undefined ? this.#openBody() : this.#body(this.#length);
    }
    this.#held.drop(this.#held.length);
    return "later";
  }

  #preamble(): "on" | "later" {
    const found = this.#find();
    if (found) return this.#begin(found);
    if (this.#held.length <= this.#maxHeaderBytes) return "later";
    throw this.#missing(`in the first ${this.#held.length} bytes`);
  }

  /** Behind a part whose length was told. */
  #delimiter(): "on" | "later" {
    const lineEnds = this.#held.bytes.findIndex((byte) => byte !== carriageReturn && byte !== lineFeed);
    this.#held.drop(lineEnds < 0 ? this.#held.length : lineEnds);
    const found = this.#lineAt(this.#held.bytes, 0, this.#delimiters[0]!);
    if (found === "later") return "later";
    if (found) return this.#begin(found);
    throw this.#missing(`behind a part of ${this.#length} bytes`);
  }

  #begin({ end, isLast }: Delimiter): "on" {
    this.#held.drop(end);
    this.#searched = 0;
    this.#headers = new Map();
    this.#headerBytes = 0;
    this.#place = isLast ? "epilogue" : "header";
    return "on";
  }

  #headerLine(): "on" | "later" {
    const { bytes } = this.#held, end = bytes.indexOf(lineFeed, this.#searched);
    const length = end < 0 ? bytes.length : end + 1;
    if (this.#headerBytes + length > this.#maxHeaderBytes) {
      throw new BadMultipart(`Cannot read a part's header of more than ${this.#maxHeaderBytes} bytes`);
    }
    this.#searched = end < 0 ? length : 0;
    if (end < 0) return "later";
    this.#headerBytes += length;
    const line = Buffer.from(this.#held.take(length).buffer).toString("latin1").trim();
    if (line === "") {
      this.#length = this.#announced();
      this.#place = "body";
    }
    const colon = line.indexOf(":");
    if (colon > 0) this.#headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
    return "on";
  }

  #announced(): number | undefined {
    const text = this.#headers.get("content-length");
    if (text === undefined) return undefined;
    if (!/^\d{1,15}$/.test(text)) {
      throw new BadMultipart(`Cannot read a part of Content-Length ${JSON.stringify(text.slice(0, 80))}`);
    }
    if (Number(text) > this.#maxPartBytes) throw new FrameTooLarge(Number(text), this.#maxPartBytes);
    return Number(text);
  }

  #body(length: number): Part | "later" {
    if (this.#held.length < length) return "later";
    this.#place = "delimiter";
    return { headers: this.#headers, body: this.#held.take(length) };
  }

  #openBody(): Part | "later" {
    const found = this.#find(), { bytes } = this.#held;
    const length = found ? found.at - lineEndBefore(bytes, found.at) : bytes.length;
    const mayBeDelimiter = found ? 0 : this.#delimiters[0]!.length + maxDelimiterTail;
    if (length > this.#maxPartBytes + mayBeDelimiter) throw new FrameTooLarge(length, this.#maxPartBytes);
    if (!found) return "later";
    const part = { headers: this.#headers, body: bytes.slice(0, length) };
    this.#begin(found);
    return part;
  }

  /** The first delimiter at the beginning of a line. */
  #find(): Delimiter | undefined {
    const { bytes } = this.#held, haystack = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    let searched = bytes.length;
    for (const delimiter of this.#delimiters) {
      let from = this.#searched, found: Delimiter | "later" | undefined;
      while (found === undefined && (from = haystack.indexOf(delimiter, from)) >= 0) {
        if (from === 0 || bytes[from - 1] === lineFeed) found = this.#lineAt(bytes, from, delimiter);
        if (found === undefined) from++;
      }
      if (typeof found === "object") {
        this.#delimiters = [delimiter];
        return found;
      }
      searched = Math.min(searched, found === "later" ? from : Math.max(0, bytes.length - delimiter.length));
    }
    this.#searched = searched;
    return undefined;
  }

  /** The delimiter's line at `at`; undefined when something else is there. */
  #lineAt(bytes: Uint8Array, at: number, delimiter: Buffer): Delimiter | "later" | undefined {
    const isThere = bytes.subarray(at, at + delimiter.length).every((byte, i) => byte === delimiter[i]);
    if (!isThere) return undefined;
    const tail = at + delimiter.length;
    if (tail + 1 >= bytes.length && (bytes[tail] ?? dash) === dash) return "later";
    if (bytes[tail] === dash && bytes[tail + 1] === dash) return { at, end: tail + 2, isLast: true };
    let end = tail;
    while (end < bytes.length && end - tail < maxDelimiterTail && isBlank(bytes[end]!)) end++;
    if (bytes[end] === lineFeed) return { at, end: end + 1, isLast: false };
    return end === bytes.length ? "later" : undefined;
  }

  #missing(where: string): BadMultipart {
    const wanted = this.#delimiters.map((name) => JSON.stringify(name.toString("latin1"))).join(" or ");
    return new BadMultipart(`Cannot find the delimiter ${wanted} of the multipart body ${where}`);
  }
}

function isBlank(byte: number): boolean {
  return byte === space || byte === tab || byte === carriageReturn;
}

/** Bytes of the line end that belongs to a delimiter at `at`. */
function lineEndBefore(bytes: Uint8Array, at: number): number {
  if (at === 0) return 0;
  return bytes[at - 2] === carriageReturn ? 2 : 1;
}
