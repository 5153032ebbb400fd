/** The table of streams: each is one entry, which makes its SSE route, its WebSocket route, and its place among the streams that one
 * connection may carry.
 *
 * Left out: what the entries show (their features), how events reach a client (sse.ts, websocket.ts).
 * @module */
import { type Context, Hono } from "hono";
import { StreamError } from "../errors.ts";
import type { Feed, Picker } from "../kafka/feed.ts";
import type { KafkaRecord } from "../kafka/fetch_response.ts";
import type { AppEnv } from "./middleware.ts";
import { multiplexRoutes } from "./multiplex.ts";
import { jsonSocketResponse } from "./socket_streams.ts";
import { sseResponse } from "./sse.ts";
import { type AskedStream, readAsked, readKeys, type StreamDeps, topicOf } from "./streams.ts";

/** One kind of stream. */
export interface StreamRoute<T extends object> {
  /** `/events` and `/socket` come below it; `:topic` names the topic. */
  readonly path: `/${string}`;
  readonly feed: Feed<T>;
  /** Whether a topic that does not exist is a 404; otherwise it is waited for. */
  readonly topicMustExist?: boolean;
  /** Reads which records a query asks for, besides `key=`.
   * @throws {StreamError} 400 for a value that cannot be used */
  readonly pick?: (query: URLSearchParams) => Picker<T> | undefined;
  /** Of a replay in its own pace: as in `FollowOptions`. */
  readonly longestPauseMs?: number;
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
   * @param lastEventId as in `readAsked`
   * @throws {StreamError} 400 `unknown-stream`, and what `readAsked` and the stream's own filter refuse */
  read(address: string, lastEventId?: string): AskedStream {
    const url = address.length > maxAddressLength ? null : URL.parse(address, "http://stream");
    for (const { route, pattern } of url?.host === "stream" ? this.#entries : []) {
      const found = pattern.exec({ pathname: url!.pathname });
      if (!found) continue;
      const topic = topicOf(found.pathname.groups["topic"] ?? "");
      return readStream(route, topic, url!.searchParams, lastEventId);
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
      const read = (c: Context, lastEventId?: string) =>
        readStream(
          route,
          topicOf(c.req.param("topic") ?? ""),
          new URL(c.req.url).searchParams,
          lastEventId,
        );
      app.get(`${route.path}/events`, (c) => {
        const lastEventId = c.req.header("last-event-id");
        return sseResponse(c, deps, read(c, lastEventId), lastEventId);
      });
      app.get(
        `${route.path}/socket`,
        (c) => jsonSocketResponse(c, deps, { own: read(c) }, (address) => this.read(address)),
      );
    }
    return app.route("/", multiplexRoutes(this, deps));
  }
}

/** Reads which records of a topic a query asks for, and how.
 * @param lastEventId as in `readAsked`
 * @throws {StreamError} 400 for a value that cannot be used */
export function readStream<T extends object>(
  route: StreamRoute<T>,
  topic: string,
  query: URLSearchParams,
  lastEventId?: string,
): AskedStream<T> {
  const pick = both(readKeys(query), route.pick?.(query));
  return {
    topic,
    feed: route.feed,
    asked: readAsked(query, lastEventId),
    ...(pick && { pick }),
    topicMustExist: route.topicMustExist ?? false,
    ...(route.longestPauseMs !== undefined && { longestPauseMs: route.longestPauseMs }),
  };
}

function both<T extends object>(
  byKey: ((record: KafkaRecord) => boolean) | undefined,
  byData: Picker<T> | undefined,
): Picker<T> | undefined {
  if (!byKey) return byData;
  return (data, record) => byKey(record) && (byData?.(data, record) ?? true);
}
