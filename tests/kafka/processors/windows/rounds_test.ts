/** Rounds of counting: when it is asked where sources end, what closes and when; and backlogs read in any order, with breaks. @module */
import { assertEquals } from "@std/assert";
import { Fold } from "../../../../kafka/processors/windows/fold.ts";
import { type ReadBatch, Rounds } from "../../../../kafka/processors/windows/rounds.ts";
import type { Moment, SourceEnds } from "../../../../kafka/processors/windows/sources.ts";
import type { FoldBatch, PaneCount } from "../../../../kafka/processors/windows/types.ts";
import { WindowState } from "../../../../kafka/processors/windows/window_state.ts";
import { readWindowSize, windowStart } from "../../../../kafka/windows.ts";
import { Random } from "../../../random.ts";

const minuteMs = 60_000, graceMs = 10_000, paneMs = minuteMs;
const sizes = [readWindowSize("1m")!];
/** The start of a minute, and the clock: a day later. */
const t0 = 28_000_000 * minuteMs, clock0 = t0 + 86_400_000;

/** Rounds that begin with nothing, and what time it is. */
class Stage {
  readonly state = new WindowState(sizes, { graceMs, kept: 5 });
  now: Moment = { clockMs: clock0, steadyMs: 0 };
  readonly rounds = new Rounds(this.state, { graceMs, paneMs }, this.now);
  #offset = 0;
  readonly #next: number[] = [];

