/** The topics and their partitions: in memory for reading, in SQLite for ever. Making and deleting one happens inside
 * a store write and is taken back with it.
 * A topic keeps its identity for as long as it lives: partitions are added to it and its settings are replaced, both
 * inside a store write too, so whoever holds a topic asks it for its settings each time. @module */

import { BatchCache } from "./batch_cache.ts";
import { Partition } from "./partition.ts";
import type { Store } from "./store.ts";
import { TopicConfigs, type TopicDefaults, type TopicSettings } from "./topic_configs.ts";
import { type ErrorCode, errors } from "./wire/error_codes.ts";

/** Partitions of all topics together. */
const MAX_PARTITIONS = 10_000;
const NO_ROOM = `This broker holds at most ${MAX_PARTITIONS} partitions.`;
/** Characters of a topic's name. */
const MAX_NAME = 249;

/** One topic. */
export interface Topic {
  readonly name: string;
  /** 32 hex digits; a topic made anew under the same name has another one. */
  readonly uuid: string;
  /** By number. */
  readonly partitions: readonly Partition[];
  /** What was set for it; the rest are defaults. Replaced when it is altered, as are the settings. */
  readonly configs: ReadonlyMap<string, string>;
  readonly settings: TopicSettings;
}

/** What a topic is to be. */
export interface NewTopic {
  readonly name: string;
  readonly partitions: number;
  readonly configs: ReadonlyMap<string, string>;
}

/** What is to become of a topic's settings, given what is set now. */
export type ConfigChange = (set: ReadonlyMap<string, string>) => Map<string, string> | TopicProblem;

/** Why a topic cannot be made or changed. */
export interface TopicProblem {
  readonly error: ErrorCode;
  readonly message: string;
}

interface StoredTopic extends Topic {
  readonly id: number;
  readonly partitions: Partition[];
  configs: ReadonlyMap<string, string>;
  settings: TopicSettings;
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
  problem({ name, configs, partitions }: NewTopic): TopicProblem | undefined {
    return this.newNameProblem(name) ?? this.configProblem(configs) ?? this.countProblem(partitions);
  }

