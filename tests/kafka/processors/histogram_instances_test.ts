import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import type { HistogramService } from "../../../kafka/processors/histogram_service.ts";
import { TransactionalProducer } from "../../../kafka/transactions.ts";
import { silentLogger } from "../../../logger.ts";
import { eventually, pause } from "../../eventually.ts";
import { Random } from "../../random.ts";
import { fetchApi } from "../broker_proxy.ts";
import { checkWhole, Ground, humidity, temperature } from "./histogram_ground.ts";

const endTxnApi = 26, txnOffsetCommitApi = 28;

async function isOwner(service: HistogramService, name = "temperature"): Promise<boolean> {
  return (await service.now(name)).status.owner;
}

/** Sends now and then until it is disposed. */
function sendOn(ground: Ground, random: Random): AsyncDisposable {
  let isStopped = false;
  const sending = (async () => {
    while (!isStopped) {
      await ground.send(random.between(1, 30), { partition: random.between(0, 2) });
      await pause(random.between(0, 20));
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      isStopped = true;
      await sending;
    },
  };
}

Deno.test("two HistogramServices share the measurements, and each counts all of them", async () => {
  await using ground = await Ground.open();
  for (const { name } of [temperature, humidity]) await ground.broker.createTopic(name, 1);
  const specs = [temperature, humidity];
  const services = [ground.count({ specs }), ground.count({ specs })];
  await eventually("one measurement each", async () => {
    const owned = await Promise.all(
      services.map((one) => Promise.all(specs.map(({ name }) => isOwner(one, name)))),
    );
    return owned.every((own) => own.filter(Boolean).length === 1) && owned[0]![0] !== owned[1]![0];
  });
  await ground.send(100);
  await ground.send(40, { topic: "humidity" });
  for (const service of services) {
    await ground.counted(service, 100);
    await ground.counted(service, 40, "humidity");
  }
  await ground.published().reaches(100);
  await ground.published("humidity").reaches(40);
});

for (const isShared of [false, true]) {
  const folders = isShared ? "one shared folder" : "folders of their own";
  Deno.test(`HistogramServices with ${folders} that come and go: what is published never goes back, and all is exact`, async () => {
    const random = new Random(`instances with ${folders}`);
    await using ground = await Ground.open();
    await ground.broker.createTopic("temperature", 3);
    const published = ground.published();
    const files = Array.from({ length: 3 }, () => isShared ? `${ground.folder}/shared.db` : ground.newFile());
    const services: (HistogramService | null)[] = files.map((file) => ground.count({ file }));
    {
      await using _ = sendOn(ground, random);
      for (let step = 0; step < 12; step++) {
        await pause(random.between(0, 250));
        const n = random.between(0, 2), service = services[n];
        if (service) await service[Symbol.asyncDispose]();
        const isLast = services.every((one, i) => one === null || i === n);
        services[n] = service && !isLast ? null : ground.count({ file: files[n]! });
      }
    }
    for (const [n, file] of files.entries()) services[n] ??= ground.count({ file });
    await published.reaches(ground.sent);
    published.check();
    for (const service of services) {
      await ground.counted(service!, ground.sent);
      await checkWhole(service!, ground.sent);
    }
  });
}

Deno.test("a HistogramService whose transactional id was taken joins anew and goes on from what was published", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1);
  const published = ground.published();
  const service = ground.count();
  await ground.send(10);
  await published.reaches(10);
  await using other = new TransactionalProducer(ground.kafka, {
    transactionalId: "tailrace-histograms-temperature",
    log: silentLogger,
  });
  for (const count of [20, 30]) {
    await other.init();
    await ground.send(10);
    await published.reaches(count);
  }
  published.check();
  await checkWhole(service, 30);
});

Deno.test("a HistogramService that Kafka heard nothing of for long is no owner any more, and publishes nothing when it is back", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1);
  const published = ground.published();
  const silent = ground.count();
  await ground.send(10);
  await published.reaches(10);
  assert(await isOwner(silent));
  const other = ground.count({ isDirect: true });
  ground.proxy.onRequest = () => "drop";
  await ground.send(10);
  await published.reaches(20);
  await eventually("it knows", async () => !(await isOwner(silent)));
  assert(await isOwner(other));
  ground.proxy.onRequest = () => "pass";
  ground.proxy.cutAll();
  await ground.send(10);
  await published.reaches(30);
  for (const service of [silent, other]) {
    await ground.counted(service, 30);
    await checkWhole(service, 30);
  }
  published.check();
});

Deno.test("a HistogramService among cut connections, also in the middle of transactions: all is exact", async () => {
  const random = new Random("cuts");
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 3);
  const published = ground.published();
  const service = ground.count();
  await ground.counted(service, 0);
  const isCut = ({ api }: { api: number }) => {
    const often = api === endTxnApi || api === txnOffsetCommitApi ? 4 : api === fetchApi ? 20 : 40;
    return random.between(1, often) === 1 ? "cut" as const : "pass" as const;
  };
  ground.proxy.onRequest = isCut;
  ground.proxy.onAnswer = isCut;
  {
    await using _ = sendOn(ground, random);
    await pause(3_000);
  }
  ground.proxy.onRequest = ground.proxy.onAnswer = () => "pass";
  await ground.counted(service, ground.sent);
  await published.reaches(ground.sent);
  await checkWhole(service, ground.sent);
  published.check();
});

