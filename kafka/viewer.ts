/** One viewer of a topic: a cursor, and a way out. It holds no records.
 *
 * The way out is a `Sink`, which routes/ makes of an SSE stream or a WebSocket. Left out: moving the cursor (topic_hub.ts).
 * @module */
import type { Positions, StartAt } from "./cursor.ts";
import type { Feed, Picker, Wire } from "./feed.ts";
import { type Chunk, chunkOf } from "./ring.ts";

/** A connection that takes events. */
export interface Sink {
  readonly wire: Wire;
  readonly transport: "sse" | "websocket";
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
  /** Where to begin when `start` is an id that does not fit; default `latest`. */
  readonly fallback?: StartAt;
  /** Told as a reset, with its reason: an id that could not even be read, a log that has become another one. */
  readonly reset?: { readonly requested: string; readonly reason: string };
  /** Where the stream ends, with an event `end`; without it it goes on. */
  readonly until?: Until;
  /** Records are shown in the pace of their own timestamps, so many times as fast; without it as fast as the sink takes them. */
  readonly speed?: number;
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

/** A viewer as the hub knows it. */
export class Viewer {
  /** `behind`: fed from Kafka's past; `live`: fed from the ring, at `place`. */
  phase: "opening" | "behind" | "live" | "closed" = "opening";
  /** Next offsets; while live, as of the last time they were needed, and `lastId` is newer. */
  positions: number[] = [];
  lastId: string | undefined;
  place = 0;
  /** Below this place of the ring some entries were seen already, and ids are the viewer's own. */
  mergeUntil = 0;
  /** The id that was last told in a heartbeat. */
  toldId: string | undefined;
  // deno-lint-ignore no-explicit-any
  readonly options: FollowOptions<any>;
  /** Who waits for room; after the log became another one also who still waits for the old one. */
  readonly #waiting: (() => void)[] = [];
  readonly #pump: (viewer: Viewer) => void;
  readonly #onClose: (viewer: Viewer) => void;

  constructor(
    // deno-lint-ignore no-explicit-any
    options: FollowOptions<any>,
    pump: (viewer: Viewer) => void,
    onClose: (viewer: Viewer) => void,
  ) {
    this.options = options;
    this.#pump = pump;
    this.#onClose = onClose;
  }

  get isClosed(): boolean {
    return this.phase === "closed";
  }

  /** The sink takes more. */
  wake(): void {
    for (const go of this.#waiting.splice(0)) go();
    if (this.phase === "live") this.#pump(this);
  }

  /** Resolves when the sink takes more, or the viewer is closed. */
  async writable(): Promise<void> {
    while (!this.isClosed && !this.options.sink.ready()) {
      await new Promise<void>((go) => this.#waiting.push(go));
    }
  }

  /** Writes an event of the stream itself, if the wire carries such; these are few, so they do not wait for room. */
  tell(name: string, data: object, id: string | null = null): void {
    if (this.isClosed) return;
    const text = this.options.sink.wire.event(name, JSON.stringify(data), id);
    if (text !== null) this.options.sink.write(chunkOf(text));
  }

  /** Goes to another place; a new `ready` says which. */
  seek(_start: StartAt): void {
    throw new Error("not made yet");
  }

  /** Changes the pace; null: as fast as the sink takes records. */
  setSpeed(_speed: number | null): void {
    throw new Error("not made yet");
  }

  /** Where the viewer is. */
  setPositions(positions: Positions): void {
    this.positions = [...positions];
    this.lastId = undefined;
  }

  /** Forgets the viewer; its sink is the caller's to close. */
  close(): void {
    if (this.isClosed) return;
    this.phase = "closed";
    this.#onClose(this);
    this.wake();
  }
}
