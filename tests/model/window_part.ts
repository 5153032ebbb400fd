/** A partition of ids in a case: its log of batches, the state that counts it, the topic of its state, and what it has published, with
 * the truth beside it.
 * @module */
import { assertEquals } from "@std/assert";
import { shownWindows } from "../../kafka/processors/windows/shown.ts";
import type { FoldBatch } from "../../kafka/processors/windows/types.ts";
import { WindowState } from "../../kafka/processors/windows/window_state.ts";
import type { FinishedWindow, WindowSettings } from "../../kafka/windows.ts";
import type { Random } from "../random.ts";
import { type TrueEvent, type TrueStep, WindowTruth } from "./window_truth.ts";

type Settings = Pick<WindowSettings, "sizes" | "graceMs">;
interface Bounds {
  readonly kept: number;
  readonly maxIds: number;
  readonly sources: number;
  readonly changesSettings: boolean;
}

/** A record of the by-id topic, with what its batch was folded from. */
interface LogRecord {
  readonly batch: FoldBatch;
  readonly events: readonly (TrueEvent & { readonly isHere: boolean })[];
  readonly isRepeated?: boolean;
}

export class CountingLog {
  readonly records: LogRecord[] = [];

  /** Offsets of the parts of a batch, up to one of them. */
  partsOf(offset: number): number[] {
    const { source, log, from } = this.records[offset]!.batch;
    const isSame = ({ batch }: LogRecord) =>
      batch.source === source && batch.log === log && batch.from === from;
    return [...this.records.keys()].filter((other) => other <= offset && isSame(this.records[other]!));
  }

  /** Writes a batch once more, whole. */
  repeat(random: Random): void {
    const drawn = this.records[random.between(0, this.records.length - 1)];
    if (!drawn || drawn.batch.part !== drawn.batch.parts - 1) return;
    const { source, log, from } = drawn.batch;
    const ofSource = this.records.filter(({ batch }) => batch.source === source);
    if (ofSource.at(-1)!.batch.log !== log) return; // an earlier log is told of by nobody
    const parts = ofSource.filter(({ batch }) => batch.log === log && batch.from === from);
    const again = parts.slice(0, drawn.batch.parts).map((record) => ({ ...record, isRepeated: true }));
    this.records.push(...again);
  }
}

/** What is committed in one transaction. */
interface Committed {
  /** By key, the newest last; null is a tombstone. */
  readonly records: { readonly key: string; readonly value: string | null }[];
  readonly published: FinishedWindow[];
  /** How many steps of the truth it holds. */
  steps: number;
  /** And how many offsets. */
  counted: number;
}

export class CountingPart {
  readonly #bounds: Bounds;
  readonly #log: CountingLog;
  readonly #random: Random;
  /** Those that hold for the truth from its beginning on. */
  readonly #first: Settings;
  #settings: Settings;
  #state: WindowState;
  #active: Set<number>;
  readonly #steps: TrueStep[] = [];
  /** Offsets of batches that were counted. */
  readonly #counted: number[] = [];
  readonly #committed: Committed = { records: [], published: [], steps: 0, counted: 0 };

  constructor(settings: Settings, bounds: Bounds, log: CountingLog, random: Random) {
    this.#bounds = bounds;
    this.#log = log;
    this.#random = random;
    this.#first = this.#settings = settings;
    this.#state = this.#newState();
    this.#active = new Set(this.#allSources());
  }

