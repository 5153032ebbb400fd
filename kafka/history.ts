/** The past of topics, read page by page for viewers that are behind and for questions about a span of time.
 *
 * Pages are shared: whoever asks near the same place gets the same page, reads that run already are joined, and only a few run
 * at once at each node, however many viewers come back together. So are questions for offsets. A node that says nothing delays
 * no other. Left out: following the end of a topic (reader.ts).
 * @module */
import type { Kafka } from "./client.ts";
import {
  byLeader,
  earliestOffset,
  errorName,
  type KafkaConnection,
  KafkaError,
  latestOffset,
  type PartitionLeader,
  patienceMs,
} from "./connection.ts";
import { type Positions, unknownOffset } from "./cursor.ts";
import { SharedRecord } from "./feed.ts";
import type { FetchedPartition, KafkaRecord } from "./fetch_response.ts";
import { Joined } from "./joined.ts";
import { LeaderWatch, silent } from "./leader_watch.ts";
import { PageCache } from "./page_cache.ts";
import { pause } from "./pause.ts";
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

/** How a read waits. */
export interface ReadOptions {
  /** Fails as soon as the partition's leader has not answered something for a second, since others have more to do than wait
   * for it; what it answers later is there for the next read. Default: waits until the request fails. */
  readonly impatient?: boolean;
}

/** What one page is asked to hold; a batch that is larger comes whole. */
const pageBytes = 64 * 1024;
/** Of one node. */
const maxReadsAtOnce = 4, maxOnceReadsAtOnce = 2;
const maxCachedBytes = 32 * 1024 * 1024;
/** How long it is believed who leads a partition, and for how long after an answer that spoke against it. */
const metadataAgeMs = 10_000, doubtfulAgeMs = 100;
/** Pause between two questions while a leader is being chosen. */
const placingPollMs = 100;
/** For how long the beginning of a log is believed; who begins before it meets the hole. */
const earliestAgeMs = 100;

interface Leaders {
  readonly partitions: readonly PartitionLeader[];
  readonly at: number;
  isDoubtful: boolean;
}

/** Turns at one node. */
interface NodeTurns {
  readonly pages: Turns;
  readonly once: Turns;
  readonly offsets: Turns;
}

/** A page that is on its way. */
interface Reading {
  readonly page: Promise<Page>;
  /** How many wait for it. */
  waiting: number;
}

