/** One viewer of a topic: a cursor, and a way out. It holds no records.
 *
 * The way out is a `Sink`, which routes/ makes of an SSE stream or a WebSocket. Left out: moving the cursor (topic_hub.ts).
 * @module */
import type { Bound } from "./bounds.ts";
import { latestOffset } from "./connection.ts";
import { formatCursor, parseCursor, type Positions, type StartAt } from "./cursor.ts";
import type { Feed, Picker, Wire } from "./feed.ts";
import { type Chunk, chunkOf } from "./ring.ts";
import type { Asked } from "./start.ts";
import { type Clock, Timeline } from "./timeline.ts";

/** A connection that takes events. */
export interface Sink {
  readonly wire: Wire;
  readonly transport: "sse" | "websocket" | "mjpeg";
  /** Whether it takes more now; when it does again, `Viewer.wake` is to be called. */
  ready(): boolean;
  write(chunk: Chunk): void;
  /** The server ends the stream. */
  end(reason: EndReason): void;
}

/** Why the server ends a stream: a bounded read is through, the server is on its way down, the topic it was asked for turned out to be
 * missing, or something failed here. */
export type EndReason = "done" | "draining" | "unknown-topic" | "failed";

/** Where a bounded read ends: at what is the end of the log when it begins, or at a time in ms since the epoch. */
export type Until = { readonly kind: "latest" } | { readonly kind: "time"; readonly ms: number };

/** What becomes of records that a viewer is behind with: all are shown, all but the newest are passed over, or of each key all but the
 * newest are passed over. */
export type Policy = "lossless" | "latest" | "latest-per-key";

/** What a viewer asks for. */
export interface FollowOptions<T extends object> {
  readonly feed: Feed<T>;
  readonly sink: Sink;
  readonly start: StartAt;
  /** Where to begin instead, when that is known only later; null: at `start` after all. Never rejects. */
  readonly laterStart?: Promise<StartAt | null>;
  /** Where to begin when `start` is an id that does not fit; default `latest`. */
  readonly fallback?: StartAt;
  /** Told as a reset, with its reason: an id that could not even be read, a log that has become another one. */
  readonly reset?: { readonly requested: string; readonly reason: string };
  /** Where the stream ends, with an event `end`; without it it goes on. */
  readonly until?: Until;
  /** Records are shown in the pace of their own timestamps, so many times as fast; without it as fast as the sink takes them. */
  readonly speed?: number;
  /** Of such a replay: a hole in the records' times is not waited for longer than this, ms, and times that jump back begin the pace
   * anew. Default: no limit. */
  readonly longestPauseMs?: number;
  /** Default `lossless`. */
  readonly policy?: Policy;
  /** A topic that is missing, at the start or later, ends the stream: `Sink.end("unknown-topic")`. Otherwise it is waited for. */
  readonly topicMustExist?: boolean;
  /** Called when the start is known, and again when the log has become another one. */
  readonly onReady?: (ready: Ready) => void;
  /** Which records are shown. */
  readonly pick?: Picker<T>;
}

/** The first event of a stream. */
export interface Ready {
  readonly resume: "fresh" | "exact" | "gap" | "reset";
  readonly reason: string | null;
  readonly requested: string | null;
  readonly start: string;
  /** Records that retention removed between the place asked for and the start. */
  readonly skipped: number;
  /** ms since the epoch. */
  readonly serverTime: number;
}

/** Who moves a viewer's cursor. */
export interface ViewerHost {
  readonly clock: Clock;
  /** It takes more, and is live. */
  pump(viewer: Viewer): void;
  /** It has been sent to another place: `viewer.asked`. */
  sought(viewer: Viewer): void;
  /** Its pace has changed. */
  paced(viewer: Viewer): void;
  closed(viewer: Viewer): void;
}

/** Longest sleep, ms: who sleeps looks around after it. */
const maxSleepMs = 3_600_000;

/** A viewer as the hub knows it. */
export class Viewer {
  /** `behind`: fed from Kafka's past, towards a goal; `live`: fed from the ring, at `place`. */
  phase: "opening" | "behind" | "live" | "closed" = "opening";
  /** Next offsets; while live, as of the last time they were needed, and `lastId` is newer. `unknownOffset` where it is not known yet
   * where the viewer begins. */
  positions: number[] = [];
  lastId: string | undefined;
  place = 0;
  /** Below this place of the ring some entries were seen already, and ids are the viewer's own. */
  mergeUntil = 0;
  /** Whether something waited for it when it was written to last. */
  hasWaited = false;
  /** The id that was last told in a heartbeat. */
  toldId: string | undefined;
  // deno-lint-ignore no-explicit-any
  readonly options: FollowOptions<any>;
  /** What it asks for by now: after `seek` another start. */
  asked: Asked;
  /** What `history.positions` is to be asked for where the start is not known yet. */
  startsAt: number = latestOffset;
  /** Goes up when it is sent elsewhere: whoever still feeds it from where it was stops. */
  run = 0;
  bound: Bound | undefined;
  timeline: Timeline | undefined;
  /** Partitions of which a record would wake it. */
  watched: readonly number[] = [];
  /** Of the log that it is in, as ids have it; undefined before it has been told where it is. */
  cluster: string | undefined;
  readonly #host: ViewerHost;
  #paused = false;
  readonly #waiting = new Set<() => void>();
  readonly #sleeping = new Set<() => void>();

