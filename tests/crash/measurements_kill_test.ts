/** kill -9 of the whole service, embedded broker and all, while measurements come in.
 *
 * Four times in a normal run, TAILRACE_MEASUREMENT_CRASHES for more. Some kills meet a service that is in the middle of a backlog, some one
 * that counts single measurements, some one that has not begun. In the end the file, the answer and every histogram that was published say
 * what is in the topic. Left out: several instances (measurement_instances_test.ts).
 * @module */
import { assert } from "@std/assert";
import { Kafka } from "../../kafka/client.ts";
import { type MeasurementSpec, usualMeasurements } from "../../kafka/measurements.ts";
import { createProducer } from "../../kafka/producer.ts";
import { silentLogger } from "../../logger.ts";
import { plainKafka } from "../clients.ts";
import { eventually, pause } from "../eventually.ts";
import { Random } from "../random.ts";
import { Service } from "../service.ts";
import { checkAnswer, checkFile, checkPublished, truthOf } from "./measurement_truth.ts";

const times = Number(Deno.env.get("TAILRACE_MEASUREMENT_CRASHES") ?? 4);
const spec: MeasurementSpec = usualMeasurements.find(({ name }) => name === "temperature")!;
const partitions = 2;

Deno.test(`kill -9 of the service while it counts, ${times} times: each measurement is counted, stored and published once`, async () => {
  const random = new Random("moments of kill -9 while counting");
  await using service = await Service.open({ settings: { MEASUREMENTS: spec.name } });
  const { bootstrap } = service;
  await addPartition(bootstrap);
  {
    await using load = new Load(bootstrap, random);
    for (let n = 0; n < times; n++) {
      if (n % 3 === 0) await load.burst(random.between(2_000, 20_000));
      // Every other kill meets one that publishes; the others come whenever they come.
      if (n % 2 === 0) await publishes(service);
      await pause(random.between(0, 400));
      await service.kill();
      await service.start();
    }
    await load.more(50);
  }
  const truth = await truthOf(bootstrap, spec);
  await eventually(
    `all ${truth.count} to be counted`,
    async () => (await now(service)).count === truth.count,
    120_000,
    () => service.log().split("\n").slice(-10).join("\n"),
  );
  await checkAnswer(service.url, spec, truth);
  checkFile(`${service.dataDir}/measurements.db`, spec, truth);
  const published = await eventually(
    "the last histogram to be published",
    () => checkPublished(bootstrap, spec, truth),
    60_000,
  );
  assert(truth.count > 0 && truth.wrong > 0);
  console.log(
    `kill -9 ×${times}: ${truth.count} measurements, ${truth.wrong} wrong, ${published} histograms`,
  );
});

async function now(service: Service): Promise<{ count: number; status: { owner: boolean } }> {
  const answer = await fetch(`${service.url}/histograms/${spec.name}`);
  return await answer.json();
}

async function publishes(service: Service): Promise<void> {
  await eventually("it to publish", async () => (await now(service)).status.owner, 60_000);
}

/** The service makes the topic with one. */
async function addPartition(bootstrap: string): Promise<void> {
  const admin = plainKafka(bootstrap).admin();
  await admin.connect();
  try {
    await eventually("the topic", async () => (await admin.listTopics()).includes(spec.name));
    await admin.createPartitions({ topicPartitions: [{ topic: spec.name, count: partitions }] });
  } finally {
    await admin.disconnect();
  }
}

/** Measurements, some of them wrong, one after the other, and now and then very many. What has no answer may be there or not. */
class Load implements AsyncDisposable {
  readonly #parts = new AsyncDisposableStack();
  readonly #producer;
  readonly #random: Random;
  readonly #working: Promise<void>;
  #sent = 0;
  #isStopped = false;

  constructor(bootstrap: string, random: Random) {
    const way = { brokers: [bootstrap], clientId: "load", ssl: null, sasl: null, log: silentLogger };
    const kafka = this.#parts.use(new Kafka(way));
    this.#producer = this.#parts.use(createProducer(kafka, { log: silentLogger, timeoutMs: 60_000 }));
    this.#random = random;
    this.#working = this.#send();
  }

  /** Waits until so many more were acknowledged. */
  async more(count: number): Promise<void> {
    const wanted = this.#sent + count;
    await eventually(`${count} more measurements`, () => this.#sent >= wanted, 60_000);
  }

  /** Sends many at once. */
  async burst(count: number): Promise<void> {
    await this.#producer.sendAll(spec.name, Array.from({ length: count }, () => this.#record()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    await this.#working;
    await this.#parts.disposeAsync();
  }

  async #send(): Promise<void> {
    while (!this.#isStopped) {
      try {
        await this.#producer.sendAll(
          spec.name,
          Array.from({ length: this.#random.between(1, 5) }, () => this.#record()),
        );
        this.#sent++;
      } catch {
        // It may be there or not: the topic tells in the end.
      }
      await pause(this.#random.between(0, 20));
    }
  }

  #record() {
    const measurement = this.#random.between(-300, 300) / 10;
    const value = JSON.stringify({ measurement, measurement_time: new Date().toISOString() });
    const isWrong = this.#random.between(0, 19) === 0;
    return { partition: this.#random.between(0, partitions - 1), value: isWrong ? value.slice(1) : value };
  }
}
