/** Video frames as viewers see them: what a record of a video topic says of its picture, and the two ways in which the picture itself is
 * written, a part of an MJPEG answer or a message of `tailrace.v1.frames`.
 *
 * A record is one JPEG; anything else in the topic is passed over and counted. Left out: the connections (mjpeg.ts, socket_stream.ts),
 * one picture at a time (snapshot.ts), the way in (video_publish.ts).
 * @module */
import { StreamError } from "../errors.ts";
import { defineBinaryWire, defineFeed, type Picker, type Wire } from "../kafka/feed.ts";
import type { KafkaRecord } from "../kafka/fetch_response.ts";
import { jpegInfo } from "../kafka/jpeg.ts";
import { jsonEvent } from "./socket_protocol.ts";
import type { StreamRoute } from "./stream_table.ts";

/** What is told of a frame; sizes in bytes and pixels, times in ms since the epoch. */
export interface FrameEvent {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** `<partition>:<offset>`. */
  readonly frame: string;
  /** The record's time. */
  readonly timestamp: number;
  /** When the picture was taken: the header `captured-at`, or else the record's time. */
  readonly capturedAt: number;
  /** The record's key: whose picture it is. */
  readonly name: string | null;
  readonly source: string | null;
  readonly bytes: number;
  readonly width: number;
  readonly height: number;
}

/** A hole in a recording is not waited for longer than this. */
export const longestPauseMs = 2_000;
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Frames with their place in the log. */
export const frameFeed = defineFeed<FrameEvent>("frame", readFrame);

/** What separates the parts of an MJPEG answer. */
export const boundary = "frame";
/** How an MJPEG answer is written: its first bytes, then a part for each frame. Nothing but frames is written. */
export interface MjpegForm {
  readonly beginning: Uint8Array<ArrayBuffer>;
  readonly wire: Wire;
}

const delimiter = `--${boundary}\r\n`;

/** A time as `X-Timestamp` has it, in mjpg-streamer's and ustreamer's way: seconds since the epoch.
 * @param ms since the epoch */
export function timestampHeader(ms: number): string {
  return (ms / 1000).toFixed(3);
}

/** A frame as a part of known length, with its place and time, and the boundary behind it. */
export const mjpegWire = defineBinaryWire((record, data) => {
  const { frame, capturedAt } = data as FrameEvent, jpeg = record.value!;
  const head = `Content-Type: image/jpeg\r\nContent-Length: ${jpeg.length}\r\nX-Frame-Id: ${frame}\r\n` +
    `X-Timestamp: ${timestampHeader(capturedAt)}\r\n\r\n`;
  return joined(encoder.encode(head), jpeg, encoder.encode(`\r\n${delimiter}`));
}, () => null);

/** For programs. */
export const mjpegParts: MjpegForm = { beginning: encoder.encode(delimiter), wire: mjpegWire };

const imageHead = encoder.encode(`${delimiter}Content-Type: image/jpeg\r\n\r\n`);
const imageEnd = joined(encoder.encode("\r\n"), imageHead);

/** For browsers: each frame is followed by the head of the next part, as Chromium does not show a picture before it has seen that, a
 * boundary alone being too little. So the head says what every frame has in common, and no browser lets a page see more of it.
 * @see {@link https://crbug.com/527446} */
export const mjpegImages: MjpegForm = {
  beginning: imageHead,
  wire: defineBinaryWire((record) => joined(record.value!, imageEnd), () => null),
};

/** Bytes before the picture in a message of `tailrace.v1.frames`. */
export const frameHeaderBytes = 32;
const magic = 0x5452, version = 1; // "TR"
/** Where the fields are; big-endian. */
const at = { version: 2, partition: 4, offset: 8, capturedAt: 16, stream: 24, length: 28 } as const;

/** What the header of such a message says. */
export interface FrameHeader {
  readonly partition: number;
  readonly offset: number;
  readonly capturedAt: number;
  /** Of several streams on a connection, from 1 on; 0: the connection's own. */
  readonly stream: number;
}

/** A frame as a message of `tailrace.v1.frames`; other events are JSON as everywhere. */
export const framesWire = defineBinaryWire((record, data) => {
  const { partition, offset, capturedAt } = data as FrameEvent;
  return frameMessage({ partition, offset, capturedAt, stream: 0 }, record.value!);
}, jsonEvent);

