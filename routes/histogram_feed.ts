/** What viewers see of a record of `hist_<measurement>`: the histogram of a moment, with its place in the log.
 *
 * Any program may write there, as numpy's users do: bins and edges make a histogram, whatever else is known of it is shown as far as it
 * is of the right kind, and other records are passed over. Left out: which measurements there are (histograms.ts).
 * @module */
import { z } from "zod";
import { defineFeed } from "../kafka/feed.ts";
import type { KafkaRecord } from "../kafka/fetch_response.ts";
import { histTopicOf } from "../kafka/measurements.ts";
import { readValue } from "./record_value.ts";

const Numbers = z.array(z.number());

/** What is left out when it is not there, or not of its kind. */
function maybe<T extends z.ZodType>(schema: T) {
  return schema.optional().catch(undefined);
}

/** The value of a record, as `HistogramSnapshot` has it where this program wrote it. */
export const HistogramValue = z.object({
  hist: Numbers.min(1),
  bin_edges: Numbers,
  underflow: maybe(z.number()),
  overflow: maybe(z.number()),
  count: maybe(z.number()),
  min: maybe(z.number().nullable()),
  max: maybe(z.number().nullable()),
  mean: maybe(z.number().nullable()),
  stddev: maybe(z.number().nullable()),
  late: maybe(z.number()),
  repeated: maybe(z.number()),
  wrong: maybe(z.record(z.string(), z.number())),
  missed: maybe(z.number()),
  last: maybe(z.object({ measurement: z.number(), measurement_time: z.string() }).nullable()),
}).refine(({ hist, bin_edges }) => bin_edges.length === hist.length + 1);
export type HistogramValue = z.infer<typeof HistogramValue>;

/** What a viewer gets of a histogram. */
export interface HistogramEvent extends HistogramValue {
  readonly measurement: string;
  /** `hist_<measurement>`. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** The record's time in ms since the epoch. */
  readonly timestamp: number;
}

/** Histograms with their place in the log. */
export const histogramFeed = defineFeed<HistogramEvent>("histogram", readHistogram);

/** Null for a record that holds none. */
function readHistogram(record: KafkaRecord, topic: string): HistogramEvent | null {
  const histogram = readValue(HistogramValue, record);
  if (histogram === null) return null;
  const { partition, offset, timestamp } = record;
  return {
    measurement: topic.slice(histTopicOf("").length),
    topic,
    partition,
    offset,
    timestamp,
    ...histogram,
  };
}
