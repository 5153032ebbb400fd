import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { dirname } from "node:path";
import { view, type ViewOptions } from "../../commands/view.ts";
import { readConfig } from "../../config.ts";
import { MeasurementStore } from "../../kafka/processors/measurement_store.ts";
import { silentLogger } from "../../logger.ts";
import { postJson } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { commitTo, newYearMs, rowAt, rowsAt, withFile } from "../kafka/processors/measurement_ground.ts";
import { Service } from "../service.ts";
import { runCli } from "./cli.ts";

/** What `tailrace view` prints of a file. */
async function print(
  path: string,
  options: Partial<ViewOptions> = {},
  measurement = "noise",
): Promise<string> {
  const decoder = new TextDecoder();
  let printed = "";
  const write = (bytes: Uint8Array) => {
    printed += decoder.decode(bytes, { stream: true });
    return Promise.resolve(bytes.length);
  };
  const run = { log: silentLogger, signal: new AbortController().signal, out: () => {}, isTerminal: false };
  const config = readConfig({ dataDir: dirname(path) }, new Map(), "client");
  const all: ViewOptions = { limit: 20, format: "table", hist: false, ...options };
  await view(config, measurement, all, run, { write });
  return printed;
}

/** Fills a file with the rows 0 … `count` − 1, a second apart, by a store that stays open meanwhile. */
function withRows(count: number, test: (path: string) => Promise<void>): Promise<void> {
  return withFile(async (path) => {
    using store = MeasurementStore.open(path);
    const books = store.books("noise");
    books.load();
    for (let begin = 0; begin < count; begin += 10_000) {
      const end = Math.min(count, begin + 10_000);
      commitTo(books, end, rowsAt(begin, end));
    }
    await test(path);
  });
}

Deno.test("tailrace view prints the newest rows as a table, the newest last", async () => {
  await withRows(100, async (path) => {
    const lines = (await print(path)).split("\n");
    assertEquals([lines.length, lines.at(-1)], [22, ""]);
    assertEquals(lines[0], "DATE                             VALUE  PLACE");
    assertEquals(lines[1], "2024-01-01T00:01:20.000Z            80  0:80");
    assertEquals(lines[20], "2024-01-01T00:01:39.000Z            99  0:99");
    assertEquals((await print(path, { limit: 1 })).split("\n")[1], lines[20]);
  });
});

Deno.test("tailrace view prints CSV and lines of JSON, with the histogram after each row if it is wanted", async () => {
  await withRows(2, async (path) => {
    const csv =
      "date,value,partition,offset\r\n2024-01-01T00:00:00.000Z,0,0,0\r\n2024-01-01T00:00:01.000Z,1,0,1\r\n";
    assertEquals(await print(path, { format: "csv" }), csv);
    const withHist = await print(path, { format: "csv", hist: true, limit: 1 });
    assertEquals(
      withHist,
      'date,value,partition,offset,hist\r\n2024-01-01T00:00:01.000Z,1,0,1,"{""hist"":[2,0],""bin_edges"":[0,10,20]}"\r\n',
    );
    const rows = (await print(path, { format: "json", hist: true })).trimEnd().split("\n").map((line) =>
      JSON.parse(line)
    );
    assertEquals(
      rows,
      [0, 1].map((offset) => ({
        date: new Date(newYearMs + offset * 1000).toISOString(),
        value: offset,
        partition: 0,
        offset,
        hist: { hist: [offset + 1, 0], bin_edges: [0, 10, 20] },
      })),
    );
  });
});

Deno.test("tailrace view goes through any number of pages, in the order of the times", async () => {
  await withRows(25_000, async (path) => {
    const offsets = async (options: Partial<ViewOptions>) => {
      const lines = (await print(path, { format: "json", ...options })).trimEnd().split("\n");
      return lines.map((line) => JSON.parse(line).offset as number);
    };
    const all = Array.from({ length: 25_000 }, (_, i) => i);
    assertEquals(await offsets({ limit: null }), all);
    assertEquals(await offsets({ limit: 12_345 }), all.slice(-12_345));
    assertEquals(await offsets({ limit: 100_000 }), all);
    assertEquals(await offsets({ limit: null, since: newYearMs + 24_990_000 }), all.slice(-10));
    assertEquals(await offsets({ limit: 3, since: newYearMs + 24_990_000 }), all.slice(-3));
    assertEquals(
      await print(path, { limit: null, since: newYearMs + 1e9, format: "csv" }),
      "date,value,partition,offset\r\n",
    );
  });
});

Deno.test("tailrace view shows rows whose log is gone without a place", async () => {
  await withFile(async (path) => {
    using store = MeasurementStore.open(path);
    const books = store.books("noise");
    books.load();
    commitTo(books, 1, [rowAt(0)]);
    commitTo(books, 1, [rowAt(0, { timeMs: newYearMs + 5000, counts: null })], { log: 1 });
    assertEquals((await print(path)).split("\n").slice(1, 3), [
      "2024-01-01T00:00:00.000Z             0  -",
      "2024-01-01T00:00:05.000Z             0  0:0",
    ]);
    const csv = await print(path, { format: "csv", hist: true });
    assertStringIncludes(csv, "2024-01-01T00:00:05.000Z,0,0,0,\r\n");
  });
});