/** `/video/{topic}/events` and `/socket`, also with `fps=` and `live=`. */
export const videoStream: StreamRoute<FrameEvent> = {
  path: "/video/:topic",
  feed: frameFeed,
  pick: (query) => readFps(query.get("fps")),
  ask: (query) => readLive(query.get("live")) ? { policy: "latest" } : {},
  longestPauseMs,
  frames: framesWire,
};

/** Makes a message: the header, then the picture. */
export function frameMessage(header: FrameHeader, jpeg: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(frameHeaderBytes + jpeg.length);
  const view = new DataView(message.buffer);
  view.setUint16(0, magic);
  view.setUint8(at.version, version);
  view.setUint32(at.partition, header.partition);
  view.setBigInt64(at.offset, BigInt(header.offset));
  view.setBigInt64(at.capturedAt, BigInt(header.capturedAt));
  view.setUint32(at.stream, header.stream);
  view.setUint32(at.length, jpeg.length);
  message.set(jpeg, frameHeaderBytes);
  return message;
}

/** Reads a message.
 * @returns null when it is none: another beginning, another version, a length that is not its own */
export function readFrameMessage(bytes: Uint8Array): { header: FrameHeader; jpeg: Uint8Array } | null {
  if (bytes.length < frameHeaderBytes) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(0) !== magic || view.getUint8(at.version) !== version) return null;
  if (view.getUint32(at.length) !== bytes.length - frameHeaderBytes) return null;
  const header = {
    partition: view.getUint32(at.partition),
    offset: Number(view.getBigInt64(at.offset)),
    capturedAt: Number(view.getBigInt64(at.capturedAt)),
    stream: view.getUint32(at.stream),
  };
  return { header, jpeg: bytes.subarray(frameHeaderBytes) };
}

/** The same message for one of several streams of a connection: a copy, as the bytes are shared. */
export function forStream(message: Uint8Array, stream: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(message);
  new DataView(copy.buffer).setUint32(at.stream, stream);
  return copy;
}

/** Reads `fps=`: at most so many frames for each second of the frames' own time. Time is cut into slots, and the first frame of a slot is
 * shown, so that the rate does not drift.
 * @throws {StreamError} 400 `invalid-fps` */
export function readFps(text: string | null): Picker<FrameEvent> | undefined {
  if (text === null) return undefined;
  const fps = text.trim() === "" ? NaN : Number(text);
  if (!(fps >= 0.01 && fps <= 1_000)) {
    throw new StreamError(
      "invalid-fps",
      400,
      `Cannot use fps=${text.slice(0, 80)}: a number from 0.01 to 1000 is wanted`,
    );
  }
  let slot = -1, shown: string | undefined;
  return ({ frame, timestamp }) => {
    if (frame === shown) return true; // asked again, as it was not due yet
    const of = Math.floor(timestamp * fps / 1000);
    if (of === slot) return false;
    slot = of;
    shown = frame;
    return true;
  };
}

/** Reads `live=`: whether only the newest frame counts.
 * @throws {StreamError} 400 `invalid-live` */
export function readLive(text: string | null): boolean {
  if (text === null || text === "0" || text === "1") return text === "1";
  throw new StreamError("invalid-live", 400, `Cannot use live=${text.slice(0, 80)}: 0 or 1 is wanted`);
}

/** Null for a record that holds no JPEG. */
function readFrame(record: KafkaRecord, topic: string): FrameEvent | null {
  const { partition, offset, timestamp, key, value } = record;
  const info = value && jpegInfo(value);
  if (!info) return null;
  return {
    topic,
    partition,
    offset,
    frame: `${partition}:${offset}`,
    timestamp,
    capturedAt: capturedAtOf(record),
    name: key && decoder.decode(key),
    source: headerOf(record, "source") ?? null,
    bytes: value.length,
    width: info.width,
    height: info.height,
  };
}

/** Foreign producers may leave the header out, or write nonsense. */
function capturedAtOf(record: KafkaRecord): number {
  const text = headerOf(record, "captured-at");
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : record.timestamp;
}

function headerOf({ headers }: KafkaRecord, name: string): string | undefined {
  const found = Object.hasOwn(headers, name) ? headers[name] : undefined;
  const value = found instanceof Uint8Array ? found : found?.[0];
  return value ? decoder.decode(value) : undefined;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let to = 0;
  for (const part of parts) {
    bytes.set(part, to);
    to += part.length;
  }
  return bytes;
}
