/** One case of counting windows: clicks, folds that begin again, batches on their way, states that are restored, in random steps; then all
 * that was published is held against the truth.
 *
 * Everything that the real parts do is done here by hand, with the same rules about what is committed together: offsets with batches,
 * state with what is published. Left out: Kafka, time, who is idle, which is drawn at random.
 * @module */
import { partitionOf } from "../../kafka/connection.ts";
import { batchRecords, readFoldBatch } from "../../kafka/processors/windows/batch_records.ts";
import { Fold } from "../../kafka/processors/windows/fold.ts";
import type { FoldBatch } from "../../kafka/processors/windows/types.ts";
import { maxAheadMs, readWindowSize, type WindowSize } from "../../kafka/windows.ts";
import { Random } from "../random.ts";
import { CountingLog, CountingPart } from "./window_part.ts";
import type { TrueEvent } from "./window_truth.ts";

const encoder = new TextEncoder();
/** Each with sizes that nest or not, and the others that settings may be changed to. */
const sizeSets = [
  ["1m", "5m", "10m"],
  ["1m"],
  ["2m", "3m"],
  ["30s", "1m", "5m"],
  ["90s", "2m", "1h"],
  ["1m", "10m"],
  ["1s", "7s", "1m"],
];
const lags = [0, 60_000, 600_000, 6 * 3_600_000];
const graces = [0, 1_000, 10_000, 60_000, 600_000];

/** What a case is like. */
interface Nature {
  readonly sources: number;
  readonly partitions: number;
  readonly ids: readonly string[];
  readonly changesSettings: boolean;
  readonly hasAhead: boolean;
  /** Finished windows that are kept: many, or so few that late events are not always told. */
  readonly kept: number;
  readonly maxIds: number;
}

/** A record of the input. */
interface Click {
  readonly id: string | null;
  readonly timeMs: number;
}

/** An input partition and who folds it. */
interface Source {
  log: string;
  clicks: Click[];
  /** The next offset whose click is in a batch that was written. */
  committed: number;
  fold: Fold;
  /** What the fold has added since then. */
  folded: TrueEvent[];
  /** Where the next clicks are in time, ms. */
  atMs: number;
}

/** How many things happened. */
export type Counts = Record<string, number>;

/** Runs a case.
 * @throws {Error} when something else was published than the truth */
export function runWindowCase(seed: number, counts: Counts): void {
  const one = new WindowCase(new Random(null, seed), counts);
  one.run();
}

class WindowCase {
  readonly #random: Random;
  readonly #counts: Counts;
  readonly #nature: Nature;
  readonly #sources: Source[];
  readonly #logs: CountingLog[];
  readonly #parts: CountingPart[];
  #sizes: readonly WindowSize[];
  #graceMs: number;
  #nowMs: number;
  /** Times are multiples of it. */
  readonly #unitMs: number;
  #logsMade = 0;