Deno.test("tailrace view waits for a file that is locked for a moment, and says when it stays so", async () => {
  await withFile(async (path) => {
    {
      using store = MeasurementStore.open(path);
      const books = store.books("noise");
      books.load();
      commitTo(books, 3, rowsAt(0, 3));
    }
    using other = new DatabaseSync(path);
    other.exec("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE");
    const look = () => runCli(["view", "noise"], { env: { DATA_DIR: dirname(path) } });
    const looking = look();
    await new Promise((resume) => setTimeout(resume, 1_000)); // whether it has begun to wait or not
    other.exec("COMMIT");
    assertEquals((await looking).stdout.split("\n").length, 5);
    other.exec("BEGIN EXCLUSIVE");
    const { code, stderr } = await look();
    assertEquals(code, 1);
    assertMatch(stderr, /^Cannot read \S+measurements\.db: the file is locked by another program [^\n]*\n$/);
  });
});

Deno.test("tailrace view ends quietly when nobody reads any more", async () => {
  await withRows(5_000, async (path) => {
    const config = readConfig({ dataDir: dirname(path) }, new Map(), "client");
    const run = { log: silentLogger, signal: new AbortController().signal, out: () => {}, isTerminal: false };
    let writes = 0;
    const write = () => writes++ === 0 ? Promise.resolve(1e9) : Promise.reject(new Deno.errors.BrokenPipe());
    await view(config, "noise", { limit: null, format: "csv", hist: false }, run, { write });
    assertEquals(writes, 2);
  });
});

Deno.test("tailrace view says in one line what is not there", async () => {
  await withRows(1, async (path) => {
    const folder = dirname(path);
    await Deno.mkdir(`${folder}/other`);
    await Deno.writeTextFile(`${folder}/other/measurements.db`, "no database");
    const cases: [args: string[], code: number, says: string][] = [
      [["humidity"], 1, `Cannot view "humidity": measurements in ${path} are noise`],
      [
        ["noise", "--data-dir", `${folder}/none`],
        1,
        `Cannot open ${folder}/none/measurements.db: no such file`,
      ],
      [
        ["noise", "--data-dir", `${folder}/other`],
        1,
        `Cannot open ${folder}/other/measurements.db: file is not a database`,
      ],
      [[], 2, "missing required argument 'measurement'"],
      [["noise", "--limit", "0"], 2, 'Cannot use --limit: found "0", allowed: an integer in 1..100000'],
      [["noise", "--since", "soon"], 2, 'Cannot use --since: found "soon"'],
      [["noise", "--csv", "--json"], 2, "Cannot use --csv: found --json beside it"],
      [["noise", "--hist"], 2, "Cannot use --hist: found neither --csv nor --json"],
    ];
    for (const [args, code, says] of cases) {
      const run = await runCli(["view", ...args], { env: { DATA_DIR: folder } });
      assertEquals([run.code, run.stdout], [code, ""], run.stderr);
      assertMatch(run.stderr, /^[^\n]+\n$/);
      assertStringIncludes(run.stderr, says);
    }
    assertEquals([...Deno.readDirSync(`${folder}/other`)].length, 1, "nothing is made by looking");
  });
});

Deno.test("tailrace view reads beside a service that writes, and after it was killed; its CSV can be published again", async () => {
  await using service = await Service.open({ settings: { MEASUREMENTS: "noise:0:100:1,copy:0:100:1" } });
  const look = (...args: string[]) => runCli(["view", ...args], { env: { DATA_DIR: service.dataDir } });
  const measurements = Array.from({ length: 50 }, (_, i) => ({
    measurement: i,
    measurement_time: new Date(newYearMs + i * 1000).toISOString(),
  }));
  assertEquals((await postJson(`${service.url}/histograms/noise/measurements`, measurements)).status, 201);
  const rows = async (name: string) => {
    const { stdout } = await look(name, "--json", "--limit", "1000");
    return stdout === "" ? [] : stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  };
  await eventually("fifty rows", async () => (await rows("noise")).length === 50, 60_000);
  await service.kill();
  const killed = await rows("noise");
  assertEquals(killed.map(({ value, date }) => [value, date]), measurements.map((one) => Object.values(one)));

  await service.start();
  const { stdout: csv } = await look("noise", "--csv", "--since", "2024-01-01");
  const env = { KAFKA_BROKERS: service.bootstrap, MEASUREMENTS: "copy:0:100:1" };
  const published = await runCli(["publish", "measurements", "--csv", "-", "--measurement", "copy"], {
    env,
    stdin: csv,
  });
  assertStringIncludes(published.stdout, "Published 50 measurements to copy");
  await eventually("fifty copies", async () => (await rows("copy")).length === 50, 60_000);
  const values = (some: { value: number; date: string }[]) => some.map(({ value, date }) => [value, date]);
  assertEquals(values(await rows("copy")), values(killed));
});