  /** A click on "a" and how far its source came with it, s after `t0`. */
  batch(source: number, second: number, panes?: PaneCount[]): ReadBatch {
    const from = this.#next[source] ?? 0, next = this.#next[source] = from + 1;
    const high = t0 + second * 1_000, counts = panes ?? [[Math.floor(high / paneMs), 1]];
    const told = { part: 0, parts: 1, paneMs, sizes: [minuteMs], at: this.now.clockMs };
    const batch: FoldBatch = { v: 1, source, log: "l", from, next, high, ...told, counts: [["a", counts]] };
    return { offset: this.#offset++, batch };
  }

  pass(ms: number): void {
    this.now = { clockMs: this.now.clockMs + ms, steadyMs: this.now.steadyMs + ms };
  }

  hear(...batches: ReadBatch[]): ReturnType<Rounds["hear"]> {
    return this.rounds.hear(batches, this.now, true);
  }

  /** @param ends next offset of each source; null: not asked */
  apply(
    batches: readonly ReadBatch[],
    ends: readonly number[] | null,
    isAtEnd = true,
  ): ReturnType<Rounds["apply"]> {
    const told: SourceEnds | null = ends && { log: "l", partitions: ends.map((end) => [0, end] as const) };
    return this.rounds.apply(batches, { ends: told, now: this.now, isAtEnd });
  }

  /** Finished since the last time: start in s after `t0`, count, late. */
  finished(): string[] {
    return this.state.take().finished.map(({ window: { window_start, count, late } }) =>
      `${(window_start - t0) / 1_000}: ${count}${late > 0 ? `+${late}` : ""}`
    );
  }
}

Deno.test("Rounds ask where sources end when a watermark could close something, and without an answer nothing closes", () => {
  const stage = new Stage();
  const first = [stage.batch(0, 15)];
  assertEquals(stage.hear(...first), "wanted", "nobody knows who else there is");
  assertEquals(stage.apply(first, [1, 0]), "counted");
  const second = [stage.batch(0, 69)]; // the grace of the first minute ends at 70
  assertEquals(stage.hear(...second), null);
  stage.apply(second, null);
  const third = [stage.batch(0, 71)];
  assertEquals(stage.hear(...third), "wanted");
  assertEquals(stage.apply(third, null), "counted");
  assertEquals(stage.finished(), []);
  assertEquals(stage.hear(), null, "it was tried just now");
  stage.pass(250);
  assertEquals(stage.hear(), "wanted");
  assertEquals(stage.apply([], [3, 1]), null, "another one has a backlog");
  stage.pass(499);
  assertEquals(stage.hear(), null);
  stage.pass(1);
  assertEquals(stage.hear(), "wanted");
  assertEquals(stage.apply([], [3, 0]), "closed");
  assertEquals(stage.finished(), ["0: 1"]);
  assertEquals(stage.hear(), null);
});

Deno.test("Rounds ask at once when somebody comes of whom nothing was heard for long, and always for events behind their own source", () => {
  const stage = new Stage();
  const first = [stage.batch(0, 100)];
  stage.hear(...first);
  stage.apply(first, [1, 1]);
  const second = [stage.batch(0, 200)];
  assertEquals(stage.hear(...second), null, "it was asked just now, and the other one was behind");
  stage.apply(second, null);
  const other = [stage.batch(1, 150)];
  assertEquals(stage.hear(...other), "wanted");
  assertEquals(stage.apply(other, [2, 1]), "closed");
  assertEquals(stage.finished(), ["60: 1"]);
  const marked = [stage.batch(1, 151, [[Math.floor(t0 / paneMs), 2, 1]])];
  assertEquals(stage.hear(...marked), "needed");
  stage.apply(marked, [2, 2]);
  assertEquals(stage.finished(), ["0: 0+2"]);
});

Deno.test("Rounds: a batch does not pass another source's that lies behind it, in the same round or not read yet", () => {
  for (const areTogether of [true, false]) {
    const stage = new Stage();
    const early = [stage.batch(0, 5)], far = [stage.batch(0, 500)], other = [stage.batch(1, 10)];
    stage.hear(...early);
    stage.apply(early, [2, 1]);
    if (areTogether) {
      stage.hear(...far, ...other);
      stage.apply([...far, ...other], [2, 1]);
    } else {
      stage.hear(...far);
      stage.apply(far, [2, 1], false);
      stage.pass(2 * graceMs); // also when it takes long
      stage.hear(...other);
      stage.apply(other, [2, 1]);
    }
    assertEquals(stage.finished(), []);
    stage.pass(graceMs);
    assertEquals(stage.hear(), "wanted");
    stage.apply([], [2, 1]);
    assertEquals(stage.finished(), ["0: 2", "480: 1"], "by the clock");
  }
});

Deno.test("Rounds that go on from a state wait for those of whom the ones before had just heard", () => {
  const stage = new Stage(), first = [stage.batch(0, 5), stage.batch(1, 10)];
  stage.hear(...first);
  stage.apply(first, [1, 1]);
  const state = new WindowState(sizes, { graceMs, kept: 5 });
  for (const { key, value } of stage.state.take().records) state.load(key, value);
  const rounds = new Rounds(state, { graceMs, paneMs }, stage.now), far = [stage.batch(0, 500)];
  const ends: SourceEnds = { log: "l", partitions: [[0, 2], [0, 1]] };
  rounds.hear(far, stage.now, true);
  rounds.apply(far, { ends, now: stage.now, isAtEnd: true });
  assertEquals(state.take().finished, []);
});

Deno.test("Rounds wait for nobody whose clicks were read long ago and are only counted now", () => {
  for (const isLive of [true, false]) {
    const stage = new Stage(), { offset, batch } = stage.batch(0, 5);
    const old = [{ offset, batch: { ...batch, at: clock0 - 3_600_000 } }], far = [stage.batch(1, 500)];
    stage.rounds.hear(old, stage.now, isLive);
    stage.apply(old, [1, 1], false);
    stage.hear(...far);
    stage.apply(far, [1, 1]);
    assertEquals(stage.finished(), isLive ? [] : ["0: 1"]);
  }
});

Deno.test("Rounds close nothing by records that are no clicks, as of them nobody asks who else there is", () => {
  const stage = new Stage();
  for (const second of [15, 200]) {
    const batches = [stage.batch(0, second)];
    stage.hear(...batches);
    stage.apply(batches, second === 15 ? [1, 1] : null);
  }
  stage.pass(graceMs);
  const { offset, batch } = stage.batch(0, 0),
    rubbish = [{ offset, batch: { ...batch, high: null, counts: [] } }];
  stage.hear(...rubbish);
  stage.apply(rubbish, null);
  assertEquals(stage.finished(), []);
});

Deno.test("Rounds: the clock closes what is open when nobody holds and all is read", () => {
  const stage = new Stage();
  const first = [stage.batch(0, 5)];
  stage.hear(...first);
  stage.apply(first, [1]);
  assertEquals(stage.rounds.waitMs(stage.now), 250);
  stage.pass(graceMs - 1);
  assertEquals(stage.hear(), null);
  assertEquals(stage.rounds.waitMs(stage.now), 1);
  stage.pass(1);
  assertEquals(stage.hear(), "wanted");
  assertEquals(stage.apply([], [1], false), null, "folded clicks wait to be read");
  stage.pass(250);
  assertEquals(stage.hear(), "wanted");
  assertEquals(stage.apply([], [1]), "closed");
  assertEquals(stage.finished(), ["0: 1"]);
  assertEquals(stage.rounds.waitMs(stage.now), Infinity);
  assertEquals(stage.state.frontier, t0 + 5_000, "the watermark is not the clock");
});

Deno.test("Rounds: a clock that is set back delays nothing that was open, and is right again when nothing is", () => {
  const stage = new Stage();
  const set = (clockMs: number) => stage.now = { ...stage.now, clockMs };
  const open = (second: number) => {
    const batches = [stage.batch(0, second)];
    stage.hear(...batches);
    stage.apply(batches, null);
  };
  set(t0 + 30_000);
  open(30);
  set(t0 - 3_600_000);
  stage.pass(39_999); // 70 s are not over
  assertEquals(stage.hear(), null);
  stage.pass(1);
  assertEquals(stage.hear(), "wanted");
  assertEquals(stage.apply([], [1]), "closed");
  set(t0 - 1_000_000);
  open(-990);
  stage.pass(10_000);
  assertEquals(stage.hear(), null);
  // As clocks are kept right, in small steps, and a large one forward and back.
  for (let step = 0; step < 10; step++) {
    set(stage.now.clockMs - 900);
    stage.rounds.waitMs(stage.now);
  }
  set(stage.now.clockMs + 3_600_000);
  stage.rounds.waitMs(stage.now);
  set(stage.now.clockMs - 3_600_000);
  set(t0 - 950_001 - 1);
  assertEquals(stage.hear(), null);
  set(t0 - 950_000);
  assertEquals(stage.hear(), "wanted");
});

/** Clicks of one source: mostly ascending, at most half a grace behind, with gaps. */
function course(random: Random): [id: string, timestamp: number][] {
  const clicks: [string, number][] = [];
  let ms = t0 + random.between(0, 5) * minuteMs;
  for (let left = random.between(0, 60); left > 0; left--) {
    ms += random.between(1, 10) === 1 ? random.between(1, 10) * minuteMs : random.between(0, 9_000);
    clicks.push([`i${random.between(0, 2)}`, ms - random.between(0, graceMs / 2)]);
  }
  return clicks;
}

Deno.test("Rounds: backlogs that are folded and read in any order, with breaks, leave no event late and no window twice", () => {
  const random = new Random("rounds");
  for (let run = 0; run < 300; run++) {
    const courses = Array.from({ length: random.between(1, 3) }, () => course(random));
    const truth = new Map<string, number>(), finals = new Map<string, number>();
    for (const [id, timestamp] of courses.flat()) {
      const key = `${id} ${windowStart(timestamp, minuteMs) - t0}`;
      truth.set(key, (truth.get(key) ?? 0) + 1);
    }
    // What is folded may be gone.
    const ends = (): SourceEnds => ({
      log: "l",
      partitions: courses.map(({ length }, p) => [random.between(0, folded[p]!), length] as const),
    });
    const stored = new Map<string, string>();
    const folds = courses.map((_, source) =>
      new Fold({ source, log: "l", from: 0, settings: { sizes, graceMs }, partitions: 1 })
    );
    const log: FoldBatch[] = [], folded = courses.map(() => 0);
    let now: Moment = { clockMs: clock0, steadyMs: 0 };
    const begin = () => {
      const state = new WindowState(sizes, { graceMs, kept: 5 });
      for (const [key, value] of stored) state.load(key, value);
      return new Rounds(state, { graceMs, paneMs }, now);
    };
    let rounds = begin();
    const isDone = () => truth.size === finals.size && rounds.state.position === log.length;
    for (let step = 0; !isDone() && step < 10_000; step++) {
      const ms = random.between(1, 20) === 1 ? random.between(0, 2 * graceMs) : random.between(0, 100);
      now = { clockMs: now.clockMs + ms, steadyMs: now.steadyMs + ms };
      const chance = random.between(1, 10), source = random.between(0, courses.length - 1);
      if (chance <= 3) {
        for (
          let left = random.between(1, 20);
          left > 0 && folded[source]! < courses[source]!.length;
          left--
        ) {
          const [id, timestamp] = courses[source]![folded[source]!]!;
          const value = new TextEncoder().encode(id);
          folds[source]!.add({ offset: folded[source]!++, timestamp, value }, now.clockMs);
        }
        if (!folds[source]!.isEmpty) log.push(...folds[source]!.take());
      } else if (chance <= 8) {
        const { state } = rounds, from = state.position;
        const batches = log.slice(from, from + random.between(0, 4)).map((batch, i) => ({
          offset: from + i,
          batch,
        }));
        const isLive = random.between(0, 1) === 1;
        const wish = rounds.hear(batches, now, isLive);
        const isTold = wish === "needed" || wish === "wanted" && random.between(1, 5) > 1;
        rounds.apply(batches, {
          ends: isTold ? ends() : null,
          now,
          isAtEnd: from + batches.length === log.length,
        });
      } else if (chance === 9) {
        const { records, finished } = rounds.state.take();
        for (const { key, value } of records) {
          if (value === null) stored.delete(key);
          else stored.set(key, value);
        }
        for (const { window: { video_uid, window_start, count, late } } of finished) {
          const key = `${video_uid} ${window_start - t0}`;
          assertEquals([late, finals.has(key)], [0, false], `run ${run}: ${key} is told again, or is late`);
          finals.set(key, count);
        }
      } else if (random.between(1, 3) === 1) rounds = begin();
    }
    assertEquals(new Map([...finals].sort()), new Map([...truth].sort()), `run ${run}`);
  }
});
