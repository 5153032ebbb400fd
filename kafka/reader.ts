/** The one reader of a topic: follows every partition, or those that are named, from the end on, without joining a consumer group.
 *
 * It begins at the end of the log, at given places, or at the beginning of a topic that was made after it began. It finds new
 * partitions and moved leaders, survives Kafka's absence, and tells its owner what it met; what became of the records is the owner's
 * matter, who may hold the reader up by promises.
 * Each node is read by a lane of its own, so that one that is dead or says nothing holds up its own partitions only; one loop
 * looks at the cluster, seldom while all is well, and each second while something is not.
 * Left out: reading the past (history.ts); a topic that was made anew and has grown past the old one's end since, which
 * only topic ids would tell: the owner is told of what gives reason to ask for them.
 * @module */
import type { Logger } from "../logger.ts";
import type { Kafka } from "./client.ts";
import {
  byLeader,
  earliestOffset,
  errorName,
  type FetchWant,
  type KafkaConnection,
  KafkaError,
  latestOffset,
  type PartitionLeader,
  patienceMs,
  settlesWithin,
} from "./connection.ts";
import { unknownOffset } from "./cursor.ts";
import { type FetchedPartition, inOrder } from "./fetch_response.ts";
import { Sleep } from "./pause.ts";
import { retriable } from "./producer_errors.ts";
import type { ReaderEvents, ReaderOptions } from "./reader_events.ts";
import { hasFailed, isAway, type Lane, timed } from "./reader_lane.ts";

/** How long a fetch waits at the broker while there is nothing; stopping the reader cuts it short. */
const maxWaitMs = 500;
const usualPartitionBytes = 1024 * 1024;
const usualRequestBytes = 8 * 1024 * 1024;
/** How often the cluster is asked for new partitions; sooner while a partition cannot be read. */
const refreshMs = 30_000, troubledRefreshMs = 1_000;
const missingPollMs = 500, placingPollMs = 50;
/** Pause before the cluster is asked after something failed, at first; it doubles, up to a second. */
const firstBackoffMs = 50;
const offsetOutOfRange = "OFFSET_OUT_OF_RANGE", unknownPartition = "UNKNOWN_TOPIC_OR_PARTITION";

/** Follows one topic until it is disposed. */
export class TopicReader implements AsyncDisposable {
  readonly #topic: string;
  readonly #events: ReaderEvents;
  readonly #connection: KafkaConnection;
  readonly #log: Logger;
  readonly #partitionBytes: number;
  readonly #requestBytes: number;
  readonly #only: ReadonlySet<number> | undefined;
  readonly #onlyTransactional: boolean;
  /** Given places, until the log is found to be another one. */
  #from: ReaderOptions["from"];
  #partitions: readonly PartitionLeader[] = [];
  #positions: number[] = [];
  #clusterId: string | undefined;
  /** Counts the logs that there were under the topic's name: an answer about an earlier one is none. */
  #generation = 0;
  #begun = false;
  #placingSince: number | undefined;
  /** Seen missing: what comes is read from its beginning. */
  #wasMissing = false;
  /** Since the last (re)start. */
  #toldMissing = false;
  #up: boolean | undefined;
  #closed = false;
  readonly #lanes = new Map<number, Lane>();
  /** Partitions that the node which was asked does not lead, until the cluster is looked at. */
  readonly #moved = new Set<number>();
  /** Nodes that are being asked where partitions end. */
  readonly #asked = new Map<number, Promise<void>>();
  /** Why the last of them could not say it. */
  #unplaced: KafkaError | undefined;
  /** The last error of a partition that does not pass by itself, told once. */
  #refusal = "";
  /** Something failed since the cluster was looked at. */
  #isTroubled = false;
  readonly #sleep = new Sleep();
  readonly #tasks = new Set<Promise<void>>();

