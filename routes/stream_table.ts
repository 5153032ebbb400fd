/** The table of streams: each is one entry, which makes its SSE route, its WebSocket route, and its place among the streams that one
 * connection may carry.
 *
 * Left out: what the entries show (their features), how events reach a client (sse.ts, websocket.ts).
 * @module */
import { type Context, Hono } from "hono";
import { StreamError } from "../errors.ts";
import type { Feed, Picker, Wire } from "../kafka/feed.ts";
import type { KafkaRecord } from "../kafka/fetch_response.ts";
import type { Asked } from "../kafka/start.ts";
import type { AppEnv } from "./middleware.ts";
import { multiplexRoutes } from "./multiplex.ts";
import { framesProtocol, jsonProtocol } from "./socket_protocol.ts";
import { streamsSocketResponse, unknownSocketResponse } from "./socket_streams.ts";
import { sseResponse } from "./sse.ts";
import { type AskedStream, readAsked, readKeys, type StreamDeps, topicOf } from "./streams.ts";
import { namedViewer } from "./viewer_id.ts";
import { isUpgrade } from "./websocket.ts";

/** One kind of stream. */
export interface StreamRoute<T extends object> {
  /** `/events` and `/socket` come below it; `:topic` names the topic, or what `topicOf` knows. */
  readonly path: `/${string}`;
  readonly feed: Feed<T>;
  /** The topic of a name in the path, where the name is not the topic's own.
   * @throws {StreamError} for a name that has none */
  readonly topicOf?: (name: string) => string;
  /** Whether a topic that does not exist is a 404; otherwise it is waited for. */
  readonly topicMustExist?: boolean;
  /** Reads which records a query asks for, besides `key=`.
   * @throws {StreamError} 400 for a value that cannot be used */
  readonly pick?: (query: URLSearchParams) => Picker<T> | undefined;
  /** Reads what else a query says of how the stream is to go; it wins over what every stream reads.
   * @throws {StreamError} 400 for a value that cannot be used */
  readonly ask?: (query: URLSearchParams) => Partial<Asked>;
  /** How a socket of `tailrace.v1.frames` writes its records, as bytes. That is what its own socket talks by default, and where the
   * places of its viewers are kept. */
  readonly frames?: Wire;
  /** Of a replay in its own pace: as in `FollowOptions`. */
  readonly longestPauseMs?: number;
}

/** What comes with a request besides the stream's address. */
export interface StreamHeaders {
  /** As in `readAsked`. */
  readonly lastEventId?: string | undefined;
  /** Of a socket's request: they may name a viewer. */
  readonly headers?: Headers;
}

/** Characters of a stream's address, which a connection keeps. */
const maxAddressLength = 4_096;

/** All streams there are. */
export class StreamTable {
  readonly #entries: readonly { readonly route: StreamRoute<object>; readonly pattern: URLPattern }[];

  // deno-lint-ignore no-explicit-any
  constructor(routes: readonly StreamRoute<any>[]) {
    this.#entries = routes.map((route) => ({
      route,
      pattern: new URLPattern({ pathname: `${route.path}/(events|socket)` }),
    }));
  }

  /** Reads a stream from its address, such as `/geo/geostream/events?key=bike`.
   * @throws {StreamError} 400 `unknown-stream`, and what `readAsked` and the stream's own filter refuse */
  read(address: string, from: StreamHeaders = {}): AskedStream {
    const url = address.length > maxAddressLength ? null : URL.parse(address, "http://stream");
    for (const { route, pattern } of url?.host === "stream" ? this.#entries : []) {
      const found = pattern.exec({ pathname: url!.pathname });
      if (!found) continue;
      return readStream(route, namedTopic(route, found.pathname.groups["topic"]), url!.searchParams, from);
    }
    throw new StreamError(
      "unknown-stream",
      400,
      `Cannot find a stream at ${address.slice(0, 200)}: a path such as ${
        this.#entries[0]?.route.path
      }/events is wanted`,
    );
  }

  /** The routes `…/events` and `…/socket` of every stream, and `/streams`. */
  routes(deps: StreamDeps): Hono<AppEnv> {
    const app = new Hono<AppEnv>();
    for (const { route } of this.#entries) {
      const read = (c: Context, from: StreamHeaders) =>
        readStream(route, namedTopic(route, c.req.param("topic")), new URL(c.req.url).searchParams, from);
      app.get(`${route.path}/events`, (c) => {
        const lastEventId = c.req.header("last-event-id");
        return sseResponse(c, deps, read(c, { lastEventId }), lastEventId);
      });
      app.get(`${route.path}/socket`, (c) => {
        const { headers } = c.req.raw;
        const byDefault = route.frames ? framesProtocol : jsonProtocol;
        let own: AskedStream;
        try {
          own = read(c, { headers });
        } catch (error) {
          const isUnknown = error instanceof StreamError && error.status === 404;
          if (!isUnknown || !isUpgrade(c)) throw error;
          return unknownSocketResponse(c, deps, error);
        }
        return streamsSocketResponse(c, deps, { own }, (...asked) => this.read(...asked), byDefault);
      });
    }
    return app.route("/", multiplexRoutes(this, deps));
  }
}

/** Reads which records of a topic a query asks for, and how.
 * @throws {StreamError} what `readAsked` and the stream's own filter refuse, and 400 `invalid-viewer` */
export function readStream<T extends object>(
  route: StreamRoute<T>,
  topic: string,
  query: URLSearchParams,
  { lastEventId, headers }: StreamHeaders = {},
): AskedStream<T> {
  const { feed, frames } = route;
  const pick = both(readKeys(query), route.pick?.(query));
  const asked = { ...readAsked(query, lastEventId), ...route.ask?.(query) };
  const viewer = frames && headers ? namedViewer(query, headers) : null;
  const isPlaced = !frames || query.has("cursor") || Boolean(lastEventId);
  const beginsAt = asked.policy === "latest" ? "newest" : viewer === null ? undefined : "viewer";
  return {
    topic,
    feed,
    asked,
    ...(frames && { frames }),
    ...(viewer !== null && { viewer }),
    ...(!isPlaced && beginsAt && { beginsAt }),
    ...(pick && { pick }),
    ...(query.has("key") && { isKeyed: true }),
    topicMustExist: route.topicMustExist ?? false,
    ...(route.longestPauseMs !== undefined && { longestPauseMs: route.longestPauseMs }),
  };
}

function namedTopic({ topicOf: mapped = topicOf }: StreamRoute<object>, name = ""): string {
  return mapped(name);
}

function both<T extends object>(
  byKey: ((record: KafkaRecord) => boolean) | undefined,
  byData: Picker<T> | undefined,
): Picker<T> | undefined {
  if (!byKey) return byData;
  return (data, record) => byKey(record) && (byData?.(data, record) ?? true);
}
