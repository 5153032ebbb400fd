/** The embedded broker as the rest of the program sees it: started in a worker, reached over TCP like any other
 * Kafka. Only its address, its counters and its end are known here, and how this process logs in where others have to.
 * @module */

import type { Config } from "../config.ts";
import type { Logger } from "../logger.ts";
import type { BrokerMetrics, BrokerOptions as AllOptions } from "./broker/mod.ts";
import type { FromWorker, LogMessage, ToWorker, WorkerOptions } from "./broker/worker.ts";

export type { BrokerMetrics } from "./broker/mod.ts";

/** Settings of the broker; sizes in bytes, times in milliseconds. */
export type BrokerOptions = Omit<AllOptions, "logger" | "now" | "ownLogin">;

/** How this process reaches its broker. */
export interface OwnAccess {
  /** `host:port`, in a list as the client takes it. */
  readonly brokers: readonly string[];
  readonly sasl: Config["kafkaSasl"];
}

/** A broker that runs in this process. Disposing of it answers what is in flight and closes its files. */
export interface EmbeddedBroker extends AsyncDisposable {
  /** What clients connect to. */
  readonly host: string;
  readonly port: number;
  readonly clusterId: string;
  readonly own: OwnAccess;
  /** Counters since the start and gauges of now.
   * @throws {Error} if the broker has ended */
  metrics(): Promise<BrokerMetrics>;
  /** Resolves if the disk takes what is produced.
   * @throws {Error} if it does not, or the broker has ended */
  checkWritable(): Promise<void>;
  /** Resolves, with the reason, if the worker dies; never when it was stopped. */
  readonly failed: Promise<Error>;
}

/** How long a stop may take before the worker is ended as it is, in milliseconds. */
const STOP_MS = 5_000;

/** Starts the broker in a worker.
 * @param options `ownDoor`: whether this process gets a way in of its own, with a password that only the two know,
 * since others have to log in, speak TLS, or are told another address
 * @throws {Error} one line: the port is taken, the data folder is in use, … */
export async function startEmbeddedBroker(
  options: BrokerOptions & { log: Logger; ownDoor?: boolean },
): Promise<EmbeddedBroker> {
  const { log, ownDoor = false, ...settings } = options;
  const thread = new BrokerThread(log);
  const ownLogin = ownDoor ? { username: "tailrace", password: randomPassword() } : undefined;
  const started = await thread.start({ ...settings, ...(ownLogin && { ownLogin }) });
  const { host, port, clusterId, ownPort } = started;
  return {
    host,
    port,
    clusterId,
    own: ownLogin === undefined || ownPort === undefined
      ? { brokers: [hostAndPort(host, port)], sasl: null }
      : { brokers: [hostAndPort("127.0.0.1", ownPort)], sasl: { mechanism: "scram-sha-256", ...ownLogin } },
    failed: thread.failed,
    metrics: () => thread.metrics(),
    checkWritable: () => thread.checkWritable(),
    [Symbol.asyncDispose]: () => thread.stop(),
  };
}

/** `host:port`, an IPv6 address in brackets. */
export function hostAndPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function randomPassword(): string {
  return crypto.getRandomValues(new Uint8Array(32)).toBase64({ alphabet: "base64url" });
}

type Started = Extract<FromWorker, { type: "started" }>;
type Answered = Extract<FromWorker, { type: "metrics" | "writable" }>;

/** The worker and what is asked of it. */
class BrokerThread {
  readonly #worker = new Worker(new URL("./broker/worker.ts", import.meta.url), {
    type: "module",
    name: "broker",
  });
  readonly #log: Logger;
  readonly #started = Promise.withResolvers<Started>();
  readonly #stopped = Promise.withResolvers<void>();
  readonly #failed = Promise.withResolvers<Error>();
  readonly #asked = new Map<number, PromiseWithResolvers<Answered>>();
  #lastId = 0;
  #ended: Error | undefined;
  #stopping: Promise<void> | undefined;

  constructor(log: Logger) {
    this.#log = log;
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#end(new Error(`Broker failed: ${event.message}`));
    };
    this.#worker.onmessageerror = () => this.#end(new Error("Broker failed: unreadable message"));
  }

  get failed(): Promise<Error> {
    return this.#failed.promise;
  }

  async start(options: WorkerOptions): Promise<Started> {
    this.#send({ type: "start", options });
    return await this.#started.promise;
  }

  async metrics(): Promise<BrokerMetrics> {
    const answer = await this.#ask("metrics");
    if (answer.type !== "metrics") throw new Error("Broker failed: it answered something else");
    return answer.metrics;
  }

  async checkWritable(): Promise<void> {
    const answer = await this.#ask("checkWritable");
    if (answer.type === "writable" && answer.problem !== undefined) throw new Error(answer.problem);
  }

  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  #ask(type: "metrics" | "checkWritable"): Promise<Answered> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const id = ++this.#lastId;
    const asked = Promise.withResolvers<Answered>();
    this.#asked.set(id, asked);
    this.#send({ type, id });
    return asked.promise;
  }

  async #stop(): Promise<void> {
    if (this.#ended !== undefined) return;
    this.#send({ type: "stop" });
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) =>
      timer = setTimeout(() => {
        this.#log.warn("the embedded broker did not stop in time");
        resolve();
      }, STOP_MS)
    );
    await Promise.race([this.#stopped.promise, late, this.#failed.promise]);
    clearTimeout(timer);
    this.#ended ??= new Error("The broker was stopped");
    this.#rejectAsked(this.#ended);
    this.#worker.terminate();
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "log":
        this.#write(message);
        break;
      case "started":
        this.#started.resolve(message);
        break;
      case "failed":
        this.#ended = new Error(message.message);
        this.#started.reject(this.#ended);
        this.#worker.terminate();
        break;
      case "metrics":
      case "writable":
        this.#asked.get(message.id)?.resolve(message);
        this.#asked.delete(message.id);
        break;
      case "stopped":
        this.#stopped.resolve();
    }
  }

  /** The worker died by itself. */
  #end(error: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#log.error("the embedded broker died", { error });
    this.#worker.terminate();
    this.#started.reject(error);
    this.#rejectAsked(error);
    this.#failed.resolve(error);
  }

  #rejectAsked(error: Error): void {
    for (const asked of this.#asked.values()) asked.reject(error);
    this.#asked.clear();
  }

  #write({ level, message, fields }: LogMessage): void {
    this.#log[level](message, fields);
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }
}
