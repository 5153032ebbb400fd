/** The measurements of a CSV file as they are read, piece by piece: a file may be larger than memory, and stdin may never end.
 *
 * Left out: lines and columns (measurement_csv.ts).
 * @module */
import { ByteReader } from "./byte_reader.ts";
import { type BadLine, type CsvColumns, type CsvMeasurement, MeasurementCsv } from "./measurement_csv.ts";
import { CommandError } from "./run.ts";

/** What is read, and how. */
export interface MeasurementSourceOptions {
  readonly columns: CsvColumns;
  /** Ends the file for the reader. */
  readonly signal: AbortSignal;
  /** Where `-` reads from; default stdin. */
  readonly stdin?: ReadableStream<Uint8Array>;
}

/** An open file. */
export class MeasurementSource implements AsyncDisposable {
  readonly #reader: ByteReader;
  readonly #csv: MeasurementCsv;
  readonly #name: string;

  private constructor(name: string, reader: ByteReader, columns: CsvColumns) {
    this.#name = name;
    this.#reader = reader;
    this.#csv = new MeasurementCsv(name, columns);
  }

  /** Opens a file; `-` is stdin.
   * @throws {CommandError} */
  static async open(file: string, options: MeasurementSourceOptions): Promise<MeasurementSource> {
    const { columns, signal, stdin = Deno.stdin.readable } = options;
    const name = file === "-" ? "stdin" : file;
    try {
      const stream = file === "-" ? stdin : (await Deno.open(file)).readable;
      return new MeasurementSource(name, new ByteReader(stream, signal), columns);
    } catch (error) {
      throw unreadable(name, error);
    }
  }

  /** What it holds, as many as came at once.
   * @throws {CommandError} when it cannot be read, or has not got the columns */
  async *measurements(): AsyncGenerator<(CsvMeasurement | BadLine)[]> {
    // What is no UTF-8 becomes characters that no number has.
    const decoder = new TextDecoder();
    try {
      for await (const bytes of this.#reader.rest()) {
        yield this.#csv.push(decoder.decode(bytes, { stream: true }));
      }
    } catch (error) {
      throw error instanceof CommandError ? error : unreadable(this.#name, error);
    }
    yield this.#csv.push(decoder.decode(), true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]();
  }
}

function unreadable(name: string, error: unknown): CommandError {
  const found = error instanceof Deno.errors.NotFound
    ? "no such file"
    : error instanceof Error
    ? error.message
    : String(error);
  return new CommandError(`Cannot read ${name}: found ${found}, wanted a CSV file`);
}