  constructor(random: Random, counts: Counts) {
    const between = (low: number, high: number) => random.between(low, high);
    this.#random = random;
    this.#counts = counts;
    const isTight = between(0, 3) === 0, isResting = between(0, 5) === 0;
    const changesSettings = between(0, 3) === 0;
    this.#nature = {
      sources: between(1, 3),
      partitions: between(1, 2),
      ids: Array.from({ length: isResting ? 30 : between(1, 6) }, (_, i) => `v${i}`),
      changesSettings,
      hasAhead: !changesSettings && between(0, 3) === 0,
      kept: isTight ? between(1, 4) : 1_000_000,
      maxIds: isResting ? between(8, 12) : 1_000_000, // a quarter of the ids at least, or windows close early
    };
    this.#sizes = this.#drawSizes();
    this.#graceMs = this.#one(graces);
    this.#nowMs = Date.UTC(2026, 0, between(1, 28), between(0, 23)) + between(0, 3_600_000);
    const beginMs = this.#nowMs - between(0, this.#one(lags));
    this.#unitMs = this.#one([1, 1_000, 15_000]);
    this.#sources = Array.from({ length: this.#nature.sources }, (_, source) => ({
      ...this.#newLog(source),
      atMs: beginMs + between(0, 1) * between(0, 3_600_000),
    }));
    this.#logs = Array.from({ length: this.#nature.partitions }, () => new CountingLog());
    this.#parts = this.#logs.map((log) => new CountingPart(this.#settings(), this.#nature, log, random));
  }

  run(): void {
    const steps = this.#random.between(5, 90);
    for (let i = 0; i < steps; i++) this.#step();
    this.#sources.forEach((_, source) => this.#fold(source, Infinity));
    this.#commit(this.#sources.map((_, source) => source));
    for (const part of this.#parts) {
      part.apply(Infinity);
      part.check();
      if (this.#random.between(0, 1) === 0) part.restart();
      part.setActive([]);
      part.closeByClock(Number.MAX_SAFE_INTEGER);
      part.check();
    }
  }

  #step(): void {
    const source = this.#random.between(0, this.#sources.length - 1);
    const part = this.#one(this.#parts);
    const [name, , work] = this.#drawStep([
      ["clicks", 30, () => this.#click(source)],
      ["fold", 20, () => this.#fold(source, this.#random.between(1, 60))],
      ["commit", 25, () => this.#commit(this.#some(source))],
      ["fold again", 4, () => this.#foldAgain(source)],
      ["repeat", 3, () => this.#one(this.#logs).repeat(this.#random)],
      ["apply", 30, () => part.apply(this.#random.between(1, 8))],
      ["take", 15, () => part.take()],
      ["restart", 6, () => part.restart()],
      ["check", 3, () => part.check()],
      ["idle", 10, () => part.setActive(this.#drawActive())],
      ["clock", 8, () => this.#clock(part)],
      ["made anew", 2, () => this.#makeAnew(source)],
      ["settings", this.#nature.changesSettings ? 4 : 0, () => this.#changeSettings()],
    ]);
    this.#counts[name] = (this.#counts[name] ?? 0) + 1;
    work();
  }

  /** Clicks in a row, most of them a little out of order, some of them long ago, after a gap now and then. */
  #click(source: number): void {
    const between = (low: number, high: number) => this.#random.between(low, high);
    const { clicks } = this.#sources[source]!, each = this.#one([50, 1_000, 20_000, 200_000]);
    if (between(0, 5) === 0) this.#sources[source]!.atMs += between(0, 3) * 600_000;
    for (let n = between(1, 40); n > 0; n--) {
      const at = this.#sources[source]!.atMs += between(0, each);
      const isOld = between(0, 9) === 0, isAhead = this.#nature.hasAhead && between(0, 40) === 0;
      const lateMs = isOld ? between(0, this.#one([60_000, 1_200_000, 7_200_000])) : between(0, 2_000);
      const exactMs = isAhead ? this.#nowMs + maxAheadMs + between(1, 10_000_000) : at - lateMs;
      const timeMs = exactMs - exactMs % this.#unitMs;
      clicks.push({ id: between(0, 30) === 0 ? null : this.#one(this.#nature.ids), timeMs });
      this.#counts.events = (this.#counts.events ?? 0) + 1;
    }
    this.#nowMs = Math.max(this.#nowMs, this.#sources[source]!.atMs) + between(0, 5_000);
  }

  #fold(source: number, records: number): void {
    const { clicks, fold, folded } = this.#sources[source]!;
    for (let n = 0; n < records && fold.next < clicks.length; n++) {
      const offset = fold.next, { id, timeMs } = clicks[offset]!;
      fold.add({ offset, timestamp: timeMs, value: id === null ? null : encoder.encode(id) }, this.#nowMs);
      if (id === null) continue;
      folded.push({ source, id, timeMs, isAhead: timeMs > this.#nowMs + maxAheadMs });
    }
  }

  /** Batches of some sources are written, the parts of one between those of another. */
  #commit(sources: readonly number[]): void {
    const { partitions } = this.#nature;
    const waiting = sources.flatMap((number) => {
      const source = this.#sources[number]!;
      if (source.fold.isEmpty) return [];
      const batches = source.fold.take(), events = source.folded;
      source.folded = [];
      source.committed = source.fold.next;
      return [{ batches, events }];
    });
    this.#logs.forEach((log, q) => {
      const isHere = ({ id }: TrueEvent) => partitionOf(encoder.encode(id), partitions) === q;
      const lines = waiting.map(({ batches, events }) => {
        const told = events.map((event) => ({ ...event, isHere: isHere(event) }));
        return this.#parted(batches[q]!).map((batch) => ({ batch, events: told }));
      });
      while (lines.some((line) => line.length > 0)) {
        const line = this.#one(lines.filter((line) => line.length > 0));
        log.records.push(line.shift()!);
      }
    });
  }

  /** As it is when it has been written and read, now and then in parts. */
  #parted(batch: FoldBatch): FoldBatch[] {
    const written = batchRecords("by-id", [batch]).map(({ value }) =>
      readFoldBatch(encoder.encode(String(value)))
    );
    const [whole] = written;
    if (!whole || written.length > 1) throw new Error(`A batch was written as ${JSON.stringify(written)}`);
    const parts = this.#random.between(0, 3) === 0 ? this.#random.between(2, 3) : 1;
    return Array.from({ length: parts }, (_, part) => ({
      ...whole,
      part,
      parts,
      ...(part > 0 && { wrong: {}, ahead: 0, missed: 0 }),
      counts: whole.counts.filter((_, i) => i % parts === part),
    }));
  }

  #foldAgain(source: number): void {
    const { log, committed } = this.#sources[source]!;
    this.#sources[source]!.fold = this.#newFold(source, log, committed);
    this.#sources[source]!.folded = [];
  }

  #clock(part: CountingPart): void {
    this.#nowMs += this.#random.between(0, this.#one([20_000, 90_000, 900_000]));
    part.setActive([]);
    part.closeByClock(this.#nowMs);
  }

  /** Everyone begins again. With another grace nothing is on its way, as what was folded with the one before says so. */
  #changeSettings(): void {
    const isGraceOther = this.#random.between(0, 2) === 0;
    if (isGraceOther) {
      this.#commit(this.#sources.map((_, source) => source));
      for (const part of this.#parts) {
        part.apply(Infinity);
        part.take();
      }
      this.#graceMs = this.#one(graces);
    } else this.#sizes = this.#drawSizes();
    for (const part of this.#parts) part.restart(this.#settings());
    this.#sources.forEach((_, source) => this.#foldAgain(source));
  }

  #makeAnew(source: number): void {
    const { atMs } = this.#sources[source]!, backMs = this.#random.between(0, this.#one(lags));
    this.#sources[source] = { ...this.#newLog(source), atMs: atMs - backMs };
  }

  #newLog(source: number): Omit<Source, "atMs"> {
    const log = `log-${this.#logsMade++}`;
    return { log, clicks: [], committed: 0, fold: this.#newFold(source, log, 0), folded: [] };
  }

  #newFold(source: number, log: string, from: number): Fold {
    const { partitions } = this.#nature;
    return new Fold({ source, log, from, settings: this.#settings(), partitions });
  }

  #settings() {
    return { sizes: this.#sizes, graceMs: this.#graceMs };
  }

  #drawSizes(): WindowSize[] {
    return this.#one(sizeSets).map((text) => readWindowSize(text)!);
  }

  #drawActive(): number[] {
    return this.#sources.flatMap((_, source) => this.#random.between(0, 2) > 0 ? [source] : []);
  }

  #some(source: number): number[] {
    const other = this.#random.between(0, this.#sources.length - 1);
    return [...new Set(this.#random.between(0, 2) === 0 ? [source, other] : [source])];
  }

  #one<Item>(items: readonly Item[]): Item {
    return items[this.#random.between(0, items.length - 1)]!;
  }

  #drawStep<Step extends readonly [name: string, weight: number, work: () => void]>(
    steps: readonly Step[],
  ): Step {
    let at = this.#random.between(1, steps.reduce((sum, [, weight]) => sum + weight, 0));
    return steps.find(([, weight]) => (at -= weight) <= 0)!;
  }
}