/** Reads the past of any topic over one connection. */
export class History implements AsyncDisposable {
  readonly #kafka: Kafka;
  readonly #connection: KafkaConnection;
  readonly #leaders = new Map<string, Leaders>();
  readonly #described = new Joined<readonly PartitionLeader[]>();
  readonly #placed = new Joined<Positions>();
  readonly #earliest = new Map<string, { readonly positions: Positions; readonly at: number }>();
  readonly #pages = new PageCache(maxCachedBytes);
  readonly #reading = new Map<string, Reading>();
  readonly #turns = new Map<number, NodeTurns>();
  readonly #watch = new LeaderWatch();
  /** Since when some partition of a topic has not said where it is. */
  readonly #missingSince = new Map<string, number>();
  readonly #stop = new AbortController();

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
  async read(topic: string, partition: number, offset: number, options: ReadOptions = {}): Promise<Page> {
    const known = this.#pages.find(topic, partition, offset);
    if (known) return known;
    const leader = await this.#leader(topic, partition);
    const key = `${topic}/${partition}/${offset}`;
    const running = this.#reading.get(key);
    if (!running && options.impatient && this.#watch.isSilent(leader)) throw silent(leader);
    const reading = running ?? this.#read(key, { leader, topic, partition, offset });
    reading.waiting++;
    try {
      return await (options.impatient ? this.#watch.unlessSilent(leader, reading.page) : reading.page);
    } finally {
      reading.waiting--;
    }
  }

  /** As `read`, a page of `maxBytes` that is kept for nobody: for going through much of a log once. A few at once.
   * @param onSilent told when the partition's leader has not answered something for a second; the read goes on
   * @throws {OutsideLog} @throws {Unreadable} @throws {KafkaError} */
  async readOnce(
    topic: string,
    partition: number,
    offset: number,
    { maxBytes, onSilent }: { maxBytes: number; onSilent: (error: KafkaError) => void },
  ): Promise<Page> {
    const leader = await this.#leader(topic, partition);
    if (this.#watch.isSilent(leader)) onSilent(silent(leader));
    const place = { leader, topic, partition, offset };
    const page = this.#turnsOf(leader).once.take(() => this.#fetch(place, maxBytes));
    return await this.#watch.tellingSilence(leader, page, onSilent);
  }

  /** The offset of each partition at `at`; where no record is that young, the end as it was just before. Never older than this
   * call, but for `earliestOffset`, which may be some ms old. Answers are shared: they are not to be changed.
   * @param at `latestOffset`, `appendedOffset`, `earliestOffset` or ms since the epoch
   * @returns `unknownOffset` for a partition without a leader, or whose leader does not answer within a second
   * @throws {KafkaError} UNKNOWN_TOPIC_OR_PARTITION among others; when no partition is known */
  async positions(topic: string, at: number): Promise<Positions> {
    const ask = () => this.#positions(topic, at);
    const key = `${topic}/${at}`;
    if (at !== earliestOffset) return await this.#placed.fresh(key, ask);
    const known = this.#earliest.get(topic);
    if (known && performance.now() - known.at < earliestAgeMs) return known.positions;
    return await this.#placed.running(key, async () => {
      const asked = performance.now();
      const positions = await ask();
      this.#earliest.set(topic, { positions, at: asked });
      return positions;
    });
  }

  /** Forgets a topic, after it was made anew. */
  forget(topic: string): void {
    const isOfTopic = (key: string) => key.startsWith(`${topic}/`);
    this.#leaders.delete(topic);
    this.#earliest.delete(topic);
    this.#missingSince.delete(topic);
    this.#described.forget((key) => key === topic);
    this.#placed.forget(isOfTopic);
    for (const key of this.#reading.keys()) if (isOfTopic(key)) this.#reading.delete(key);
    this.#pages.forget(topic);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#watch[Symbol.dispose]();
    await this.#connection[Symbol.asyncDispose]();
  }

  /** A leader that is just being chosen is waited for; for one that has been missing for longer nobody waits. */
  async #positions(topic: string, at: number): Promise<Positions> {
    for (const began = performance.now();; await pause(placingPollMs, this.#stop.signal)) {
      const answers = await this.#answers(topic, at);
      const failures = answers.filter((answer) => answer instanceof KafkaError);
      if (failures.length === 0) this.#missingSince.delete(topic);
      else {
        this.#doubt(topic);
        const since = this.#missingSince.get(topic) ?? began;
        this.#missingSince.set(topic, since);
        if (performance.now() < since + patienceMs && !this.#stop.signal.aborted) continue;
        if (failures.length === answers.length) throw failures[0]!;
      }
      return answers.map((answer) => answer instanceof KafkaError ? unknownOffset : answer);
    }
  }

  async #answers(topic: string, at: number): Promise<(number | KafkaError)[]> {
    const partitions = await this.#partitions(topic);
    const found = new Map<number, number | KafkaError>();
    await Promise.all([...byLeader(partitions)].map(async ([leader, numbers]) => {
      try {
        const asking = this.#turnsOf(leader).offsets.take(async () => {
          if (this.#watch.isSilent(leader)) throw silent(leader); // since it waits for its turn
          return await this.#watch.run(leader, () => this.#offsets(leader, topic, numbers, at));
        });
        for (const [partition, offset] of await this.#watch.unlessSilent(leader, asking)) {
          found.set(partition, offset);
        }
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        for (const partition of numbers) found.set(partition, error);
      }
    }));
    return partitions.map(({ partition }) => found.get(partition) ?? noLeader(topic, partition));
  }

  /** For a time the ends are asked first: what is appended between the two requests is behind the end that is taken. */
  async #offsets(
    leader: number,
    topic: string,
    partitions: readonly number[],
    at: number,
  ): Promise<Map<number, number | KafkaError>> {
    const ask = (of: number) => this.#connection.offsets(leader, topic, partitions, of);
    if (at < 0) return await ask(at);
    const ends = await ask(latestOffset), found = await ask(at);
    for (const [partition, offset] of found) {
      if (typeof offset === "number" && offset < 0) found.set(partition, ends.get(partition) ?? offset);
    }
    return found;
  }

