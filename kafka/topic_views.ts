/** Topics as a page or a program looks at them: partitions, offsets, sizes, settings.
 *
 * Answers are shared: whoever asks within a second of the last answer gets it too, so that many who look cost what one does. A node that
 * does not answer leaves nulls where it would have told something. `records` are the offsets between the earliest and the latest, which
 * count what compaction removed and the markers of transactions. Left out: changing topics; the records (history.ts).
 * @module */
import { withDeadline } from "../deadline.ts";
import type { Kafka } from "./client.ts";
import { byLeader, earliestOffset, type KafkaConnection, KafkaError, latestOffset } from "./connection.ts";
import type { ClusterMetadata, TopicMetadata } from "./connection.ts";
import { clusterHash, formatCursor, unknownOffset } from "./cursor.ts";
import { listOffsets, listSettings, listSizes, type NumbersByTopic } from "./topic_requests.ts";
import type { TopicSetting } from "./topic_requests.ts";

/** A topic in a list; sizes in bytes. Null is what Kafka did not tell in time. */
export interface TopicSummary {
  readonly name: string;
  /** Their number. */
  readonly partitions: number;
  readonly records: number | null;
  readonly bytes: number | null;
  /** It is Kafka's own. */
  readonly internal?: true;
}

/** All topics, by name. */
export interface TopicList {
  readonly topics: readonly TopicSummary[];
  /** ms since the epoch, when Kafka was asked. */
  readonly serverTime: number;
}

/** A partition; `leader` is a node's id. */
export interface PartitionView {
  readonly partition: number;
  readonly leader: number | null;
  readonly earliest: number | null;
  /** The offset that the next record gets. */
  readonly latest: number | null;
  readonly records: number | null;
  readonly bytes: number | null;
}

/** One topic. */
export interface TopicView {
  readonly name: string;
  readonly internal?: true;
  readonly partitions: readonly PartitionView[];
  readonly records: number | null;
  readonly bytes: number | null;
  /** Settings by name. */
  readonly config: Readonly<Record<string, TopicSetting>> | null;
  /** Ids of the places before the first record and after the last one; −1 where a partition did not tell. */
  readonly earliest: string;
  readonly latest: string;
  /** ms since the epoch, when Kafka was asked. */
  readonly serverTime: number;
}

/** How long Kafka may take for its description of the topics, and each node for its part, ms. */
const answerMs = 1_000;
/** For how long an answer is given again, ms; longer when it took long to get. */
const minAgeMs = 1_000, maxAgeMs = 10_000, agePerCost = 10;
/** Topics whose last answers are kept. */
const maxKept = 256;

/** An answer, or one on its way. */
interface Kept<T> {
  readonly answer: Promise<T>;
  /** Until when it is given again, on the clock of `performance.now()`; Infinity while it is on its way. */
  until: number;
}

/** Looks at topics over a connection of its own. */
export class TopicViews implements AsyncDisposable {
  readonly #connection: KafkaConnection;
  #list: Kept<TopicList> | undefined;
  /** Oldest first. */
  readonly #topics = new Map<string, Kept<TopicView>>();
  /** Numbers of partitions, the one asked for longest ago first. */
  readonly #counts = new Map<string, { readonly count: number; readonly at: number }>();
  /** Questions that nobody waits for any more, among others. */
  readonly #asking = new Set<Promise<unknown>>();

  constructor(kafka: Kafka) {
    this.#connection = kafka.connect();
  }

  /** All topics, Kafka's own included.
   * @throws {KafkaError} when Kafka does not describe them in time */
  list(): Promise<TopicList> {
    if (!this.#list || this.#list.until < performance.now()) {
      this.#list = keep(() => this.#readList(), () => this.#list = undefined);
    }
    return this.#list.answer;
  }

