/** A topic of clicks, the topic of ids behind it, tasks that fold the one into the other through proxies, and the ledger: what lies in the
 * topic of ids, read by a client that is not ours, held against what was clicked. Left out: tests.
 * @module */
import { assert, assertEquals } from "@std/assert";
import type { Kafka } from "../../../../kafka/client.ts";
import { readFoldBatch } from "../../../../kafka/processors/windows/batch_records.ts";
import { FoldTask, type FoldTaskOptions } from "../../../../kafka/processors/windows/fold_task.ts";
import type { FoldBatch } from "../../../../kafka/processors/windows/types.ts";
import { createProducer, type Producer } from "../../../../kafka/producer.ts";
import { type StablePosition, stablePosition } from "../../../../kafka/stable_position.ts";
import {
  clicksTopicConfigs,
  readWindowSize,
  windowNames,
  type WindowSettings,
} from "../../../../kafka/windows.ts";
import { silentLogger } from "../../../../logger.ts";
import { createTopic } from "../../../clients.ts";
import { eventually } from "../../../eventually.ts";
import { newTopic } from "../../../new_topic.ts";
import { TransactionClient } from "../../broker/transaction_client.ts";
import { readAll } from "../../broker/transaction_reader.ts";
import { BrokerProxy } from "../../broker_proxy.ts";
import { connect } from "../../test_broker.ts";

/** Partitions of ids. */
export const idPartitions = 2;

/** Both topics, one partition of clicks. */
export class FoldGround implements AsyncDisposable {
  readonly settings: WindowSettings = {
    clicksTopic: newTopic("clicks"),
    sizes: ["1m", "5m"].map((name) => readWindowSize(name)!),
    graceMs: 10_000,
    kept: 10,
  };
  readonly names = windowNames(this.settings.clicksTopic);
  /** What was clicked, by id and minute. */
  readonly clicked = new Map<string, number>();
  /** How often tasks said that they were shut out. */
  fenced = 0;
  readonly #parts = new AsyncDisposableStack();
  #kafka!: Kafka;
  #producer!: Producer;
  #reader!: TransactionClient;

  private constructor(readonly bootstrap: string) {}

  static async open(bootstrap: string): Promise<FoldGround> {
    const ground = new FoldGround(bootstrap), { byIdTopic } = ground.names;
    await createTopic(bootstrap, ground.settings.clicksTopic, 1, clicksTopicConfigs);
    await createTopic(bootstrap, byIdTopic, idPartitions);
    const kafka = ground.#kafka = ground.#parts.use(connect(bootstrap));
    ground.#producer = ground.#parts.use(createProducer(kafka, { log: silentLogger }));
    ground.#reader = ground.#parts.use(await TransactionClient.connect(ground.port, { topic: byIdTopic }));
    return ground;
  }

  get port(): number {
    return Number(this.bootstrap.split(":").at(-1));
  }

  /** Says things about the topic of clicks, itself. @param id of its transactions */
  async client(id = "clicker"): Promise<TransactionClient> {
    return this.#parts.use(
      await TransactionClient.connect(this.port, { id, topic: this.settings.clicksTopic }),
    );
  }

  proxy(): BrokerProxy {
    return this.#parts.use(new BrokerProxy({ hostname: "127.0.0.1", port: this.port }));
  }

  /** Begins to fold. */
  fold(bootstrap = this.bootstrap, options: Partial<FoldTaskOptions> = {}): FoldTask {
    const kafka = this.#parts.use(connect(bootstrap));
    return this.#parts.use(
      new FoldTask({
        kafka,
        source: 0,
        settings: this.settings,
        names: this.names,
        partitions: idPartitions,
        log: silentLogger,
        lastCovered: () => Promise.resolve(null),
        onFenced: () => void this.fenced++,
        ...options,
      }),
    );
  }

  /** Clicks at a time, ms since the epoch. */
  async click(ids: readonly string[], timestamp = Date.now()): Promise<void> {
    for (const id of ids) this.note(id, timestamp);
    const records = ids.map((id) => ({ value: id, timestamp, partition: 0 }));
    await this.#producer.sendAll(this.settings.clicksTopic, records);
  }

  /** A click that somebody else sent. */
  note(id: string, timestamp: number): void {
    const key = `${id} ${Math.floor(timestamp / 60_000)}`;
    this.clicked.set(key, (this.clicked.get(key) ?? 0) + 1);
  }

  /** Where the group of those who fold is, and what it noted. */
  async committed(): Promise<StablePosition | null> {
    await using connection = this.#kafka.connect();
    await connection.metadata([]); // where nodes are
    const place = { group: this.names.foldGroup, topic: this.settings.clicksTopic, partition: 0 };
    return await stablePosition(connection, place, new AbortController().signal);
  }

  /** All batches of a partition of ids, in their order. */
  async batches(partition: number): Promise<FoldBatch[]> {
    const records = await readAll(this.#reader, { partition });
    return records.map(({ value }) => readFoldBatch(new TextEncoder().encode(value ?? ""))!);
  }

  /** Waits until everything up to an offset is folded, then holds the ledger against what was clicked: batches follow each other without a
   * hole or a record that is in two of them, the same in all partitions of ids, and what they count is what was clicked.
   * @returns the batches of the first partition of ids */
  async settled(next: number, timeoutMs = 60_000): Promise<FoldBatch[]> {
    let newest: unknown;
    const { foldGroup } = this.names, clicks = await this.client();
    const isCommitted = async () => (newest = (await clicks.committed(foldGroup))[1]) === next;
    const isThere = async () => (newest = (await this.batches(idPartitions - 1)).at(-1)?.next) === next;
    await eventually(`${next} to be committed`, isCommitted, timeoutMs, () => newest);
    await eventually(`${next} to be folded`, isThere, timeoutMs, () => newest);
    const counted = new Map<string, number>(), courses: string[] = [];
    for (let partition = 0; partition < idPartitions; partition++) {
      const batches = await this.batches(partition), course: string[] = [];
      let at = 0;
      for (const { log, from, next, part, counts } of batches) {
        assert(next > from, `${from} to ${next}`);
        const isSameLog = course.length > 0 && course.at(-1)!.startsWith(log);
        if (part === 0 && isSameLog) assertEquals(from, at, course.join(", "));
        if (part === 0) course.push(`${log} ${from}-${next}`);
        at = next;
        for (const [id, panes] of counts) {
          for (const [pane, count] of panes) {
            counted.set(`${id} ${pane}`, (counted.get(`${id} ${pane}`) ?? 0) + count);
          }
        }
      }
      courses.push(course.join(", "));
    }
    assertEquals(new Set(courses).size, 1, courses.join("\n"));
    for (const key of new Set([...counted.keys(), ...this.clicked.keys()])) {
      if (counted.get(key) !== this.clicked.get(key)) {
        assertEquals(counted.get(key), this.clicked.get(key), key);
      }
    }
    return await this.batches(0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}
