/** Where a measurement goes in, and where it and its histogram come out.
 *
 * Left out: the links of other features (pages.ts).
 * @module */
import { histTopicOf } from "../kafka/measurements.ts";

/** The ways of a measurement; paths are relative to the service's address. */
export interface HistogramLinks {
  /** Of the measurement, and its name. */
  readonly topic: string;
  readonly feature: "histograms";
  readonly hist_topic: string;
  /** For browsers; for programs the histogram as it is now. */
  readonly page: string;
  readonly events: string;
  readonly socket: string;
  /** GET: what is kept; POST: more of them. */
  readonly measurements: string;
  readonly csv: string;
  readonly series: string;
}

/** The ways of the measurement of that name. */
export function histogramLinks(name: string): HistogramLinks {
  const base = `/histograms/${name}`;
  return {
    topic: name,
    feature: "histograms",
    hist_topic: histTopicOf(name),
    page: base,
    events: `${base}/events`,
    socket: `${base}/socket`,
    measurements: `${base}/measurements`,
    csv: `${base}/measurements?format=csv`,
    series: `${base}/series`,
  };
}
