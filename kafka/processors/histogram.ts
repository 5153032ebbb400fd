/** The running histogram of a measurement: a pure fold, no Kafka, no clock, no file.
 *
 * What it is at a moment is `snapshot()` and `more()` together; `from()` of both, also by way of JSON, goes on as if there had been no
 * break, bit by bit. Left out: reading records (measurement_value.ts), what is late or repeated (recent.ts), where to begin
 * (beginning.ts), keeping it (measurement_store.ts).
 * @module */
import { CountsText } from "./counts_text.ts";
import { type HistogramSnapshot, type WrongKind, wrongKinds } from "./histogram_types.ts";
import { checkMoments, Moments, type MomentsState, noMoments } from "./moments.ts";
import { type NewestTimes, type Note, Recent } from "./recent.ts";

/** What is needed beside the snapshot to go on exactly. */
export interface HistogramMore extends MomentsState {
  /** Of each partition, for what is late. */
  readonly newest?: NewestTimes;
}

/** Counts values into bins.
 * @see {@link https://numpy.org/doc/stable/reference/generated/numpy.histogram.html} for the edge rule */
export class RunningHistogram {
  /** Shape [bins + 1]. */
  readonly edges: readonly number[];
  readonly #edges: Float64Array;
  readonly #counts: Float64Array;
  readonly #text: CountsText;
  readonly #binsPerUnit: number;
  readonly #wrong: Partial<Record<WrongKind, number>>;
  #underflow: number;
  #overflow: number;
  #count: number;
  #min: number;
  #max: number;
  #moments: Moments;
  #late: number;
  #repeated: number;
  #missed: number;
  #last: number | null;
  #lastMs: number;

  private constructor(snapshot: HistogramSnapshot, moments: MomentsState) {
    const { bin_edges: edges, hist, last } = snapshot, bins = edges.length - 1;
    this.edges = edges;
    this.#edges = Float64Array.from(edges);
    this.#counts = Float64Array.from(hist);
    this.#text = new CountsText(this.#counts);
    this.#binsPerUnit = bins / (edges[bins]! - edges[0]!);
    this.#wrong = { ...snapshot.wrong };
    this.#underflow = snapshot.underflow;
    this.#overflow = snapshot.overflow;
    this.#count = snapshot.count;
    this.#min = snapshot.min ?? Infinity;
    this.#max = snapshot.max ?? -Infinity;
    this.#moments = new Moments(moments);
    this.#late = snapshot.late;
    this.#repeated = snapshot.repeated;
    this.#missed = snapshot.missed;
    this.#last = last?.measurement ?? null;
    this.#lastMs = last ? Date.parse(last.measurement_time) : 0;
  }

  /** Nothing counted yet.
   * @param edges shape [bins + 1], strictly increasing; the last bin includes its right edge
   * @throws {RangeError} if `edges` does not increase */
  static empty(edges: readonly number[]): RunningHistogram {
    checkEdges(edges);
    const nothing = { underflow: 0, overflow: 0, count: 0, late: 0, repeated: 0, missed: 0, wrong: {} };
    const none = { min: null, max: null, mean: null, stddev: null, last: null };
    const hist = new Array<number>(edges.length - 1).fill(0);
    return new RunningHistogram({ ...nothing, ...none, hist, bin_edges: [...edges] }, noMoments);
  }

  /** Goes on from a snapshot.
   * @param more without it the spread goes on from `stddev`, and so not to the last bit
   * @throws {RangeError} if its numbers do not belong together */
  static from(snapshot: HistogramSnapshot, more?: HistogramMore | null): RunningHistogram {
    checkEdges(snapshot.bin_edges);
    checkCounts(snapshot);
    if (more) checkMoments(more, snapshot.mean ?? 0);
    if (more?.newest) Recent.check(more.newest);
    const { mean, stddev, count } = snapshot;
    const m2 = stddev === null ? (count > 0 ? null : 0) : stddev * stddev * count;
    return new RunningHistogram(snapshot, more ?? { mean: mean ?? 0, mean_low: 0, m2, m2_low: 0 });
  }

  /** How many measurements were counted. */
  get count(): number {
    return this.#count;
  }

  /** The counts of the bins with commas between them; cheap after each `add`. */
  get countsText(): string {
    return this.#text.toString();
  }

