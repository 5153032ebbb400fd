/** A viewer that is fed from Kafka's past, towards a goal: to where the ring begins, to the bound of a bounded read, to the newest record
 * of each key, or along a timeline.
 *
 * Its loop holds nothing between two steps; while it sleeps it takes no turn from others. Left out: one step (catch_up.ts), viewers in
 * the ring (live.ts).
 * @module */
import type { Metrics } from "../metrics.ts";
import { catchUpStep, lackingPartitions } from "./catch_up.ts";
import { KafkaError } from "./connection.ts";
import { endCursor, formatCursor, reaches, unknownOffset } from "./cursor.ts";
import type { KafkaRecord } from "./fetch_response.ts";
import type { History } from "./history.ts";
import type { LatestKeys } from "./latest_keys.ts";
import { newestInPast, passTo, passToHead } from "./passing.ts";
import { pause } from "./pause.ts";
import type { Gap, Ring } from "./ring.ts";
import type { Clock } from "./timeline.ts";
import type { Turns } from "./turns.ts";
import type { Viewer } from "./viewer.ts";

/** The topic that a viewer is in. */
export interface TopicState {
  readonly topic: string;
  readonly cluster: string;
  /** Undefined while it is not known what the log is. */
  readonly ring: Ring | undefined;
  readonly keys: LatestKeys;
  readonly history: History;
  readonly turns: Turns;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Looks after work that goes on beside. */
  start(viewer: Viewer, work: Promise<void>): void;
  /** The viewer has come to where the ring can feed it. */
  enter(viewer: Viewer, ring: Ring): void;
}

const retryMs = 200;
/** How long a partition whose newest record cannot be read is left alone. */
const unreadableMs = 1_000;
/** Shortest sleep of a replay: what becomes due meanwhile leaves in one write. */
const minSleepMs = 4;

/** Whether a viewer's start in some partition is still looked for, though the reader is there: nothing newer may overtake it. */
export function isHeld({ positions }: Viewer, ring: Ring): boolean {
  return positions.some((next, partition) =>
    next === unknownOffset && (ring.positions[partition] ?? unknownOffset) !== unknownOffset
  );
}

/** Whether a viewer cannot be fed from the ring. */
export function needsPast(viewer: Viewer, ring: Ring, clock: Clock): boolean {
  const { bound, timeline, positions, asked: { policy } } = viewer;
  if (!reaches(positions, ring.basePositions) || isHeld(viewer, ring)) return true;
  // Who is only shown the newest goes on live until the time has come.
  if (bound) return policy !== "latest" || !bound.followsLog || bound.askAt <= clock.now();
  if (!timeline && policy !== "latest-per-key") return false;
  return !reaches(positions, ring.positions) || timeline !== undefined && timeline.reachesNowAt > clock.now();
}

/** Wakes a viewer that sleeps when a partition that it watches has a record. */
export function wakeIfNew(viewer: Viewer, { positions }: Ring): void {
  const isNew = (partition: number) => (positions[partition] ?? 0) > (viewer.positions[partition] ?? 0);
  if (viewer.watched.some(isNew)) viewer.nudge();
}

/** Feeds a viewer whose phase is `behind` until it is elsewhere. */
export async function feedFromPast(viewer: Viewer, state: TopicState): Promise<void> {
  const ring = state.ring;
  if (ring) await new PastFeed(viewer, state, ring).run();
}

class PastFeed {
  readonly #viewer: Viewer;
  readonly #state: TopicState;
  readonly #ring: Ring;
  readonly #run: number;
  readonly #slow = new Map<number, number>();
  /** Where records are all shown again, for who is shown only the newest of each key. */
  #snapshot: readonly number[] | undefined;
  #isIndexing = false;
  #isAsking = false;

  constructor(viewer: Viewer, state: TopicState, ring: Ring) {
    this.#viewer = viewer;
    this.#state = state;
    this.#ring = ring;
    this.#run = viewer.run;
    if (viewer.asked.policy === "latest-per-key") this.#snapshot = [...ring.positions];
  }

