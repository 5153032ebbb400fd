/** The running histograms as the rest of the program sees them: counted in a thread of their own, asked by messages.
 *
 * Left out: the thread (thread.ts), what is done there (histogram_service.ts).
 * @module */
import { StreamError } from "../../errors.ts";
import type { Histograms, RowQuery, SeriesQuery } from "./histogram_types.ts";
import { ProcessorThread, type SentOptions, type ThreadOptions } from "./thread.ts";

export type HistogramsOptions = SentOptions<"histograms"> & ThreadOptions;

/** Starts counting in a thread of its own, without waiting for anything; without measurements nothing is started. */
export function startHistograms({ kafka, log, logLevel, stopMs, ...options }: HistogramsOptions): Histograms {
  const thread = { kafka, log, logLevel, stopMs };
  return new HistogramThread(
    options.specs,
    options.specs.length > 0 ? new ProcessorThread("histograms", options, thread, unavailable) : null,
  );
}

class HistogramThread implements Histograms {
  readonly specs: Histograms["specs"];
  readonly #thread: ProcessorThread<"histograms"> | null;

  constructor(specs: Histograms["specs"], thread: ProcessorThread<"histograms"> | null) {
    this.specs = specs;
    this.#thread = thread;
  }

  async now(name: string) {
    return await this.#asked().ask("now", name);
  }

  async rows(name: string, query: RowQuery) {
    return await this.#asked().ask("rows", name, query);
  }

  async series(name: string, query: SeriesQuery) {
    return await this.#asked().ask("series", name, query);
  }

  async checkWritable(): Promise<void> {
    await this.#thread?.ask("checkWritable");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread?.[Symbol.asyncDispose]();
  }

  #asked(): ProcessorThread<"histograms"> {
    if (!this.#thread) throw unavailable("nothing is counted");
    return this.#thread;
  }
}

function unavailable(reason: string): StreamError {
  return new StreamError("measurements-unavailable", 503, `Cannot read the measurements as ${reason}`, {
    headers: { "retry-after": "1" },
  });
}
