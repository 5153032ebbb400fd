/** Fuzzing of the broker's port: frames right and wrong of every API that is served, slow clients, and beside them a
 * client that does everything right and must notice nothing.
 *
 * The broker is a process of its own, so that its memory can be looked at. A short run in a normal `deno test`;
 * `deno task fuzz` handles a million frames (TAILRACE_FUZZ_FRAMES, bounded by TAILRACE_FUZZ_SECONDS). Everything is
 * drawn from one seed, which is printed; the order in which connections get their turn is not. @module */
import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { apis } from "../../kafka/broker/apis/mod.ts";
import { eventually } from "../eventually.ts";
import { batchOf } from "../kafka/broker/batches.ts";
import { ProtocolClient } from "../protocol/client.ts";
import { schemaOf } from "../protocol/schema.ts";
import { Random } from "../random.ts";
import { Service } from "../service.ts";
import { Fuzzer } from "./fuzzer.ts";
import { GoodClient, readNumbers } from "./good_client.ts";
import { fuzzTopics, type ServedApi } from "./random_requests.ts";
import { bigTopic, SlowClients } from "./slow_clients.ts";

const frames = Number(Deno.env.get("TAILRACE_FUZZ_FRAMES") ?? 20_000);
const seconds = Number(Deno.env.get("TAILRACE_FUZZ_SECONDS") ?? 180);
const isLong = frames > 100_000;
/** How much the memory of the broker may grow after the first tenth, in megabytes. */
const maxGrowthMegabytes = 300;
const maxPartitions = 10_000;

const served: ServedApi[] = apis.map((api) => ({
  schema: schemaOf(api.key),
  from: api.servedFrom ?? api.versions[0],
  to: api.versions[1],
}));

Deno.test(`${frames} frames of every API, right and wrong, and slow clients harm nobody else`, async () => {
  const random = new Random("fuzzing");
  const settings = { BROKER_SYNC: "normal", LOG_LEVEL: "error" };
  await using service = await Service.open({ command: "broker", settings });
  const port = Number(service.bootstrap.split(":")[1]);
  await prepare(port);
  const good = await GoodClient.open(port);
  const fuzzer = new Fuzzer({ port, random, apis: served, connections: 64 });
  const { report } = fuzzer;
  const began = performance.now();
  const until = began + seconds * 1000;
  {
    await using slow = await SlowClients.open({
      port,
      half: 50,
      dripping: 50,
      deaf: 8,
      idle: isLong ? 1_700 : 300,
    });
    await fuzzer.run(frames / 10, until);
    const memory = [megabytes(service.pid, "VmRSS")];
    for (let tenths = 2; tenths <= 10; tenths++) {
      await fuzzer.run(frames * tenths / 10, until);
      memory.push(megabytes(service.pid, "VmRSS"));
    }
    const took = (performance.now() - began) / 1000;
    await good.stop();
    console.log(
      `fuzz: ${report.handled} frames in ${
        took.toFixed(1)
      } s, ${report.answered} answered, ${report.closed} connections ` +
        `closed by the broker, ${report.abandoned} given up; memory by tenths ${memory.join(" ")} MB (peak ` +
        `${megabytes(service.pid, "VmHWM")}); good client: ${good.produced} numbers, slowest ${
          good.slowestMs.toFixed(0)
        } ms; ` +
        `${slow.open} slow clients still connected`,
    );
    const found = { answers: report.problems, log: errorLines(service) };
    assertEquals(found, { answers: [], log: [] });
    assertLess(memory.at(-1)! - memory[0]!, maxGrowthMegabytes, "growth of the broker's memory in MB");
  }
  for (const { schema } of served) {
    assertGreater(report.byApi.get(schema.name) ?? 0, 0, `answers of ${schema.name}`);
  }
  if (isLong) assertGreater(report.handled, frames * 0.9, "frames handled in the time");

  const dataDir = service.dataDir;
  assertEquals((await service.terminate()).code, 0, service.log().slice(-2000));
  checkDatabase(`${dataDir}/broker.db`);
  await service.start();
  console.log(`fuzz: started again on what it left in ${service.startSeconds.toFixed(2)} s`);
  await checkNumbers(port, good.produced);
});

Deno.test("connections beyond the limit are refused, those within it are served", async () => {
  await using service = await Service.open({ command: "broker", settings: { LOG_LEVEL: "error" } });
  const port = Number(service.bootstrap.split(":")[1]);
  const good = await GoodClient.open(port);
  {
    await using slow = await SlowClients.open({ port, half: 0, dripping: 0, deaf: 0, idle: 2_100 });
    await eventually(
      "the ones beyond the limit to be closed",
      () => slow.closed >= 100,
      60_000,
      () => slow.closed,
    );
    const before = good.produced;
    await eventually("the good client to go on", () => good.produced > before + 10, 60_000);
    assertLess(slow.closed, 150, "connections refused");
  }
  await eventually("room again", async () => {
    using client = await ProtocolClient.connect(port);
    return await client.ask(18, 0, {});
  });
  await good.stop();
});

/** The topics that the fuzzer knows of, and one with big answers. */
async function prepare(port: number): Promise<void> {
  using client = await ProtocolClient.connect(port);
  const topics = [...fuzzTopics, bigTopic].map((name) => ({ name, numPartitions: 4, replicationFactor: 1 }));
  await client.ask(19, 4, { topics, timeoutMs: 10_000 });
  const records = batchOf([{ value: "x".repeat(900_000), timestamp: Date.now() }]);
  const topicData = [{ name: bigTopic, partitionData: [{ index: 0, records }] }];
  for (let n = 0; n < 4; n++) await client.ask(0, 7, { acks: -1, timeoutMs: 10_000, topicData });
  await client.ask(3, 12, { topics: null });
}

function megabytes(pid: number, field: "VmRSS" | "VmHWM"): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Math.round(Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
}

/** Lines of level error, cut to what tells them apart. */
function errorLines(service: Service): string[] {
  const lines = service.log().split("\n").filter((line) => line.includes('"level":"error"'));
  return [...new Set(lines.map((line) => line.replace(/"time":"[^"]*",?/, "").slice(0, 1500)))].slice(0, 10);
}

function checkDatabase(file: string): void {
  const db = new DatabaseSync(file);
  try {
    assertEquals(db.prepare("PRAGMA integrity_check").all().map((row) => Object.values(row)[0]), ["ok"]);
    const partitions = Number(db.prepare("SELECT count(*) AS n FROM partitions").get()?.n);
    assert(partitions <= maxPartitions, `${partitions} partitions`);
  } finally {
    db.close();
  }
}

async function checkNumbers(port: number, count: number): Promise<void> {
  using client = await ProtocolClient.connect(port);
  const found: (string | null)[] = [];
  while (found.length < count) {
    const numbers = (await readNumbers(client, found.length, 0)).filter(({ offset }) =>
      offset >= found.length
    );
    if (numbers.length === 0) break;
    found.push(...numbers.map(({ value }) => value));
  }
  assertEquals(found, Array.from({ length: count }, (_, n) => String(n)), "every number once, in order");
}
