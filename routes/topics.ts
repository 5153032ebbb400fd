/** Any topic, whatever it holds: what topics there are, and their records live.
 *
 * The pages on the same paths are asked first (routes/pages.ts). Left out: how a record is shown (kafka/record_view.ts), pages of records
 * and posts (routes/records.ts), making and changing topics, which Kafka's own tools do.
 * @module */
import { Hono } from "hono";
import { readWhere } from "../kafka/record_filter.ts";
import { recordFeed, type RecordView } from "../kafka/record_view.ts";
import type { TopicViews } from "../kafka/topic_views.ts";
import { kafkaProblem } from "./kafka_problem.ts";
import type { AppEnv } from "./middleware.ts";
import { type RecordsDeps, recordsRoutes } from "./records.ts";
import type { StreamRoute } from "./stream_table.ts";
import { topicOf } from "./streams.ts";

/** What the routes of topics work with. */
export interface TopicsDeps extends RecordsDeps {
  readonly topicViews: TopicViews;
}

/** `/topics/{topic}/events` and `/socket`, also with `where=`. */
export const topicStream: StreamRoute<RecordView> = {
  path: "/topics/:topic",
  feed: recordFeed,
  topicMustExist: true,
  pick: (query) => readWhere(query.getAll("where")),
};

const headers = { "content-type": "application/json", "vary": "Accept", "cache-control": "no-store" };
/** Answers that many get are written once. */
const texts = new WeakMap<object, string>();

/** Routes below `/topics`. */
export function topicsRoutes(deps: TopicsDeps): Hono<AppEnv> {
  const { topicViews } = deps;
  return new Hono<AppEnv>()
    .get("/topics", async (c) => {
      const list = await topicViews.list().catch((error) => {
        throw kafkaProblem(error, null, "list the topics");
      });
      return c.body(textOf(list), 200, headers);
    })
    .get("/topics/:topic", async (c) => {
      const topic = topicOf(c.req.param("topic"));
      const view = await topicViews.topic(topic).catch((error) => {
        throw kafkaProblem(error, topic, `look at the topic ${topic}`);
      });
      return c.body(textOf(view), 200, headers);
    })
    .route("/", recordsRoutes(deps));
}

function textOf(answer: object): string {
  const text = texts.get(answer) ?? JSON.stringify(answer);
  texts.set(answer, text);
  return text;
}