  /** Counts records that it has not read yet. */
  apply(records: number): void {
    for (let n = 0; n < records && this.#state.position < this.#log.records.length; n++) {
      const offset = this.#state.position, { batch, events, isRepeated } = this.#log.records[offset]!;
      const applied = this.#state.apply(batch, this.#lowest(batch.source), offset);
      assertEquals(this.#state.position, offset + 1);
      const isLast = batch.part === batch.parts - 1;
      const isKnown = isRepeated || this.#counted.includes(offset);
      assertEquals(applied, isKnown ? "repeated" : isLast ? "counted" : "waiting");
      if (applied !== "counted") continue;
      this.#counted.push(...this.#log.partsOf(offset));
      const { source, log, sizes } = batch;
      if (batch.high !== null) this.#active.add(source);
      this.#steps.push({ do: "batch", source, log, sizes, events });
      this.#pass();
    }
  }

  /** Says who is not idle. */
  setActive(sources: readonly number[]): void {
    this.#active = new Set(sources);
    this.#steps.push({ do: "active", sources });
    this.#pass();
  }

  closeByClock(nowMs: number): void {
    this.#state.closeByClock(nowMs);
    this.#steps.push({ do: "clock", nowMs });
  }

  /** Commits what changed. */
  take(): void {
    const { records, finished } = this.#state.take();
    for (const { key, value } of records) this.#committed.records.push({ key, value });
    for (const { size, window } of finished) {
      assertEquals([window.type, window.window_end], [size.type, window.window_start + size.ms]);
      this.#committed.published.push({ ...window });
    }
    this.#committed.steps = this.#steps.length;
    this.#committed.counted = this.#counted.length;
    assertEquals(this.#state.take(), { records: [], finished: [] });
  }

  /** Loses what is not committed, and goes on from the rest, with other settings perhaps. */
  restart(settings?: Settings): void {
    this.#steps.length = this.#committed.steps;
    this.#counted.length = this.#committed.counted;
    this.#settings = settings ?? this.#settings;
    this.#state = this.#newState();
    for (const { key, value } of this.#compacted()) assertEquals(this.#state.load(key, value), true, key);
    const { sizes, graceMs } = this.#settings;
    this.#steps.push({ do: "settings", sizes: sizes.map(({ ms }) => ms), graceMs });
    const drawn = this.#allSources().filter(() => this.#random.between(0, 3) > 0);
    this.setActive(drawn);
  }

  /** Commits, and holds all that was published and what is open against the truth.
   * @throws {Error} when it is something else */
  check(): void {
    this.take();
    const truth = new WindowTruth(
      this.#first.sizes.map(({ ms }) => ms),
      this.#first.graceMs,
      this.#allSources(),
    );
    for (const step of this.#steps) truth.step(step);
    const isExact = this.#bounds.kept > 1_000 && this.#bounds.maxIds > 1_000;
    this.#checkPublished(truth, isExact);
    assertEquals(this.#state.frontier ?? -Infinity, truth.frontier);
    assertEquals(this.#state.totals.counted, truth.counted);
    assertEquals(this.#state.totals.late, Object.fromEntries(truth.lateBySize));
    this.#checkShown(truth, isExact);
  }

  /** Late events of what is not kept any more are in the totals only. */
  #checkPublished(truth: WindowTruth, isExact: boolean): void {
    const published = new Map<string, FinishedWindow>();
    for (const window of this.#committed.published) {
      const key = `${window.window_end - window.window_start} ${window.video_uid} ${window.window_start}`;
      const before = published.get(key);
      if (before && (before.count !== window.count || before.late >= window.late)) {
        throw new Error(`Published twice: ${JSON.stringify(before)}, then ${JSON.stringify(window)}`);
      }
      published.set(key, window);
    }
    const wanted = [...truth.windows].filter(([, { isClosed }]) => isClosed);
    const keys = new Set(wanted.map(([key]) => key));
    const extra = [...published].find(([key]) => !keys.has(key));
    if (extra) throw new Error(`Published, and not to be: ${JSON.stringify(extra[1])}`);
    for (const [key, window] of wanted) {
      const found = published.get(key);
      const isRight = found
        ? found.count === window.count && (isExact ? found.late === window.late : found.late <= window.late)
        : !isExact && window.count === 0;
      if (!isRight) throw new Error(`Published ${JSON.stringify(found)}, to be ${JSON.stringify(window)}`);
    }
  }

  /** As whoever reads the topic of the state sees it. */
  #checkShown(truth: WindowTruth, isExact: boolean): void {
    const newest = new Map(this.#committed.records.map(({ key, value }) => [key, value]));
    const ids = new Set([...truth.windows.values()].map(({ id }) => id));
    const meta = newest.has("m") ? JSON.parse(newest.get("m")!) : undefined;
    let next = Infinity;
    for (const id of ids) {
      const records = { open: newest.get(`o${id}`) ?? null, closed: newest.get(`c${id}`) ?? null };
      for (const { size, windows, late } of shownWindows(id, records, meta, this.#settings)) {
        const wanted = [...truth.windows.values()]
          .filter((window) => window.id === id && window.sizeMs === size.ms)
          .sort((a, b) => a.start - b.start);
        const open = wanted.filter(({ isClosed }) => !isClosed);
        const told = windows.map((
          { window_start, count, late, final },
        ) => [window_start, count, late, final]);
        assertEquals(
          told.filter(([, , , final]) => !final),
          open.map(({ start, count }) => [start, count, 0, false]),
          `open windows of ${id}, ${size.name}`,
        );
        if (isExact && !this.#bounds.changesSettings) {
          const all = wanted.map(({ start, count, late, isClosed }) => [start, count, late, isClosed]);
          assertEquals(told, all, `windows of ${id}, ${size.name}`);
          assertEquals(late, wanted.reduce((sum, { late }) => sum + late, 0));
        }
        for (const { start } of open) next = Math.min(next, start + size.ms + this.#settings.graceMs);
      }
    }
    assertEquals(this.#state.nextDueMs(), next === Infinity ? null : next);
  }

  #pass(): void {
    const lowest = this.#lowest();
    if (lowest !== null) this.#state.advance(lowest);
  }

  /** Lowest high of those who are active, null: nobody is. */
  #lowest(except?: number): number | null {
    const highs = [...this.#active].filter((source) => source !== except)
      .map((source) => this.#state.highOf(source) ?? -Infinity);
    return highs.length === 0 ? null : Math.min(...highs);
  }

  /** What compaction may have left, in an order that it may have: of each key the newest record, and some of those before it. */
  #compacted(): Committed["records"] {
    const { records } = this.#committed, newest = new Map(records.map(({ key }, i) => [key, i]));
    const left = records.filter(({ key }, i) => newest.get(key) === i || this.#random.between(0, 3) === 0);
    const byKey = Map.groupBy(left, ({ key }) => key);
    if (this.#random.between(0, 1) === 0) return left;
    const keys = [...byKey.keys()].map((key) => [this.#random.between(0, 1_000_000), key] as const);
    return keys.sort(([a], [b]) => a - b).flatMap(([, key]) => byKey.get(key)!);
  }

  #newState(): WindowState {
    const { sizes, graceMs } = this.#settings;
    return new WindowState(sizes, { graceMs, kept: this.#bounds.kept, maxIds: this.#bounds.maxIds });
  }

  #allSources(): number[] {
    return Array.from({ length: this.#bounds.sources }, (_, source) => source);
  }
}