  async run(): Promise<void> {
    const viewer = this.#viewer;
    while (this.#isCurrent()) {
      await viewer.writable();
      if (!this.#isCurrent()) return;
      if (viewer.bound?.isReachedBy(viewer.positions)) return this.#finish();
      this.#askBound();
      const goal = this.#goal();
      if (lackingPartitions(viewer, goal).length === 0) {
        if (this.#isThrough()) return this.#state.enter(viewer, this.#ring);
        if (this.#aimAgain(goal)) continue;
        const liveAt = viewer.timeline?.reachesNowAt ?? Infinity;
        const wakeAt = liveAt > this.#state.clock.now() ? liveAt : Infinity;
        const askAt = this.#isAsking ? Infinity : viewer.bound?.askAt ?? Infinity;
        await this.#sleep(goal, Math.min(askAt, wakeAt));
      } else if (viewer.asked.policy === "latest") await this.#pass(goal);
      else await this.#step(goal);
    }
  }

  #isCurrent(): boolean {
    const { phase, run } = this.#viewer;
    return run === this.#run && phase === "behind" && this.#state.ring === this.#ring;
  }

  /** A snapshot ends where the reader was when it began. When that has left the ring meanwhile, another one follows.
   * @param goal what the viewer has come to
   * @returns whether there is more to go through */
  #aimAgain(goal: readonly number[]): boolean {
    const { positions, basePositions } = this.#ring;
    if (!this.#snapshot || this.#viewer.bound || reaches(goal, basePositions)) return false;
    this.#snapshot = [...positions];
    return true;
  }

  /** How far each partition is wanted now. */
  #goal(): readonly number[] {
    const { bound, timeline } = this.#viewer, { positions, basePositions } = this.#ring;
    if (bound) {
      const length = Math.max(positions.length, bound.partitions);
      return Array.from({ length }, (_, partition) => bound.limit(partition, positions[partition] ?? 0));
    }
    // While a partition does not answer, the others go on as they would in the ring.
    const isStalled = this.#slow.size > 0 || this.#isIndexing;
    if (timeline || isStalled || isHeld(this.#viewer, this.#ring)) return positions;
    return this.#snapshot ?? basePositions;
  }

  /** Whether it may be fed from the ring, having come to its goal. */
  #isThrough(): boolean {
    const { bound, timeline, positions } = this.#viewer;
    if (bound || isHeld(this.#viewer, this.#ring)) return false;
    if (timeline && timeline.reachesNowAt > this.#state.clock.now()) return false;
    return reaches(positions, this.#ring.basePositions);
  }

  async #step(goal: readonly number[]): Promise<void> {
    const viewer = this.#viewer, { topic, cluster, clock, history, turns } = this.#state;
    const { bound } = viewer;
    let wanted = goal;
    if (this.#snapshot) {
      wanted = this.#indexed(goal);
      if (lackingPartitions(viewer, wanted).length === 0) return await this.#sleep(wanted, Infinity);
    }
    const outcome = await turns.take(() =>
      catchUpStep(viewer, {
        topic,
        cluster,
        clock,
        goal: wanted,
        slow: this.#slow,
        isCurrent: () => this.#isCurrent(),
        ...(bound && {
          end: (partition: number) => bound.limit(partition, Infinity),
          excludes: (record: KafkaRecord) => bound.excludes(record),
        }),
        ...(this.#snapshot && { passesOver: (record: KafkaRecord) => this.#passesOver(record) }),
      }, history)
    );
    this.#count(outcome.records, outcome.gaps);
    if (outcome.dueAt !== undefined) {
      await this.#sleep(goal, Math.max(outcome.dueAt, clock.now() + minSleepMs));
    } else if (outcome.stuck && this.#isCurrent()) await this.#retry(goal);
  }

  #passesOver(record: KafkaRecord): boolean {
    const { bound } = this.#viewer;
    // Behind the snapshot all are shown, as they are to whoever is live.
    if (!bound && record.offset >= (this.#snapshot![record.partition] ?? 0)) return false;
    return !this.#state.keys.isNewest(record, bound?.limit(record.partition, Infinity));
  }

  /** The goal in those partitions whose keys are known; the others are looked at meanwhile. */
  #indexed(goal: readonly number[]): readonly number[] {
    const viewer = this.#viewer, { keys, signal } = this.#state;
    // One that was added since is not among the positions yet.
    const from = goal.map((_, partition) => viewer.positions[partition] ?? 0);
    const indexed = goal.map((wanted, partition) => keys.covers(partition, from[partition]!) ? wanted : 0);
    const isWhole = lackingPartitions(viewer, goal).length === lackingPartitions(viewer, indexed).length;
    if (!isWhole && !this.#isIndexing) {
      this.#isIndexing = true;
      this.#state.start(viewer, this.#index(keys, from, signal));
    }
    return indexed;
  }

  async #index(keys: LatestKeys, from: readonly number[], signal: AbortSignal): Promise<void> {
    try {
      await keys.ready(from, this.#ring.positions, signal);
      // A partition is left out while the reader does not know where it is.
      if (!from.every((next, partition) => keys.covers(partition, next))) await pause(retryMs, signal);
    } catch (error) {
      if (!(error instanceof KafkaError) && !signal.aborted && this.#isCurrent()) throw error;
      await pause(retryMs, signal);
    } finally {
      this.#isIndexing = false;
      this.#viewer.nudge();
    }
  }

  /** Shows the newest of each partition and passes over the rest. */
  async #pass(goal: readonly number[]): Promise<void> {
    const viewer = this.#viewer, { bound } = viewer, ring = this.#ring, { head } = ring;
    const { topic, history, turns } = this.#state;
    const to = bound ? goal : [...ring.positions], now = performance.now();
    const asked = to.map((end, partition) => (this.#slow.get(partition) ?? 0) > now ? 0 : end);
    const past = await turns.take(() => newestInPast(viewer, topic, asked, history));
    if (!this.#isCurrent() || !viewer.options.sink.ready()) return;
    // What came meanwhile has left the ring already: the past is to be asked again.
    if (!bound && ring.base > head) return;
    for (const partition of lackingPartitions(viewer, asked)) {
      if (past.has(partition)) this.#slow.delete(partition);
      else this.#slow.set(partition, performance.now() + unreadableMs);
    }
    const isWhole = lackingPartitions(viewer, to).every((partition) => past.has(partition));
    const isToHead = !bound && isWhole && !isHeld(viewer, ring);
    const passed = isToHead ? passToHead(viewer, ring, past) : passTo(viewer, to, past);
    this.#count(passed.records, passed.gaps);
    if (!isWhole) await this.#retry(to);
  }

  #count(records: number, gaps: readonly Gap[]): void {
    const { metrics } = this.#state;
    if (records > 0) metrics.deliveries(this.#viewer.options.sink.transport, records);
    for (const { reason, skipped } of gaps) metrics.gaps(reason, skipped);
  }

  /** Sleeps until a time; a record of a partition that has nothing more to show wakes it, as that may be due before. */
  async #sleep(goal: readonly number[], atMs: number): Promise<void> {
    const viewer = this.#viewer;
    const isFollowing = !viewer.bound || viewer.bound.followsLog;
    const lacking = new Set(lackingPartitions(viewer, goal));
    viewer.watched = isFollowing
      ? goal.flatMap((_, partition) =>
        lacking.has(partition) || viewer.positions[partition] === unknownOffset ? [] : [partition]
      )
      : [];
    await viewer.sleepUntil(atMs);
    viewer.watched = [];
  }

  /** A moment later, or as soon as a partition that answers has something. */
  async #retry(goal: readonly number[]): Promise<void> {
    const timer = setTimeout(() => this.#viewer.nudge(), retryMs);
    await this.#sleep(goal, Infinity);
    clearTimeout(timer);
  }

  /** Beside the reading, as a partition that does not answer takes a second. */
  #askBound(): void {
    const viewer = this.#viewer, { bound } = viewer, { topic, history, clock, signal } = this.#state;
    if (!bound || this.#isAsking || bound.askAt > clock.now()) return;
    this.#isAsking = true;
    const asked = bound.ask(topic, history).catch(async (error) => {
      if (!(error instanceof KafkaError)) throw error;
      await pause(retryMs, signal);
    }).finally(() => {
      this.#isAsking = false;
      viewer.nudge();
    });
    this.#state.start(viewer, asked);
  }

  #finish(): void {
    const viewer = this.#viewer;
    const id = formatCursor(this.#state.cluster, viewer.positions);
    viewer.tell("end", { cursor: id }, endCursor(id));
    viewer.options.sink.end("done");
    viewer.close();
  }
}
