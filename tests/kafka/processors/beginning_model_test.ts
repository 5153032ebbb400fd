/** Instances that come, go and lose their files while a log grows, is cut and is made anew: whatever happens, nothing is counted twice,
 * nothing is stored twice, what is missing is told, and what is published never goes back. @module */
import { assert, assertEquals } from "@std/assert";
import { beginning, type Counted, covers } from "../../../kafka/processors/beginning.ts";
import { RunningHistogram } from "../../../kafka/processors/histogram.ts";
import { Random } from "../../random.ts";

const edges = [0, 1], partitions = 2, cases = 3_000, steps = 150;

/** What a snapshot stands for: the records that are in its counts. */
type Records = ReadonlySet<string>;

interface Books {
  /** Which of the logs it really is; instances only number them. */
  generation: number;
  covered: Counted["covered"];
  stored: Record<number, number>;
  missed: number;
  records: Set<string>;
  rows: Set<string>;
}

class World {
  readonly random: Random;
  readonly mayRemake: boolean;
  generation = 0;
  starts = new Array<number>(partitions).fill(0);
  ends = new Array<number>(partitions).fill(0);
  published: Counted | null = null;
  readonly files = new Map<string, Books>();
  readonly running = new Set<string>();
  readonly #records = new Map<Counted["snapshot"], Records>();

  constructor(seed: number, mayRemake: boolean) {
    this.random = new Random(null, seed);
    this.mayRemake = mayRemake;
  }

  step(): void {
    const { random } = this, partition = random.between(0, partitions - 1);
    const name = ["a", "b", "c"][random.between(0, 2)]!;
    const what = random.between(0, 99);
    if (what < 25) this.ends[partition]! += random.between(1, 5);
    else if (what < 35) {
      this.starts[partition] = random.between(this.starts[partition]!, this.ends[partition]!);
    } else if (what < 45) this.begin(name);
    else if (what < 50) this.running.delete(name);
    else if (what < 52) {
      this.running.delete(name);
      this.files.delete(name);
    } else if (what < 54 && this.mayRemake) this.remake();
    else if (what < 85) this.read(name, partition);
    else this.publish(name);
  }

  /** As a service does at its start, and when it was overtaken. */
  begin(name: string, isAnew = false): void {
    const file = this.files.get(name);
    const own = file ? { ...this.counted(file), stored: file.stored } : null;
    const { starts, ends, published } = this;
    const begun = beginning({ edges, own, published, starts, ends, isAnew });
    assertEquals(begun.recount, false);
    const records = begun.state ? this.#records.get(begun.state.snapshot)! : [];
    this.files.set(name, {
      generation: this.generation,
      covered: begun.covered,
      stored: { ...begun.stored },
      missed: (begun.state?.snapshot.missed ?? 0) + begun.missed,
      records: new Set(records),
      rows: file?.rows ?? new Set(),
    });
    this.running.add(name);
  }

  /** Reads some records of a partition: counts from one place on, stores from the other. */
  read(name: string, partition: number): void {
    const file = this.files.get(name);
    if (!file || !this.running.has(name)) return;
    const counted = file.covered.positions[partition] ?? 0, stored = file.stored[partition] ?? 0;
    let next = Math.min(counted, stored);
    const start = this.starts[partition]!;
    if (next < start) return this.begin(name); // retention was faster: told by the reader
    for (let left = this.random.between(1, 8); left > 0 && next < this.ends[partition]!; left--, next++) {
      const record = `${this.generation}:${partition}:${next}`;
      if (next >= counted) {
        assert(!file.records.has(record), `${record} is counted twice by ${name}`);
        file.records.add(record);
      }
      if (next >= stored) {
        assert(!file.rows.has(record), `${record} is stored twice by ${name}`);
        file.rows.add(record);
      }
    }
    const { log, positions } = file.covered;
    file.covered = { log, positions: { ...positions, [partition]: Math.max(counted, next) } };
    file.stored[partition] = Math.max(stored, next);
  }

  publish(name: string): void {
    const file = this.files.get(name), before = this.published;
    if (!file || !this.running.has(name)) return;
    const now = this.counted(file);
    if (before && before.covered.log >= now.covered.log) {
      const isOvertaken = before.covered.log > now.covered.log ||
        now.snapshot.missed > before.snapshot.missed;
      if (isOvertaken) return this.begin(name);
    }
    if (before && !covers(now.covered, before.covered)) return;
    if (before && !this.mayRemake) {
      const records = this.#records.get(now.snapshot)!, sizeBefore = this.#records.get(before.snapshot)!.size;
      assert(records.size >= sizeBefore, `${records.size} were published after ${sizeBefore}`);
    }
    this.published = now;
  }

  /** Those that run see it, and one of them publishes before anything else happens: who does not run could not know otherwise. Nor could
   * it where nothing was published yet. */
  remake(): void {
    if (this.running.size === 0 || this.published === null) return;
    this.generation++;
    this.starts.fill(0);
    this.ends.fill(0);
    for (const name of this.running) this.begin(name, true);
    for (const name of this.running) this.publish(name);
  }

  check(): void {
    for (const [name, file] of this.files) {
      if (file.generation !== this.generation) continue;
      const { positions } = file.covered, all = [0, 1].reduce((sum, p) => sum + (positions[p] ?? 0), 0);
      if (!this.mayRemake) assertEquals(file.records.size + file.missed, all, `${name}: counted and missed`);
      for (const record of file.records) {
        const [generation, partition, offset] = record.split(":").map(Number);
        if (generation === this.generation) {
          assert(offset! < positions[partition!]!, `${name} is behind ${record}`);
        }
      }
    }
  }

  counted({ covered, missed, records }: Books): Counted {
    const histogram = RunningHistogram.empty(edges);
    histogram.addMissed(missed);
    const snapshot = histogram.snapshot();
    this.#records.set(snapshot, new Set(records));
    return { snapshot, more: null, covered };
  }
}

for (const mayRemake of [false, true]) {
  const world = mayRemake ? "a log that is cut and made anew" : "a log that is cut";
  Deno.test(`beginning() neither doubles nor hides anything: ${world}`, () => {
    const first = Number(Deno.env.get("TAILRACE_TEST_SEED") ?? Date.now() % 1_000_000);
    for (let seed = first; seed < first + cases; seed++) {
      const model = new World(seed, mayRemake);
      try {
        for (let step = 0; step < steps; step++) model.step();
        model.check();
      } catch (error) {
        throw new Error(`TAILRACE_TEST_SEED=${seed}: ${(error as Error).message}`, { cause: error });
      }
    }
    console.log(`${cases} cases of ${steps} steps from seed ${first}`);
  });
}
