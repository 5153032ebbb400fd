/** The topics and their partitions: in memory for reading, in SQLite for ever. Making and deleting one happens inside
 * a store write and is taken back with it.
 * Left out: changing a topic (partitions, settings), which belongs to the administration APIs. @module */

import { BatchCache } from "./batch_cache.ts";
import { Partition } from "./partition.ts";
import type { Store } from "./store.ts";
import { TopicConfigs, type TopicDefaults, type TopicSettings } from "./topic_configs.ts";
import { type ErrorCode, errors } from "./wire/error_codes.ts";

/** Partitions of all topics together. */
const MAX_PARTITIONS = 10_000;
const NAME = /^[a-zA-Z0-9._-]{1,249}$/;

/** One topic. */
export interface Topic {
  readonly name: string;
  /** 32 hex digits; a topic made anew under the same name has another one. */
  readonly uuid: string;
  /** By number. */
  readonly partitions: readonly Partition[];
  /** What was set for it; the rest are defaults. */
  readonly configs: ReadonlyMap<string, string>;
  readonly settings: TopicSettings;
}

/** What a topic is to be. */
export interface NewTopic {
  readonly name: string;
  readonly partitions: number;
  readonly configs: ReadonlyMap<string, string>;
}

/** Why a topic cannot be made. */
export interface TopicProblem {
  readonly error: ErrorCode;
  readonly message: string;
}

interface StoredTopic extends Topic {
  readonly id: number;
  readonly partitions: Partition[];
}

/** All topics of the broker. */
export class Topics implements Iterable<Topic> {
  readonly configs: TopicConfigs;
  readonly #store: Store;
  readonly #cache: BatchCache;
  readonly #now: () => number;
  readonly #byName = new Map<string, StoredTopic>();
  readonly #byId = new Map<string, StoredTopic>();
  /** Names with "." as "_": two of them would share their metric names in Kafka, which refuses that. */
  readonly #folded = new Map<string, string>();
  readonly #onDelete: ((topic: Topic) => void)[] = [];
  #partitionCount = 0;

  /** Reads what is stored: one row a topic, and of each partition only its last batch. */
  constructor(store: Store, options: { cacheBytes: number; defaults: TopicDefaults; now: () => number }) {
    this.#store = store;
    this.#now = options.now;
    this.#cache = new BatchCache(options.cacheBytes);
    this.configs = new TopicConfigs(options.defaults);
    this.#load();
  }

  get size(): number {
    return this.#byName.size;
  }

  [Symbol.iterator](): Iterator<Topic> {
    return this.#byName.values();
  }

  *partitions(): Generator<Partition> {
    for (const topic of this.#byName.values()) yield* topic.partitions;
  }

  byName(name: string): Topic | undefined {
    return this.#byName.get(name);
  }

  /** @param uuid 32 hex digits */
  byId(uuid: string): Topic | undefined {
    return this.#byId.get(uuid);
  }

  partition(name: string, number: number): Partition | undefined {
    return this.#byName.get(name)?.partitions[number];
  }

  /** Registers what is to happen when a topic goes, inside the same transaction. */
  onDelete(work: (topic: Topic) => void): void {
    this.#onDelete.push(work);
  }

  /** Why a topic cannot be made, or undefined if it can. */
  problem(topic: NewTopic): TopicProblem | undefined {
    return this.#nameProblem(topic.name) ?? this.#countProblem(topic.partitions) ??
      this.#configProblem(topic);
  }

  /** Makes a topic that {@link problem} has nothing against.
   * @returns the topic, or the one of that name that came to be meanwhile
   * @throws {StorageError} if it could not be written */
  create(wanted: NewTopic): Promise<{ topic: Topic; existed: boolean }> {
    let made: StoredTopic | undefined;
    return this.#store.write(() => {
      const existing = this.#byName.get(wanted.name);
      if (existing !== undefined) return { topic: existing, existed: true };
      made = this.#insert(wanted);
      this.#remember(made);
      return { topic: made, existed: false };
    }, () => made !== undefined && this.#forget(made));
  }

  /** Deletes a topic: gone for clients at once, its batches are freed little by little by retention.ts.
   * @returns false if it is gone already */
  async delete(topic: Topic): Promise<boolean> {
    let gone: StoredTopic | undefined;
    const deleted = await this.#store.write(() => {
      const stored = this.#byName.get(topic.name);
      if (stored !== topic || stored === undefined) return false;
      this.#deleteRows(stored);
      for (const work of this.#onDelete) work(stored);
      this.#forget(gone = stored);
      return true;
    }, () => gone !== undefined && this.#remember(gone));
    if (gone !== undefined) {
      for (const partition of gone.partitions) {
        partition.deleted = true;
        partition.wakeAll();
      }
    }
    return deleted;
  }

