/** Topics of counting, tasks that fold and count through proxies, and the ledger: the finished windows, read by a client that is not ours,
 * held against what was clicked. Left out: tests.
 * @module */
import { assertEquals } from "@std/assert";
import { FoldTask } from "../../../../kafka/processors/windows/fold_task.ts";
import { lastCovered } from "../../../../kafka/processors/windows/restore.ts";
import { WindowTask, type WindowTaskOptions } from "../../../../kafka/processors/windows/window_task.ts";
import { createProducer, type OutRecord, type Producer } from "../../../../kafka/producer.ts";
import {
  clicksTopicConfigs,
  FinishedWindow,
  readWindowSize,
  windowNames,
  type WindowSettings,
  windowStart,
} from "../../../../kafka/windows.ts";
import { silentLogger } from "../../../../logger.ts";
import { createTopic } from "../../../clients.ts";
import { eventually } from "../../../eventually.ts";
import { newTopic } from "../../../new_topic.ts";
import { TransactionClient } from "../../broker/transaction_client.ts";
import { readAll } from "../../broker/transaction_reader.ts";
import { BrokerProxy } from "../../broker_proxy.ts";
import { connect } from "../../test_broker.ts";

/** All topics, one partition of ids. */
export class CountGround implements AsyncDisposable {
  readonly settings: WindowSettings;
  readonly names: ReturnType<typeof windowNames>;
  /** How often tasks said that they were shut out. */
  fenced = 0;
  readonly #parts = new AsyncDisposableStack();
  readonly #clicked = new Map<string, number>();
  readonly #readers = new Map<string, TransactionClient>();
  #producer!: Producer;

  private constructor(readonly bootstrap: string, sizes: readonly string[], graceMs: number) {
    this.settings = {
      clicksTopic: newTopic("clicks"),
      sizes: sizes.map((name) => readWindowSize(name, { [name]: newTopic(`finished-${name}`) })!),
      graceMs,
      kept: 10,
    };
    this.names = windowNames(this.settings.clicksTopic);
  }

  static async open(
    bootstrap: string,
    { partitions = 1, sizes = ["1m"], graceMs = 10_000 }: {
      partitions?: number;
      sizes?: readonly string[];
      graceMs?: number;
    } = {},
  ): Promise<CountGround> {
    const ground = new CountGround(bootstrap, sizes, graceMs), parts = ground.#parts;
    const { settings: { clicksTopic }, names: { byIdTopic, stateTopic } } = ground;
    ground.#producer = parts.use(createProducer(parts.use(connect(bootstrap)), { log: silentLogger }));
    await ground.make(clicksTopic, partitions);
    for (const topic of [byIdTopic, stateTopic, ...ground.settings.sizes.map(({ topic }) => topic)]) {
      await ground.make(topic, 1);
      ground.#readers.set(topic, parts.use(await TransactionClient.connect(ground.port, { topic })));
    }
    return ground;
  }

  get port(): number {
    return Number(this.bootstrap.split(":").at(-1));
  }

  /** Makes a topic, and waits until it can be used. */
  async make(topic: string, partitions: number): Promise<void> {
    await createTopic(this.bootstrap, topic, partitions, clicksTopicConfigs); // old times are to stay
  }

  proxy(): BrokerProxy {
    return this.#parts.use(new BrokerProxy({ hostname: "127.0.0.1", port: this.port }));
  }

  /** Clicks at times in ms since the epoch. */
  async click(
    partition: number,
    clicks: readonly (readonly [id: string, timestamp: number])[],
  ): Promise<void> {
    for (const [id, timestamp] of clicks) this.note(id, timestamp);
    const records = clicks.map(([value, timestamp]) => ({ value, timestamp, partition }));
    await this.#producer.sendAll(this.settings.clicksTopic, records);
  }

  /** A click that somebody else sent. */
  note(id: string, timestamp: number): void {
    for (const { ms } of this.settings.sizes) {
      const key = `${id} ${ms} ${windowStart(timestamp, ms)}`;
      this.#clicked.set(key, (this.#clicked.get(key) ?? 0) + 1);
    }
  }

