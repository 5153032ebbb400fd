/** The running histograms as the rest of the program sees them: counted in a worker, asked by messages.
 *
 * A worker that dies is started anew: what it had not written down is read again from Kafka. Left out: what is done there
 * (histogram_service.ts).
 * @module */
import { StreamError } from "../../errors.ts";
import type { LogFields, Logger, LogLevel } from "../../logger.ts";
import { pause } from "../pause.ts";
import type { Histograms, RowQuery, SeriesQuery } from "./histogram_types.ts";
import type { Answer, FromWorker, Question, Refusal, ToWorker, WorkerOptions } from "./worker.ts";

/** Settings: those of {@link HistogramServiceOptions}, with the way to Kafka instead of a client. */
export interface HistogramsOptions extends WorkerOptions {
  readonly log: Logger;
  /** How long a stop may take before the worker is ended as it is, ms. */
  readonly stopMs: number;
}

/** How long after its death a worker is started anew, ms. */
const restartMs = 1_000;

/** Starts counting in a thread of its own, without waiting for anything; without measurements nothing is started. */
export function startHistograms(options: HistogramsOptions): Histograms {
  return new HistogramThread(options);
}

/** One worker after the other, and what is asked of it. */
class HistogramThread implements Histograms {
  readonly #options: WorkerOptions;
  readonly #log: Logger;
  readonly #stopMs: number;
  readonly #asked = new Map<number, PromiseWithResolvers<Answer>>();
  readonly #stop = new AbortController();
  #worker: Worker | null = null;
  #stopped = Promise.withResolvers<void>();
  #lastId = 0;
  #restarting: Promise<void> | undefined;
  #disposed: Promise<void> | undefined;

  constructor({ log, stopMs, ...options }: HistogramsOptions) {
    this.#options = options;
    this.#log = log;
    this.#stopMs = stopMs;
    if (this.specs.length > 0) this.#start();
  }

  get specs() {
    return this.#options.specs;
  }

  async now(name: string) {
    return await this.#ask({ about: "now", args: [name] }) as Awaited<ReturnType<Histograms["now"]>>;
  }

  async rows(name: string, query: RowQuery) {
    return await this.#ask({ about: "rows", args: [name, query] }) as Awaited<ReturnType<Histograms["rows"]>>;
  }

  async series(name: string, query: SeriesQuery) {
    return await this.#ask({ about: "series", args: [name, query] }) as Awaited<
      ReturnType<Histograms["series"]>
    >;
  }

  async checkWritable(): Promise<void> {
    if (this.specs.length > 0) await this.#ask({ about: "checkWritable", args: [] });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposed ??= this.#dispose();
  }

  #start(): void {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), {
      type: "module",
      name: "histograms",
    });
    this.#worker = worker;
    this.#stopped = Promise.withResolvers();
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#died(event.message);
    };
    worker.onmessageerror = () => this.#died("unreadable message");
    this.#send({ type: "start", options: this.#options });
  }

  #ask(question: Question): Promise<Answer> {
    if (!this.#worker) return Promise.reject(unavailable("counting was stopped or begins anew"));
    const id = ++this.#lastId, asked = Promise.withResolvers<Answer>();
    this.#asked.set(id, asked);
    this.#send({ type: "ask", id, question });
    return asked.promise;
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "log":
        return writeLine(this.#log, message.line);
      case "answer":
        this.#asked.get(message.id)?.resolve(message.answer);
        this.#asked.delete(message.id);
        break;
      case "refused":
        this.#asked.get(message.id)?.reject(errorOf(message.refusal));
        this.#asked.delete(message.id);
        break;
      case "stopped":
        this.#stopped.resolve();
    }
  }

  #died(reason: string): void {
    this.#log.error("counting failed, it begins anew", { reason });
    this.#end();
    this.#stopped.resolve();
    if (this.#stop.signal.aborted) return;
    this.#restarting = pause(restartMs, this.#stop.signal).then(() => {
      if (!this.#stop.signal.aborted) this.#start();
    });
  }

  /** Ends the worker as it is, and what was asked of it. */
  #end(): void {
    this.#worker?.terminate();
    this.#worker = null;
    for (const asked of this.#asked.values()) asked.reject(unavailable("counting has ended"));
    this.#asked.clear();
  }

  async #dispose(): Promise<void> {
    this.#stop.abort();
    await this.#restarting;
    if (!this.#worker) return;
    this.#send({ type: "stop" });
    const done = new AbortController();
    const late = pause(this.#stopMs, done.signal).then(() => {
      if (!done.signal.aborted) this.#log.warn("counting did not stop in time");
    });
    await Promise.race([this.#stopped.promise, late]);
    done.abort();
    this.#end();
  }

  #send(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }
}

/** A line of the worker's log, as one of the program's. */
function writeLine(log: Logger, line: string): void {
  const { level, message, time: _, ...fields } = JSON.parse(line) as LogFields & {
    level: LogLevel;
    message: string;
  };
  log[level](message, fields);
}

function errorOf({ message, code, status, headers }: Refusal): Error {
  if (code === undefined || status === undefined) return new Error(message);
  return new StreamError(code, status, message, headers ? { headers } : {});
}

function unavailable(reason: string): StreamError {
  return new StreamError("measurements-unavailable", 503, `Cannot read the measurements as ${reason}`, {
    headers: { "retry-after": "1" },
  });
}
