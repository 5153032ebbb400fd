/** Several instances count the same measurements while they come, go, are killed and stand still.
 *
 * Two have a folder each, two share one. In the end every file, every answer and what was published say what is in the topic. Eight steps in a
 * normal run, two hundred by hand: TAILRACE_MEASUREMENT_STEPS. @module */
import { assertGreater } from "@std/assert";
import { Kafka } from "../../kafka/client.ts";
import { type MeasurementSpec, usualMeasurements } from "../../kafka/measurements.ts";
import { createProducer, type Producer } from "../../kafka/producer.ts";
import { silentLogger } from "../../logger.ts";
import { ApacheKafka } from "../apache_kafka.ts";
import { createTopic } from "../clients.ts";
import { eventually, pause } from "../eventually.ts";
import { Random } from "../random.ts";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";
import { checkAnswer, checkFile, checkPublished, truthOf } from "./measurement_truth.ts";

const steps = Number(Deno.env.get("TAILRACE_MEASUREMENT_STEPS") ?? 8);
const spec: MeasurementSpec = usualMeasurements.find(({ name }) => name === "temperature")!;
const partitions = 3, catchUpMs = 120_000;
/** Longer than a membership lasts without a heartbeat. */
const stoppedMs = 8_000;

Deno.test({
  name: `four instances that come and go ${steps} times on Apache Kafka count every measurement once`,
  ignore: requires("apache-kafka").ignore,
  fn: async () => {
    const random = new Random("what instances do");
    await using kafka = await ApacheKafka.open();
    const { bootstrap } = kafka;
    await createTopic(bootstrap, spec.name, partitions);
    await using instances = await Instances.open(bootstrap, random);
    await using load = new Load(bootstrap, random.between(0, 1e6));
    for (let n = 0; n < steps; n++) {
      await pause(random.between(0, 1_500));
      await instances.step(n === 0);
    }
    await load.stop();
    await instances.startAll();
    const truth = await truthOf(bootstrap, spec);
    for (const service of instances.all) {
      await eventually(
        `${service.url} to count ${truth.count}`,
        async () => {
          const { count, behind } = await nowOf(service);
          return count === truth.count && behind === 0;
        },
        catchUpMs,
        () => service.log().split("\n").slice(-20).join("\n"),
      );
      await checkAnswer(service.url, spec, truth);
    }
    for (const file of instances.files) checkFile(file, spec, truth);
    const published = await eventually(
      "the last histogram to be published",
      () => checkPublished(bootstrap, spec, truth),
      catchUpMs,
    );
    assertGreater(truth.count, 0);
    console.log(`${instances.told()}; ${truth.count} counted, ${truth.wrong} wrong, ${published} histograms`);
  },
});

async function nowOf(service: Service): Promise<{ count: number; behind: number }> {
  const answer = await fetch(`${service.url}/histograms/${spec.name}`);
  const { count, status } = await answer.json();
  return { count, behind: status?.behind ?? NaN };
}

/** The instances, of which the last two share a folder. */
class Instances implements AsyncDisposable {
  readonly all: Service[] = [];
  readonly #isUp: boolean[] = [];
  readonly #random: Random;
  readonly #done = new Map<string, number>();

  private constructor(random: Random) {
    this.#random = random;
  }

  static async open(kafkaBrokers: string, random: Random): Promise<Instances> {
    const instances = new Instances(random);
    const settings = { MEASUREMENTS: spec.name, LOG_LEVEL: "info" };
    for (let n = 0; n < 4; n++) {
      const shared = n === 3 ? { DATA_DIR: instances.all[2]!.dataDir } : {};
      instances.all.push(await Service.open({ kafkaBrokers, settings: { ...settings, ...shared } }));
      instances.#isUp.push(true);
    }
    return instances;
  }

  /** Of measurements; the last instance has none of its own. */
  get files(): readonly string[] {
    return this.all.slice(0, -1).map(({ dataDir }) => `${dataDir}/measurements.db`);
  }

  /** Does something to one of them. @param isStop that it is to be one that stands still */
  async step(isStop: boolean): Promise<void> {
    const n = this.#random.between(0, this.all.length - 1), service = this.all[n]!;
    const what = isStop ? 9 : this.#random.between(0, 9);
    if (!this.#isUp[n]) await this.#start(n);
    else if (what < 5) await this.#end(n, "kill -9", () => service.kill());
    else if (what < 8) await this.#end(n, "SIGTERM", () => service.terminate());
    else {
      this.#count("stopped for a while");
      Deno.kill(service.pid, "SIGSTOP");
      await pause(stoppedMs);
      Deno.kill(service.pid, "SIGCONT");
    }
  }

  async startAll(): Promise<void> {
    for (const [n, isUp] of this.#isUp.entries()) if (!isUp) await this.#start(n);
  }

  /** What was done how often. */
  told(): string {
    return [...this.#done].map(([what, times]) => `${what} ×${times}`).join(", ");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const service of this.all) await service[Symbol.asyncDispose]();
  }

  async #start(n: number): Promise<void> {
    this.#count("start");
    await this.all[n]!.start();
    this.#isUp[n] = true;
  }

  async #end(n: number, how: string, end: () => Promise<unknown>): Promise<void> {
    this.#count(how);
    await end();
    this.#isUp[n] = false;
  }

  #count(what: string): void {
    this.#done.set(what, (this.#done.get(what) ?? 0) + 1);
  }
}

/** Measurements, some of them wrong, on and on. */
class Load implements AsyncDisposable {
  readonly #parts = new AsyncDisposableStack();
  #isStopped = false;
  readonly #working: Promise<void>;

  constructor(bootstrap: string, seed: number) {
    const kafka = this.#parts.use(
      new Kafka({ brokers: [bootstrap], clientId: "load", ssl: null, sasl: null, log: silentLogger }),
    );
    const producer = this.#parts.use(createProducer(kafka, { log: silentLogger }));
    this.#working = this.#send(producer, new Random(null, seed));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#working;
  }

  async #send(producer: Producer, random: Random): Promise<void> {
    while (!this.#isStopped) {
      const records = Array.from({ length: random.between(1, 40) }, () => {
        const measurement = random.between(-300, 300) / 10, measurement_time = new Date().toISOString();
        const isWrong = random.between(0, 19) === 0;
        return {
          partition: random.between(0, partitions - 1),
          value: isWrong ? '{"measurement":"warm"}' : JSON.stringify({ measurement, measurement_time }),
        };
      });
      await producer.sendAll(spec.name, records);
      await pause(random.between(0, 60));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#parts.disposeAsync();
  }
}
