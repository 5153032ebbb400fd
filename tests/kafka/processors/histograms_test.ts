import { assert, assertEquals, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { StreamError } from "../../../errors.ts";
import { type HistogramsOptions, startHistograms } from "../../../kafka/processors/histograms.ts";
import { createLogger } from "../../../logger.ts";
import { eventually } from "../../eventually.ts";
import { Ground, temperature } from "./histogram_ground.ts";

/** How long a thread may take to start: its modules are type-checked first, perhaps on a busy machine. */
const startMs = 180_000;

function optionsOn(
  ground: Ground,
  more: Partial<HistogramsOptions> = {},
): HistogramsOptions & { lines: string[] } {
  const lines: string[] = [];
  return {
    kafka: { brokers: [ground.broker.bootstrap], clientId: "tests", ssl: null, sasl: null },
    specs: [temperature],
    file: ground.newFile(),
    retentionMs: -1,
    retentionBytes: -1,
    log: createLogger({ level: "info", format: "json", write: (line) => void lines.push(line) }),
    logLevel: "info",
    stopMs: 5_000,
    lines,
    ...more,
  };
}

Deno.test("startHistograms() counts in a thread of its own, and answers for it", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1);
  await ground.send(50);
  const options = optionsOn(ground);
  await using histograms = startHistograms(options);
  const now = await eventually("50", async () => {
    const found = await histograms.now("temperature");
    return found.snapshot.count === 50 && found;
  }, startMs);
  assertEquals([now.rows, now.spec], [50, temperature]);
  const page = await histograms.rows("temperature", { limit: 20, order: "desc", hist: true });
  assertEquals([page.rows.length, page.rows[0]!.offset], [20, 49]);
  assertEquals(
    (await histograms.rows("temperature", { limit: 100, order: "desc", after: page.next! })).rows.length,
    30,
  );
  const series = await histograms.series("temperature", { points: 10 });
  assertEquals(series.count.reduce((sum, n) => sum + n, 0), 50);
  await histograms.checkWritable();
  const refused = await assertRejects(
    () => histograms.rows("temperature", { limit: 1, after: "nothing" }),
    StreamError,
  );
  assertEquals([refused.code, refused.status], ["invalid-after", 400]);
  await ground.published().reaches(50);
  await histograms[Symbol.asyncDispose]();
  const gone = await assertRejects(() => histograms.now("temperature"), StreamError);
  assertEquals([gone.code, gone.status, gone.headers["retry-after"]], ["measurements-unavailable", 503, "1"]);
  assert(options.lines.some((line) => line.includes('"measurement is counted"')), "its log is the program's");
});

Deno.test("startHistograms() with a locked file tells that it cannot be written, and goes on when it can", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1);
  const options = optionsOn(ground);
  await using histograms = startHistograms(options);
  await histograms.checkWritable();
  using other = new DatabaseSync(options.file);
  other.exec("BEGIN IMMEDIATE");
  await ground.send(5);
  await eventually("it waits", async () => {
    const { status } = await histograms.now("temperature");
    return status.state === "waiting" && status.reason?.includes("locked");
  });
  const warnings = () => options.lines.filter((line) => line.includes('"warn"')).length;
  await eventually("it is told", () => warnings() > 0);
  other.exec("ROLLBACK");
  await eventually("5", async () => (await histograms.now("temperature")).snapshot.count === 5);
  await histograms.checkWritable();
  assertEquals(warnings(), 1);
});

Deno.test("startHistograms() without measurements starts nothing", async () => {
  await using ground = await Ground.open();
  await using histograms = startHistograms(optionsOn(ground, { specs: [] }));
  assertEquals(histograms.specs, []);
  await histograms.checkWritable();
});

Deno.test("startHistograms() starts a thread that died anew, and refuses meanwhile", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1);
  await ground.send(5);
  const options = optionsOn(ground), caFile = `${ground.folder}/ca.pem`;
  const ssl = { caFile }; // its absence is what the thread dies of
  await using histograms = startHistograms({ ...options, kafka: { ...options.kafka, ssl } });
  const refused = await assertRejects(() => histograms.now("temperature"), StreamError);
  assertEquals([refused.code, refused.status], ["measurements-unavailable", 503]);
  const deaths = () =>
    options.lines.filter((line) => line.includes("counting failed, it begins anew")).length;
  await eventually("it to die again", () => deaths() >= 2, startMs);
  await Deno.writeTextFile(caFile, "");
  await eventually("what the file holds", async () => {
    const { snapshot } = await histograms.now("temperature").catch(() => ({ snapshot: null }));
    return snapshot?.count === 0;
  }, startMs);
});
