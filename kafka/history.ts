/** The past of topics, read page by page for viewers that are behind and for questions about a span of time.
 *
 * Pages are shared: whoever asks near the same place gets the same page, reads that run already are joined, and only a few run
 * at once, however many viewers come back together. Left out: following the end of a topic (reader.ts).
 * @module */
import type { Kafka } from "./client.ts";
import {
  earliestOffset,
  errorName,
  type KafkaConnection,
  KafkaError,
  latestOffset,
  type PartitionLeader,
} from "./connection.ts";
import { SharedRecord } from "./feed.ts";
import type { KafkaRecord } from "./fetch_response.ts";
import type { Positions } from "./cursor.ts";
import { Turns } from "./turns.ts";

/** Some records of one partition, ascending; it covers the offsets `from` … `next` − 1. */
export interface Page {
  readonly from: number;
  readonly next: number;
  readonly records: readonly KafkaRecord[];
  /** The same records, with what feeds have made of them, for all who read the page. */
  readonly shared: readonly SharedRecord[];
  /** Where the partition ended when the page was read. */
  readonly end: number;
}

/** The offset asked for is no longer, or not yet, in the log. */
export class OutsideLog extends Error {
  override readonly name = "OutsideLog";
  /** @param first the log's first offset, @param end the offset after its last */
  constructor(readonly first: number, readonly end: number) {
    super(`Offset is outside the log, which has ${first} to ${end}`);
  }
}

/** The offset asked for is in a batch that cannot be read. */
export class Unreadable extends Error {
  override readonly name = "Unreadable";
  /** @param next the first offset after the batch */
  constructor(readonly next: number, cause: string) {
    super(`Batch cannot be read: ${cause}`);
  }
}

/** What one page is asked to hold; a batch that is larger comes whole. */
const pageBytes = 64 * 1024;
const maxReadsAtOnce = 4, maxOnceReadsAtOnce = 2;
const maxCachedBytes = 16 * 1024 * 1024;
const metadataAgeMs = 10_000;
/** A page may be of a log that is gone: the topic was made anew, and nobody follows it who would notice. */
const pageAgeMs = 10_000;
/** What a record costs in memory besides its key and value, about. */
const recordOverheadBytes = 200;
/** So that there are not very many pages to look through. */
const pageOverheadBytes = 16 * 1024;

interface CachedPage extends Page {
  readonly place: string;
  readonly bytes: number;
  /** When it was read, on the clock of `performance.now()`. */
  readonly at: number;
}

/** Reads the past of any topic over one connection. */
export class History implements AsyncDisposable {
  readonly #kafka: Kafka;
  readonly #connection: KafkaConnection;
  readonly #leaders = new Map<
    string,
    { readonly partitions: readonly PartitionLeader[]; readonly at: number }
  >();
  /** Oldest use first. */
  #pages: CachedPage[] = [];
  #cachedBytes = 0;
  readonly #reading = new Map<string, Promise<Page>>();
  readonly #turns = new Turns(maxReadsAtOnce);
  readonly #onceTurns = new Turns(maxOnceReadsAtOnce);

  constructor(kafka: Kafka) {
    this.#kafka = kafka;
    this.#connection = kafka.connect();
  }

  /** The id of the cluster. @throws {KafkaError} */
  clusterId(): Promise<string> {
    return this.#kafka.clusterId();
  }

