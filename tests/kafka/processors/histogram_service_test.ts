import { assert, assertEquals, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { StreamError } from "../../../errors.ts";
import { edgesOf } from "../../../kafka/measurements.ts";
import { eventually } from "../../eventually.ts";
import { checkWhole, countsOf, Ground, humidity, temperature } from "./histogram_ground.ts";

Deno.test("HistogramService counts, stores and publishes what is in the topic and what comes", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 3);
  await ground.send(100);
  const published = ground.published();
  const service = ground.count();
  await ground.counted(service, 100);
  for (const partition of [1, 2, 0]) await ground.send(50, { partition });
  await ground.counted(service, 250);
  await eventually("live", async () => (await service.now("temperature")).status.state === "live");
  const { covered, snapshot, status, rows } = await checkWhole(service, 250);
  assertEquals(covered, { log: 0, positions: { 0: 150, 1: 50, 2: 50 } });
  assertEquals([rows, status.state, status.reason, status.behind], [250, "live", null, 0]);
  assertEquals((await published.reaches(250)).snapshot, snapshot);
  assertEquals((await published.reaches(250)).covered, covered);
  published.check();
  await eventually("the owner is known", async () => (await service.now("temperature")).status.owner);
});

Deno.test("HistogramService goes on after a stop: each measurement once, whatever came meanwhile", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 2);
  const file = ground.newFile(), published = ground.published();
  for (let n = 1; n <= 3; n++) {
    await using service = ground.count({ file });
    await ground.counted(service, (n - 1) * 80);
    await ground.send(40);
    await ground.counted(service, (n - 1) * 80 + 40);
    await service[Symbol.asyncDispose]();
    await ground.send(40, { partition: 1 });
  }
  const service = ground.count({ file });
  await ground.counted(service, 240);
  await published.reaches(240);
  await checkWhole(service, 240);
  published.check();
});

Deno.test("HistogramService publishes each measurement that comes alone, and commits the group's offsets with it", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1);
  const published = ground.published();
  const service = ground.count({ publishPauseMs: 0 });
  await ground.counted(service, 0);
  await eventually("the owner", async () => (await service.now("temperature")).status.owner);
  for (let n = 1; n <= 5; n++) {
    await ground.send(1);
    await published.reaches(n);
  }
  assertEquals(published.states.map(({ snapshot }) => snapshot.count), [1, 2, 3, 4, 5]);
  const { CommittedPositions } = await import("../../../kafka/positions.ts");
  await using positions = new CommittedPositions(ground.kafka);
  assertEquals(await positions.read("tailrace-histograms", "temperature"), [5]);
});

Deno.test("HistogramService counts what is no measurement by its kind, and goes on", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1);
  const service = ground.count();
  const at = "2026-05-17T00:00:00Z";
  const values = [
    "{broken",
    `{"measurement":NaN,"measurement_time":"${at}"}`,
    `{"measurement":"20","measurement_time":"${at}"}`,
    `{"measurement_time":"${at}"}`,
    `{"measurement":1}`,
    null,
  ];
  await ground.producer.sendAll("temperature", values.map((value) => ({ value, partition: 0 })));
  await ground.send(10);
  const { snapshot, covered } = await ground.counted(service, 10);
  assertEquals(snapshot.wrong, {
    json: 1,
    missing: 1,
    "not-a-number": 1,
    "not-finite": 1,
    time: 1,
    empty: 1,
  });
  assertEquals(covered.positions, { 0: 16 });
});

Deno.test("HistogramService waits for a topic that is missing, and counts it from its first record", async () => {
  await using ground = await Ground.open();
  const service = ground.count({ specs: [temperature, humidity] });
  await ground.broker.createTopic("temperature", 1);
  await ground.send(5);
  await ground.counted(service, 5);
  const status = await eventually("it waits for the other one", async () => {
    const { status } = await service.now("humidity");
    return status.state === "waiting" && status;
  });
  assertEquals(status.reason, "topic humidity does not exist");
});

