/** What a client is told when Kafka has no answer for it.
 *
 * Left out: streams, which are never refused for it (sse.ts, websocket.ts), and posts, whose outcome the producer tells.
 * @module */
import { StreamError } from "../errors.ts";
import { KafkaError } from "../kafka/connection.ts";
import { unknownTopic } from "./streams.ts";

/** A failure at Kafka as a problem: 404 `unknown-topic`, 403 `kafka-forbidden`, else 503 `kafka-unavailable`. Anything else is thrown on.
 * @param action what could not be done, as in `Cannot read the records of t` */
export function kafkaProblem(error: unknown, topic: string | null, action: string): StreamError {
  if (!(error instanceof KafkaError)) throw error;
  if (error.code === "UNKNOWN_TOPIC_OR_PARTITION" && topic !== null) return missingTopic(topic);
  if (/AUTHORIZATION/.test(error.code)) {
    return new StreamError("kafka-forbidden", 403, `Cannot ${action}: Kafka answered ${error.code}`);
  }
  return new StreamError("kafka-unavailable", 503, `Cannot ${action} as Kafka does not answer`, {
    cause: error,
    headers: { "retry-after": "1" },
  });
}

/** A topic that must exist and does not. */
export function missingTopic(topic: string): StreamError {
  return new StreamError("unknown-topic", 404, unknownTopic(topic));
}