Deno.test("a HistogramService whose file is locked waits and says so, and goes on by itself", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1);
  const published = ground.published();
  const service = ground.count();
  await ground.send(10);
  await published.reaches(10);
  using other = new DatabaseSync(service.file);
  other.exec("BEGIN IMMEDIATE");
  await ground.send(10);
  const { status } = await eventually("it waits", async () => {
    const now = await service.now("temperature");
    return now.status.state === "waiting" && now;
  });
  assert(status.reason?.includes("locked"), status.reason!);
  assertEquals(
    (await service.now("temperature")).snapshot.count,
    10,
    "nothing that is not in the file is shown",
  );
  assertEquals(
    (await service.rows("temperature", { limit: 100 })).rows.length,
    10,
    "what is there can be read",
  );
  assertEquals(published.states.at(-1)!.snapshot.count, 10, "nor published");
  other.exec("ROLLBACK");
  await ground.counted(service, 20);
  await published.reaches(20);
  await eventually("live", async () => (await checkWhole(service, 20)).status.state === "live");
});

Deno.test("a HistogramService can be disposed while its file is locked and while Kafka says nothing", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1);
  const service = ground.count();
  await ground.send(10);
  await ground.counted(service, 10);
  using other = new DatabaseSync(service.file);
  other.exec("BEGIN IMMEDIATE");
  await ground.send(10);
  await eventually("it waits", async () => (await service.now("temperature")).status.state === "waiting");
  ground.proxy.onAnswer = () => "drop";
  const began = performance.now();
  await service[Symbol.asyncDispose]();
  assert(performance.now() - began < 5_000, `${performance.now() - began} ms`);
  other.exec("ROLLBACK");
});

Deno.test("a HistogramService can be disposed while Kafka does not answer whether it has made the topic of the histogram", async () => {
  await using ground = await Ground.open();
  const createTopicsApi = 19;
  const asked = Promise.withResolvers<void>();
  ground.proxy.onAnswer = ({ api }) => {
    if (api === createTopicsApi) asked.resolve();
    return api === createTopicsApi ? "drop" : "pass";
  };
  const service = ground.count();
  await asked.promise;
  const began = performance.now();
  await service[Symbol.asyncDispose]();
  assert(performance.now() - began < 5_000, `${performance.now() - began} ms`);
});

Deno.test("a new HistogramService takes over what is published when the log does not have it any more", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1, { "retention.bytes": "2000" });
  const published = ground.published();
  const first = ground.count();
  for (let n = 0; n < 60; n++) await ground.send(1);
  await published.reaches(60);
  await ground.broker.broker.sweep();
  const second = ground.count();
  const { snapshot, rows } = await ground.counted(second, 60);
  assertEquals(snapshot, (await first.now("temperature")).snapshot);
  assert(rows < 60, "rows of records that are gone cannot be had");
  await first[Symbol.asyncDispose]();
  await ground.send(5);
  await ground.counted(second, 65);
  await published.reaches(65);
  published.check();
});

Deno.test("a HistogramService that is disposed publishes its last counts, and the next owner need not wait for it", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1);
  const published = ground.published();
  const service = ground.count({ publishPauseMs: 1_000 });
  const other = ground.count();
  await eventually("an owner", async () => await isOwner(service) || await isOwner(other));
  const [owner, next] = await isOwner(service) ? [service, other] : [other, service];
  await ground.send(10);
  await published.reaches(10);
  await ground.send(10);
  await ground.counted(owner, 20);
  await owner[Symbol.asyncDispose]();
  await published.reaches(20);
  const began = performance.now();
  await eventually("the next owner", () => isOwner(next));
  assert(performance.now() - began < 3_000, `${performance.now() - began} ms without an owner`);
  await ground.send(10);
  await published.reaches(30);
  published.check();
});

Deno.test("a HistogramService whose file is locked for long leaves its measurements to others, and is there again with its file", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1);
  const published = ground.published();
  const service = ground.count({ fileWaitMs: 500 });
  await ground.send(10);
  await published.reaches(10);
  using lock = new DatabaseSync(service.file);
  lock.exec("BEGIN IMMEDIATE");
  const other = ground.count();
  await ground.send(10);
  await published.reaches(20);
  assert(await isOwner(other) && !(await isOwner(service)));
  lock.exec("ROLLBACK");
  await ground.counted(service, 20);
  await other[Symbol.asyncDispose]();
  await ground.send(10);
  await published.reaches(30);
  assert(await isOwner(service));
  await checkWhole(service, 30);
  published.check();
});