  /** One topic.
   * @throws {KafkaError} UNKNOWN_TOPIC_OR_PARTITION among others */
  topic(name: string): Promise<TopicView> {
    const known = this.#topics.get(name);
    if (known && known.until >= performance.now()) return known.answer;
    this.#topics.delete(name);
    const kept = keep(() => this.#readTopic(name), () => {
      if (this.#topics.get(name) === kept) this.#topics.delete(name);
    });
    this.#topics.set(name, kept);
    if (this.#topics.size > maxKept) this.#topics.delete(this.#topics.keys().next().value!);
    return kept.answer;
  }

  /** How many partitions a topic has, 0 when it does not exist; as it was a second ago at most, or before, if Kafka does not answer.
   * @param atLeast asks again when fewer were known
   * @throws {KafkaError} */
  async partitions(name: string, atLeast = 1): Promise<number> {
    const known = this.#counts.get(name);
    if (known && known.count >= atLeast && performance.now() - known.at < minAgeMs) return known.count;
    try {
      const { topics: [topic] } = await this.#metadata([name]);
      const isMissing = topic?.error === "UNKNOWN_TOPIC_OR_PARTITION";
      if (!topic || topic.error && !isMissing) throw refused(name, topic?.error ?? "UNKNOWN");
      const count = isMissing ? 0 : topic.partitions.length;
      this.#counts.delete(name);
      if (count > 0) this.#counts.set(name, { count, at: performance.now() });
      if (this.#counts.size > maxKept) this.#counts.delete(this.#counts.keys().next().value!);
      return count;
    } catch (error) {
      if (known && error instanceof KafkaError && error.code === "UNREACHABLE") return known.count;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
    await Promise.allSettled(this.#asking);
  }

  async #readList(): Promise<TopicList> {
    const { topics } = await this.#metadata(null);
    const serverTime = Date.now();
    const readable = topics.filter(({ error }) => error === null);
    const numbers = await this.#numbers(readable);
    const summaries = readable.map((topic) => {
      const partitions = viewPartitions(topic, numbers);
      return {
        name: topic.name,
        partitions: partitions.length,
        records: sum(partitions, "records"),
        bytes: sum(partitions, "bytes"),
        ...(topic.internal && { internal: true as const }),
      };
    });
    return { topics: summaries.sort((a, b) => a.name < b.name ? -1 : 1), serverTime };
  }

  async #readTopic(name: string): Promise<TopicView> {
    const { clusterId, topics: [topic] } = await this.#metadata([name]);
    const serverTime = Date.now();
    if (!topic || topic.error) throw refused(name, topic?.error ?? "UNKNOWN_TOPIC_OR_PARTITION");
    const settings = () => listSettings(this.#connection, name, { timeoutMs: answerMs });
    const [numbers, config] = await Promise.all([this.#numbers([topic]), this.#told(settings)]);
    const partitions = viewPartitions(topic, numbers), cluster = clusterHash(clusterId);
    return {
      name,
      ...(topic.internal && { internal: true as const }),
      partitions,
      records: sum(partitions, "records"),
      bytes: sum(partitions, "bytes"),
      config: config && Object.fromEntries(config),
      earliest: formatCursor(cluster, partitions.map(({ earliest }) => earliest ?? unknownOffset)),
      latest: formatCursor(cluster, partitions.map(({ latest }) => latest ?? unknownOffset)),
      serverTime,
    };
  }

  /** Offsets and sizes of topics: each leader is asked once for all of its partitions. */
  async #numbers(topics: readonly TopicMetadata[]): Promise<Numbers> {
    const byNode = new Map<number, Map<string, number[]>>();
    for (const { name, partitions } of topics) {
      for (const [leader, numbers] of byLeader(partitions)) {
        const wanted = byNode.get(leader) ?? new Map<string, number[]>();
        byNode.set(leader, wanted.set(name, numbers));
      }
    }
    const connection = this.#connection, timeoutMs = answerMs;
    const told = [...byNode].map(([node, wanted]) => ({
      earliest: this.#told(() => listOffsets(connection, node, wanted, { at: earliestOffset, timeoutMs })),
      latest: this.#told(() => listOffsets(connection, node, wanted, { at: latestOffset, timeoutMs })),
      bytes: this.#told(() => listSizes(connection, node, wanted, { timeoutMs })),
    }));
    const [earliest, latest, bytes] = await Promise.all([
      Promise.all(told.map((node) => node.earliest)),
      Promise.all(told.map((node) => node.latest)),
      Promise.all(told.map((node) => node.bytes)),
    ]);
    return { earliest, latest, bytes };
  }

  /** What is told in time, else null. */
  async #told<T>(ask: () => Promise<T>): Promise<T | null> {
    try {
      return await this.#inTime(ask);
    } catch (error) {
      if (error instanceof KafkaError || isUnsupported(error)) return null;
      throw error;
    }
  }

  async #metadata(topics: readonly string[] | null): Promise<ClusterMetadata> {
    try {
      return await this.#inTime(() => this.#connection.metadata(topics));
    } catch (error) {
      if (error instanceof TookTooLong) await this.#connection.reset(); // so that another node is asked next time
      throw error;
    }
  }

  /** Asks, and waits no longer than that; the question itself may take longer, to open a connection for example. */
  async #inTime<T>(ask: () => Promise<T>): Promise<T> {
    const asking = ask();
    const settled = asking.catch(() => {}).then(() => void this.#asking.delete(settled));
    this.#asking.add(settled);
    return await withDeadline(asking, answerMs, () => new TookTooLong());
  }
}

class TookTooLong extends KafkaError {
  constructor() {
    super("UNREACHABLE", `Kafka did not answer in ${answerMs} ms`);
  }
}

function refused(name: string, error: string): KafkaError {
  return new KafkaError(error, `Cannot look at ${name}: Kafka answered ${error}`);
}

/** What the nodes told, each of its own partitions. */
interface Numbers {
  readonly earliest: readonly (NumbersByTopic | null)[];
  readonly latest: readonly (NumbersByTopic | null)[];
  readonly bytes: readonly (NumbersByTopic | null)[];
}

function viewPartitions({ name, partitions }: TopicMetadata, numbers: Numbers): PartitionView[] {
  const maps = (told: readonly (NumbersByTopic | null)[]) => told.flatMap((node) => node?.get(name) ?? []);
  const earliests = maps(numbers.earliest), latests = maps(numbers.latest), sizes = maps(numbers.bytes);
  const find = (told: readonly Map<number, number>[], partition: number) =>
    told.find((node) => node.has(partition))?.get(partition) ?? null;
  return partitions.map(({ partition, leader }) => {
    const earliest = find(earliests, partition), latest = find(latests, partition);
    const records = earliest === null || latest === null ? null : Math.max(0, latest - earliest);
    return { partition, leader, earliest, latest, records, bytes: find(sizes, partition) };
  });
}

/** Null when one of them is not known. */
function sum(partitions: readonly PartitionView[], member: "records" | "bytes"): number | null {
  let total: number | null = 0;
  for (const partition of partitions) {
    const value: number | null = partition[member];
    total = total === null || value === null ? null : total + value;
  }
  return total;
}

/** Keeps an answer for a while; a failure is told to those who waited for it, and forgotten. */
function keep<T>(read: () => Promise<T>, forget: () => void): Kept<T> {
  const began = performance.now();
  const kept: Kept<T> = { answer: read(), until: Infinity };
  kept.answer.then(() => {
    const now = performance.now();
    kept.until = now + Math.min(maxAgeMs, Math.max(minAgeMs, agePerCost * (now - began)));
  }, forget);
  return kept;
}

/** A node that is too old for a question says so before it is sent. */
function isUnsupported(error: unknown): boolean {
  return error instanceof Error && error.name === "KafkaJSServerDoesNotSupportApiKey";
}
