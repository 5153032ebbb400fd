/** Windows of some videos on one connection: finished ones from their topics, with their place in the log, and between them the open ones,
 * as they fill up.
 *
 *     hub, a lane for each length ──► finished, in order, none twice, none lost
 *     Rooms ────────────────────────► open, the newest of each video and length, when the connection takes it
 *
 * There is one `ready`, when all lengths have a place. Behind it comes what there is: to who came without a place the last finished window
 * of each video and length, to everybody the open ones. Nothing of this has an id, as only what is finished is in the log. A connection that
 * takes nothing holds one window of each video and length, at most. Left out: the connection itself (aggregation_events.ts,
 * aggregation_socket.ts).
 * @module */
import type { Wire } from "../kafka/feed.ts";
import type { Hub } from "../kafka/hub.ts";
import type { Aggregations, IdWindows, WindowCount } from "../kafka/processors/windows/types.ts";
import type { StartAt } from "../kafka/cursor.ts";
import type { EndReason, Ready } from "../kafka/viewer.ts";
import { beginBetween } from "./aggregation_beginning.ts";
import { type FinishedEvent, windowEventName } from "./aggregation_feed.ts";
import { type AskedSize, type AskedWindows, placeOf } from "./aggregation_request.ts";
import { type RoomMember, type Rooms, SharedWindow } from "./aggregation_rooms.ts";
import { ShownWindows } from "./aggregation_shown.ts";
import {
  type Lane,
  type LaneEvent,
  laneEvents,
  type LanePart,
  Lanes,
  laneWire,
  type Trunk,
} from "./lanes.ts";
import { followOptions } from "./streams.ts";

/** Where windows come from. */
export interface WindowSources {
  readonly hub: Hub;
  readonly aggregations: Aggregations;
  readonly rooms: Rooms;
}

/** The connection that windows leave on. */
export interface WindowOutlet {
  readonly transport: Trunk["transport"];
  readonly wire: Wire;
  /** Whether it takes another write; when it does again, `WindowStream.room` is to be called. */
  ready(): boolean;
  write(text: string): void;
  /** The server ends it; what came before has been written.
   * @param isTold whether the client knows why */
  end(reason: EndReason, isTold: boolean): void;
}

/** One length on its way. */
interface Length {
  readonly asked: AskedSize;
  lane: Lane | undefined;
  /** The place that was told. */
  id: string;
  /** The client came without a place, and has none yet. */
  isFresh: boolean;
  /** Its `ready`, until that of all lengths is told. */
  ready: Ready | undefined;
  isDown: boolean;
}

/** From the best that may become of a place to the worst. */
const outcomes: readonly Ready["resume"][] = ["fresh", "exact", "gap", "reset"];

/** The windows of one client. */
export class WindowStream implements Trunk, RoomMember {
  readonly transport: Trunk["transport"];
  readonly #sources: WindowSources;
  readonly #outlet: WindowOutlet;
  readonly #ids: ReadonlySet<string>;
  readonly #lengths: readonly Length[];
  readonly #lanes = new Lanes(this);
  readonly #shown = new ShownWindows();
  /** What the beginning has besides places: the last finished windows of that moment. */
  #picture: readonly (readonly IdWindows[])[] | null = null;
  /** Events that came before `ready`. */
  #held: { readonly length: Length; readonly event: LaneEvent }[] = [];
  #isBegun = false;
  #isPaused = false;
  readonly #closed = Promise.withResolvers<ReadonlyMap<Length, StartAt>>();
  readonly #stop = new AbortController();
  #isClosed = false;
  #isDown = false;
  #told = "";

