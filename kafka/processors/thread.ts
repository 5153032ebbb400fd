/** A processor as the main thread has it: run in a worker, asked by messages.
 *
 * A worker that dies is started anew: what it had not written down is read again from Kafka. Left out: what is done there (worker.ts, and
 * the entry of the list in mod.ts).
 * @module */
import { StreamError } from "../../errors.ts";
import type { LogFields, Logger, LogLevel } from "../../logger.ts";
import type { KafkaOptions } from "../client.ts";
import { pause } from "../pause.ts";
import type { ProcessorName, processors } from "./mod.ts";
import type { FromWorker, Refusal, ToWorker, WorkerStart } from "./worker.ts";

type Open<N extends ProcessorName> = (typeof processors)[N]["open"];
type Asks<N extends ProcessorName> = (typeof processors)[N]["asks"][number];
/** What may be asked of a processor: the methods that its entry lists. */
type Question<N extends ProcessorName, A extends Asks<N>> = ReturnType<Open<N>> extends
  Record<A, infer M extends (...args: never[]) => Promise<unknown>> ? M : never;

/** Settings of a processor that can be sent to a thread. */
export type SentOptions<N extends ProcessorName> = Omit<Parameters<Open<N>>[0], "kafka" | "log">;

/** How every processor is run. */
export interface ThreadOptions {
  /** The way to Kafka instead of a client. */
  readonly kafka: Omit<KafkaOptions, "log">;
  readonly log: Logger;
  readonly logLevel: LogLevel;
  /** How long a stop may take before the worker is ended as it is, ms. */
  readonly stopMs: number;
}

/** How long after its death a worker is started anew, ms. */
const restartMs = 1_000;

/** One worker after the other, from now on, and what is asked of it. */
export class ProcessorThread<N extends ProcessorName> implements AsyncDisposable {
  readonly #start: WorkerStart;
  readonly #log: Logger;
  readonly #stopMs: number;
  readonly #unavailable: (reason: string) => Error;
  readonly #asked = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #stop = new AbortController();
  #worker: Worker | null = null;
  #stopped = Promise.withResolvers<void>();
  #lastId = 0;
  #restarting: Promise<void> | undefined;
  #disposed: Promise<void> | undefined;

  /** Waits for nothing.
   * @param unavailable what a question is refused with while nobody is there who could answer; default: an Error */
  constructor(
    processor: N,
    options: SentOptions<N>,
    { kafka, log, logLevel, stopMs }: ThreadOptions,
    unavailable = (reason: string) => new Error(`Cannot ask ${processor} as ${reason}`),
  ) {
    this.#start = { processor, kafka, logLevel, options };
    this.#log = log;
    this.#stopMs = stopMs;
    this.#unavailable = unavailable;
    this.#open();
  }

  /** @throws what the processor refuses it with; what is no {@link StreamError} there arrives as an Error of the same message */
  async ask<A extends Asks<N>>(
    about: A,
    ...args: Parameters<Question<N, A>>
  ): Promise<Awaited<ReturnType<Question<N, A>>>> {
    if (!this.#worker) throw this.#unavailable("counting was stopped or begins anew");
    const id = ++this.#lastId, asked = Promise.withResolvers<unknown>();
    this.#asked.set(id, asked);
    this.#send({ type: "ask", id, about, args });
    return await asked.promise as Awaited<ReturnType<Question<N, A>>>;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposed ??= this.#dispose();
  }

  #open(): void {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), {
      type: "module",
      name: this.#start.processor,
    });
    this.#worker = worker;
    this.#stopped = Promise.withResolvers();
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#died(event.message);
    };
    worker.onmessageerror = () => this.#died("unreadable message");
    this.#send({ type: "start", start: this.#start });
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
    this.#log.error("counting failed, it begins anew", { processor: this.#start.processor, reason });
    this.#end();
    this.#stopped.resolve();
    if (this.#stop.signal.aborted) return;
    this.#restarting = pause(restartMs, this.#stop.signal).then(() => {
      if (!this.#stop.signal.aborted) this.#open();
    });
  }

  /** Ends the worker as it is, and what was asked of it. */
  #end(): void {
    this.#worker?.terminate();
    this.#worker = null;
    for (const asked of this.#asked.values()) asked.reject(this.#unavailable("counting has ended"));
    this.#asked.clear();
  }

  async #dispose(): Promise<void> {
    this.#stop.abort();
    await this.#restarting;
    if (!this.#worker) return;
    this.#send({ type: "stop" });
    const done = new AbortController();
    const late = pause(this.#stopMs, done.signal).then(() => {
      if (done.signal.aborted) return;
      this.#log.warn("counting did not stop in time", { processor: this.#start.processor });
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
