/** Random steps of two writers on one file, held against a plain list of rows. */
import { assertEquals } from "@std/assert";
import { MeasurementStore } from "../../../kafka/processors/measurement_store.ts";
import { Random } from "../../random.ts";
import { edges, newYearMs, rowAt, snapshotOf, withFile } from "./measurement_ground.ts";

const steps = 400;
const keptMs = 48_000;

/** A row as the model has it, in the order of storing. */
interface ModelRow {
  readonly value: number;
  readonly timeMs: number;
  readonly partition: number;
  readonly offset: number;
  readonly log: number;
  readonly storedMs: number;
  readonly edges: readonly number[];
}

/** Books of a cluster as they should be. */
class ModelBooks {
  version = 0;
  log = 0;
  edges = edges;
  readonly ends = [0, 0];
  rows: ModelRow[] = [];
}

/** One of two that write; it knows what it has loaded. */
interface Writer {
  store: MeasurementStore;
  /** Of the books that it has loaded or written last; null: there were none. */
  known: { readonly cluster: string; readonly version: number } | null;
}

class Model {
  readonly #random: Random;
  readonly #path: string;
  readonly #clusters = new Map<string, ModelBooks>();
  readonly #writers: Writer[];
  #cluster = "A";
  #nowMs = Date.UTC(2025, 0, 1);
  #values = 0;

  constructor(path: string, random: Random) {
    this.#path = path;
    this.#random = random;
    this.#writers = [this.#open(), this.#open()];
  }

  close(): void {
    for (const { store } of this.#writers) store.close();
  }

  step(): string {
    const writer = this.#writers[this.#random.between(0, 1)]!, dice = this.#random.between(0, 99);
    this.#nowMs += this.#random.between(0, 1_500);
    if (dice < 55) return this.#commit(writer);
    if (dice < 75) return this.#load(writer);
    if (dice < 85) return this.#sweep(writer);
    if (dice < 90) return this.#reopen(writer);
    if (dice < 93) return this.#useCluster();
    return this.#check(writer);
  }

  #books(): ModelBooks {
    let books = this.#clusters.get(this.#cluster);
    if (books === undefined) this.#clusters.set(this.#cluster, books = new ModelBooks());
    return books;
  }

