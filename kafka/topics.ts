/** The table of topics: each one's name, key and schema. Start reading here.
 *
 * A body that comes in over HTTP is parsed by the input schema, a record that comes out of Kafka by the record schema, which
 * is more forgiving, since any program may write to the topic. Left out: the retention of topics other than video's, which is the
 * broker's own, and the topics of later features.
 * @module */
import { z } from "zod";

/** Most positions that one request may carry. */
export const maxPositionsPerRequest = 10_000;

const mebibyte = 2 ** 20, hourMs = 3_600_000;
/** Kafka's own default of max.message.bytes. */
const defaultMaxMessageBytes = mebibyte + 12;
/** Of a video topic: what retention keeps may be so much more than it has to be. */
const segmentsPerLog = 8;

/** A name as it is used for the Kafka key and the message id: one line of printable text. */
const Name = z.string().min(1).max(200).regex(
  /^[^\p{Cc}\p{Zl}\p{Zp}]+$/u,
  "must not hold control characters",
);
const Latitude = z.number().gt(-90).lt(90);
const Longitude = z.number().gt(-180).lt(180);

/** What a client posts: degrees (WGS 84), −90 < lat < 90, −180 < lon < 180. */
export const PositionInput = z.strictObject({ name: Name, lat: Latitude, lon: Longitude });
export type PositionInput = z.infer<typeof PositionInput>;

/** The value of a record in a geo topic, keyed by `name`; `timestamp` is ISO 8601 in UTC. */
export const Position = z.object({
  name: z.string().min(1),
  message_id: z.string().optional(),
  timestamp: z.string().optional(),
  lat: z.number().gte(-90).lte(90),
  lon: z.number().gte(-180).lte(180),
});
export type Position = z.infer<typeof Position>;

/** A position as this program writes it. */
export type NewPosition = { [K in keyof Position]-?: NonNullable<Position[K]> };

/** Gives a posted position its id, `<name>_<uuid4>`, and its time.
 * @param nowMs ms since the epoch */
export function newPosition(input: PositionInput, nowMs: number): NewPosition {
  return {
    name: input.name,
    message_id: `${input.name}_${crypto.randomUUID()}`,
    timestamp: new Date(nowMs).toISOString(),
    lat: input.lat,
    lon: input.lon,
  };
}

/** The record that holds a position: keyed by name, so that one name stays in one partition, in order.
 * @returns key, JSON value, and timestamp in ms since the epoch */
export function positionRecord(position: NewPosition): { key: string; value: string; timestamp: number } {
  return { key: position.name, value: JSON.stringify(position), timestamp: Date.parse(position.timestamp) };
}

/** What is set for a video topic that is made here: frames fill disks, so they go by time and by bytes, in segments small enough for
 * Kafka to let go of (it removes whole ones).
 * @param limits ms, bytes of each partition, bytes of one frame; −1: no limit
 * @see {@link https://kafka.apache.org/documentation/#topicconfigs} */
export function videoTopicConfigs(limits: {
  readonly videoRetentionMs: number;
  readonly videoRetentionBytes: number;
  readonly maxFrameBytes: number;
}): Readonly<Record<string, string>> {
  const { videoRetentionMs: ms, videoRetentionBytes: bytes, maxFrameBytes } = limits;
  const within = (value: number, least: number, most: number) =>
    String(Math.floor(Math.min(most, Math.max(least, value))));
  return {
    "cleanup.policy": "delete",
    "retention.ms": String(ms),
    "retention.bytes": String(bytes),
    "segment.ms": ms < 0 ? String(hourMs) : within(ms / segmentsPerLog, 10_000, hourMs),
    "segment.bytes": bytes < 0
      ? String(64 * mebibyte)
      : within(bytes / segmentsPerLog, mebibyte, 64 * mebibyte),
    "max.message.bytes": String(Math.max(defaultMaxMessageBytes, maxFrameBytes + 64 * 1_024)),
  };
}

/** A picture on its way into a video topic. */
export interface NewFrame {
  /** The stream's name: frames of one name are in one partition, in their order. */
  readonly name: string;
  readonly jpeg: Uint8Array;
  /** ms since the epoch. */
  readonly capturedAt: number;
  /** Where it comes from, in the publisher's words. */
  readonly source: string;
}

/** The record that holds a frame: the JPEG as it is, at the time when it was captured. */
export function frameRecord({ name, jpeg, capturedAt, source }: NewFrame): {
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  readonly timestamp: number;
} {
  const headers = { "content-type": "image/jpeg", "captured-at": String(capturedAt), source };
  return { key: name, value: jpeg, headers, timestamp: capturedAt };
}

/** Whether Kafka takes `name` as a topic's name. @see {@link https://kafka.apache.org/documentation/#basic_ops_add_topic} */
export function isTopicName(name: string): boolean {
  return /^[a-zA-Z0-9._-]{1,249}$/.test(name) && name !== "." && name !== "..";
}
