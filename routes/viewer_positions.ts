/** Where each viewer is to go on: read from Kafka when a connection opens, committed while it is shown something, and when it closes.
 *
 * A position belongs to a viewer and a topic. Of several connections of one viewer in a topic (two tabs) the one that was opened last owns
 * it and is the only one to move it; when that closes, the one before owns it again, from its next move on. So what is committed was always
 * the place of one connection. Over several instances of the service the last commit wins.
 *
 * Nothing queues up: of each position only the newest is kept, and while Kafka is away it is tried again and again. Left out: who a viewer
 * is (viewer_id.ts), how positions are kept (kafka/positions.ts).
 * @module */
import type { Kafka } from "../kafka/client.ts";
import { KafkaError } from "../kafka/connection.ts";
import { clusterHash, formatCursor, parseCursor, type Positions, type StartAt } from "../kafka/cursor.ts";
import { unknownOffset } from "../kafka/cursor.ts";
import { pause, Sleep } from "../kafka/pause.ts";
import { CommittedPositions, isPassing } from "../kafka/positions.ts";
import { Turns } from "../kafka/turns.ts";
import type { Logger } from "../logger.ts";

/** One connection of a viewer in a topic. */
export interface ViewerSession {
  /** Where the viewer goes on, null when it is new there. Waits while Kafka is away, and never rejects; null also when it is closed first. */
  readonly start: Promise<StartAt | null>;
  /** The connection has been handed everything before these next offsets; `unknownOffset` for partitions of which nothing is known. A
   * function is asked only when they are to be committed. */
  moved(positions: Moved): void;
  /** The connection has ended: where it was is committed now. */
  close(): void;
}

/** Next offsets by partition, or what makes them. */
export type Moved = Positions | (() => Positions);

/** What it works with; times in ms. */
export interface ViewerPositionsOptions {
  readonly kafka: Kafka;
  readonly log: Logger;
  /** From one commit of a position to the next, at least. */
  readonly commitEveryMs?: number;
  /** From a failure of Kafka to the next try. */
  readonly retryMs?: number;
  /** Positions of viewers who have left that wait for Kafka; beyond, the one that was left first is given up. */
  readonly maxLeft?: number;
}

/** Commits that run at once. */
const maxCommitting = 32;

/** The positions of all viewers. */
export class ViewerPositions implements AsyncDisposable {
  readonly #options: Required<ViewerPositionsOptions>;
  readonly #committed: CommittedPositions;
  /** By viewer and topic: those that have connections, or are not committed yet. */
  readonly #places = new Map<string, Place>();
  /** Those of them that have no connection any more, the one that was left first in front. */
  readonly #left = new Set<Place>();
  readonly #turns = new Turns(maxCommitting);
  readonly #committing = new Set<Promise<void>>();
  readonly #opening = new Set<Promise<unknown>>();
  #isFailing = false;
  #isClosed = false;

  constructor(options: ViewerPositionsOptions) {
    this.#options = { commitEveryMs: 1_000, retryMs: 1_000, maxLeft: 10_000, ...options };
    this.#committed = new CommittedPositions(options.kafka);
  }

  /** Positions that are kept in memory. */
  get size(): number {
    return this.#places.size;
  }

  /** Adds a connection of a viewer, which owns the viewer's position in the topic from now on. */
  open(viewer: string, topic: string): ViewerSession {
    const place = this.#place(viewer, topic);
    const session = new Session((leaves) => this.#findStart(place, leaves), {
      moved: (positions) => {
        if (place.sessions.at(-1) !== session) return;
        place.move(positions);
        this.#commitSoon(place);
      },
      closed: () => this.#leave(place, session),
    });
    place.sessions.push(session);
    this.#opening.add(session.start);
    session.start.then(() => this.#opening.delete(session.start));
    return session;
  }

  /** Resolves when Kafka has the positions of all connections, which are to be closed. */
  async flush(): Promise<void> {
    while (this.#committing.size > 0) await Promise.all(this.#committing);
  }

  /** Gives up what Kafka has not got yet; nothing is committed any more. */
  async abandon(): Promise<void> {
    this.#isClosed = true;
    for (const { rest, sessions } of [...this.#places.values()]) {
      rest.close();
      for (const session of [...sessions]) session.close();
    }
    await this.#committed[Symbol.asyncDispose]();
    await Promise.all([...this.#committing, ...this.#opening]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.abandon();
  }

  #place(viewer: string, topic: string): Place {
    const key = `${viewer} ${topic}`; // neither has a space
    const place = this.#places.get(key) ?? new Place(key, viewer, topic);
    this.#places.set(key, place);
    this.#left.delete(place);
    return place;
  }

  async #findStart(place: Place, leaves: AbortSignal): Promise<StartAt | null> {
    const { viewer, topic } = place;
    while (!leaves.aborted && !this.#isClosed) {
      try {
        const cluster = clusterHash(await this.#options.kafka.clusterId());
        // What Kafka has not got yet is newer than what it has.
        const positions = place.isChanged ? place.newest : await this.#read(place, leaves);
        return positions && parseCursor(formatCursor(cluster, positions));
      } catch (error) {
        if (!(error instanceof KafkaError) || !isPassing(error)) {
          this.#options.log.warn("viewer begins anew as its position cannot be read", {
            viewer,
            topic,
            error,
          });
          return null;
        }
      }
      await pause(this.#options.retryMs, leaves);
    }
    return null;
  }

  async #read(place: Place, leaves: AbortSignal): Promise<Positions | null> {
    const found = await this.#committed.read(groupOf(place.viewer), place.topic, leaves);
    // Another instance may have committed since; but what the owner has come to meanwhile counts.
    if (!place.isChanged && !place.isCommitting) place.takeOver(found);
    return found;
  }

  #leave(place: Place, session: Session): void {
    const index = place.sessions.indexOf(session);
    if (index === place.sessions.length - 1) place.hurry();
    place.sessions.splice(index, 1);
    if (place.sessions.length > 0) return;
    if (!place.isCommitting) return this.#forget(place);
    this.#left.add(place);
    if (this.#left.size > this.#options.maxLeft) this.#giveUp(this.#left.values().next().value!);
  }

  #giveUp(place: Place): void {
    const { viewer, topic } = place;
    this.#options.log.warn("viewer's position given up as too many wait for Kafka", { viewer, topic });
    place.isGivenUp = true;
    place.rest.close();
    this.#forget(place);
  }

