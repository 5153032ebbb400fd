/** What counting measurements comes to, in Prometheus form: read at each scrape.
 *
 * Totals are those of the books, which outlive the process. Left out: the histograms themselves, which have routes of their own.
 * @module */
import type { HistogramNow } from "./kafka/processors/histogram_types.ts";
import { Counter, Gauge, type Registry } from "./prometheus.ts";

/** Adds the metrics of measurements; the returned function shows those of now. */
export function addMeasurementMetrics(registry: Registry): (all: readonly HistogramNow[]) => void {
  const gauge = (name: string, help: string) =>
    registry.add(new Gauge<"measurement">(`tailrace_measurements_${name}`, help, ["measurement"]));
  const total = registry.add(
    new Counter<"measurement" | "outcome">(
      "tailrace_measurements_total",
      "Records of measurements, by what they were counted as; late and repeated ones are among those counted",
      ["measurement", "outcome"],
    ),
  );
  const behind = gauge("behind", "Records that are there and not counted yet");
  const owner = gauge("owner", "1 where this instance publishes the histogram");
  const rows = gauge("rows", "Measurements in the file");
  return (all) => {
    for (const { spec: { name: measurement }, snapshot, status, rows: stored } of all) {
      const { count: counted, underflow, overflow, late, repeated, missed, wrong } = snapshot;
      const outcomes = { counted, underflow, overflow, late, repeated, missed, ...wrong };
      for (const [outcome, records] of Object.entries(outcomes)) total.set({ measurement, outcome }, records);
      behind.set({ measurement }, status.behind);
      owner.set({ measurement }, status.owner ? 1 : 0);
      rows.set({ measurement }, stored);
    }
  };
}
