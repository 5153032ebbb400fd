/** Hosts the processors in a thread of their own: counting and SQLite never hold up HTTP or streams. Told what to do by histograms.ts, which
 * is the other end of {@link ToWorker} and {@link FromWorker}. @module */

/// <reference lib="deno.worker" />

import { StreamError } from "../../errors.ts";
import { createLogger, type LogLevel, logLevels } from "../../logger.ts";
import { Kafka, type KafkaOptions } from "../client.ts";
import type { HistogramServiceOptions } from "./histogram_service.ts";
import type { HistogramNow, Histograms, RowPage, Series } from "./histogram_types.ts";
import { processors } from "./mod.ts";

/** Settings that can be sent to a thread. */
export interface WorkerOptions extends Omit<HistogramServiceOptions, "kafka" | "log"> {
  readonly kafka: Omit<KafkaOptions, "log">;
  readonly logLevel: LogLevel;
}

/** What may be asked, and with what. */
export type Question =
  | { readonly about: "now"; readonly args: Parameters<Histograms["now"]> }
  | { readonly about: "rows"; readonly args: Parameters<Histograms["rows"]> }
  | { readonly about: "series"; readonly args: Parameters<Histograms["series"]> }
  | { readonly about: "checkWritable"; readonly args: readonly [] };
export type Answer = HistogramNow | RowPage | Series | void;

/** Messages to the thread. */
export type ToWorker =
  | { readonly type: "start"; readonly options: WorkerOptions }
  | { readonly type: "ask"; readonly id: number; readonly question: Question }
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
  | { readonly type: "answer"; readonly id: number; readonly answer: Answer }
  | { readonly type: "refused"; readonly id: number; readonly refusal: Refusal }
  | { readonly type: "stopped" };

const scope = self as unknown as DedicatedWorkerGlobalScope;
let kafka: Kafka | undefined;
let histograms: Histograms | undefined;

function send(message: FromWorker): void {
  scope.postMessage(message);
}

function start({ kafka: way, logLevel, ...options }: WorkerOptions): void {
  // Lines cross as text: any field can be written, and what is below the level stays here.
  const log = createLogger({
    level: logLevels.includes(logLevel) ? logLevel : "info",
    format: "json",
    write: (line) => send({ type: "log", line }),
  });
  kafka = new Kafka({ ...way, log });
  histograms = processors.histograms.open({ ...options, kafka, log });
}

function ask(question: Question): Promise<Answer> {
  if (!histograms) return Promise.reject(new Error("The processors are not started"));
  switch (question.about) {
    case "now":
      return histograms.now(...question.args);
    case "rows":
      return histograms.rows(...question.args);
    case "series":
      return histograms.series(...question.args);
    case "checkWritable":
      return histograms.checkWritable();
  }
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
    await histograms?.[Symbol.asyncDispose]();
    await kafka?.[Symbol.asyncDispose]();
  } finally {
    send({ type: "stopped" });
  }
}

scope.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  switch (data.type) {
    case "start":
      start(data.options);
      break;
    case "ask": {
      const { id, question } = data;
      ask(question).then(
        (answer) => send({ type: "answer", id, answer }),
        (error) => send({ type: "refused", id, refusal: refusalOf(error) }),
      );
      break;
    }
    case "stop":
      void stop();
  }
};
