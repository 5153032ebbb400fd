/** Instances that count clicks, and what they have to come to: for the tests of the service, on whichever Kafka.
 *
 * Clicks are sent in stretches of ten minutes of event time, each after the one before, hours ago: in whatever order the partitions are read,
 * and however long nothing comes, none of them is late. What is finished is read from its topics as it comes.
 * @module */
import { assertEquals } from "@std/assert";
import type { Kafka } from "../../../../kafka/client.ts";
import { WindowService } from "../../../../kafka/processors/windows/window_service.ts";
import { createProducer, type OutRecord, type Producer } from "../../../../kafka/producer.ts";
import { TopicReader } from "../../../../kafka/reader.ts";
import {
  clicksTopicConfigs,
  FinishedWindow,
  readWindowSize,
  windowNames,
  type WindowSettings,
  windowStart,
} from "../../../../kafka/windows.ts";
import { type Logger, silentLogger } from "../../../../logger.ts";
import { createTopic } from "../../../clients.ts";
import { eventually } from "../../../eventually.ts";
import { newTopic } from "../../../new_topic.ts";
import type { Random } from "../../../random.ts";
import { connect } from "../../test_broker.ts";

const stretchMs = 600_000;
const decoder = new TextDecoder();

/** A topic of clicks, those who count it, and what they publish. */
export class ServiceGround implements AsyncDisposable {
  readonly #parts = new AsyncDisposableStack();
  readonly settings: WindowSettings;
  readonly names: ReturnType<typeof windowNames>;
  readonly producer: Producer;
  /** Counts as they have to be: by size, id and start. */
  readonly #truth = new Map<string, number>();
  /** Counts as they were published, of each window all different ones. */
  readonly #published = new Map<string, Set<number>>();
  #late = 0;
  #from = Math.floor((Date.now() - 4 * 3_600_000) / stretchMs) * stretchMs;
  sent = 0;

  private constructor(readonly bootstrap: string, readonly kafka: Kafka, partitions: number) {
    const clicksTopic = newTopic("clicks");
    const sizes = ["1m", "5m", "10m"].map((name) =>
      readWindowSize(name, { [name]: `${clicksTopic}-${name}` })!
    );
    this.settings = { clicksTopic, sizes, graceMs: 2_000, kept: 60 };
    this.names = windowNames(clicksTopic);
    this.partitions = partitions;
    this.#parts.use(kafka);
    this.producer = this.#parts.use(createProducer(kafka, { log: silentLogger }));
    for (const { ms, topic } of sizes) this.#parts.use(this.#follow(topic, ms));
  }

  /** Of clicks; to be set when some are added. */
  partitions: number;

  static async open(bootstrap: string, partitions = 3): Promise<ServiceGround> {
    const ground = ServiceGround.unmade(bootstrap, partitions);
    await ground.make();
    return ground;
  }

  /** With no topic yet. */
  static unmade(bootstrap: string, partitions: number): ServiceGround {
    return new ServiceGround(bootstrap, connect(bootstrap), partitions);
  }

  async make(): Promise<void> {
    await createTopic(this.bootstrap, this.settings.clicksTopic, this.partitions, clicksTopicConfigs);
  }

  /** A further instance. */
  count(options: { watchMs?: number; log?: Logger; settings?: WindowSettings } = {}): WindowService {
    const { kafka, settings } = this;
    return this.#parts.use(new WindowService({ kafka, settings, log: silentLogger, ...options }));
  }

  /** Sends the next ten minutes. */
  async send(random: Random): Promise<void> {
    const records: OutRecord[] = [];
    for (let partition = 0; partition < this.partitions; partition++) {
      const times = Array.from(
        { length: random.between(50, 300) },
        () => this.#from + random.between(0, stretchMs - 1),
      );
      for (const timestamp of times.sort((a, b) => a - b)) {
        const id = `video-${random.between(0, 19)}`;
        records.push({ key: null, value: id, partition, timestamp });
        this.sent++;
        for (const { ms } of this.settings.sizes) {
          const name = nameOf(ms, id, windowStart(timestamp, ms));
          this.#truth.set(name, (this.#truth.get(name) ?? 0) + 1);
        }
      }
    }
    this.#from += stretchMs;
    await this.producer.sendAll(this.settings.clicksTopic, records);
  }

  /** Waits until every window was published, and fails when one was with two counts, with a wrong one or with late events. */
  async finished(timeoutMs = 60_000): Promise<void> {
    const sum = (counts: Iterable<number>) => [...counts].reduce((all, n) => all + n, 0);
    const seen = () => [sum(this.#published.values().map((counts) => Math.max(...counts))), this.#late];
    const wanted = sum(this.#truth.values());
    await eventually(`${wanted} in finished windows`, () => seen()[0]! >= wanted, timeoutMs, seen);
    const counts = [...this.#published].map(([name, counts]) => [name, [...counts].join(" and ")]);
    assertEquals(
      Object.fromEntries(counts),
      Object.fromEntries([...this.#truth].map(([name, count]) => [name, String(count)])),
    );
    assertEquals(this.#late, 0, "late events");
  }

  /** Waits until the instances have so many partitions of clicks, and of ids. */
  async dealt(instances: readonly WindowService[], folded: number[], counted: number[]): Promise<void> {
    let seen: unknown;
    await eventually(
      `${folded} and ${counted} partitions`,
      async () => {
        const all = await Promise.all(instances.map((each) => each.status()));
        seen = all;
        return `${all.map(({ folded }) => folded.length).sort()}` === `${folded.toSorted()}` &&
          `${all.map(({ counted }) => counted.length).sort()}` === `${counted.toSorted()}`;
      },
      30_000,
      () => seen,
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }

  #follow(topic: string, ms: number): TopicReader {
    const events = {
      started() {},
      records: ({ records }: { records: readonly { value: Uint8Array | null }[] }) => {
        for (const { value } of records) {
          const { video_uid, count, window_start, late } = FinishedWindow.parse(
            JSON.parse(decoder.decode(value!)),
          );
          const name = nameOf(ms, video_uid, window_start);
          this.#published.set(name, (this.#published.get(name) ?? new Set()).add(count));
          this.#late += late;
        }
      },
      skipped() {},
      restarted() {},
      status() {},
    };
    return new TopicReader(this.kafka, topic, events, silentLogger, { from: {} });
  }
}

function nameOf(ms: number, id: string, startMs: number): string {
  return `${ms} ${id} ${startMs}`;
}
