/** `GET /video/{topic}/snapshot.jpg`: one frame by itself. The newest, the first one from a time on, or the one before or after another,
 * by which a page goes step by step.
 *
 * Its ETag is its place in the log, so that who has it is answered 304 without the picture. Left out: which frames there are
 * (video_feed.ts), and how one is found (kafka/record_finder.ts).
 * @module */
import { type Context, Hono } from "hono";
import { StreamError } from "../errors.ts";
import { KafkaError } from "../kafka/connection.ts";
import type { History } from "../kafka/history.ts";
import { findRecord, type Found, type Outcome, type Wanted, type Whence } from "../kafka/record_finder.ts";
import { isNotModified } from "./conditional.ts";
import { kafkaProblem } from "./kafka_problem.ts";
import type { AppEnv } from "./middleware.ts";
import { readCursor, readKeys, topicOf } from "./streams.ts";
import { type FrameEvent, frameFeed, timestampHeader } from "./video_feed.ts";

/** What a snapshot is taken from. */
export interface SnapshotDeps {
  readonly hub: { readonly history: History };
}

/** Longest name that is put into a header. */
const maxNameLength = 200;

/** `/video/{topic}/snapshot.jpg`. */
export function snapshotRoutes({ hub }: SnapshotDeps): Hono<AppEnv> {
  return new Hono<AppEnv>().get("/video/:topic/snapshot.jpg", async (c) => {
    const topic = topicOf(c.req.param("topic")), query = new URL(c.req.url).searchParams;
    const whence = readWhence(query), pick = readKeys(query);
    const outcome = await findFrame(hub.history, topic, {
      whence,
      ...(pick && { pick: (_: FrameEvent, record) => pick(record) }),
    });
    if (!outcome.found) throw noFrame(topic, whence, outcome.isWhole);
    return answer(c, outcome.found);
  });
}

/** Looks for a frame; none is found in a topic that does not exist yet.
 * @throws {StreamError} 503 `kafka-unavailable`, `overloaded`, 403 `kafka-forbidden` */
export async function findFrame(
  history: History,
  topic: string,
  wanted: Omit<Wanted<FrameEvent>, "feed">,
): Promise<Outcome<FrameEvent>> {
  try {
    return await findRecord(history, topic, { feed: frameFeed, ...wanted });
  } catch (error) {
    if (error instanceof KafkaError && error.code === "UNKNOWN_TOPIC_OR_PARTITION") {
      return { found: null, isWhole: true };
    }
    if (error instanceof StreamError) throw error;
    throw kafkaProblem(error, topic, `look for a frame in ${topic}`);
  }
}

/** Reads which frame is wanted: `cursor=`, `before=` or `after=`, else the newest.
 * @throws {StreamError} 400 `invalid-cursor`, `invalid-frame` */
function readWhence(query: URLSearchParams): Whence {
  const [asked, another] = ["cursor", "before", "after"].filter((name) => query.has(name));
  if (another !== undefined) {
    throw new StreamError(
      "invalid-frame",
      400,
      `Cannot use ${asked}= and ${another}= at once: one is wanted`,
    );
  }
  if (asked === "before" || asked === "after") {
    return { kind: asked, ...readFrameId(asked, query.get(asked)!) };
  }
  const start = readCursor(query.get("cursor") ?? "latest");
  if (start.kind === "latest") return { kind: "newest" };
  if (start.kind !== "id") return start;
  throw new StreamError(
    "invalid-cursor",
    400,
    "Cannot take a picture at an id: latest, earliest or t.<ms> is wanted, or before= or after= with a frame",
  );
}

function readFrameId(name: string, text: string): { partition: number; offset: number } {
  const [, partition, offset] = /^(\d{1,10}):(\d{1,19})$/.exec(text) ?? [];
  const place = { partition: Number(partition), offset: Number(offset) };
  if (offset !== undefined && Number.isSafeInteger(place.offset)) return place;
  throw new StreamError(
    "invalid-frame",
    400,
    `Cannot use ${name}=${text.slice(0, 80)}: <partition>:<offset> is wanted`,
  );
}

function noFrame(topic: string, whence: Whence, isWhole: boolean): StreamError {
  const where = {
    newest: "",
    earliest: "",
    time: " from that time on",
    before: " before that one",
    after: " after that one",
  }[whence.kind];
  const bound = isWhole ? "" : " among as many records as one request may go through";
  return new StreamError("no-frame", 404, `Cannot find a frame in ${topic}${where}${bound}`);
}

function answer(c: Context<AppEnv>, { data, record }: Found<FrameEvent>): Response {
  const { frame, name, bytes } = data, etag = `"${frame}"`;
  const capturedAt = new Date(Math.min(data.capturedAt, Date.now())); // a clock that is ahead is not to be told of
  const headers = {
    "etag": etag,
    "last-modified": capturedAt.toUTCString(),
    "cache-control": "no-cache",
    "x-frame-id": frame,
    "x-timestamp": timestampHeader(data.capturedAt),
    ...(name !== null && isHeaderText(name) && { "x-frame-name": name }),
  };
  if (isNotModified(c.req.raw.headers, { etag, lastModified: capturedAt.getTime() })) {
    return c.body(null, 304, headers);
  }
  const jpeg = record.value as Uint8Array<ArrayBuffer>;
  return c.body(jpeg, 200, { ...headers, "content-type": "image/jpeg", "content-length": `${bytes}` });
}

function isHeaderText(name: string): boolean {
  return name.length <= maxNameLength && /^[\x20-\x7e]+$/.test(name);
}