Deno.test("HistogramService goes on with the total when the topic is made anew", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1);
  await ground.send(30);
  const published = ground.published();
  const service = ground.count();
  await ground.counted(service, 30);
  await published.reaches(30);
  await ground.broker.deleteTopic("temperature");
  await eventually("it waits", async () => (await service.now("temperature")).status.state === "waiting");
  await ground.broker.createTopic("temperature", 1);
  await ground.send(5);
  const { covered } = await ground.counted(service, 35);
  assertEquals(covered, { log: 1, positions: { 0: 5 } });
  await checkWhole(service, 35);
  assertEquals((await published.reaches(35)).covered.log, 1);
  const { rows } = await service.rows("temperature", { limit: 100 });
  assertEquals(rows.map(({ offset }) => offset), [...new Array(30).fill(null), 0, 1, 2, 3, 4]);
  published.check();
});

Deno.test("HistogramService tells what retention removed before it was counted", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1, { "retention.bytes": "2000" });
  const file = ground.newFile();
  {
    await using service = ground.count({ file, group: "one" });
    await ground.send(5);
    await ground.counted(service, 5);
    await service[Symbol.asyncDispose]();
  }
  for (let n = 0; n < 60; n++) await ground.send(1);
  await ground.broker.broker.sweep();
  const service = ground.count({ file, group: "one" });
  await ground.send(1);
  const { snapshot, rows } = await eventually("the newest", async () => {
    const now = await service.now("temperature");
    return now.covered.positions[0] === 66 && now;
  });
  assert(snapshot.missed > 0, `missed ${snapshot.missed}`);
  assertEquals(snapshot.count + snapshot.missed, 66);
  assertEquals(rows, snapshot.count);
});

Deno.test("HistogramService counts the rows anew when the bins are others, and publishes that", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1);
  await ground.send(120);
  const file = ground.newFile(), published = ground.published();
  {
    await using service = ground.count({ file });
    await ground.counted(service, 120);
    await published.reaches(120);
    await service[Symbol.asyncDispose]();
  }
  const other = { ...temperature, first: -30, last: 29 };
  const service = ground.count({ file, specs: [other] });
  await eventually("other bins", async () => (await service.now("temperature")).snapshot.hist.length === 30);
  const { snapshot } = await ground.counted(service, 120);
  assertEquals(snapshot.bin_edges, edgesOf(other));
  assertEquals(snapshot.hist, countsOf(120, other));
  await eventually("published", () => published.states.at(-1)!.snapshot.hist.length === 30);
  assertEquals(published.states.at(-1)!.snapshot.hist, snapshot.hist);
});

Deno.test("HistogramService has other books on another cluster, and its own again on the first one", async () => {
  await using ground = await Ground.open();
  await using other = await Ground.open();
  for (const one of [ground, other]) await one.broker.createTopic("temperature", 1);
  await ground.send(20);
  await other.send(7);
  const others = other.published(), own = ground.published();
  const service = ground.count();
  await ground.counted(service, 20);
  await own.reaches(20);
  ground.proxy.cutAll();
  ground.proxy.target = { hostname: "127.0.0.1", port: other.broker.broker.port };
  await ground.proxy.stop();
  ground.proxy.start();
  await eventually(
    "the other's",
    async () => (await service.now("temperature")).snapshot.count === 7,
  );
  await others.reaches(7);
  assert(others.states.every(({ snapshot }) => snapshot.count <= 7), "nothing of the first one is there");
  await ground.proxy.stop();
  ground.proxy.target = { hostname: "127.0.0.1", port: ground.broker.broker.port };
  ground.proxy.start();
  await ground.send(1);
  await eventually("its own", async () => (await service.now("temperature")).snapshot.count === 21);
  assertEquals((await service.now("temperature")).snapshot.hist, countsOf(21));
  await own.reaches(21);
  own.check();
});