  // deno-lint-ignore no-explicit-any
  constructor(options: FollowOptions<any>, host: ViewerHost) {
    this.options = options;
    this.asked = options;
    this.#host = host;
    if (options.speed !== undefined && options.policy !== "latest") {
      this.timeline = new Timeline(options.speed, host.clock, options.longestPauseMs);
    }
  }

  get isClosed(): boolean {
    return this.phase === "closed";
  }

  /** The id of the place after all that was shown or passed over. */
  get passedId(): string | undefined {
    return this.lastId ??
      (this.cluster === undefined ? undefined : formatCursor(this.cluster, this.positions));
  }

  /** The sink takes more. */
  wake(): void {
    for (const go of this.#waiting) go();
    if (this.phase === "live") this.#host.pump(this);
  }

  /** Something has changed for it: whoever waits on its behalf looks again. */
  nudge(): void {
    for (const go of this.#sleeping) go();
    for (const go of this.#waiting) go();
  }

  /** Resolves when the sink takes more, or the viewer is closed or sent elsewhere. */
  async writable(): Promise<void> {
    const { run } = this;
    while (!this.isClosed && this.run === run && !this.options.sink.ready()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      await promise;
      this.#waiting.delete(resolve);
    }
  }

  /** Resolves at a time of the clock, or at the next nudge. */
  async sleepUntil(atMs: number): Promise<void> {
    const { clock } = this.#host;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#sleeping.add(resolve);
    const cancel = clock.after(Math.max(0, Math.min(maxSleepMs, atMs - clock.now())), resolve);
    await promise;
    cancel();
    this.#sleeping.delete(resolve);
  }

  /** Writes an event of the stream itself, if the wire carries such; these are few, so they do not wait for room. */
  tell(name: string, data: object, id: string | null = null): void {
    if (this.isClosed) return;
    const text = this.options.sink.wire.event(name, JSON.stringify(data), id);
    if (text !== null) this.options.sink.write(chunkOf(text));
  }

  /** Goes to another place; a new `ready` says which. The newest of several that come at once wins. */
  seek(start: StartAt): void {
    if (this.isClosed) return;
    // What a log that has become another one made of them is over.
    const { reset: _reset, fallback: _fallback, laterStart: _laterStart, ...asked } = this.asked;
    const { fallback } = this.options;
    this.asked = { ...asked, start, ...(fallback && { fallback }) };
    this.timeline?.reset();
    this.#host.sought(this);
  }

  /** Changes the pace, from where the replay is; null: as fast as the sink takes records. Who is always shown the newest has none. */
  setSpeed(speed: number | null): void {
    if (this.isClosed || this.asked.policy === "latest") return;
    if (speed === null) this.timeline = undefined;
    else if (this.timeline) this.timeline.change(speed);
    else {
      this.timeline = new Timeline(speed, this.#host.clock, this.options.longestPauseMs);
      if (this.#paused) this.timeline.freeze();
    }
    this.#host.paced(this);
  }

  /** Time stands still for a replay while its sink takes nothing on purpose. */
  pause(): void {
    this.#paused = true;
    this.timeline?.freeze();
  }

  /** The sink takes events again. */
  resume(): void {
    this.#paused = false;
    this.timeline?.thaw();
    this.nudge();
    this.wake();
  }

  /** Where the viewer is. */
  setPositions(positions: Positions): void {
    this.positions = [...positions];
    this.lastId = undefined;
  }

  /** Brings `positions` up to the id that was told last. */
  syncPositions(): void {
    if (this.lastId !== undefined) this.setPositions(positionsAt(this.lastId, this.positions));
  }

  /** Keeps where the viewer is now; positions are made of it when they are asked for, which is seldom. */
  keepPlace(): () => Positions {
    const { lastId, positions } = this;
    // While there is an id, positions are replaced and not written to.
    const kept = lastId === undefined ? [...positions] : positions;
    return () => lastId === undefined ? kept : positionsAt(lastId, kept);
  }

  /** Forgets the viewer; its sink is the caller's to close. */
  close(): void {
    if (this.isClosed) return;
    this.phase = "closed";
    this.#host.closed(this);
    this.nudge();
  }
}

/** The positions of an id. It says the same of a partition's beginning and of a place that was not known when it was made: then what
 * was known before counts. */
function positionsAt(id: string, before: Positions): Positions {
  const start = parseCursor(id), told = start.kind === "id" ? start.positions : [];
  const length = Math.max(told.length, before.length);
  return Array.from({ length }, (_, partition) => told[partition] || (before[partition] ?? 0));
}