  /** The page that holds `offset`, or the one that begins after it where the log has a hole; empty at the end.
   * @throws {OutsideLog} when retention removed it or the log ends before it
   * @throws {Unreadable} when its batch cannot be read; a page ends before such a batch
   * @throws {KafkaError} */
  async read(topic: string, partition: number, offset: number): Promise<Page> {
    const place = `${topic}/${partition}`;
    const oldest = performance.now() - pageAgeMs;
    const cached = this.#pages.findLastIndex((page) =>
      page.place === place && page.at >= oldest && page.from <= offset && offset < page.next
    );
    if (cached >= 0) {
      const [page] = this.#pages.splice(cached, 1);
      this.#pages.push(page!);
      return page!;
    }
    const key = `${place}/${offset}`;
    const running = this.#reading.get(key);
    if (running) return await running;
    const reading = this.#turns.take(() => this.#fetch(topic, partition, offset));
    this.#reading.set(key, reading);
    // Not so when the topic was forgotten meanwhile.
    const isCurrent = () => this.#reading.get(key) === reading;
    try {
      const page = await reading;
      if (page.next > page.from && isCurrent()) this.#keep(place, page);
      return page;
    } catch (error) {
      if (error instanceof KafkaError) this.#leaders.delete(topic);
      throw error;
    } finally {
      if (isCurrent()) this.#reading.delete(key);
    }
  }

  /** As `read`, a page of `maxBytes` that is kept for nobody: for going through much of a log once. A few at once.
   * @throws {OutsideLog} @throws {Unreadable} @throws {KafkaError} */
  readOnce(topic: string, partition: number, offset: number, maxBytes: number): Promise<Page> {
    return this.#onceTurns.take(() => this.#fetch(topic, partition, offset, maxBytes));
  }

  /** The offset of each partition at `at`; where no record is that young, the end.
   * @param at `latestOffset`, `earliestOffset` or ms since the epoch
   * @throws {KafkaError} UNKNOWN_TOPIC_OR_PARTITION among others */
  async positions(topic: string, at: number): Promise<Positions> {
    const partitions = await this.#partitions(topic);
    try {
      const leaderless = partitions.find(({ leader }) => leader === null);
      if (leaderless) throw noLeader(topic, leaderless.partition);
      const found = await this.#connection.offsets(topic, partitions, at);
      const none = partitions.some(({ partition }) => (found.get(partition) ?? -1) < 0);
      const ends = none ? await this.#connection.offsets(topic, partitions, latestOffset) : found;
      return partitions.map(({ partition }) => {
        const offset = found.get(partition) ?? -1;
        return offset >= 0 ? offset : ends.get(partition) ?? 0;
      });
    } catch (error) {
      this.#leaders.delete(topic);
      throw error;
    }
  }

  /** Forgets a topic, after it was made anew. */
  forget(topic: string): void {
    this.#leaders.delete(topic);
    for (const key of this.#reading.keys()) if (key.startsWith(`${topic}/`)) this.#reading.delete(key);
    this.#pages = this.#pages.filter((page) => !page.place.startsWith(`${topic}/`));
    this.#cachedBytes = this.#pages.reduce((sum, page) => sum + page.bytes, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }

  async #partitions(topic: string): Promise<readonly PartitionLeader[]> {
    const known = this.#leaders.get(topic);
    if (known && performance.now() - known.at < metadataAgeMs) return known.partitions;
    const { topics: [found] } = await this.#connection.metadata([topic]);
    if (!found || found.error) {
      throw new KafkaError(found?.error ?? "UNKNOWN", `Cannot read ${topic}: ${found?.error}`);
    }
    this.#leaders.set(topic, { partitions: found.partitions, at: performance.now() });
    return found.partitions;
  }

  async #fetch(topic: string, partition: number, offset: number, maxBytes = pageBytes): Promise<Page> {
    const place = (await this.#partitions(topic)).find((one) => one.partition === partition);
    if (!place || place.leader === null) throw noLeader(topic, partition);
    const wants = [{ partition, offset, maxBytes }];
    const [fetched] = await this.#connection.fetch(place.leader, topic, wants, {
      maxWaitMs: 0,
      maxBytes,
    });
    const error = errorName(fetched?.errorCode ?? 0);
    if (error === "OFFSET_OUT_OF_RANGE") {
      const first = (await this.#connection.offsets(topic, [place], earliestOffset)).get(partition) ?? 0;
      const end = (await this.#connection.offsets(topic, [place], latestOffset)).get(partition) ?? 0;
      throw new OutsideLog(first, end);
    }
    if (!fetched || error) {
      throw new KafkaError(error ?? "UNKNOWN", `Cannot read ${topic}/${partition}: Kafka answered ${error}`);
    }
    const [hole] = fetched.unreadable;
    if (!hole) return makePage(topic, offset, fetched.next, fetched.records, fetched.end);
    const records = fetched.records.filter((record) => record.offset < hole.from);
    if (records.length === 0) throw new Unreadable(hole.to + 1, hole.cause);
    return makePage(topic, offset, hole.from, records, fetched.end);
  }

  #keep(place: string, page: Page): void {
    const size = (record: KafkaRecord) =>
      (record.key?.length ?? 0) + (record.value?.length ?? 0) + recordOverheadBytes;
    const bytes = page.records.reduce((sum, record) => sum + size(record), pageOverheadBytes);
    this.#pages.push({ ...page, place, bytes, at: performance.now() });
    this.#cachedBytes += bytes;
    while (this.#cachedBytes > maxCachedBytes) this.#cachedBytes -= this.#pages.shift()!.bytes;
  }
}

function makePage(
  topic: string,
  from: number,
  next: number,
  records: readonly KafkaRecord[],
  end: number,
): Page {
  return { from, next, records, shared: records.map((record) => new SharedRecord(topic, record, null)), end };
}

function noLeader(topic: string, partition: number): KafkaError {
  return new KafkaError("LEADER_NOT_AVAILABLE", `Cannot read ${topic}/${partition} as it has no leader`);
}
