/** What holds of instances that count, whichever Kafka they count on: one suite, run by the test files beside it.
 *
 * The instances are in this process, each with a folder and a group of the test's own. Left out: what a user sees (histograms.ts), kill -9
 * (tests/crash/).
 * @module */
import { assertEquals, assertNotEquals } from "@std/assert";
import type { Kafka } from "../../kafka/client.ts";
import { measurementRecord, type MeasurementSpec } from "../../kafka/measurements.ts";
import { HistogramService } from "../../kafka/processors/histogram_service.ts";
import type { HistogramNow } from "../../kafka/processors/histogram_types.ts";
import { createProducer, type Producer } from "../../kafka/producer.ts";
import { topicIdOf } from "../../kafka/topic_id.ts";
import { silentLogger } from "../../logger.ts";
import { createTopic, deleteTopic } from "../clients.ts";
import { eventually, pause } from "../eventually.ts";
import { PublishedStates } from "../kafka/processors/histogram_ground.ts";
import { connect } from "../kafka/test_broker.ts";
import { newTopic } from "../new_topic.ts";
import { Random } from "../random.ts";

/** Registers the suite.
 * @param on the kind of Kafka, for the tests' names
 * @param ignore whether the machine has not got it
 * @param bootstrap host:port; asked for inside the tests only */
export function histogramServiceContract(on: string, ignore: boolean, bootstrap: () => string): void {
  const test = (claim: string, fn: (ground: Ground) => Promise<void>) =>
    Deno.test({
      name: `instances that count on ${on}: ${claim}`,
      ignore,
      async fn() {
        await using ground = await Ground.open(bootstrap());
        await fn(ground);
      },
    });
  test(
    "a topic that is made anew has another id, and the total goes on though it is longer by now",
    madeAnew,
  );
  test("they come and go, each counts all, and what is published never goes back", comeAndGo);
}

/** A topic of the test's own, and instances that count it. */
class Ground implements AsyncDisposable {
  readonly #parts = new AsyncDisposableStack();
  readonly spec: MeasurementSpec = { name: newTopic("counted"), first: 0, last: 99, step: 1 };
  sent = 0;
  #instances = 0;

  private constructor(
    readonly bootstrap: string,
    readonly kafka: Kafka,
    readonly producer: Producer,
    readonly folder: string,
  ) {}

  static async open(bootstrap: string): Promise<Ground> {
    const kafka = connect(bootstrap), producer = createProducer(kafka, { log: silentLogger });
    const folder = await Deno.makeTempDir({ prefix: "tailrace-counts-" });
    const ground = new Ground(bootstrap, kafka, producer, folder);
    ground.#parts.defer(() => Deno.remove(folder, { recursive: true }));
    ground.#parts.use(kafka);
    ground.#parts.use(producer);
    await createTopic(bootstrap, ground.spec.name, 2);
    return ground;
  }

  count(file = `${this.folder}/${++this.#instances}.db`): HistogramService & { file: string } {
    const { kafka, spec: { name } } = this;
    const options = { kafka, specs: [this.spec], file, log: silentLogger, group: `g-${name}` };
    const limits = { retentionMs: -1, retentionBytes: -1 };
    const service = new HistogramService({ ...options, ...limits, publishPauseMs: 10 });
    this.#parts.use(service);
    return Object.assign(service, { file });
  }

  published(): PublishedStates {
    return this.#parts.use(new PublishedStates(this.kafka, this.spec.name));
  }

  async send(count: number): Promise<void> {
    const records = Array.from({ length: count }, () => {
      const n = this.sent++;
      return { ...measurementRecord(n % 100, 1_000 * n), partition: n % 2 };
    });
    await this.producer.sendAll(this.spec.name, records);
  }

  /** Waits until an instance has counted everything. */
  async counted(service: HistogramService): Promise<HistogramNow> {
    let now: HistogramNow | undefined;
    const found = await eventually(
      `all ${this.sent}`,
      async () => {
        now = await service.now(this.spec.name);
        return now.snapshot.count >= this.sent && now;
      },
      60_000,
      () => now && { count: now.snapshot.count, status: now.status },
    );
    assertEquals([found.snapshot.count, found.rows], [this.sent, this.sent]);
    const bins = found.snapshot.hist.length; // of two values each
    const wanted = Array.from({ length: this.sent }, (_, n) => n % 100);
    const counts = Array.from({ length: bins }, (_, bin) => {
      const { bin_edges: edges } = found.snapshot;
      return wanted.filter((v) => v >= edges[bin]! && (v < edges[bin + 1]! || bin === bins - 1)).length;
    });
    assertEquals(found.snapshot.hist, counts);
    return found;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

async function madeAnew(ground: Ground): Promise<void> {
  const { bootstrap, kafka, spec: { name } } = ground;
  await using connection = kafka.connect();
  await ground.send(60);
  const first = ground.count(), { file } = first;
  await ground.counted(first);
  const id = await topicIdOf(connection, name);
  assertEquals(id?.length, 32);
  await first[Symbol.asyncDispose]();
  await deleteTopic(bootstrap, name);
  assertEquals(await topicIdOf(connection, name), null);
  await createTopic(bootstrap, name, 2);
  assertNotEquals(await topicIdOf(connection, name), id);
  await ground.send(80);
  const { covered } = await ground.counted(ground.count(file));
  assertEquals(covered, { log: 1, positions: { 0: 40, 1: 40 } });
  // Who begins now has the total from what was published.
  const published = ground.published();
  await published.reaches(140);
}

async function comeAndGo(ground: Ground): Promise<void> {
  const random = new Random("instances that come and go");
  const published = ground.published();
  const instances = [ground.count(), ground.count()];
  const files = instances.map(({ file }) => file);
  for (let step = 0; step < 6; step++) {
    const n = step % 2;
    await ground.send(random.between(1, 200));
    await pause(random.between(0, 400));
    await instances[n]![Symbol.asyncDispose]();
    await ground.send(random.between(1, 200));
    instances[n] = ground.count(files[n]!);
  }
  for (const instance of instances) await ground.counted(instance);
  await published.reaches(ground.sent);
  published.check();
}