  #nameProblem(name: string): TopicProblem | undefined {
    if (!NAME.test(name) || name === "." || name === "..") {
      return problem(
        errors.INVALID_TOPIC_EXCEPTION,
        "Topic name must be 1 to 249 of a-z A-Z 0-9 . _ - and not . or ..",
      );
    }
    if (this.#byName.has(name)) {
      return problem(errors.TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`);
    }
    const other = this.#folded.get(fold(name));
    if (other === undefined) return undefined;
    return problem(errors.INVALID_TOPIC_EXCEPTION, `Topic '${name}' collides with existing topic: ${other}`);
  }

  #countProblem(partitions: number): TopicProblem | undefined {
    if (partitions < 1) {
      return problem(errors.INVALID_PARTITIONS, "Number of partitions must be larger than 0.");
    }
    if (this.#partitionCount + partitions <= MAX_PARTITIONS) return undefined;
    return problem(errors.POLICY_VIOLATION, `This broker holds at most ${MAX_PARTITIONS} partitions.`);
  }

  #configProblem({ configs }: NewTopic): TopicProblem | undefined {
    for (const [name, value] of configs) {
      const wrong = this.configs.problem(name, value);
      if (wrong !== undefined) return problem(errors.INVALID_CONFIG, wrong);
    }
    return undefined;
  }

  #insert(wanted: NewTopic): StoredTopic {
    const { db } = this.#store;
    const uuid = crypto.randomUUID().replaceAll("-", "");
    const row = db.prepare("INSERT INTO topics (name, uuid, created_ms) VALUES (?, ?, ?)")
      .run(wanted.name, uuid, this.#now());
    const id = Number(row.lastInsertRowid);
    const addConfig = db.prepare("INSERT INTO topic_configs VALUES (?, ?, ?)");
    for (const [name, value] of wanted.configs) addConfig.run(id, name, value);
    const topic = this.#topic(id, wanted.name, uuid, new Map(wanted.configs));
    const addPartition = db.prepare(
      "INSERT INTO partitions (topic, number, log_start, bytes) VALUES (?, ?, 0, 0)",
    );
    for (let number = 0; number < wanted.partitions; number++) {
      const bounds = { start: 0, end: 0, bytes: 0, topTimestamp: -1 };
      const partitionId = Number(addPartition.run(id, number).lastInsertRowid);
      topic.partitions.push(new Partition(partitionId, topic, number, bounds, this.#cache));
    }
    return topic;
  }

  #deleteRows(topic: StoredTopic): void {
    const { db } = this.#store;
    const bury = db.prepare("INSERT INTO dead_partitions VALUES (?)");
    for (const partition of topic.partitions) bury.run(partition.id);
    db.prepare("DELETE FROM partitions WHERE topic = ?").run(topic.id);
    db.prepare("DELETE FROM topic_configs WHERE topic = ?").run(topic.id);
    db.prepare("DELETE FROM topics WHERE id = ?").run(topic.id);
  }

  #topic(id: number, name: string, uuid: string, configs: Map<string, string>): StoredTopic {
    return { id, name, uuid, partitions: [], configs, settings: this.configs.settings(configs) };
  }

  #remember(topic: StoredTopic): void {
    this.#byName.set(topic.name, topic);
    this.#byId.set(topic.uuid, topic);
    this.#folded.set(fold(topic.name), topic.name);
    this.#partitionCount += topic.partitions.length;
  }

  #forget(topic: StoredTopic): void {
    this.#byName.delete(topic.name);
    this.#byId.delete(topic.uuid);
    this.#folded.delete(fold(topic.name));
    this.#partitionCount -= topic.partitions.length;
  }

  #load(): void {
    const { db } = this.#store;
    const byId = new Map<number, StoredTopic>();
    const configs = new Map<number, Map<string, string>>();
    for (const row of db.prepare("SELECT topic, name, value FROM topic_configs").all()) {
      const set = configs.get(Number(row.topic)) ?? new Map<string, string>();
      configs.set(Number(row.topic), set.set(String(row.name), String(row.value)));
    }
    for (const row of db.prepare("SELECT id, name, uuid FROM topics").all()) {
      const id = Number(row.id);
      byId.set(id, this.#topic(id, String(row.name), String(row.uuid), configs.get(id) ?? new Map()));
    }
    const lastBatch = db.prepare(
      "SELECT last, top_ts FROM batches WHERE partition = ? ORDER BY base DESC LIMIT 1",
    );
    for (const row of db.prepare("SELECT * FROM partitions ORDER BY topic, number").all()) {
      const topic = byId.get(Number(row.topic));
      if (topic === undefined) continue;
      const start = Number(row.log_start);
      const last = lastBatch.get(Number(row.id));
      const end = last === undefined ? start : Math.max(start, Number(last.last) + 1);
      const bounds = { start, end, bytes: Number(row.bytes), topTimestamp: Number(last?.top_ts ?? -1) };
      topic.partitions.push(new Partition(Number(row.id), topic, Number(row.number), bounds, this.#cache));
    }
    for (const topic of byId.values()) this.#remember(topic);
  }
}

function fold(name: string): string {
  return name.replaceAll(".", "_");
}

function problem(error: ErrorCode, message: string): TopicProblem {
  return { error, message };
}
