/** THE LIST of processors: topic in → function → topic out. An entry here is opened in a thread of its own (worker.ts).
 *
 * Left out: what the topics hold (../topics.ts, ../measurements.ts), when they are made (commands/topic_setup.ts).
 * @module */
import { histTopicOf, type MeasurementSpec } from "../measurements.ts";
import { windowNames, type WindowSettings } from "../windows.ts";
import { HistogramService, type HistogramServiceOptions } from "./histogram_service.ts";
import type { Histograms } from "./histogram_types.ts";
import { type WindowCounting, WindowService, type WindowServiceOptions } from "./windows/window_service.ts";

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

const windows: Processor<
  { readonly settings: WindowSettings },
  WindowServiceOptions,
  WindowCounting,
  "status"
> = {
  in: ({ settings: { clicksTopic } }) => [clicksTopic, windowNames(clicksTopic).byIdTopic],
  out: ({ settings: { clicksTopic, sizes } }) => {
    const { byIdTopic, stateTopic } = windowNames(clicksTopic);
    return [byIdTopic, stateTopic, ...sizes.map(({ topic }) => topic)];
  },
  open: (options) => new WindowService(options),
  asks: ["status"],
};

export const processors = { histograms, windows } as const;
export type ProcessorName = keyof typeof processors;