  async #partitions(topic: string): Promise<readonly PartitionLeader[]> {
    const known = this.#leaders.get(topic);
    const ageMs = known?.isDoubtful ? doubtfulAgeMs : metadataAgeMs;
    if (known && performance.now() - known.at < ageMs) return known.partitions;
    return await this.#described.running(topic, async () => {
      const { topics: [found] } = await this.#connection.metadata([topic]);
      if (!found || found.error) {
        throw new KafkaError(found?.error ?? "UNKNOWN", `Cannot read ${topic}: ${found?.error}`);
      }
      const { partitions } = found;
      const isDoubtful = partitions.some(({ leader }) => leader === null);
      this.#leaders.set(topic, { partitions, at: performance.now(), isDoubtful });
      return partitions;
    });
  }

  async #leader(topic: string, partition: number): Promise<number> {
    const place = (await this.#partitions(topic)).find((one) => one.partition === partition);
    if (place && place.leader !== null) return place.leader;
    this.#doubt(topic);
    throw noLeader(topic, partition);
  }

  /** Somebody else may lead the topic's partitions now. */
  #doubt(topic: string): void {
    const known = this.#leaders.get(topic);
    if (known) known.isDoubtful = true;
  }

  #turnsOf(leader: number): NodeTurns {
    const known = this.#turns.get(leader);
    if (known) return known;
    const turns = {
      pages: new Turns(maxReadsAtOnce),
      once: new Turns(maxOnceReadsAtOnce),
      offsets: new Turns(maxReadsAtOnce),
    };
    this.#turns.set(leader, turns);
    return turns;
  }

  /** Reads a page for all who ask for it meanwhile. */
  #read(key: string, place: Place): Reading {
    const { leader, topic, partition, offset } = place;
    // Not so when the topic was forgotten meanwhile.
    const isCurrent = () => this.#reading.get(key) === reading;
    const work = async () => {
      const known = isCurrent() ? this.#pages.find(topic, partition, offset) : undefined;
      if (known) return known;
      if (reading.waiting === 0) throw silent(leader); // all gave up while it waited for its turn
      const page = await this.#fetchAround(place);
      if (isCurrent()) this.#pages.keep(topic, partition, page);
      return page;
    };
    const page = Promise.resolve().then(() => this.#turnsOf(leader).pages.take(work)).finally(() => {
      if (isCurrent()) this.#reading.delete(key);
    });
    page.catch(() => {}); // those who wait for it are told
    const reading: Reading = { page, waiting: 0 };
    this.#reading.set(key, reading);
    return reading;
  }

  /** The page from a round offset on when it holds the one that is wanted, so that others can use it. */
  async #fetchAround(place: Place): Promise<Page> {
    const { topic, partition, offset } = place;
    const round = this.#pages.beginning(topic, partition, offset);
    if (round < offset) {
      try {
        const page = await this.#fetch({ ...place, offset: round }, pageBytes);
        if (offset < page.next) return page;
      } catch (error) {
        if (!(error instanceof OutsideLog || error instanceof Unreadable)) throw error;
      }
    }
    return await this.#fetch(place, pageBytes);
  }

  async #fetch({ leader, topic, partition, offset }: Place, maxBytes: number): Promise<Page> {
    try {
      return await this.#watch.run(leader, async () => {
        const wants = [{ partition, offset, maxBytes }];
        const [fetched] = await this.#connection.fetch(leader, topic, wants, { maxWaitMs: 0, maxBytes });
        const error = errorName(fetched?.errorCode ?? 0);
        if (error === "OFFSET_OUT_OF_RANGE") throw await this.#outside(leader, topic, partition);
        if (fetched && !error) return makePage(topic, offset, fetched);
        throw new KafkaError(
          error ?? "UNKNOWN",
          `Cannot read ${topic}/${partition}: Kafka answered ${error}`,
        );
      });
    } catch (error) {
      if (error instanceof KafkaError) this.#doubt(topic);
      throw error;
    }
  }

  async #outside(leader: number, topic: string, partition: number): Promise<OutsideLog> {
    const ask = async (at: number) => {
      const offset = (await this.#connection.offsets(leader, topic, [partition], at)).get(partition) ?? 0;
      if (offset instanceof KafkaError) throw offset;
      return offset;
    };
    return new OutsideLog(await ask(earliestOffset), await ask(latestOffset));
  }
}

/** Where a page is read. */
interface Place {
  readonly leader: number;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** @throws {Unreadable} */
function makePage(topic: string, from: number, fetched: FetchedPartition): Page {
  const [hole] = fetched.unreadable;
  const records = hole ? fetched.records.filter((record) => record.offset < hole.from) : fetched.records;
  if (hole && records.length === 0) throw new Unreadable(hole.to + 1, hole.cause);
  const shared = records.map((record) => new SharedRecord(topic, record, null));
  return { from, next: hole ? hole.from : fetched.next, records, shared, end: fetched.end };
}

function noLeader(topic: string, partition: number): KafkaError {
  return new KafkaError("LEADER_NOT_AVAILABLE", `Cannot read ${topic}/${partition} as it has no leader`);
}
