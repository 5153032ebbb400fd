/** THE LIST of processors: topic in → function → topic out. An entry here is opened in a thread of its own (worker.ts).
 *
 * Left out: what the topics hold (../topics.ts, ../measurements.ts), when they are made (commands/topic_setup.ts).
 * @module */
import { histTopicOf, type MeasurementSpec } from "../measurements.ts";
import { HistogramService, type HistogramServiceOptions } from "./histogram_service.ts";
import type { Histograms } from "./histogram_types.ts";

/** A processor: what it reads, what it writes, how it is opened, and what it may be asked. */
export interface Processor<S, O, P extends AsyncDisposable, A extends keyof P & string = keyof P & string> {
  /** Names of topics, by the settings that name them. */
  readonly in: (settings: S) => readonly string[];
  readonly out: (settings: S) => readonly string[];
  /** Opens it; it waits for nothing, Kafka and its file included. */
  readonly open: (options: O) => P;
  /** Its methods that the main thread may call; what they take and resolve with can be sent between threads. */
  readonly asks: readonly A[];
}

const histograms: Processor<
  { readonly specs: readonly MeasurementSpec[] },
  HistogramServiceOptions,
  Histograms,
  "now" | "rows" | "series" | "checkWritable"
> = {
  in: ({ specs }) => specs.map(({ name }) => name),
  out: ({ specs }) => specs.map(({ name }) => histTopicOf(name)),
  open: (options) => new HistogramService(options),
  asks: ["now", "rows", "series", "checkWritable"],
};

export const processors = { histograms } as const;
export type ProcessorName = keyof typeof processors;