  constructor(asked: AskedWindows, sources: WindowSources, outlet: WindowOutlet) {
    this.#sources = sources;
    this.#outlet = outlet;
    this.transport = outlet.transport;
    this.#ids = new Set(asked.ids);
    this.#lengths = asked.sizes.map((size) => ({
      asked: size,
      lane: undefined,
      id: size.id,
      isFresh: isFresh(size),
      ready: undefined,
      isDown: false,
    }));
  }

  open(): void {
    const { hub, rooms } = this.#sources;
    for (const id of this.#ids) rooms.join(id, this);
    const starts = Promise.race([this.#begin(), this.#closed.promise]);
    for (const length of this.#lengths) {
      const { stream, isOver } = length.asked;
      if (isOver || this.#isClosed) continue;
      const lane = length.lane = this.#lanes.add(laneWire, (reason) => this.#ended(length, reason));
      lane.isPaused = true; // until all have a place
      const laterStart = starts.then((found) => found.get(length) ?? null);
      const asked = length.isFresh ? { ...stream.asked, laterStart } : stream.asked;
      const pick = this.#ids.size === 0 ? {} : { pick: (window: FinishedEvent) => this.#takes(window) };
      lane.open(() => hub.follow(stream.topic, followOptions({ ...stream, asked, ...pick }, lane)));
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stop.abort();
    this.#closed.resolve(new Map());
    for (const id of this.#ids) this.#sources.rooms.leave(id, this);
    this.#lanes.close();
  }

  /** The connection takes more. */
  room(): void {
    this.#lanes.room();
    if (this.#shown.hasWaiting && !this.#isPaused && this.ready()) this.#write([]);
  }

  ready(): boolean {
    return !this.#isClosed && this.#outlet.ready();
  }

  write(parts: readonly LanePart[]): void {
    const texts: string[] = [];
    for (const { lane, text } of parts) {
      const length = this.#lengths.find((one) => one.lane === lane)!;
      for (const event of laneEvents(text)) this.#say(length, event, texts);
    }
    this.#write(texts);
  }

  filled(window: SharedWindow): void {
    if (!this.#isBegun || !this.#lengths.some(({ asked }) => asked.size === window.size)) return;
    this.#shown.wait(window);
    if (!this.#isPaused && this.#lanes.isEmpty && this.ready()) this.#write([]);
  }

  /** The place after all that was told or passed over, undefined when it was told. */
  get newPlace(): string | undefined {
    if (!this.#isBegun || !this.#lanes.isEmpty) return undefined;
    for (const length of this.#lengths) {
      const { lane } = length;
      if (lane?.viewer && !lane.viewer.isClosed) length.id = lane.viewer.passedId ?? length.id;
    }
    const place = this.#place();
    if (place === this.#told) return undefined;
    return this.#told = place;
  }

  /** Holds windows back, or lets them go on. */
  pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
    for (const { lane } of this.#lengths) {
      if (!lane) continue;
      if (this.#isBegun) lane.isPaused = isPaused;
      if (isPaused) lane.viewer?.pause();
      else lane.viewer?.resume();
    }
    if (!isPaused) this.room();
  }

  setSpeed(speed: number | null): void {
    for (const { lane } of this.#lengths) lane?.viewer?.setSpeed(speed);
  }

  /** Sends all lengths to another place, of which there is one `ready` again. */
  seek(start: StartAt): void {
    this.#isBegun = false;
    this.#shown.forgetGreeted();
    for (const length of this.#lengths) {
      if (!length.lane?.viewer) continue;
      length.ready = undefined;
      length.lane.isPaused = true;
      length.lane.viewer.seek(start);
    }
  }

  /** Finds where those lengths begin that have no place. */
  async #begin(): Promise<ReadonlyMap<Length, StartAt>> {
    const { hub, aggregations } = this.#sources, fresh = this.#lengths.filter(({ isFresh }) => isFresh);
    if (this.#ids.size === 0 || fresh.length === 0) return new Map();
    await aggregations.loaded;
    const topics = fresh.map(({ asked }) => asked.stream.topic);
    const { signal } = this.#stop, take = () => this.#look();
    const found = await beginBetween(hub.history, aggregations, topics, { take, signal });
    this.#picture = found?.picture ?? null;
    return new Map(found?.starts.map((start, i) => [fresh[i]!, start]));
  }

  /** Whether a finished window is shown to this client; it is on its way then. */
  #takes({ size, video_uid, window_start, late }: FinishedEvent): boolean {
    return this.#ids.has(video_uid) && this.#shown.finish(`${size} ${video_uid}`, window_start, late);
  }

  /** Puts an event of a length into the words of the connection. */
  #say(length: Length, event: LaneEvent, texts: string[]): void {
    const { name, id, json } = event;
    if (name === "ready") {
      length.id = id;
      this.#ready(length, JSON.parse(json), texts);
    } else if (name === "status") this.#status(length, json, texts);
    else if (name === "bye") texts.push(this.#text(name, json, false));
    else if (!this.#isBegun) this.#held.push({ length, event });
    else {
      if (id !== "") length.id = id;
      if (name !== "end") texts.push(this.#text(name, json, id !== ""));
      // The last one to end says it for all.
      else if (this.#lanes.size <= 1) {
        texts.push(this.#text(name, JSON.stringify({ cursor: this.#place() }), true));
      }
    }
  }

  #ready(length: Length, found: Ready, texts: string[]): void {
    // That it went to the moment between two windows is nobody's matter.
    const isMoved = length.isFresh && found.resume === "exact";
    const ready: Ready = isMoved ? { ...found, resume: "fresh", requested: "latest" } : found;
    const isNew = length.isFresh || ready.resume === "reset";
    length.ready = ready;
    const running = this.#lengths.filter(({ lane }) => lane?.viewer?.isClosed === false);
    if (this.#isBegun) return this.#tellReady([length], isNew ? [length] : [], texts);
    if (running.some(({ ready }) => !ready)) return;
    const fresh = running.filter(({ isFresh, ready }) => isFresh || ready!.resume === "reset");
    this.#tellReady(running, fresh, texts);
    this.#isBegun = true;
    for (const { length, event } of this.#held.splice(0)) this.#say(length, event, texts);
    for (const { lane } of running) lane!.isPaused = this.#isPaused;
    queueMicrotask(() => this.room()); // this runs within a write
  }

  /** Tells where the stream is, and what there is now.
   * @param fresh those lengths of which the last finished windows are told, too */
  #tellReady(lengths: readonly Length[], fresh: readonly Length[], texts: string[]): void {
    const readies = lengths.map(({ ready }) => ready!), [first] = readies as [Ready];
    const worst = readies.reduce((a, b) => outcomes.indexOf(b.resume) > outcomes.indexOf(a.resume) ? b : a);
    // The id that a client came with was taken apart.
    const isWhole = this.#lengths.length === 1 ||
      lengths.every(({ asked, ready }) =>
        ready!.requested === first.requested && ready!.requested !== asked.id
      );
    const ready: Ready = {
      ...worst,
      requested: isWhole ? first.requested : placeOf(this.#lengths.map(({ asked }) => asked.id)),
      start: this.#place(),
      skipped: readies.reduce((sum, { skipped }) => sum + skipped, 0),
    };
    texts.push(this.#text("ready", JSON.stringify(ready), true));
    for (const length of fresh) length.isFresh = false;
    this.#greet(lengths, fresh, texts);
    this.#picture = null;
  }

  #greet(lengths: readonly Length[], fresh: readonly Length[], texts: string[]): void {
    const { aggregations } = this.#sources, now = this.#look();
    const isOf = (lengths: readonly Length[], { size }: IdWindows) =>
      lengths.some(({ asked }) => asked.size === size);
    const tell = (window: WindowCount, { size }: IdWindows) => {
      const shared = new SharedWindow(window, size);
      if (window.final) this.#shown.greet(shared);
      else if (this.#shown.isOver(shared)) return;
      texts.push(this.#text(windowEventName, shared.json, false));
    };
    for (const windows of (this.#picture ?? now).flat().filter((one) => isOf(fresh, one))) {
      const last = windows.windows.findLast(({ final }) => final);
      if (last) tell(last, windows);
    }
    for (const windows of now.flat().filter((one) => isOf(lengths, one))) {
      for (const window of windows.windows) if (!window.final) tell(window, windows);
    }
    if (aggregations.status().state === "loading") aggregations.loaded.then(() => this.#greetLater());
  }

  /** The open windows, to who came while they were still being read. */
  #greetLater(): void {
    if (this.#isClosed) return;
    for (const { windows, size } of this.#look().flat()) {
      for (const window of windows) if (!window.final) this.filled(new SharedWindow(window, size));
    }
  }

  /** What there is now, of each video. */
  #look(): readonly (readonly IdWindows[])[] {
    return [...this.#ids].map((id) => this.#sources.aggregations.of(id));
  }

  /** Kafka is there for a client when it is there for all lengths. */
  #status(length: Length, json: string, texts: string[]): void {
    length.isDown = JSON.parse(json).kafka === "down";
    const isDown = this.#lengths.some(({ isDown }) => isDown);
    if (isDown !== this.#isDown) {
      texts.push(this.#text("status", JSON.stringify({ kafka: isDown ? "down" : "up" }), false));
    }
    this.#isDown = isDown;
  }

  #ended(length: Length, reason: EndReason): void {
    length.isDown = false;
    if (reason === "done" && this.#lanes.size > 0) return;
    this.#outlet.end(reason, reason === "draining" || reason === "done");
  }

  #place(): string {
    return placeOf(this.#lengths.map(({ id }) => id));
  }

  #text(name: string, json: string, isPlace: boolean): string {
    const place = isPlace ? this.#place() : null;
    if (place !== null) this.#told = place;
    return this.#outlet.wire.event(name, json, place) as string;
  }

  /** Writes what was said, and the open windows that wait. */
  #write(texts: string[]): void {
    if (this.#isBegun && !this.#isPaused) {
      for (const window of this.#shown.takeWaiting()) {
        texts.push(this.#text(windowEventName, window.json, false));
      }
    }
    if (texts.length > 0 && !this.#isClosed) {
      this.#outlet.write(texts.join(this.#outlet.wire.separator ?? ""));
    }
  }
}

/** Whether it comes without a place, and wants to know what there is. */
function isFresh({ stream: { asked }, isOver }: AskedSize): boolean {
  return !isOver && asked.start.kind === "latest" && !asked.reset && !asked.until;
}
