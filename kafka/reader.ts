/** The one reader of a topic: follows every partition from the end on, without joining a consumer group.
 *
 * It begins at the end of the log, or at the beginning of a topic that was made after it began. It finds new partitions and
 * moved leaders, survives Kafka's absence, and tells its owner what it met; what became of the records is the owner's matter.
 * Left out: reading the past (history.ts); a topic that was made anew and has grown past the old one's end since, which
 * only topic ids would tell.
 * @module */
import type { Logger } from "../logger.ts";
import type { Kafka } from "./client.ts";
import {
  byLeader,
  earliestOffset,
  errorName,
  type KafkaConnection,
  KafkaError,
  latestOffset,
  type PartitionLeader,
} from "./connection.ts";
import type { FetchedPartition } from "./fetch_response.ts";
import type { Gap } from "./ring.ts";

/** What a reader tells its owner, in order. */
export interface ReaderEvents {
  /** Reading begins, or a partition was added: the next offset of each partition; none while the topic does not exist. */
  started(positions: readonly number[], clusterId: string): void;
  /** Records of one partition, ascending; `next` is where it goes on. */
  records(fetched: FetchedPartition): void;
  /** Offsets `from` … `to` − 1 are passed over: retention was faster, or their batch cannot be read. */
  skipped(partition: number, from: number, to: number, reason: Gap["reason"]): void;
  /** The log is another one (it ends before the reader's place, was missing for a while, or the cluster is another);
   * `started` follows. */
  restarted(): void;
  /** Whether Kafka answers; told when it changes. */
  status(up: boolean): void;
}

/** How long a fetch waits at the broker while there is nothing; stopping the reader cuts it short. */
const maxWaitMs = 500;
const partitionBytes = 1024 * 1024;
const requestBytes = 8 * 1024 * 1024;
/** How often the cluster is asked for new partitions; sooner while a partition has no leader. */
const refreshMs = 30_000, leaderlessRefreshMs = 1_000;
const missingPollMs = 500;
/** Failures in a row, with an answer from Kafka, that pass for a moment's. */
const patience = 5;
const offsetOutOfRange = "OFFSET_OUT_OF_RANGE";

/** Follows one topic until it is disposed. */
export class TopicReader implements AsyncDisposable {
  readonly #topic: string;
  readonly #events: ReaderEvents;
  readonly #connection: KafkaConnection;
  readonly #log: Logger;
  #positions: number[] = [];
  #clusterId: string | undefined;
  #begun = false;
  /** Seen missing: what comes is read from its beginning. */
  #wasMissing = false;
  /** Since the last (re)start. */
  #toldMissing = false;
  #up: boolean | undefined;
  #closed = false;
  #wake: () => void = () => {};
  readonly #running: Promise<void>;

  constructor(kafka: Kafka, topic: string, events: ReaderEvents, log: Logger) {
    this.#topic = topic;
    this.#events = events;
    this.#connection = kafka.connect();
    this.#log = log.child({ topic });
    this.#running = this.#run();
  }

  /** Looks at the cluster at once, if the reader is waiting to do so. */
  wake(): void {
    this.#wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#wake();
    await this.#connection[Symbol.asyncDispose]();
    await this.#running;
  }

  async #run(): Promise<void> {
    let backoffMs = 0, failures = 0;
    while (!this.#closed) {
      try {
        const partitions = await this.#findPartitions();
        this.#status(true);
        if (!partitions) {
          await this.#pause(missingPollMs);
          continue;
        }
        await this.#position(partitions);
        await this.#follow(partitions);
        backoffMs = failures = 0;
      } catch (error) {
        if (this.#closed) break;
        const code = error instanceof KafkaError ? error.code : "UNKNOWN";
        if (code === "UNKNOWN") this.#log.error("reader failed, starting anew", { error });
        else this.#log.debug("reading again", { error });
        // A new topic or a moved leader takes a moment; only what lasts, or no answer at all, is Kafka being away.
        if (code === "UNREACHABLE" || ++failures >= patience) this.#status(false);
        backoffMs = Math.min(2_000, backoffMs * 2 || 100);
        await this.#pause(backoffMs * (0.5 + Math.random() / 2));
      }
    }
  }