  #open(): Writer {
    const store = MeasurementStore.open(this.#path, { now: () => this.#nowMs });
    store.useCluster(this.#cluster);
    return { store, known: null };
  }

  #load(writer: Writer): string {
    const books = this.#books(), found = writer.store.books("humidity").load();
    const positions = { 0: books.ends[0]!, 1: books.ends[1]! };
    if (books.version === 0) assertEquals(found, null);
    else {
      assertEquals(found?.covered, { log: books.log, positions });
      assertEquals([found?.rows, found?.snapshot.bin_edges], [books.rows.length, books.edges]);
    }
    writer.known = books.version === 0 ? null : { cluster: this.#cluster, version: books.version };
    return `load ${books.version}`;
  }

  /** Some rows from the end on, some that are there already, perhaps of a new log or with other bins. */
  #commit(writer: Writer): string {
    const books = this.#books(), random = this.#random;
    const isAnew = books.version > 0 && random.between(0, 19) === 0;
    const log = books.log + (isAnew ? 1 : 0), ends = isAnew ? [0, 0] : [...books.ends];
    const bins = random.between(0, 19) === 0
      ? [this.#values, this.#values + 1, this.#values + 2]
      : books.edges;
    const added: ModelRow[] = [];
    for (const partition of [0, 1]) {
      const count = random.between(0, 3) === 0 ? random.between(0, 120) : random.between(0, 3);
      for (let i = -random.between(0, 2); i < count; i++) {
        const offset = ends[partition]! + i;
        if (offset < 0) continue;
        const row = rowAt(offset, {
          partition,
          value: this.#values++,
          timeMs: newYearMs + random.between(0, 50),
        });
        added.push({ ...row, log, storedMs: this.#nowMs, edges: bins });
      }
      ends[partition]! += count;
    }
    const outcome = writer.store.books("humidity").commit({
      covered: { log, positions: { 0: ends[0]!, 1: ends[1]! } },
      stored: { 0: ends[0]!, 1: ends[1]! },
      rows: added.map((row) => ({ ...row, counts: String(row.value) })),
      snapshot: snapshotOf(0, bins),
      more: null,
    });
    const { known } = writer;
    const isKnown = known === null
      ? books.version === 0
      : known.cluster === this.#cluster && known.version === books.version;
    assertEquals(outcome, isKnown ? "committed" : "conflict");
    if (outcome === "conflict") return "conflict";
    const isThere = ({ partition, offset }: ModelRow) =>
      books.rows.some((row) => row.log === log && row.partition === partition && row.offset === offset);
    books.rows.push(...added.filter((row) => !isThere(row)));
    Object.assign(books, { log, edges: bins, ends, version: books.version + 1 });
    writer.known = { cluster: this.#cluster, version: books.version };
    return `commit ${added.length} rows of log ${log}`;
  }

  #sweep(writer: Writer): string {
    const isAll = this.#random.between(0, 1) === 0;
    do if (!writer.store.sweep({ ms: keptMs, bytes: -1 })) break; while (isAll);
    this.#forgetSwept(writer);
    return `sweep ${isAll ? "all" : "once"}`;
  }

  /** The rows that stay are the newest ones, all that are young among them. */
  #forgetSwept({ store }: Writer): void {
    const books = this.#books(), left = store.books("humidity").rowCount();
    const young = books.rows.filter(({ storedMs }) => storedMs > this.#nowMs - keptMs).length;
    assertEquals(
      left >= young && left <= books.rows.length,
      true,
      `${left} rows are left, ${young} are young`,
    );
    books.rows = books.rows.slice(books.rows.length - left);
  }

  #reopen(writer: Writer): string {
    writer.store.close();
    Object.assign(writer, this.#open());
    return "reopen";
  }

  #useCluster(): string {
    this.#cluster = this.#cluster === "A" ? "B" : "A";
    for (const { store } of this.#writers) store.useCluster(this.#cluster);
    this.#forgetSwept(this.#writers[0]!); // tables that were set aside were swept too
    this.#forgetSwept(this.#writers[0]!); // tables that were set aside were swept too
    return `cluster ${this.#cluster}`;
  }

  #check({ store }: Writer): string {
    const books = this.#books(), table = store.books("humidity");
    assertEquals(table.rowCount(), books.rows.length);
    const expected = books.rows.map((row, id) => ({ row, id }))
      .toSorted((a, b) => a.row.timeMs - b.row.timeMs || a.id - b.id)
      .map(({ row: { value, partition, offset, log, edges } }) => {
        const place = log === books.log ? { partition, offset } : { partition: null, offset: null };
        return { value, ...place, hist: { hist: [value], bin_edges: edges } };
      });
    const changes = new Set(books.rows.map(({ edges }) => edges)).size;
    const found = table.rows({ limit: 100_000, hist: true }).rows.map((
      { value, partition, offset, hist },
    ) => ({
      value,
      partition,
      offset,
      hist: hist === null || hist === undefined ? null : JSON.parse(hist),
    }));
    // With very many changes of the bins the hist of the oldest rows is not told any more.
    if (changes < 8) assertEquals(found, expected);
    else {assertEquals(
        found.map((row) => ({ ...row, hist: 0 })),
        expected.map((row) => ({ ...row, hist: 0 })),
      );}
    const stored = [...table.values()].flat().map(({ value }) => value);
    assertEquals(stored, books.rows.map(({ value }) => value));
    return "check";
  }
}

Deno.test("MeasurementStore does what a list of rows does, with two writers, logs, bins, clusters and retention at random", async () => {
  const random = new Random("model of the store");
  for (let round = 0; round < Number(Deno.env.get("TAILRACE_MODEL_CASES") ?? 5); round++) {
    await withFile((path) => {
      const model = new Model(path, random), told: string[] = [];
      try {
        for (let i = 0; i < steps; i++) told.push(model.step());
      } catch (error) {
        console.log(told.slice(-30).join("\n"));
        throw error;
      } finally {
        model.close();
      }
    });
  }
});
