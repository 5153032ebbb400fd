/** Windows that a test counts, written as those who count write them: the state and what is finished in one transaction.
 *
 * So the view, the routes and their streams are the real ones. Left out: counting (kafka/processors/windows/).
 * @module */
import type { Kafka } from "../../kafka/client.ts";
import type { StoredMeta } from "../../kafka/processors/windows/state_records.ts";
import type { ClosedRecord, ClosedWindow, OpenRecord } from "../../kafka/processors/windows/types.ts";
import { TransactionalProducer, type TransactionRecord } from "../../kafka/transactions.ts";
import {
  paneMsOf,
  readWindowSize,
  stateTopicConfigs,
  windowNames,
  type WindowSize,
} from "../../kafka/windows.ts";
import { silentLogger } from "../../logger.ts";
import { connect, type TestBroker } from "../kafka/test_broker.ts";

export const clicksTopic = "video_clicks_ingestion";
export const minute = 60_000;
/** A whole ten minutes of some time ago. */
export const t0 = Date.UTC(2026, 0, 1, 12);

/** Who counts, in the state topic's partition of each id. */
export class CountedWindows implements AsyncDisposable {
  readonly #kafka: Kafka;
  readonly #producer: TransactionalProducer;
  readonly #partitions: number;
  readonly #closed = new Map<string, ClosedRecord>();
  #waiting: TransactionRecord[] = [];
  frontier: number | null = null;
  #at = 0;

  private constructor(kafka: Kafka, readonly sizes: readonly WindowSize[], partitions: number) {
    this.#kafka = kafka;
    this.#partitions = partitions;
    this.#producer = new TransactionalProducer(kafka, { transactionalId: "counts", log: silentLogger });
  }

  /** Makes the topics. */
  static async open(broker: TestBroker, names: readonly string[], partitions = 1): Promise<CountedWindows> {
    const sizes = names.map((name) => readWindowSize(name)!);
    await broker.createTopic(windowNames(clicksTopic).stateTopic, partitions, { ...stateTopicConfigs });
    for (const { topic } of sizes) await broker.createTopic(topic, partitions);
    const counted = new CountedWindows(connect(broker.bootstrap), sizes, partitions);
    await counted.#producer.init();
    return counted;
  }

  size(name: string): WindowSize {
    return this.sizes.find((size) => size.name === name)!;
  }

  /** What is open of an id: counts by the start of their pane. */
  fill(id: string, panes: Readonly<Record<number, number>>): this {
    const paneMs = paneMsOf(this.sizes), partition = this.#partitionOf(id);
    const entries = Object.entries(panes).map(([start, count]) => [Number(start) / paneMs, count] as const);
    const record: OpenRecord = { panes: entries };
    const value = entries.length === 0 ? null : JSON.stringify(record);
    return this.#put(`o${id}`, value, partition);
  }

  /** A window is finished, or has more late events. */
  finish(id: string, name: string, start: number, count: number, late = 0): this {
    const size = this.size(name), { windows, late: all } = this.#closed.get(id) ?? { windows: {}, late: {} };
    const others = (windows[size.ms] ?? []).filter(([other]) => other !== start);
    const kept: ClosedWindow[] = [...others, [start, count, late] as const].sort((a, b) => a[0] - b[0]);
    const record = { windows: { ...windows, [size.ms]: kept }, late: { ...all, [size.ms]: late } };
    this.#closed.set(id, record);
    const window = {
      type: size.type,
      video_uid: id,
      count,
      window_start: start,
      window_end: start + size.ms,
      late,
    };
    this.#waiting.push({ topic: size.topic, key: id, value: JSON.stringify(window) });
    return this.#put(`c${id}`, JSON.stringify(record), this.#partitionOf(id));
  }

  /** Writes all of it, and how far counting is, in one transaction. */
  async commit(frontier = this.frontier): Promise<void> {
    this.frontier = frontier;
    const ms = this.sizes.map((size) => size.ms);
    for (let partition = 0; partition < this.#partitions; partition++) {
      const meta: StoredMeta = {
        v: 1,
        paneMs: paneMsOf(this.sizes),
        sizes: ms,
        born: {},
        position: 1,
        frontier,
        closedEnd: frontier === null ? null : frontier - 10_000,
        highest: frontier,
        kept: 60,
        sources: {},
        totals: { counted: 10, late: { [ms[0]!]: 1 }, wrong: { empty: 2 }, ahead: 0, missed: 0 },
        forgotten: null,
      };
      this.#put("m", JSON.stringify(meta), partition);
    }
    // Whoever changed later is the newer one, however fast it goes.
    this.#at = Math.max(this.#at + 1, Date.now());
    const timestamp = this.#at;
    await this.#producer.send(this.#waiting.splice(0).map((record) => ({ ...record, timestamp })));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#producer[Symbol.asyncDispose]();
    await this.#kafka[Symbol.asyncDispose]();
  }

  /** Where ids of these tests go: their last letter says it. */
  #partitionOf(id: string): number {
    return id.charCodeAt(id.length - 1) % this.#partitions;
  }

  #put(key: string, value: string | null, partition: number): this {
    this.#waiting.push({ topic: windowNames(clicksTopic).stateTopic, key, value, partition });
    return this;
  }
}