  /** Closes it together with the ground. */
  use<T extends AsyncDisposable | Disposable>(part: T): T {
    return this.#parts.use(part);
  }

  /** Sends what is perhaps no click. */
  async send(partition: number, record: OutRecord): Promise<void> {
    await this.#producer.send(this.settings.clicksTopic, { ...record, partition });
  }

  /** Begins to fold a partition of clicks. */
  fold(source: number): FoldTask {
    const kafka = this.#parts.use(connect(this.bootstrap)), { settings, names } = this;
    return this.#parts.use(
      new FoldTask({
        kafka,
        source,
        settings,
        names,
        partitions: 1,
        log: silentLogger,
        lastCovered: (p, signal) => lastCovered(kafka, settings, p, signal),
        onFenced() {},
      }),
    );
  }

  /** Begins to count. */
  count(bootstrap = this.bootstrap, options: Partial<WindowTaskOptions> = {}): WindowTask {
    const kafka = this.#parts.use(connect(bootstrap)), { settings, names } = this;
    return this.#parts.use(
      new WindowTask({
        kafka,
        partition: 0,
        settings,
        names,
        log: silentLogger,
        onFenced: () => void this.fenced++,
        ...options,
      }),
    );
  }

  /** Everything that was committed to a topic. */
  async read(topic: string) {
    return await readAll(this.#readers.get(topic)!);
  }

  /** Up to which offset a partition of clicks is counted. */
  async counted(source: number): Promise<number> {
    const meta = (await this.read(this.names.stateTopic)).findLast(({ value }) =>
      value?.includes('"sources"')
    );
    return JSON.parse(meta?.value ?? "{}").sources?.[source]?.next ?? 0;
  }

  /** What was published, in its order. */
  async told(): Promise<FinishedWindow[]> {
    const told: FinishedWindow[] = [];
    for (const { topic } of this.settings.sizes) {
      for (const { value } of await this.read(topic)) told.push(FinishedWindow.parse(JSON.parse(value!)));
    }
    return told;
  }

  /** Finished windows by id, size and start; no window may have been told with two counts.
   * @returns count, and late if there are any: `3` or `3+1` */
  async finals(): Promise<Map<string, string>> {
    const finals = new Map<string, string>(), counts = new Map<string, number>();
    for (const { video_uid, window_start, window_end, count, late } of await this.told()) {
      const key = `${video_uid} ${window_end - window_start} ${window_start}`;
      assertEquals(count, counts.get(key) ?? count, key);
      counts.set(key, count);
      finals.set(key, late > 0 ? `${count}+${late}` : String(count));
    }
    return new Map([...finals].sort());
  }

  /** What the finals have to be when nothing was late.
   * @param before only of windows that ended by then, ms since the epoch */
  truth(before = Infinity): Map<string, string> {
    const isOver = (key: string) => {
      const [, ms, start] = key.split(" ").map(Number);
      return start! + ms! <= before;
    };
    return new Map(
      [...this.#clicked].filter(([key]) => isOver(key)).map(([key, n]) => [key, String(n)] as const).sort(),
    );
  }

  /** Waits until the finals are the truth, each told once. */
  async settlesOnce(): Promise<void> {
    await this.settles(this.truth());
    assertEquals((await this.told()).length, this.truth().size, "windows are told again");
  }

  /** Waits until the finals are these. */
  async settles(wanted: Map<string, string>, timeoutMs = 60_000): Promise<void> {
    let found = new Map<string, string>();
    const text = (finals: Map<string, string>) => JSON.stringify([...finals]);
    await eventually(
      "the finished windows",
      async () => text(found = await this.finals()) === text(wanted),
      timeoutMs,
      () => ({
        found: [...found].filter(([key, count]) => wanted.get(key) !== count),
        wanted: [...wanted].filter(([key, count]) => found.get(key) !== count),
      }),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}
