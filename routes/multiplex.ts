/** `GET /streams?s=ADDRESS&s=ADDRESS`: several streams on one connection, over SSE, or over a WebSocket when it asks for one.
 *
 * Over SSE every event says whose it is, and its id is the place in all streams: `m1.` and the ids of the streams, in the order of
 * `s`, with `;` between, empty for a stream that has none yet. Coming back with it resumes them all. An id that is long is not
 * repeated with every event: it follows the last one of a write, in a block of its own. Left out: what a socket's client may say
 * (socket_streams.ts).
 * @module */
import { type Context, Hono } from "hono";
import { StreamError } from "../errors.ts";
import type { EndReason } from "../kafka/viewer.ts";
import {
  type Lane,
  type LaneEvent,
  laneEvents,
  type LanePart,
  Lanes,
  laneWire,
  type Trunk,
} from "./lanes.ts";
import type { AppEnv } from "./middleware.ts";
import { maxStreams, streamsSocketResponse } from "./socket_streams.ts";
import { answerEvents, bye, SseBody } from "./sse.ts";
import type { StreamHeaders, StreamTable } from "./stream_table.ts";
import { type AskedStream, followOptions, isOver, type StreamDeps } from "./streams.ts";
import { isUpgrade } from "./websocket.ts";

/** Characters of an id that every event carries; a longer one is told once a write. */
const maxRepeatedId = 512;

/** One of the streams that a request names. */
interface NamedStream {
  readonly address: string;
  readonly stream: AskedStream;
  /** The place that the client came back with, empty when it has none here. */
  readonly id: string;
  /** Whether it was told its end. */
  readonly isOver: boolean;
}

/** The route `/streams`. */
export function multiplexRoutes(table: StreamTable, deps: StreamDeps): Hono<AppEnv> {
  return new Hono<AppEnv>().get("/streams", (c) => {
    const query = new URL(c.req.url).searchParams;
    if (!isUpgrade(c)) {
      const lastEventId = c.req.header("last-event-id");
      return eventsResponse(c, deps, readStreams(table, query, { lastEventId }));
    }
    const { headers } = c.req.raw;
    const named = query.has("s") ? readStreams(table, query, { headers }) : [];
    const subscriptions = new Map(named.map(({ address, stream }) => [address, stream]));
    return streamsSocketResponse(c, deps, { subscriptions }, (...asked) => table.read(...asked));
  });
}

/** Joins the ids of streams. */
export function composeId(ids: readonly string[]): string {
  return `m1.${ids.join(";")}`;
}

/** The ids of `count` streams, null when it is no id of so many. */
export function readComposedId(text: string, count: number): string[] | null {
  if (!text.startsWith("m1.")) return null;
  const ids = text.slice(3).split(";");
  return ids.length === count ? ids : null;
}

/** Reads `s=`, which may repeat, and the place to go on from: `Last-Event-ID`, or else `cursor=`.
 * @throws {StreamError} 400 `invalid-streams`, `invalid-cursor`, and what `StreamTable.read` refuses */
function readStreams(table: StreamTable, query: URLSearchParams, from: StreamHeaders): NamedStream[] {
  const addresses = query.getAll("s");
  if (addresses.length === 0 || addresses.length > maxStreams) {
    const detail =
      `Cannot open ${addresses.length} streams at once: s=ADDRESS is wanted 1 to ${maxStreams} times`;
    throw new StreamError("invalid-streams", 400, detail);
  }
  const twice = addresses.find((address, i) => addresses.indexOf(address) !== i);
  if (twice !== undefined) {
    const detail = `Cannot open ${twice.slice(0, 200)} twice on one connection`;
    throw new StreamError("invalid-streams", 400, detail);
  }
  const cursor = query.get("cursor");
  if (cursor !== null && !cursor.startsWith("m1.")) {
    const detail = `Cannot read cursor ${
      cursor.slice(0, 80)
    }: an id of /streams (m1.…) is wanted, others go into s=`;
    throw new StreamError("invalid-cursor", 400, detail);
  }
  const place = from.lastEventId || cursor || "";
  const ids = place === "" ? addresses.map(() => "") : readComposedId(place, addresses.length);
  return addresses.map((address, i) => {
    if (!ids) {
      const stream = resetStream(table.read(address, { ...from, lastEventId: undefined }), place);
      return { address, stream, id: "", isOver: false };
    }
    const id = ids[i]!;
    const stream = table.read(address, { ...from, lastEventId: id || undefined });
    return { address, stream, id: stream.asked.reset ? "" : id, isOver: isOver(stream, id) };
  });
}

