/** Positions: posted over HTTP into a topic, and out of it live, over SSE and WebSocket, and as tracks.
 *
 * `POST /producer/{topic}` and `WS /consumer/{topic}` are the plain pair that trackers and maps know; `/geo/…` are the same
 * records with cursors (`positionStream`, an entry of the table of streams). Any topic will do: records that are no positions are passed over and counted. Left out: the page
 * (routes/pages.ts), the fold of tracks (routes/tracks.ts).
 * @module */
import { type Context, Hono } from "hono";
import { type FieldError, StreamError } from "../errors.ts";
import { defineFeed, defineWire } from "../kafka/feed.ts";
import type { KafkaRecord } from "../kafka/fetch_response.ts";
import type { Producer } from "../kafka/producer.ts";
import { maxPositionsPerRequest, type NewPosition, newPosition, Position } from "../kafka/topics.ts";
import { PositionInput, positionRecord } from "../kafka/topics.ts";
import type { Metrics } from "../metrics.ts";
import { fieldErrors, readJson, refuseFields } from "./json_body.ts";
import type { AppEnv } from "./middleware.ts";
import { readValue } from "./record_value.ts";
import type { StreamRoute } from "./stream_table.ts";
import { type StreamDeps, topicOf } from "./streams.ts";
import { readSince, tracks } from "./tracks.ts";
import { closeCodes, socketResponse } from "./websocket.ts";
import type { SocketSink } from "./websocket.ts";

/** What the routes of this feature work with. */
export interface GeoDeps extends StreamDeps {
  readonly producer: Producer;
  readonly metrics: Pick<Metrics, "posts" | "postSeconds">;
}

/** What a viewer gets of a position. */
export interface PositionEvent {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly name: string;
  readonly message_id: string;
  /** ISO 8601, as the record's value has it. */
  readonly timestamp: string;
  /** The record's time in ms since the epoch. */
  readonly at: number;
  /** Degrees, WGS 84. */
  readonly lat: number;
  readonly lon: number;
}

/** Positions with their place in the log. */
export const positionFeed = defineFeed<PositionEvent>("position", readPosition);

/** `/geo/{topic}/events` and `/socket`, also with `bbox=`. */
export const positionStream: StreamRoute<PositionEvent> = {
  path: "/geo/:topic",
  feed: positionFeed,
  pick: (query) => readBox(query.get("bbox")),
};

/** Positions as `WS /consumer/{topic}` sends them. */
const consumerFeed = defineFeed("position", (record, topic) => {
  const position = readPosition(record, topic);
  if (!position) return null;
  const { timestamp, name, message_id, lat, lon } = position;
  return { topic, timestamp, name, message_id, lat, lon };
});

/** Only records, each in a message of its own: the seed's clients parse every message as one position. */
const consumerWire = defineWire(null, (name, json) => name === "position" ? json : null);

/** Routes below `/`: `/producer`, `/consumer`, `/geo`, `/ping`. */
export function geoRoutes(deps: GeoDeps): Hono<AppEnv> {
  return new Hono<AppEnv>()
    .get("/ping", (c) => c.json({ ping: "pong!" }))
    .post("/producer/:topic", (c) => post(c, deps))
    .get("/consumer/:topic", (c) => consume(c, deps))
    .get("/geo/:topic/tracks", async (c) => {
      const since = readSince(c.req.query("since"));
      const body = await tracks(deps.hub.history, topicOf(c.req.param("topic") ?? ""), since, positionFeed);
      return c.body(JSON.stringify(body), 200, {
        "content-type": "application/geo+json",
        "cache-control": "no-store",
      });
    });
}

/** Takes one position or an array of them; answers when Kafka has acknowledged. */
async function post(c: Context<AppEnv>, { producer, metrics }: GeoDeps): Promise<Response> {
  const topic = topicOf(c.req.param("topic") ?? "");
  const body = await readJson(c);
  const inputs = readPositions(body, (n) => metrics.posts(topic, "invalid", n));
  const began = performance.now(), now = Date.now();
  const created = inputs.map((input) => newPosition(input, now));
  try {
    await producer.sendAll(topic, created.map(positionRecord));
  } catch (error) {
    metrics.posts(topic, "failed", created.length);
    throw error;
  }
  metrics.posts(topic, "acknowledged", created.length);
  metrics.postSeconds((performance.now() - began) / 1000);
  const answers = created.map((position) => postAnswer(topic, position));
  return c.json(Array.isArray(body) ? answers : answers[0]!);
}