  /** Why no topic can be made under a name. */
  newNameProblem(name: string): TopicProblem | undefined {
    const wrong = nameProblem(name);
    if (wrong !== undefined) return wrong;
    if (this.#byName.has(name)) {
      return problem(errors.TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`);
    }
    const other = this.#folded.get(fold(name));
    if (other === undefined) return undefined;
    return problem(errors.INVALID_TOPIC_EXCEPTION, `Topic '${name}' collides with existing topic: ${other}`);
  }

  /** Why a topic cannot be made with that many partitions. */
  countProblem(partitions: number): TopicProblem | undefined {
    if (partitions < 1) {
      const message = "Number of partitions was set to an invalid non-positive value.";
      return problem(errors.INVALID_PARTITIONS, message);
    }
    return this.#hasRoomFor(partitions) ? undefined : problem(errors.POLICY_VIOLATION, NO_ROOM);
  }

  /** Why a topic cannot be given these settings. */
  configProblem(configs: ReadonlyMap<string, string>): TopicProblem | undefined {
    const wrong = this.configs.problem(configs);
    return wrong === undefined ? undefined : problem(errors.INVALID_CONFIG, wrong);
  }

  /** Why a topic cannot grow to that many partitions. */
  growthProblem(topic: Topic, partitions: number): TopicProblem | undefined {
    const { name, partitions: { length: now } } = topic;
    if (partitions > now) {
      return this.#hasRoomFor(partitions - now) ? undefined : problem(errors.INVALID_PARTITIONS, NO_ROOM);
    }
    const message = partitions === now
      ? `Topic already has ${now} partition(s).`
      : `The topic ${name} currently has ${now} partition(s); ${partitions} would not be an increase.`;
    return problem(errors.INVALID_PARTITIONS, message);
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

  /** Adds partitions to a topic until it has that many.
   * @returns what is against it, undefined if it was done
   * @throws {StorageError} if it could not be written */
  addPartitions(topic: Topic, partitions: number): Promise<TopicProblem | undefined> {
    let grown: StoredTopic | undefined;
    let before = 0;
    return this.#store.write(() => {
      const stored = this.#byName.get(topic.name);
      if (stored !== topic || stored === undefined) return gone();
      const wrong = this.growthProblem(stored, partitions);
      if (wrong !== undefined) return wrong;
      before = stored.partitions.length;
      this.#insertPartitions(grown = stored, partitions);
      this.#partitionCount += partitions - before;
      return undefined;
    }, () => {
      if (grown === undefined) return;
      this.#partitionCount -= grown.partitions.length - before;
      grown.partitions.length = before;
    });
  }

  /** Replaces what is set for a topic; what follows from it counts as soon as this resolves.
   * @returns what is against it, undefined if it was done
   * @throws {StorageError} if it could not be written */
  alter(topic: Topic, change: ConfigChange): Promise<TopicProblem | undefined> {
    let altered: StoredTopic | undefined;
    let before: Pick<StoredTopic, "configs" | "settings"> | undefined;
    return this.#store.write(() => {
      const stored = this.#byName.get(topic.name);
      if (stored !== topic || stored === undefined) return gone();
      const wanted = this.tryChange(stored, change);
      if (!(wanted instanceof Map)) return wanted;
      const { configs, settings } = stored;
      before = { configs, settings };
      altered = stored;
      this.#replaceConfigs(stored.id, wanted);
      Object.assign(stored, { configs: wanted, settings: this.configs.settings(wanted) });
      return undefined;
    }, () => altered !== undefined && Object.assign(altered, before));
  }

  /** What a change would make of a topic's settings, or what is against it. */
  tryChange(topic: Topic, change: ConfigChange): Map<string, string> | TopicProblem {
    const wanted = change(topic.configs);
    return wanted instanceof Map ? this.configProblem(wanted) ?? wanted : wanted;
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

  #insert(wanted: NewTopic): StoredTopic {
    const { db } = this.#store;
    const uuid = crypto.randomUUID().replaceAll("-", "");
    const row = db.prepare("INSERT INTO topics (name, uuid, created_ms) VALUES (?, ?, ?)")
      .run(wanted.name, uuid, this.#now());
    const id = Number(row.lastInsertRowid);
    this.#replaceConfigs(id, wanted.configs);
    const topic = this.#topic(id, wanted.name, uuid, new Map(wanted.configs));
    this.#insertPartitions(topic, wanted.partitions);
    return topic;
  }

  /** Adds empty partitions until there are `count`. */
  #insertPartitions(topic: StoredTopic, count: number): void {
    const insert = this.#store.db.prepare(
      "INSERT INTO partitions (topic, number, log_start, bytes) VALUES (?, ?, 0, 0)",
    );
    const added: Partition[] = []; // into the topic only once all rows are in
    for (let number = topic.partitions.length; number < count; number++) {
      const bounds = { start: 0, end: 0, bytes: 0, topTimestamp: -1 };
      const partitionId = Number(insert.run(topic.id, number).lastInsertRowid);
      added.push(new Partition(partitionId, topic, number, bounds, this.#cache));
    }
    for (const partition of added) topic.partitions.push(partition);
  }

  #replaceConfigs(id: number, configs: ReadonlyMap<string, string>): void {
    const { db } = this.#store;
    db.prepare("DELETE FROM topic_configs WHERE topic = ?").run(id);
    const insert = db.prepare("INSERT INTO topic_configs VALUES (?, ?, ?)");
    for (const [name, value] of configs) insert.run(id, name, value);
  }

  #hasRoomFor(partitions: number): boolean {
    return this.#partitionCount + partitions <= MAX_PARTITIONS;
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

/** What is wrong with a topic's name, in Kafka's words. */
export function nameProblem(name: string): TopicProblem | undefined {
  const wrong = name === ""
    ? "the empty string is not allowed"
    : name === "." || name === ".."
    ? `'${name}' is not allowed`
    : name.length > MAX_NAME
    ? `the length of '${name}' is longer than the max allowed length ${MAX_NAME}`
    : /[^a-zA-Z0-9._-]/.test(name)
    ? `'${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`
    : undefined;
  if (wrong === undefined) return undefined;
  return problem(errors.INVALID_TOPIC_EXCEPTION, `Topic name is invalid: ${wrong}`);
}

/** What is wrong with the replicas a client wants for one partition, in Kafka's words; the node is the only one. */
export function assignmentProblem(brokers: readonly number[], nodeId: number): string | undefined {
  if (brokers.length === 0) return "The manual partition assignment includes an empty replica list.";
  const other = brokers.find((id) => id !== nodeId);
  if (other !== undefined) {
    return `The manual partition assignment includes broker ${other}, but no such broker is registered.`;
  }
  if (brokers.length === 1) return undefined;
  return `The manual partition assignment includes the broker ${nodeId} more than once.`;
}

/** What a change of a topic is told that was deleted meanwhile. */
function gone(): TopicProblem {
  return problem(errors.UNKNOWN_TOPIC_OR_PARTITION, "The topic does not exist.");
}

function fold(name: string): string {
  return name.replaceAll(".", "_");
}

function problem(error: ErrorCode, message: string): TopicProblem {
  return { error, message };
}
