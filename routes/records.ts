/** The records of any topic over plain HTTP: pages of what is there, and posts of what is new.
 *
 * Left out: live streams (routes/topics.ts), what a page goes through (kafka/record_pages.ts).
 * @see {@link https://www.rfc-editor.org/rfc/rfc8288} for `Link`
 * @module */
import { type Context, Hono } from "hono";
import { type FieldError, StreamError } from "../errors.ts";
import type { KafkaRecord } from "../kafka/fetch_response.ts";
import type { History } from "../kafka/history.ts";
import type { OutRecord, Producer, RecordPlace } from "../kafka/producer.ts";
import { readWhere } from "../kafka/record_filter.ts";
import { ForeignCursor, type PageWanted, readRecords, type RecordPage } from "../kafka/record_pages.ts";
import type { RecordView } from "../kafka/record_view.ts";
import type { Metrics } from "../metrics.ts";
import { maxFieldErrors } from "./json_body.ts";
import { kafkaProblem, missingTopic } from "./kafka_problem.ts";
import type { AppEnv } from "./middleware.ts";
import { readPost } from "./record_input.ts";
import { readCursor, readKeys, readUntil, topicOf } from "./streams.ts";

/** What these routes work with. */
export interface RecordsDeps {
  readonly hub: { readonly history: History };
  readonly producer: Producer;
  /** How many partitions a topic has, as it was not long ago. */
  readonly topicViews: { partitions(topic: string, atLeast?: number): Promise<number> };
  readonly metrics: Pick<Metrics, "posts" | "postSeconds">;
}

const defaultLimit = 100, maxLimit = 1_000;

/** `GET` and `POST /topics/{topic}/records`. */
export function recordsRoutes(deps: RecordsDeps): Hono<AppEnv> {
  return new Hono<AppEnv>()
    .get("/topics/:topic/records", async (c) => {
      const topic = topicOf(c.req.param("topic")), query = new URL(c.req.url).searchParams;
      const page = await readPage(deps.hub.history, topic, readWanted(query));
      const gaps = page.gaps.length > 0 ? `,"gaps":${JSON.stringify(page.gaps)}` : "";
      const body = `{"records":[${page.records.join(",")}],"cursor":"${page.cursor}"${gaps}}`;
      return c.body(body, 200, {
        "content-type": "application/json",
        "cache-control": "no-store",
        ...(page.more && { link: linkToNext(topic, query, page.cursor) }),
      });
    })
    .post("/topics/:topic/records", (c) => post(c, deps));
}

async function readPage(history: History, topic: string, wanted: PageWanted): Promise<RecordPage> {
  try {
    return await readRecords(history, topic, wanted);
  } catch (error) {
    if (!(error instanceof ForeignCursor)) throw kafkaProblem(error, topic, `read the records of ${topic}`);
    throw new StreamError("invalid-cursor", 400, `Cannot use this cursor for ${topic}: ${error.message}`);
  }
}

/** @throws {StreamError} 400 `invalid-cursor`, `invalid-until`, `invalid-limit`, `invalid-where` */
function readWanted(query: URLSearchParams): PageWanted {
  const until = readUntil(query.get("until")), where = readWhere(query.getAll("where"));
  const hasKey = readKeys(query);
  const pick = hasKey && where
    ? (view: RecordView, record: KafkaRecord) => hasKey(record) && where(view, record)
    : hasKey
    ? (_: RecordView, record: KafkaRecord) => hasKey(record)
    : where;
  return {
    start: readCursor(query.get("cursor") ?? "earliest"),
    limit: readLimit(query.get("limit")),
    ...(until && { until }),
    ...(pick && { pick }),
  };
}

function readLimit(text: string | null): number {
  if (text === null) return defaultLimit;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= maxLimit) return limit;
  throw new StreamError(
    "invalid-limit",
    400,
    `Cannot use limit=${text.slice(0, 80)}: a number from 1 to ${maxLimit} is wanted`,
  );
}

/** The same request, from the place after the page on. */
function linkToNext(topic: string, query: URLSearchParams, cursor: string): string {
  const next = new URLSearchParams(query);
  next.set("cursor", cursor);
  return `</topics/${topic}/records?${next}>; rel="next"`;
}

/** Takes records; answers when Kafka has acknowledged all of them. */
async function post(c: Context<AppEnv>, deps: RecordsDeps): Promise<Response> {
  const topic = topicOf(c.req.param("topic") ?? ""), { producer, metrics } = deps;
  const count = await partitionsOf(topic, deps);
  const records = await readPost(c, count);
  const began = performance.now();
  const outcomes = await Promise.allSettled(records.map((record) => producer.send(topic, record)));
  const failed = outcomes.flatMap((outcome, n) =>
    outcome.status === "rejected" ? [{ n, why: outcome.reason }] : []
  );
  metrics.posts(topic, "failed", failed.length);
  metrics.posts(topic, "acknowledged", records.length - failed.length);
  if (failed.length > 0) throw partlyRefused(records, failed);
  metrics.postSeconds((performance.now() - began) / 1000);
  const places = outcomes.map((outcome) => (outcome as PromiseFulfilledResult<RecordPlace>).value);
  return c.json({ records: places }, 201);
}

/** A topic that does not exist is not made by a post here.
 * @returns the number of its partitions; asks again when `partition` is beyond what was known */
async function partitionsOf(
  topic: string,
  { topicViews }: RecordsDeps,
): Promise<(partition: number) => Promise<boolean>> {
  const known = await topicViews.partitions(topic).catch((error) => {
    throw kafkaProblem(error, topic, `send to ${topic}`);
  });
  if (known === 0) throw missingTopic(topic);
  return async (partition) =>
    partition < known || partition < await topicViews.partitions(topic, partition + 1);
}

/** The first failure, with every record that it happened to; the others are in the log. */
function partlyRefused(
  records: readonly OutRecord[],
  failed: readonly { readonly n: number; readonly why: unknown }[],
): unknown {
  const first = failed[0]?.why;
  if (!(first instanceof StreamError) || records.length === 1) return first;
  const errors: FieldError[] = failed.slice(0, maxFieldErrors).map(({ n, why }) => ({
    pointer: `/records/${n}`,
    detail: why instanceof StreamError ? why.message : "it failed",
  }));
  const detail = `${failed.length} of ${records.length} records were not acknowledged: ${first.message}`;
  return new StreamError(first.code, first.status, detail, { errors, headers: first.headers, cause: first });
}
