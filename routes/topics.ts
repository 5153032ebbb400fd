/** Any topic, whatever it holds: its records live.
 *
 * Left out: how a record is shown (kafka/record_view.ts).
 * @module */
import { readWhere } from "../kafka/record_filter.ts";
import { recordFeed, type RecordView } from "../kafka/record_view.ts";
import type { StreamRoute } from "./stream_table.ts";

export { recordFeed } from "../kafka/record_view.ts";

/** `/topics/{topic}/events` and `/socket`, also with `where=`. */
export const topicStream: StreamRoute<RecordView> = {
  path: "/topics/:topic",
  feed: recordFeed,
  topicMustExist: true,
  pick: (query) => readWhere(query.getAll("where")),
};