  #forget(place: Place): void {
    this.#left.delete(place);
    if (this.#places.get(place.key) === place) this.#places.delete(place.key);
  }

  #commitSoon(place: Place): void {
    if (place.isCommitting || !place.isChanged || this.#isClosed) return;
    place.isCommitting = true;
    const work = this.#commitWhileChanged(place).finally(() => this.#committing.delete(work));
    this.#committing.add(work);
  }

  async #commitWhileChanged(place: Place): Promise<void> {
    try {
      while (place.isChanged && !place.isGivenUp && !this.#isClosed) {
        await place.untilDue();
        await this.#turns.take(() => this.#commit(place));
      }
    } finally {
      // In one step with the look at what has changed: a move after it starts anew.
      place.isCommitting = false;
      if (place.sessions.length === 0) this.#forget(place);
    }
  }

  async #commit(place: Place): Promise<void> {
    const { viewer, topic } = place, newest = place.newest!, { log, commitEveryMs, retryMs } = this.#options;
    if (this.#isClosed || place.isGivenUp) return;
    place.restUntil(performance.now() + commitEveryMs, true);
    try {
      await this.#committed.commit(groupOf(viewer), topic, newest);
      if (this.#isFailing) log.info("viewers' positions are committed again");
      this.#isFailing = false;
    } catch (error) {
      if (error instanceof KafkaError && isPassing(error)) {
        if (!this.#isFailing) log.warn("viewers' positions wait for Kafka", { error });
        this.#isFailing = true;
        return place.restUntil(performance.now() + retryMs, false);
      }
      // Kafka will not have it: the topic was removed, a consumer has joined the group. The next one may be another matter.
      if (!place.isRefused) log.warn("viewer's position not committed", { viewer, topic, error });
      place.isRefused = true;
    }
    place.settle(newest);
  }
}

/** Where a viewer is in a topic, and the connections that show it. */
class Place {
  /** In the order in which they were opened; the last one owns the position. */
  readonly sessions: Session[] = [];
  #moved: Moved | null = null;
  /** What Kafka has, as far as it is known. */
  committed: Positions | null = null;
  readonly rest = new Sleep();
  isCommitting = false;
  /** Told once. */
  isRefused = false;
  isGivenUp = false;
  #dueAt = 0;
  #mayHurry = true;
  #hurries = false;

  constructor(readonly key: string, readonly viewer: string, readonly topic: string) {}

  /** The owner has come to another place. */
  move(to: Moved): void {
    this.#moved = typeof to === "function" ? to : [...to];
  }

  /** Where the owner has come to. */
  get newest(): Positions | null {
    if (typeof this.#moved === "function") this.#moved = this.#moved();
    return this.#moved;
  }

  /** Whether there is something to commit. */
  get isChanged(): boolean {
    return this.newest?.some((next, partition) =>
      next !== unknownOffset && next !== this.committed?.[partition]
    ) ?? false;
  }

  /** The owner has gone: its place is committed as soon as Kafka takes it. */
  hurry(): void {
    this.#hurries = this.isChanged;
    this.rest.wake();
  }

  /** Sets when the next commit may be, on the clock of `performance.now()`. @param mayHurry whether an owner that goes need not wait for that */
  restUntil(atMs: number, mayHurry: boolean): void {
    this.#dueAt = atMs;
    this.#mayHurry = mayHurry;
  }

  async untilDue(): Promise<void> {
    const ms = this.#dueAt - performance.now();
    if (ms > 0 && !(this.#hurries && this.#mayHurry)) await this.rest.for(ms, this.#mayHurry);
    this.#hurries = false;
  }

  /** Kafka has this place, whoever committed it, or none. */
  takeOver(found: Positions | null): void {
    this.committed = found;
    this.#moved = null;
  }

  /** Kafka has been given these. */
  settle(positions: Positions): void {
    this.committed = positions.map((next, partition) =>
      next === unknownOffset ? this.committed?.[partition] ?? unknownOffset : next
    );
  }
}

class Session implements ViewerSession {
  readonly start: Promise<StartAt | null>;
  readonly #leave = new AbortController();
  readonly #to: { moved(positions: Moved): void; closed(): void };

  constructor(
    findStart: (leaves: AbortSignal) => Promise<StartAt | null>,
    to: { moved(positions: Moved): void; closed(): void },
  ) {
    this.#to = to;
    this.start = findStart(this.#leave.signal);
  }

  moved(positions: Moved): void {
    if (!this.#leave.signal.aborted) this.#to.moved(positions);
  }

  close(): void {
    if (this.#leave.signal.aborted) return;
    this.#leave.abort();
    this.#to.closed();
  }
}

function groupOf(viewer: string): string {
  return `viewer-${viewer}`;
}
