/** What counting likes in windows comes to, in Prometheus form: read at each scrape.
 *
 * Totals are those of the state topic: of all instances together, the same on each, and they outlive the process. What an instance does
 * itself says `partitions`. Left out: the counts of single videos, of which there may be very many.
 * @module */
import type { CountingStatus } from "./kafka/processors/windows/window_service.ts";
import type { Aggregations, WindowStatus } from "./kafka/processors/windows/types.ts";
import { Counter, Gauge, type Registry } from "./prometheus.ts";

/** All that is told: as the view has it, and what this instance does; null where that does not answer. */
export interface WindowsNow extends WindowStatus {
  readonly sizes: Aggregations["sizes"];
  readonly own: CountingStatus | null;
}

/** Adds the metrics of windows; the returned function shows those of now. */
export function addWindowMetrics(registry: Registry): (now: WindowsNow) => void {
  const total = registry.add(
    new Counter<"outcome">(
      "tailrace_clicks_total",
      "Records of clicks in all instances together, by what they were counted as; those ahead are among those counted",
      ["outcome"],
    ),
  );
  const late = registry.add(
    new Counter<"size">(
      "tailrace_clicks_late_total",
      "Clicks that came after the end of their window and its grace, by the window's length",
      ["size"],
    ),
  );
  const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    registry.add(new Gauge<L>(`tailrace_windows_${name}`, help, labelNames));
  const ready = gauge("ready", "1 while this instance knows all that was counted");
  const ids = gauge("ids", "Videos that are known");
  const watermark = gauge(
    "watermark_seconds",
    "Event time up to which all is counted but what comes late, since the epoch; 0 before the first click",
  );
  const partitions = gauge("partitions", "Partitions that this instance works on", "work");
  return ({ state, totals, sizes, own, ...now }) => {
    const outcomes = {
      counted: totals.counted,
      ahead: totals.ahead,
      missed: totals.missed,
      ...totals.wrong,
    };
    for (const [outcome, records] of Object.entries(outcomes)) total.set({ outcome }, records);
    for (const { name, ms } of sizes) late.set({ size: name }, totals.late[ms] ?? 0);
    ready.set({}, state === "ready" ? 1 : 0);
    ids.set({}, now.ids);
    if (now.watermark !== null) watermark.set({}, now.watermark / 1_000);
    partitions.set({ work: "fold" }, own?.folded.length ?? 0);
    partitions.set({ work: "count" }, own?.counted.length ?? 0);
  };
}
