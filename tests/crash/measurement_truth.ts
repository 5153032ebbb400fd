/** What the books of measurements have to say in the end, worked out from the topic itself by a client that is not ours, and held against the
 * file, `hist_<name>` and the answer over HTTP. Left out: making the load (the tests). @module */
import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { edgesOf, histTopicOf, type MeasurementSpec } from "../../kafka/measurements.ts";
import { readTopic } from "../clients.ts";

/** What is in a topic. */
export interface Truth {
  readonly hist: readonly number[];
  readonly count: number;
  readonly wrong: number;
  /** Values by `<partition>:<offset>`. */
  readonly values: ReadonlyMap<string, number>;
}

/** Counts a topic, one value after the other and edge by edge. */
export async function truthOf(bootstrap: string, spec: MeasurementSpec): Promise<Truth> {
  const edges = edgesOf(spec), hist = edges.slice(1).map(() => 0), values = new Map<string, number>();
  let wrong = 0;
  for (const { partition, offset, value } of await readTopic(bootstrap, spec.name)) {
    const number = numberIn(value);
    if (number === null) wrong++;
    else {
      values.set(`${partition}:${offset}`, number);
      const bin = number === edges.at(-1) ? hist.length - 1 : edges.findLastIndex((edge) => edge <= number);
      if (bin >= 0 && bin < hist.length) hist[bin]!++;
    }
  }
  return { hist, count: values.size, wrong, values };
}

function numberIn(value: string | null): number | null {
  try {
    const { measurement } = JSON.parse(value ?? "");
    return typeof measurement === "number" ? measurement : null;
  } catch {
    return null;
  }
}

/** Holds a file against the topic: each measurement in one row, at its place, and in the running histogram. */
export function checkFile(file: string, { name }: MeasurementSpec, truth: Truth): void {
  using database = new DatabaseSync(file, { readOnly: true });
  const rows = database.prepare(`SELECT partition, "offset", value, hist FROM "${name}"`).all();
  const found = new Map(rows.map(({ partition, offset, value }) => [`${partition}:${offset}`, value]));
  assertEquals(rows.length, truth.count, `rows of ${file}`);
  assertEquals(found.size, truth.count, "each place once");
  for (const [place, value] of truth.values) assertEquals(found.get(place), value, `row of ${place}`);
}

/** Holds what an instance answers against the topic. */
export async function checkAnswer(url: string, { name }: MeasurementSpec, truth: Truth): Promise<void> {
  const answer = await fetch(`${url}/histograms/${name}`);
  const { hist, count, wrong, rows, missed } = await answer.json();
  const refused = Object.values(wrong as Record<string, number>).reduce((sum, n) => sum + n, 0);
  assertEquals({ hist, count, refused, rows, missed }, {
    hist: truth.hist,
    count: truth.count,
    refused: truth.wrong,
    rows: truth.count,
    missed: 0,
  });
}

/** Holds `hist_<name>` against the topic: every histogram counts what it says that it covers, none covers less than one before it, and the
 * last one is the truth.
 * @returns how many there are */
export async function checkPublished(
  bootstrap: string,
  spec: MeasurementSpec,
  truth: Truth,
): Promise<number> {
  const records = await readTopic(bootstrap, histTopicOf(spec.name));
  let before: Record<number, number> = {};
  for (const { value, headers, offset } of records) {
    const { hist, underflow, overflow, count, wrong } = JSON.parse(value!);
    const { positions } = JSON.parse(String(headers["covered"]));
    const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
    assertEquals(sum(hist) + underflow + overflow, count, `record ${offset}`);
    assertEquals(count + sum(Object.values(wrong)), sum(Object.values(positions)), `what ${offset} covers`);
    for (const [partition, next] of Object.entries(before)) {
      assert(positions[partition] >= next, `${offset} goes back in partition ${partition}`);
    }
    before = positions;
  }
  assertEquals(JSON.parse(records.at(-1)!.value!).hist, truth.hist);
  return records.length;
}
