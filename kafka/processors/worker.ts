/** Hosts one processor of the list (mod.ts) in a thread of its own: its work never holds up HTTP or streams. Told what to do by thread.ts,
 * which is the other end of {@link ToWorker} and {@link FromWorker}. @module */

/// <reference lib="deno.worker" />

import { StreamError } from "../../errors.ts";
import { createLogger, type LogLevel, logLevels } from "../../logger.ts";
import { Kafka, type KafkaOptions } from "../client.ts";
import { type Processor, type ProcessorName, processors } from "./mod.ts";

/** What a thread begins with; all of it can be sent there. */
export interface WorkerStart {
  readonly processor: ProcessorName;
  readonly kafka: Omit<KafkaOptions, "log">;
  readonly logLevel: LogLevel;
  /** Of the processor's `open`, without the client and the log. */
  readonly options: object;
}

/** Messages to the thread. What may be asked, and with what, is in the list. */
export type ToWorker =
  | { readonly type: "start"; readonly start: WorkerStart }
  | { readonly type: "ask"; readonly id: number; readonly about: string; readonly args: readonly unknown[] }
  | { readonly type: "stop" };

/** A refusal on its way: with `code` it is a {@link StreamError}. */
export interface Refusal {
  readonly message: string;
  readonly code?: string;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Messages from the thread. Log lines are JSON as the log writes them. */
export type FromWorker =
  | { readonly type: "log"; readonly line: string }
  | { readonly type: "answer"; readonly id: number; readonly answer: unknown }
  | { readonly type: "refused"; readonly id: number; readonly refusal: Refusal }
  | { readonly type: "stopped" };

/** A processor whose kind is known to thread.ts only, which has its questions checked. */
type Running = AsyncDisposable & Record<string, (...args: readonly unknown[]) => Promise<unknown>>;

const scope = self as unknown as DedicatedWorkerGlobalScope;
let kafka: Kafka | undefined;
let running: Running | undefined;
let asks: readonly string[] = [];

function send(message: FromWorker): void {
  scope.postMessage(message);
}

function start({ processor, kafka: way, logLevel, options }: WorkerStart): void {
  // Lines cross as text: any field can be written, and what is below the level stays here.
  const log = createLogger({
    level: logLevels.includes(logLevel) ? logLevel : "info",
    format: "json",
    write: (line) => send({ type: "log", line }),
  });
  kafka = new Kafka({ ...way, log });
  const entry = processors[processor] as unknown as Processor<never, object, Running>;
  asks = entry.asks;
  running = entry.open({ ...options, kafka, log });
}

async function ask(about: string, args: readonly unknown[]): Promise<unknown> {
  if (!running) throw new Error("Cannot ask the processor as it is not started");
  if (!asks.includes(about)) throw new Error(`Cannot ask the processor for ${about} as it is not listed`);
  return await running[about]!(...args);
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof StreamError) {
    const { message, code, status, headers } = error;
    return { message, code, status, headers };
  }
  return { message: error instanceof Error ? error.message : String(error) };
}

async function stop(): Promise<void> {
  try {
    await running?.[Symbol.asyncDispose]();
    await kafka?.[Symbol.asyncDispose]();
  } finally {
    send({ type: "stopped" });
  }
}

scope.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  switch (data.type) {
    case "start":
      start(data.start);
      break;
    case "ask": {
      const { id, about, args } = data;
      ask(about, args).then(
        (answer) => send({ type: "answer", id, answer }),
        (error) => send({ type: "refused", id, refusal: refusalOf(error) }),
      );
      break;
    }
    case "stop":
      void stop();
  }
};
