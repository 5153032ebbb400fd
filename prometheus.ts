/** Counters, gauges and histograms, and their text form for Prometheus.
 *
 * A registry is a value: importing this opens nothing and shares nothing. Labels are checked by the type, not at run time; a
 * series is kept for ever once it was touched (but for Gauge.replace), so whoever chooses label values bounds them. Written by us as `deno compile`
 * ends in a stack overflow on a data file that the usual library's dependencies bring. Left out: summaries, exemplars,
 * the OpenMetrics form, push.
 * @see {@link https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format}
 * @module */

/** Values by label name; numbers are written as they are. */
export type Labels<L extends string = string> = { readonly [name in L]: string | number };

/** One line of the exposition. */
export interface Series {
  /** What follows the metric's name: empty, `_bucket`, `_sum` or `_count`. */
  readonly suffix: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** What a registry asks of a metric. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** The values of now. */
  series(): Iterable<Series>;
}

/** Metrics that are scraped together. */
export class Registry {
  readonly #metrics: Metric[] = [];

  /** Adds a metric and returns it. */
  add<M extends Metric>(metric: M): M {
    this.#metrics.push(metric);
    return metric;
  }

  /** The exposition of now, a line end after each line. */
  text(): string {
    let text = "";
    for (const metric of this.#metrics) {
      const { name, help, type } = metric;
      text += `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
      for (const { suffix, labels, value } of metric.series()) {
        text += `${name}${suffix}${labelText(labels)} ${numberText(value)}\n`;
      }
    }
    return text;
  }
}

/** One value per combination of label values; what counters and gauges have in common. */
class Values<L extends string> {
  readonly #labelNames: readonly L[];
  readonly #values = new Map<string, { readonly labels: Labels<L>; value: number }>();

  constructor(readonly name: string, readonly help: string, labelNames: readonly L[]) {
    this.#labelNames = labelNames;
    if (labelNames.length === 0) this.at({} as Labels<L>);
  }

  /** The sum of all values whose labels have those of `wanted`. */
  sum(wanted: Partial<Labels<L>> = {}): number {
    const names = Object.keys(wanted) as L[];
    let total = 0;
    for (const { labels, value } of this.#values.values()) {
      if (names.every((name) => labels[name] === wanted[name])) total += value;
    }
    return total;
  }

  *series(): Iterable<Series> {
    for (const { labels, value } of this.#values.values()) yield { suffix: "", labels, value };
  }

  protected clear(): void {
    this.#values.clear();
  }

  protected at(labels: Labels<L>): { value: number } {
    const key = seriesKey(this.#labelNames, labels);
    let found = this.#values.get(key);
    if (!found) this.#values.set(key, found = { labels, value: 0 });
    return found;
  }
}

/** A count that only grows, or starts anew. */
export class Counter<L extends string = never> extends Values<L> implements Metric {
  readonly type = "counter";

  inc(labels: Labels<L>, by = 1): void {
    this.at(labels).value += by;
  }

  /** For a count that is kept elsewhere: takes it over. */
  set(labels: Labels<L>, total: number): void {
    this.at(labels).value = total;
  }
}

/** A value that goes up and down. */
export class Gauge<L extends string = never> extends Values<L> implements Metric {
  readonly type = "gauge";

  inc(labels: Labels<L>, by = 1): void {
    this.at(labels).value += by;
  }

  set(labels: Labels<L>, value: number): void {
    this.at(labels).value = value;
  }

  /** Takes these values and no others: for labels that come and go. */
  replace(values: Iterable<readonly [labels: Labels<L>, value: number]>): void {
    this.clear();
    for (const [labels, value] of values) this.set(labels, value);
  }
}

/** A metric without labels whose value is asked for at each scrape. */
export class Reading implements Metric {
  constructor(
    readonly type: "counter" | "gauge",
    readonly name: string,
    readonly help: string,
    readonly read: () => number,
  ) {}

  *series(): Iterable<Series> {
    yield { suffix: "", labels: {}, value: this.read() };
  }
}

/** Observations counted by size. */
export class Histogram<L extends string = never> implements Metric {
  readonly type = "histogram";
  readonly #bounds: readonly number[];
  readonly #labelNames: readonly L[];
  readonly #values = new Map<string, Observed<L>>();

  /** @param bounds upper bounds of the buckets, ascending, in the metric's unit; a value equal to one counts as below it */
  constructor(
    readonly name: string,
    readonly help: string,
    bounds: readonly number[],
    labelNames: readonly L[],
  ) {
    this.#bounds = bounds;
    this.#labelNames = labelNames;
    if (labelNames.length === 0) this.#at({} as Labels<L>);
  }

  observe(labels: Labels<L>, value: number): void {
    const observed = this.#at(labels);
    const bucket = this.#bounds.findIndex((bound) => value <= bound);
    if (bucket >= 0) observed.buckets[bucket]!++;
    observed.sum += value;
    observed.count++;
  }

  *series(): Iterable<Series> {
    for (const { labels, buckets, sum, count } of this.#values.values()) {
      let below = 0;
      const cumulative = this.#bounds.map((bound, n): [number, number] => [bound, below += buckets[n]!]);
      yield* histogramSeries(cumulative, sum, count, labels);
    }
  }

  #at(labels: Labels<L>): Observed<L> {
    const key = seriesKey(this.#labelNames, labels);
    let found = this.#values.get(key);
    if (!found) {
      found = { labels, buckets: new Array<number>(this.#bounds.length).fill(0), sum: 0, count: 0 };
      this.#values.set(key, found);
    }
    return found;
  }
}

interface Observed<L extends string> {
  readonly labels: Labels<L>;
  /** Observations in each bucket alone. */
  readonly buckets: number[];
  sum: number;
  count: number;
}

/** The lines of a histogram that was counted elsewhere.
 * @param buckets upper bound and the number of observations up to it, ascending, without the infinite one */
export function* histogramSeries(
  buckets: readonly (readonly [le: number, count: number])[],
  sum: number,
  count: number,
  labels: Series["labels"] = {},
): Iterable<Series> {
  for (const [le, below] of buckets) yield { suffix: "_bucket", labels: { le, ...labels }, value: below };
  yield { suffix: "_bucket", labels: { le: "+Inf", ...labels }, value: count };
  yield { suffix: "_sum", labels, value: sum };
  yield { suffix: "_count", labels, value: count };
}

/** Label values hold no NUL: routes, topics and codes do not. */
function seriesKey<L extends string>(names: readonly L[], labels: Labels<L>): string {
  return names.length === 1 ? String(labels[names[0]!]) : names.map((name) => labels[name]).join("\0");
}

function labelText(labels: Series["labels"]): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(String(value))}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function numberText(value: number): string {
  return Number.isFinite(value) || Number.isNaN(value) ? String(value) : value > 0 ? "+Inf" : "-Inf";
}

function escapeHelp(help: string): string {
  return help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(value: string): string {
  return escapeHelp(value).replaceAll('"', '\\"');
}
