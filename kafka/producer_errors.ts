/** What Kafka's errors mean for a record on its way, and what its sender is told of them.
 *
 * Left out: what is done about them (producer_lane.ts).
 * @module */
import { StreamError } from "../errors.ts";

/** Errors that go by themselves, after looking at the cluster again. */
export const retriable = new Set([
  "UNREACHABLE",
  "UNKNOWN_TOPIC_OR_PARTITION",
  "LEADER_NOT_AVAILABLE",
  "NOT_LEADER_FOR_PARTITION",
  "BROKER_NOT_AVAILABLE",
  "REPLICA_NOT_AVAILABLE",
  "REQUEST_TIMED_OUT",
  "NETWORK_EXCEPTION",
  "NOT_ENOUGH_REPLICAS",
  "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
  "NOT_CONTROLLER",
  "KAFKA_STORAGE_ERROR",
  "FENCED_LEADER_EPOCH",
  "UNKNOWN_LEADER_EPOCH",
  "GROUP_LOAD_IN_PROGRESS",
  "GROUP_COORDINATOR_NOT_AVAILABLE",
]);
/** Of those, the ones after which the batch may be in the log. */
export const ambiguous = new Set([
  "UNREACHABLE",
  "REQUEST_TIMED_OUT",
  "NETWORK_EXCEPTION",
  "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
]);
/** The broker does not know this producer id any more, or not with these sequences. */
export const lostProducer = new Set([
  "OUT_OF_ORDER_SEQUENCE_NUMBER",
  "UNKNOWN_PRODUCER_ID",
  "INVALID_PRODUCER_EPOCH",
]);

export function unavailable(topic: string): StreamError {
  const detail = `Cannot send to ${topic} as Kafka did not take the record in time; it was not written`;
  return new StreamError("kafka-unavailable", 503, detail, { headers: { "retry-after": "1" } });
}

export function unknownOutcome(topic: string): StreamError {
  const detail = `Cannot tell whether ${topic} has the record, as Kafka's answer was lost or is late`;
  return new StreamError("outcome-unknown", 503, detail, { headers: { "retry-after": "1" } });
}

export function refusal(topic: string, code: string, bytes: number): StreamError {
  const said = `Cannot send to ${topic}: Kafka answered ${code}`;
  if (code === "MESSAGE_TOO_LARGE" || code === "RECORD_LIST_TOO_LARGE") {
    return new StreamError("record-too-large", 413, `${said} for a record of ${bytes} bytes`);
  }
  if (code === "INVALID_TOPIC_EXCEPTION") return new StreamError("invalid-topic", 400, said);
  if (/AUTHORIZATION|SASL/.test(code)) return new StreamError("kafka-forbidden", 403, said);
  if (/^INVALID|^CORRUPT|^UNSUPPORTED/.test(code)) return new StreamError("invalid-record", 400, said);
  return new StreamError("kafka-failure", 502, said);
}
