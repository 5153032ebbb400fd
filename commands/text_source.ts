/** The text of a file or of stdin as it is read, piece by piece: a file may be larger than memory, and stdin may never end.
 *
 * Left out: what it says (measurement_csv.ts, like_lines.ts).
 * @module */
import { ByteReader } from "./byte_reader.ts";
import { CommandError } from "./run.ts";

/** How it is read. */
export interface TextSourceOptions {
  /** What is wanted, for messages, such as `a CSV file`. */
  readonly wanted: string;
  /** Ends the text for the reader. */
  readonly signal: AbortSignal;
}

/** Finds something in each piece of a text; `isEnd` comes with the last one, which is empty. */
export type PieceReader<T> = (piece: string, isEnd?: boolean) => T[];

/** An open file. */
export class TextSource implements AsyncDisposable {
  readonly #name: string;
  readonly #wanted: string;
  readonly #reader: ByteReader;

  private constructor(name: string, wanted: string, reader: ByteReader) {
    this.#name = name;
    this.#wanted = wanted;
    this.#reader = reader;
  }

  /** Opens a file; `-` is stdin.
   * @throws {CommandError} */
  static async open(file: string, options: TextSourceOptions): Promise<TextSource> {
    const { wanted, signal } = options, name = nameOf(file);
    try {
      const stream = file === "-" ? Deno.stdin.readable : (await Deno.open(file)).readable;
      return new TextSource(name, wanted, new ByteReader(stream, signal));
    } catch (error) {
      throw unreadable(name, wanted, error);
    }
  }

  /** What `read` finds, as much as came at once.
   * @throws {CommandError} when the file cannot be read, and what `read` throws of that kind */
  async *each<T>(read: PieceReader<T>): AsyncGenerator<T[]> {
    // What is no UTF-8 becomes characters that no number and no time has.
    const decoder = new TextDecoder();
    try {
      for await (const bytes of this.#reader.rest()) yield read(decoder.decode(bytes, { stream: true }));
    } catch (error) {
      throw error instanceof CommandError ? error : unreadable(this.#name, this.#wanted, error);
    }
    yield read(decoder.decode(), true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]();
  }
}

/** A file as messages name it. */
export function nameOf(file: string): string {
  return file === "-" ? "stdin" : file;
}

function unreadable(name: string, wanted: string, error: unknown): CommandError {
  const found = error instanceof Deno.errors.NotFound
    ? "no such file"
    : error instanceof Error
    ? error.message
    : String(error);
  return new CommandError(`Cannot read ${name}: found ${found}, wanted ${wanted}`);
}