/** A stream whose client came back with what is no place of these streams. */
function resetStream(stream: AskedStream, place: string): AskedStream {
  const reset = { requested: place.slice(0, 200), reason: "malformed" };
  return { ...stream, asked: { ...stream.asked, reset } };
}

async function eventsResponse(
  c: Context,
  deps: StreamDeps,
  named: readonly NamedStream[],
): Promise<Response> {
  if (named.every(({ isOver }) => isOver)) return new Response(null, { status: 204 });
  const streams = named.flatMap(({ stream, isOver }) => isOver ? [] : [stream]);
  return await answerEvents(c, deps, streams, () => {
    const connection = new Multiplex(named);
    connection.open(deps);
    return connection.body;
  });
}

/** One client's connection with several streams. */
class Multiplex implements Trunk {
  readonly transport = "sse";
  readonly body: SseBody;
  readonly #named: readonly NamedStream[];
  readonly #lanes = new Lanes(this);
  /** By the lane's stream. */
  readonly #indexes = new Map<Lane, number>();
  /** The place in each stream. */
  readonly #ids: string[];
  /** The last id that was written. */
  #told = "";
  #open: number;

  constructor(named: readonly NamedStream[]) {
    this.#named = named;
    this.#ids = named.map(({ id }) => id);
    this.#open = named.filter(({ isOver }) => !isOver).length;
    this.body = new SseBody(() => this.#lanes.room(), () => this.#lanes.close());
  }

  open(deps: StreamDeps): void {
    this.body.open(deps, {
      onDrain: () => this.#end({ reason: "draining" }),
      idAtBeat: () => this.#idAtBeat(),
    });
    this.#named.forEach(({ stream, isOver }, i) => {
      if (isOver || this.body.isEnded) return;
      const lane = this.#lanes.add(laneWire, (reason) => this.#ended(i, reason));
      this.#indexes.set(lane, i);
      lane.open(() => deps.hub.follow(stream.topic, followOptions(stream, lane)));
    });
  }

  ready(): boolean {
    return this.body.ready();
  }

  write(parts: readonly LanePart[]): void {
    const isLong = composeId(this.#ids).length > maxRepeatedId;
    let text = parts.map(({ lane, text }) => this.#text(this.#indexes.get(lane)!, laneEvents(text), isLong))
      .join("");
    const id = composeId(this.#ids);
    if (isLong && id !== this.#told) text += `id: ${id}\n\n`;
    this.#told = id;
    this.body.write(text);
  }

  #text(index: number, events: readonly LaneEvent[], isLong: boolean): string {
    const stream = JSON.stringify(this.#named[index]!.address);
    const before = `id: ${composeId([...this.#ids.slice(0, index), ""])}`;
    const after = this.#ids.slice(index + 1).map((id) => `;${id}`).join("") + "\n";
    return events.map(({ name, id, json }) => {
      if (id !== "") this.#ids[index] = id;
      if (name === "bye") return `event: bye\ndata: ${json}\n\n`;
      const place = id === "" || isLong ? "" : before + id + after;
      return `event: ${name}\n${place}data: {"stream":${stream},"data":${json}}\n\n`;
    }).join("");
  }

  #ended(index: number, reason: EndReason): void {
    if (reason === "draining") this.body.end(); // the hub has told `bye`
    else if (reason !== "done") this.#end({ reason, stream: this.#named[index]!.address });
    else if (--this.#open === 0) this.body.end();
  }

  #end(reason: object): void {
    this.body.write(bye(reason));
    this.body.end();
  }

  /** The place in all streams when filters have passed records over since the last event. */
  #idAtBeat(): string | undefined {
    if (!this.#lanes.isEmpty) return undefined;
    for (const [{ viewer }, index] of this.#indexes) {
      if (viewer && !viewer.isClosed) this.#ids[index] = viewer.passedId ?? this.#ids[index]!;
    }
    const id = composeId(this.#ids);
    if (id === this.#told) return undefined;
    return this.#told = id;
  }
}