Deno.test("HistogramService says at once what it has when Kafka is away, and what it waits for", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1);
  await ground.send(10);
  const file = ground.newFile();
  {
    await using service = ground.count({ file });
    await ground.counted(service, 10);
    await service[Symbol.asyncDispose]();
  }
  await ground.proxy.stop();
  const service = ground.count({ file });
  assertEquals((await service.now("temperature")).snapshot.count, 10);
  assertEquals((await service.rows("temperature", { limit: 3 })).rows.length, 3);
  await eventually("it waits", async () => (await service.now("temperature")).status.state === "waiting");
  ground.proxy.start();
  await ground.send(5);
  await ground.counted(service, 15);
  await eventually("live", async () => (await service.now("temperature")).status.state === "live");
});

Deno.test("HistogramService whose file is locked at the start says so to all who ask, and goes on when it is free", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1);
  await ground.send(5);
  const file = `${ground.folder}/locked.db`;
  using other = new DatabaseSync(file);
  other.exec("BEGIN EXCLUSIVE");
  const service = ground.count({ file });
  for (const ask of ["now", "rows", "checkWritable"] as const) {
    await eventually(`the reason of ${ask}()`, async () => {
      const asked = ask === "rows" ? service.rows("temperature", { limit: 3 }) : service[ask]("temperature");
      const { message } = await assertRejects(() => Promise.resolve<unknown>(asked), StreamError);
      return message.startsWith("Cannot read the measurements as the file is locked by another program");
    });
  }
  other.exec("ROLLBACK");
  await ground.counted(service, 5);
  await service.checkWritable();
});

Deno.test("HistogramService with a file that is no database does nothing, says so and touches nothing", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1);
  const file = `${ground.folder}/notes.db`;
  await Deno.writeTextFile(file, "these are notes, and no database at all. ".repeat(500));
  const service = ground.count({ file });
  const error = await assertRejects(() => service.now("temperature"), StreamError);
  assertEquals([error.code, error.status], ["measurements-unavailable", 503]);
  const told = "Cannot open notes.db: file is not a database"; // and not where it is
  assertEquals(error.message, told);
  assertEquals((await assertRejects(() => service.checkWritable(), StreamError)).message, told);
  await service[Symbol.asyncDispose]();
  assertEquals((await Deno.readTextFile(file)).slice(0, 15), "these are notes");
});

Deno.test("a HistogramService whose file can never be used keeps no measurement from those that count it", async () => {
  await using ground = await Ground.open();
  const file = `${ground.folder}/notes.db`, specs = [temperature, humidity];
  for (const { name } of specs) await ground.broker.createTopic(name, 1);
  await Deno.writeTextFile(file, "these are notes, and no database at all. ".repeat(500));
  const broken = ground.count({ file, specs });
  await assertRejects(() => broken.now("temperature"), StreamError);
  ground.count({ specs });
  for (const { name: topic } of specs) {
    await ground.send(20, { topic });
    await ground.published(topic).reaches(20);
  }
});

Deno.test("HistogramService makes the topic of the histogram again when somebody has deleted it, and publishes all there", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1);
  const service = ground.count();
  await ground.send(10);
  const before = ground.published();
  await before.reaches(10);
  await before[Symbol.asyncDispose]();
  await ground.broker.deleteTopic("hist_temperature");
  await ground.send(10);
  await ground.published().reaches(20);
  await checkWhole(service, 20);
});

Deno.test("HistogramService with other bins misses the measurements whose rows are gone, and says so", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1);
  await ground.send(120);
  const file = ground.newFile();
  {
    await using service = ground.count({ file });
    await ground.counted(service, 120);
    await service[Symbol.asyncDispose]();
  }
  {
    using database = new DatabaseSync(file);
    database.exec('DELETE FROM "temperature" WHERE "offset" < 50'); // as retention does
  }
  const service = ground.count({ file, specs: [{ ...temperature, first: -30, last: 29 }] });
  await eventually("other bins", async () => (await service.now("temperature")).snapshot.hist.length === 30);
  await ground.send(3);
  const { snapshot, covered } = await ground.counted(service, 73);
  assertEquals([snapshot.missed, covered.positions], [50, { 0: 123 }]);
  assertEquals(snapshot.hist.reduce((sum, n) => sum + n, 0), 73);
});