  constructor(kafka: Kafka, topic: string, events: ReaderEvents, log: Logger, options: ReaderOptions = {}) {
    this.#topic = topic;
    this.#events = events;
    this.#from = options.from;
    this.#only = options.only;
    this.#onlyTransactional = options.onlyTransactional ?? false;
    this.#partitionBytes = options.partitionBytes ?? usualPartitionBytes;
    this.#requestBytes = options.requestBytes ?? usualRequestBytes;
    this.#connection = kafka.connect();
    this.#log = log.child({ topic });
    this.#track(this.#run());
  }

  /** Looks at the cluster at once, if the reader is waiting to do so. */
  wake(): void {
    this.#sleep.wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#sleep.close();
    for (const lane of this.#lanes.values()) lane.resume?.();
    await this.#connection[Symbol.asyncDispose]();
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
  }

  #track(work: Promise<void>): Promise<void> {
    const task = work.finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
    return task;
  }

  /** Looks at the cluster again and again. */
  async #run(): Promise<void> {
    for (let backoffMs = firstBackoffMs, failingSince: number | undefined; !this.#closed;) {
      let waitMs = 0;
      this.#isTroubled = false;
      try {
        waitMs = await this.#look(failingSince !== undefined);
        failingSince = undefined;
      } catch (error) {
        if (this.#closed) break;
        failingSince ??= performance.now();
        if (isAway(this.#codeOf(error), failingSince)) this.#failed();
        this.#isTroubled = true;
      }
      if (!this.#isTroubled) await this.#sleep.for(waitMs);
      if (!this.#isTroubled) backoffMs = firstBackoffMs;
      else {
        await this.#sleep.for(backoffMs * (0.5 + Math.random() / 2), false);
        backoffMs = Math.min(troubledRefreshMs, 2 * backoffMs);
      }
    }
  }

  /** @returns ms until the cluster is to be looked at again */
  async #look(failed: boolean): Promise<number> {
    const found = await this.#findPartitions();
    if (this.#closed) return 0;
    if (!found) {
      this.#status(true);
      return missingPollMs;
    }
    if (!failed && this.#lanes.size === 0) this.#status(true);
    const partitions = found.filter(({ partition }) => this.#isRead(partition));
    this.#partitions = partitions;
    this.#moved.clear();
    if (!(await this.#position(found.length))) return placingPollMs;
    if (this.#closed) return 0;
    for (const leader of byLeader(partitions).keys()) this.#open(leader);
    for (const lane of this.#lanes.values()) lane.resume?.();
    if (this.#lanes.size === 0) {
      throw new KafkaError("LEADER_NOT_AVAILABLE", `No leader for what is read of ${this.#topic}`);
    }
    if (failed && ![...this.#lanes.values()].some(hasFailed)) this.#status(true);
    const isWhole = partitions.every(({ partition, leader }) =>
      leader !== null && this.#positions[partition] !== unknownOffset
    );
    return isWhole && ![...this.#lanes.values()].some(({ isLate }) => isLate) ? refreshMs : troubledRefreshMs;
  }

  /** Undefined while the topic does not exist. */
  async #findPartitions(): Promise<readonly PartitionLeader[] | undefined> {
    const { clusterId, topics: [found] } = await this.#connection.metadata([this.#topic]);
    if (this.#closed) return undefined;
    if (this.#begun && this.#clusterId !== clusterId) this.#restart();
    this.#clusterId = clusterId;
    if (found?.error === "UNKNOWN_TOPIC_OR_PARTITION") {
      if (this.#begun || this.#from) this.#restart();
      this.#wasMissing = true;
      this.#partitions = [];
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

  /** Gives partitions that are new to the reader their place: at the start the end or the one that was given, else their beginning.
   * @param count of the topic's partitions
   * @returns false at the start, while some are without a place and may have one within a second: leaders of a new topic take
   * a moment
   * @throws {KafkaError} at the start, when no partition can be placed */
  async #position(count: number): Promise<boolean> {
    if (!this.#begun && !this.#wasMissing && !this.#from) {
      while (this.#positions.length < count) this.#positions.push(unknownOffset);
      this.#placingSince ??= performance.now();
      const leftMs = this.#placingSince + patienceMs - performance.now();
      await settlesWithin(Promise.all(this.#askEnds()), Math.max(leftMs, placingPollMs));
      const known = this.#positions.filter((next) => next !== unknownOffset).length;
      if (known < this.#partitions.length && performance.now() < this.#placingSince + patienceMs) {
        return false;
      }
      if (known === 0) {
        throw this.#unplaced ??
          new KafkaError("LEADER_NOT_AVAILABLE", `No partition of ${this.#topic} says where it ends`);
      }
    } else {
      this.#askEnds();
      if (this.#begun && this.#positions.length >= count) return true;
      const from = this.#begun ? {} : this.#from ?? {};
      while (this.#positions.length < count) {
        const partition = this.#positions.length;
        this.#positions.push(this.#isRead(partition) ? from[partition] ?? 0 : unknownOffset);
      }
    }
    this.#begun = true;
    this.#wasMissing = false;
    this.#events.started([...this.#positions], this.#clusterId!);
    return true;
  }

  #isRead(partition: number): boolean {
    return this.#only?.has(partition) ?? true;
  }

  /** Asks for the ends that are not known, each node once at a time. An answer that comes late counts as well. */
  #askEnds(): Promise<void>[] {
    const unknown = this.#partitions.filter(({ partition }) => this.#positions[partition] === unknownOffset);
    for (const [leader, partitions] of byLeader(unknown)) {
      if (this.#asked.has(leader)) continue;
      const asking = this.#track(this.#askEndsAt(leader, partitions)).finally(() =>
        this.#asked.delete(leader)
      );
      this.#asked.set(leader, asking);
    }
    return [...this.#asked.values()];
  }

  async #askEndsAt(leader: number, partitions: readonly number[]): Promise<void> {
    const generation = this.#generation;
    try {
      const ends = await this.#connection.offsets(leader, this.#topic, partitions, latestOffset);
      if (this.#closed || generation !== this.#generation) return;
      for (const [partition, end] of ends) {
        if (end instanceof KafkaError) this.#unplaced = end;
        else if (this.#positions[partition] === unknownOffset) this.#positions[partition] = end;
      }
      if (!this.#begun) return this.#sleep.wake();
      this.#events.started([...this.#positions], this.#clusterId!);
      this.#open(leader);
    } catch (error) {
      this.#codeOf(error);
      if (error instanceof KafkaError) this.#unplaced = error;
    }
  }

  /** Reads from a node, if that is not done already. */
  #open(leader: number): void {
    if (this.#closed || this.#lanes.has(leader) || this.#wants(leader).length === 0) return;
    const lane: Lane = { leader, failingSince: undefined, code: null, isLate: false, resume: null, turn: 0 };
    this.#lanes.set(leader, lane);
    this.#track(this.#read(lane));
  }

  async #read(lane: Lane): Promise<void> {
    for (let wants; !this.#closed && (wants = this.#wants(lane.leader)).length > 0;) {
      try {
        await this.#fetch(lane, wants);
        lane.failingSince = undefined;
      } catch (error) {
        if (this.#closed) break;
        lane.failingSince ??= performance.now();
        lane.code = this.#codeOf(error);
        this.#failed();
        this.#trouble();
        await new Promise<void>((resolve) => lane.resume = resolve);
        lane.resume = null;
      }
    }
    this.#lanes.delete(lane.leader);
  }

  /** What a node can be asked for now. */
  #wants(leader: number): FetchWant[] {
    const wants: FetchWant[] = [];
    for (const place of this.#partitions) {
      const { partition } = place, offset = this.#positions[partition] ?? unknownOffset;
      if (place.leader !== leader || offset === unknownOffset || this.#moved.has(partition)) continue;
      wants.push({ partition, offset, maxBytes: this.#partitionBytes });
    }
    return wants;
  }

  /** One request to one node. */
  async #fetch(lane: Lane, wants: readonly FetchWant[]): Promise<void> {
    const generation = this.#generation;
    // Kafka fills an answer in the order of the request: the first ones would starve the rest when answers are full.
    const first = lane.turn++ % wants.length, rotated = [...wants.slice(first), ...wants.slice(0, first)];
    const request = this.#connection.fetch(lane.leader, this.#topic, rotated, {
      maxWaitMs: lane.failingSince ? 1 : maxWaitMs, // whether it answers again is to be known soon
      maxBytes: this.#requestBytes,
      onlyTransactional: this.#onlyTransactional,
    });
    const answer = await timed(lane, maxWaitMs + patienceMs, request, () => this.#trouble());
    if (this.#closed || generation !== this.#generation) return;
    this.#status(true);
    if (lane.failingSince !== undefined) await this.#events.doubted?.();
    if (this.#closed || generation !== this.#generation) return;
    const asked = new Map(wants.map(({ partition, offset }) => [partition, offset]));
    for (const fetched of answer) {
      await this.#take(lane, asked.get(fetched.partition), fetched);
      if (generation !== this.#generation) return;
    }
  }

  /** What came of one partition; `offset` was asked for. When that is not its place any more, another node was faster. */
  async #take(lane: Lane, offset: number | undefined, fetched: FetchedPartition): Promise<void> {
    const { partition, errorCode } = fetched;
    const error = errorName(errorCode);
    if (this.#closed || this.#positions[partition] !== offset) return;
    if (error === offsetOutOfRange) await this.#outOfRange(lane, partition);
    else if (error) {
      const isNews = !retriable.has(error) && error !== this.#refusal;
      if (isNews) this.#refusal = error;
      this.#log[isNews ? "warn" : "debug"]("reading again", { partition, error });
      if (error === unknownPartition) await this.#events.doubted?.();
      this.#moved.add(partition);
      this.#trouble();
    } else await this.#advance(fetched);
  }

  async #advance(fetched: FetchedPartition): Promise<void> {
    const generation = this.#generation;
    const { partition } = fetched;
    if (fetched.next === this.#positions[partition]) return;
    this.#positions[partition] = fetched.next;
    for (const part of inOrder(fetched)) {
      if ("cause" in part) {
        const { from, to, cause } = part;
        this.#log.warn("records cannot be read and are passed over", { partition, from, to, cause });
        await this.#events.skipped(partition, from, to + 1, "unreadable");
      } else await this.#events.records(part);
      if (this.#closed || generation !== this.#generation) return;
    }
  }

  async #outOfRange(lane: Lane, partition: number): Promise<void> {
    const position = this.#positions[partition]!, generation = this.#generation;
    const request = this.#connection.offsets(lane.leader, this.#topic, [partition], earliestOffset);
    const first = (await timed(lane, patienceMs, request, () => this.#trouble())).get(partition);
    if (this.#closed || generation !== this.#generation || position !== this.#positions[partition]) return;
    if (first instanceof KafkaError) throw first;
    if (first !== undefined && position < first) {
      this.#positions[partition] = first;
      await this.#events.skipped(partition, position, first, "retention");
      return;
    }
    this.#restart();
    throw new KafkaError(
      offsetOutOfRange,
      `${this.#topic} ends before the reader's place: it is another log now`,
    );
  }

  /** From the beginning of whatever is there now. */
  #restart(): void {
    this.#generation++;
    this.#positions = [];
    this.#from = undefined;
    this.#begun = false;
    this.#wasMissing = true;
    this.#toldMissing = false;
    this.#events.restarted();
  }

  /** Kafka is away when no node is read from. */
  #failed(): void {
    if ([...this.#lanes.values()].every(hasFailed)) this.#status(false);
  }

  #status(up: boolean): void {
    if (this.#up === up || this.#closed) return;
    this.#up = up;
    this.#events.status(up);
  }

  #codeOf(error: unknown): string {
    const code = error instanceof KafkaError ? error.code : "UNKNOWN";
    if (this.#closed) return code;
    if (code === "UNKNOWN") this.#log.error("reader failed, starting anew", { error });
    else this.#log.debug("reading again", { error });
    return code;
  }

  /** The cluster is to be looked at soon. */
  #trouble(): void {
    if (this.#isTroubled) return;
    this.#isTroubled = true;
    this.#sleep.wake();
  }
}