function postAnswer(topic: string, { name, message_id, timestamp }: NewPosition) {
  return { name, message_id, topic, timestamp };
}

/** @throws {StreamError} 422 with one entry for each wrong field */
function readPositions(body: unknown, onInvalid: (n: number) => void): PositionInput[] {
  const items = Array.isArray(body) ? body : [body];
  if (items.length > maxPositionsPerRequest) {
    const detail =
      `Cannot take ${items.length} positions at once: at most ${maxPositionsPerRequest} are taken`;
    throw new StreamError("too-many-positions", 413, detail);
  }
  const errors: FieldError[] = [];
  const inputs = items.map((item, i) => {
    const parsed = PositionInput.safeParse(item);
    if (!parsed.success) errors.push(...fieldErrors(parsed.error.issues, Array.isArray(body) ? [i] : []));
    return parsed.data!;
  });
  if (errors.length > 0) onInvalid(items.length);
  refuseFields("invalid-position", "the position", errors);
  return inputs;
}

/** Texts of a client that wait for the greeting; more is no talk. */
const maxWaitingEchoes = 16;

/** The live end of a topic, as the seed's clients expect it: the greeting comes first, and what is posted after it is seen. */
function consume(c: Context, deps: GeoDeps): Response {
  let greeted = false;
  const waiting: string[] = [];
  const echo = (socket: SocketSink, text: string) => socket.answer(JSON.stringify({ "Message: ": text }));
  return socketResponse(c, deps, {
    topic: topicOf(c.req.param("topic") ?? ""),
    feed: consumerFeed,
    asked: { start: { kind: "latest" } },
    wire: consumerWire,
    onReady: (socket) => {
      if (greeted) return;
      greeted = true;
      for (const text of ["connected", ...waiting.splice(0)]) echo(socket, text);
    },
    onMessage: (socket, text) => {
      if (greeted) echo(socket, text);
      else if (waiting.push(text) > maxWaitingEchoes) {
        socket.refuse(
          closeCodes.malformed,
          "too-many-messages",
          "Cannot keep more messages before the greeting",
        );
      }
    },
  });
}

/** Reads `west,south,east,north` in degrees; west > east crosses the antimeridian (RFC 7946, 5.2).
 * @throws {StreamError} 400 `invalid-bbox` */
function readBox(text: string | null): ((position: PositionEvent) => boolean) | undefined {
  if (text === null) return undefined;
  const numbers = text.split(",").map((part) => part.trim() === "" ? NaN : Number(part));
  const [west, south, east, north] = numbers as [number, number, number, number];
  const inRange = numbers.every((n, i) => Number.isFinite(n) && Math.abs(n) <= (i % 2 === 0 ? 180 : 90));
  if (numbers.length !== 4 || !inRange || south > north) {
    const detail = `Cannot read bbox=${text}: west,south,east,north in degrees is wanted, south below north`;
    throw new StreamError("invalid-bbox", 400, detail);
  }
  const crosses = west > east;
  return ({ lat, lon }) => {
    if (lat < south || lat > north) return false;
    return crosses ? lon >= west || lon <= east : lon >= west && lon <= east;
  };
}

/** Null for a record that holds no position. Fields that foreign producers leave out come from the record itself. */
function readPosition(record: KafkaRecord, topic: string): PositionEvent | null {
  const position = readValue(Position, record);
  if (position === null) return null;
  const { partition, offset, timestamp: at } = record;
  const { name, lat, lon, message_id = `${name}_${partition}:${offset}`, timestamp = isoTime(at) } = position;
  return { topic, partition, offset, name, message_id, timestamp, at, lat, lon };
}

/** A record's time may be −1 or out of the range of dates. */
function isoTime(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : "";
}