  /** Undefined while the topic does not exist. */
  async #findPartitions(): Promise<readonly PartitionLeader[] | undefined> {
    const { clusterId, topics: [found] } = await this.#connection.metadata([this.#topic]);
    if (this.#begun && this.#clusterId !== clusterId) this.#restart();
    this.#clusterId = clusterId;
    if (found?.error === "UNKNOWN_TOPIC_OR_PARTITION") {
      if (this.#begun) this.#restart();
      this.#wasMissing = true;
      if (!this.#toldMissing) this.#events.started([], clusterId);
      this.#toldMissing = true;
      return undefined;
    }
    if (!found || found.error) {
      throw new KafkaError(found?.error ?? "UNKNOWN", `Cannot read ${this.#topic}: ${found?.error}`);
    }
    if (found.partitions.length === 0) {
      throw new KafkaError("LEADER_NOT_AVAILABLE", `${this.#topic} has no partitions yet`);
    }
    return found.partitions;
  }

  /** Gives partitions that are new to the reader their place: the end at the start, else their beginning. */
  async #position(partitions: readonly PartitionLeader[]): Promise<void> {
    if (this.#begun && this.#positions.length >= partitions.length) return;
    const added = partitions.slice(this.#positions.length);
    const fromEnd = !this.#begun && !this.#wasMissing;
    const leaderless = added.find(({ leader }) => leader === null);
    if (fromEnd && leaderless) {
      throw new KafkaError(
        "LEADER_NOT_AVAILABLE",
        `Partition ${leaderless.partition} of ${this.#topic} has no leader`,
      );
    }
    const ends = fromEnd
      ? await this.#connection.offsets(this.#topic, added, latestOffset)
      : new Map<number, number>();
    for (const { partition } of added) this.#positions[partition] = ends.get(partition) ?? 0;
    this.#begun = true;
    this.#wasMissing = false;
    this.#events.started(this.#positions, this.#clusterId!);
  }

  /** Reads until the cluster has to be asked again; throws when no leader answers. */
  async #follow(partitions: readonly PartitionLeader[]): Promise<void> {
    const leaders = [...byLeader(partitions)];
    if (leaders.length === 0) {
      throw new KafkaError("LEADER_NOT_AVAILABLE", `No partition of ${this.#topic} has a leader`);
    }
    const leaderless = partitions.some(({ leader }) => leader === null);
    const round = { until: performance.now() + (leaderless ? leaderlessRefreshMs : refreshMs), ended: false };
    const outcomes = await Promise.allSettled(leaders.map(async ([leader, numbers]) => {
      try {
        while (!this.#closed && !round.ended && performance.now() < round.until) {
          round.ended = !(await this.#fetch(leader, numbers));
        }
      } catch (error) {
        // The others go on for a moment before all look at the cluster again.
        round.until = Math.min(round.until, performance.now() + leaderlessRefreshMs);
        throw error;
      }
    }));
    const failed = outcomes.filter((outcome) => outcome.status === "rejected");
    if (failed.length === outcomes.length) throw failed[0]!.reason;
    if (failed.length > 0 || round.ended) await this.#pause(50);
  }

  /** One request to one node; false when its partitions have moved. */
  async #fetch(leader: number, partitions: readonly number[]): Promise<boolean> {
    const wants = partitions.map((partition) => ({
      partition,
      offset: this.#positions[partition] ?? 0,
      maxBytes: partitionBytes,
    }));
    const answer = await this.#connection.fetch(leader, this.#topic, wants, {
      maxWaitMs,
      maxBytes: requestBytes,
    });
    let stays = true;
    for (const fetched of answer) {
      if (this.#closed) return false;
      const error = errorName(fetched.errorCode);
      if (error === offsetOutOfRange) await this.#outOfRange({ partition: fetched.partition, leader });
      else if (error) stays = false;
      else this.#advance(fetched);
    }
    return stays;
  }

  #advance(fetched: FetchedPartition): void {
    if (fetched.next === this.#positions[fetched.partition]) return;
    this.#positions[fetched.partition] = fetched.next;
    const { partition, next } = fetched;
    let records = fetched.records;
    for (const { from, to, cause } of fetched.unreadable) {
      this.#log.warn("records cannot be read and are passed over", { partition, from, to, cause });
      const before = records.filter((record) => record.offset < from);
      if (before.length > 0) this.#events.records({ ...fetched, records: before, next: from });
      this.#events.skipped(partition, from, to + 1, "unreadable");
      records = records.filter((record) => record.offset > to);
    }
    this.#events.records({ ...fetched, records, next });
  }

  async #outOfRange(place: { partition: number; leader: number }): Promise<void> {
    const { partition } = place;
    const position = this.#positions[partition] ?? 0;
    const first = (await this.#connection.offsets(this.#topic, [place], earliestOffset)).get(partition) ?? 0;
    if (position < first) {
      this.#positions[partition] = first;
      return this.#events.skipped(partition, position, first, "retention");
    }
    this.#restart();
    throw new KafkaError(
      offsetOutOfRange,
      `${this.#topic} ends before the reader's place: it is another log now`,
    );
  }

  /** From the beginning of whatever is there now. */
  #restart(): void {
    this.#positions = [];
    this.#begun = false;
    this.#wasMissing = true;
    this.#toldMissing = false;
    this.#events.restarted();
  }

  #status(up: boolean): void {
    if (this.#up === up || this.#closed) return;
    this.#up = up;
    this.#events.status(up);
  }

  async #pause(ms: number): Promise<void> {
    if (this.#closed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
  }
}