  /** Counts a measurement.
   * @param value finite
   * @param timeMs when it was measured, ms since the epoch */
  add(value: number, timeMs: number, note?: Note | null): void {
    value += 0; // −0 is 0
    const bin = this.#binOf(value);
    if (bin < 0) this.#underflow++;
    else if (bin === this.#counts.length) this.#overflow++;
    else {
      this.#counts[bin]!++;
      this.#text.changed(bin);
    }
    this.#moments.add(value, ++this.#count);
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    if (note === "late") this.#late++;
    else if (note === "repeated") this.#repeated++;
    this.#last = value;
    this.#lastMs = timeMs;
  }

  /** Counts records that are no measurements. */
  addWrong(kind: WrongKind, records = 1): void {
    if (records > 0) this.#wrong[kind] = (this.#wrong[kind] ?? 0) + records;
  }

  /** Counts records that are gone and nobody has counted. */
  addMissed(records: number): void {
    this.#missed += records;
  }

  snapshot(): HistogramSnapshot {
    const isEmpty = this.#count === 0;
    return {
      hist: Array.from(this.#counts),
      bin_edges: this.edges,
      underflow: this.#underflow,
      overflow: this.#overflow,
      count: this.#count,
      min: isEmpty ? null : this.#min,
      max: isEmpty ? null : this.#max,
      mean: isEmpty ? null : this.#moments.mean,
      stddev: isEmpty ? null : this.#moments.stddev(this.#count),
      late: this.#late,
      repeated: this.#repeated,
      wrong: Object.fromEntries(
        wrongKinds.flatMap((kind) => this.#wrong[kind] ? [[kind, this.#wrong[kind]]] : []),
      ),
      missed: this.#missed,
      last: this.#last === null
        ? null
        : { measurement: this.#last, measurement_time: new Date(this.#lastMs).toISOString() },
    };
  }

  /** @param newest of the measurements' {@linkcode Recent} */
  more(newest?: NewestTimes): HistogramMore {
    return { ...this.#moments.state, ...(newest && { newest }) };
  }

  /** @returns −1 below the first edge, the number of bins above the last one */
  #binOf(value: number): number {
    const edges = this.#edges, bins = edges.length - 1;
    if (value < edges[0]!) return -1;
    if (value >= edges[bins]!) return value === edges[bins] ? bins - 1 : bins;
    // The division only guesses: what counts is which two edges the value lies between, as numpy compares.
    const guess = Math.min(Math.floor((value - edges[0]!) * this.#binsPerUnit), bins - 1);
    if (value < edges[guess]!) return value >= edges[guess - 1]! ? guess - 1 : binOf(value, edges);
    if (value < edges[guess + 1]!) return guess;
    return value < edges[guess + 2]! ? guess + 1 : binOf(value, edges);
  }
}

/** Whether two histograms have the same bins. */
export function hasSameEdges(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((edge, i) => edge === b[i]);
}

/** Finds the bin of a value that lies within the edges, by halves. */
function binOf(value: number, edges: Float64Array): number {
  let low = 0, high = edges.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (value < edges[middle]!) high = middle;
    else low = middle;
  }
  return low;
}

function checkEdges(edges: readonly number[]): void {
  if (edges.length < 2) {
    throw new RangeError(`Cannot bin values as two edges are wanted: found ${edges.length}`);
  }
  edges.forEach((edge, i) => {
    if (!Number.isFinite(edge) || (i > 0 && edge <= edges[i - 1]!)) {
      throw new RangeError(`Cannot bin values as edges must increase: edge ${i} is ${edge}`);
    }
  });
}

function checkCounts(snapshot: HistogramSnapshot): void {
  const { hist, bin_edges, underflow, overflow, count, late, repeated, missed, wrong } = snapshot;
  const bins = bin_edges.length - 1;
  if (hist.length !== bins) {
    throw new RangeError(`Cannot go on with a histogram of ${bins} bins: it has ${hist.length} counts`);
  }
  for (
    const number of [...hist, underflow, overflow, count, late, repeated, missed, ...Object.values(wrong)]
  ) {
    if (!Number.isSafeInteger(number) || number < 0) {
      throw new RangeError(`Cannot go on with a histogram as counts are whole numbers: one is ${number}`);
    }
  }
  const sum = hist.reduce((before, bin) => before + bin, underflow + overflow);
  if (sum !== count) {
    throw new RangeError(
      `Cannot go on with a histogram as its count must be ${sum}, the sum: it is ${count}`,
    );
  }
  const { min, max, mean } = snapshot;
  if (count > 0 && ![min, max, mean].every(Number.isFinite)) {
    throw new RangeError(`Cannot go on with a histogram of ${count} without min, max and mean`);
  }
  const { last } = snapshot;
  if (last && !(Number.isFinite(last.measurement) && Number.isFinite(Date.parse(last.measurement_time)))) {
    throw new RangeError(
      `Cannot go on with a histogram as its last is no measurement: ${JSON.stringify(last)}`,
    );
  }
}
