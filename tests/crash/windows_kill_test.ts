/** Windows over clicks while instances are killed, stopped, started and stand still: one on its embedded broker, broker and all, and several on
 * Apache Kafka.
 *
 * A run has topics of its own. In the end every finished window says what is in the topic of clicks, none was ever published with two counts,
 * and what came too late is told. One run of each in a normal test, TAILRACE_WINDOW_RUNS and TAILRACE_WINDOW_KAFKA_RUNS for more. @module */
import { assertEquals, assertGreater } from "@std/assert";
import { ApacheKafka } from "../apache_kafka.ts";
import { createTopic, plainKafka } from "../clients.ts";
import { eventually, pause } from "../eventually.ts";
import { Random } from "../random.ts";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";
import {
  checkAnswers,
  checkFinished,
  ClickLoad,
  RunTopics,
  statusOf,
  type Truth,
  truthOf,
} from "./window_truth.ts";

const embeddedRuns = Number(Deno.env.get("TAILRACE_WINDOW_RUNS") ?? 1);
const kafkaRuns = Number(Deno.env.get("TAILRACE_WINDOW_KAFKA_RUNS") ?? 1);
const stepsOfARun = 6, catchUpMs = 120_000;
/** Longer than a membership lasts without a heartbeat. */
const stoppedMs = 8_000;

Deno.test(`kill -9 of the service while it counts windows, ${embeddedRuns} runs: every window is right, and published with one count`, async () => {
  const random = new Random("moments of kill -9 while counting windows");
  for (let run = 0; run < embeddedRuns; run++) {
    const topics = new RunTopics(run);
    await using service = await Service.open({ settings: topics.settings });
    const partitions = random.between(1, 3);
    await addPartitions(service.bootstrap, topics.clicks, partitions);
    await check(service.bootstrap, {
      topics,
      partitions,
      random,
      instances: new Instances([service], random),
      run,
    });
  }
});

Deno.test({
  name:
    `instances that come and go count windows on Apache Kafka, ${kafkaRuns} runs: every window is right, and published with one count`,
  ignore: requires("apache-kafka").ignore,
  fn: async () => {
    const random = new Random("what instances do that count windows");
    await using kafka = await ApacheKafka.open();
    const { bootstrap } = kafka;
    for (let run = 0; run < kafkaRuns; run++) {
      const topics = new RunTopics(run), partitions = random.between(2, 3);
      await createTopic(bootstrap, topics.clicks, partitions);
      await using services = new AsyncDisposableStack();
      const all: Service[] = [];
      for (let n = 0; n < random.between(2, 3); n++) {
        all.push(services.use(await Service.open({ kafkaBrokers: bootstrap, settings: topics.settings })));
      }
      await check(bootstrap, { topics, partitions, random, instances: new Instances(all, random), run });
    }
  },
});

interface Run {
  readonly topics: RunTopics;
  readonly partitions: number;
  readonly random: Random;
  readonly instances: Instances;
  readonly run: number;
}

/** Loads, disturbs, and holds what comes out against what went in. */
async function check(bootstrap: string, { topics, partitions, random, instances, run }: Run): Promise<void> {
  {
    await using load = new ClickLoad(bootstrap, { topic: topics.clicks, partitions, random });
    for (let n = 0; n < stepsOfARun; n++) {
      if (n % 3 === 0) await load.burst(random.between(20, 200));
      await pause(random.between(0, 2_000));
      load.closedUpTo(await instances.watermark());
      await instances.step();
    }
    await instances.startAll();
    await pause(random.between(0, 1_000));
    load.closedUpTo(await instances.watermark());
    await pause(500);
  }
  const truth = await truthOf(bootstrap, topics.clicks), [first] = instances.all;
  for (const service of instances.all) {
    await eventually(
      `all of run ${run} to be finished at ${service.url}`,
      () => isFinished(service, truth),
      catchUpMs,
      () => service.log().split("\n").slice(-15).join("\n"),
    );
  }
  const records = await checkFinished(bootstrap, topics.finished, truth);
  for (const { url } of instances.all) await checkAnswers(url, truth);
  const wrong = Object.values((await statusOf(first!.url))!.totals.wrong).reduce((sum, n) => sum + n, 0);
  assertEquals(wrong, truth.wrong, "records that are no clicks");
  assertGreater(truth.clicks, 0);
  console.log(
    `run ${run}: ${instances.told()}; ${truth.clicks} clicks in ${partitions} partitions, ${truth.late} late, ${truth.wrong} wrong; ` +
      `${truth.windows.size} windows in ${records} records`,
  );
}

/** Whether an instance knows of every click, and has closed all their windows. */
async function isFinished({ url }: Service, truth: Truth): Promise<boolean> {
  try {
    await checkAnswers(url, truth);
    return true;
  } catch {
    return false;
  }
}

async function addPartitions(bootstrap: string, topic: string, count: number): Promise<void> {
  const admin = plainKafka(bootstrap).admin();
  await admin.connect();
  try {
    await eventually("the topic of clicks", async () => (await admin.listTopics()).includes(topic));
    if (count > 1) await admin.createPartitions({ topicPartitions: [{ topic, count }] });
  } finally {
    await admin.disconnect();
  }
}

/** Services of one run, and what was done to them. */
class Instances {
  readonly #random: Random;
  readonly #isUp: boolean[];
  readonly #done = new Map<string, number>();

  constructor(readonly all: readonly Service[], random: Random) {
    this.#random = random;
    this.#isUp = all.map(() => true);
  }

  /** What one that is up says, null when none can say it. */
  async watermark(): Promise<number | null> {
    const service = this.all.find((_, n) => this.#isUp[n]);
    return service ? (await statusOf(service.url))?.watermark ?? null : null;
  }

  /** Does something to one of them. One that is alone takes its broker with it, so it comes back at once. */
  async step(): Promise<void> {
    const n = this.#random.between(0, this.all.length - 1), service = this.all[n]!;
    const what = this.#random.between(0, 9);
    if (!this.#isUp[n]) await this.#start(n);
    else if (what < 6) await this.#end(n, "kill -9", () => service.kill());
    else if (what < 9 || this.all.length === 1) await this.#end(n, "SIGTERM", () => service.terminate());
    else {
      this.#count("stopped for a while");
      Deno.kill(service.pid, "SIGSTOP");
      await pause(stoppedMs);
      Deno.kill(service.pid, "SIGCONT");
    }
    if (this.all.length === 1) await this.startAll();
  }

  async startAll(): Promise<void> {
    for (const [n, isUp] of this.#isUp.entries()) if (!isUp) await this.#start(n);
  }

  told(): string {
    return [...this.#done].map(([what, times]) => `${what} ×${times}`).join(", ");
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
