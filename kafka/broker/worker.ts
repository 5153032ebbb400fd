/** Hosts the broker in a thread of its own, so that its fsyncs never hold up HTTP. Told what to do by
 * ../embedded.ts, which is the other end of {@link ToWorker} and {@link FromWorker}. @module */

/// <reference lib="deno.worker" />

import { type Broker, type BrokerMetrics, type BrokerOptions, startBroker } from "./mod.ts";
import type { BrokerLogger } from "./logger.ts";

/** Settings that can be sent to a thread: all but the functions. */
export type WorkerOptions = Omit<BrokerOptions, "logger" | "now">;

/** Messages to the thread. */
export type ToWorker =
  | { readonly type: "start"; readonly options: WorkerOptions }
  | { readonly type: "metrics"; readonly id: number }
  | { readonly type: "checkWritable"; readonly id: number }
  | { readonly type: "stop" };

/** A log line on its way to the program's log. */
export interface LogMessage {
  readonly type: "log";
  readonly level: keyof BrokerLogger;
  readonly message: string;
  readonly fields: Record<string, unknown> | undefined;
}

/** Messages from the thread. */
export type FromWorker =
  | LogMessage
  | ({ readonly type: "started" } & Pick<Broker, "host" | "port" | "clusterId" | "ownPort">)
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "metrics"; readonly id: number; readonly metrics: BrokerMetrics }
  | { readonly type: "writable"; readonly id: number; readonly problem: string | undefined }
  | { readonly type: "stopped" };

const scope = self as unknown as DedicatedWorkerGlobalScope;
let broker: Broker | undefined;

function send(message: FromWorker): void {
  scope.postMessage(message);
}

/** Fields that cannot be sent to another thread become text: a log line must not end the broker. */
function log(level: keyof BrokerLogger, message: string, fields?: Record<string, unknown>): void {
  try {
    send({ type: "log", level, message, fields });
  } catch {
    const texts = Object.entries(fields ?? {}).map(([name, value]) => [name, String(value)]);
    send({ type: "log", level, message, fields: Object.fromEntries(texts) });
  }
}

const levels = ["debug", "info", "warn", "error"] as const;
const logger = Object.fromEntries(
  levels.map((level) => [level, (...line: Parameters<BrokerLogger["info"]>) => log(level, ...line)]),
) as unknown as BrokerLogger;

async function start(options: WorkerOptions): Promise<void> {
  try {
    broker = await startBroker({ ...options, logger });
    const { host, port, clusterId, ownPort } = broker;
    send({ type: "started", host, port, clusterId, ownPort });
  } catch (error) {
    send({ type: "failed", message: error instanceof Error ? error.message : String(error) });
  }
}

async function checkWritable(id: number): Promise<void> {
  try {
    await broker?.state.store.checkWritable();
    send({ type: "writable", id, problem: undefined });
  } catch (error) {
    send({ type: "writable", id, problem: error instanceof Error ? error.message : String(error) });
  }
}

async function stop(): Promise<void> {
  try {
    await broker?.[Symbol.asyncDispose]();
  } finally {
    send({ type: "stopped" });
  }
}

scope.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  switch (data.type) {
    case "start":
      void start(data.options);
      break;
    case "metrics":
      if (broker !== undefined) send({ type: "metrics", id: data.id, metrics: broker.metrics() });
      break;
    case "checkWritable":
      void checkWritable(data.id);
      break;
    case "stop":
      void stop();
  }
};
