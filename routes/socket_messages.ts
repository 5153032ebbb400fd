/** What a client may say on a socket of streams.
 *
 * Members that nobody knows are passed over, so that newer clients can talk to older servers. Left out: what becomes of a message
 * (socket_streams.ts).
 * @module */
import { parseCursor, type StartAt } from "../kafka/cursor.ts";
import { isSpeed, wantedSpeed } from "./streams.ts";

/** A message of a client; `stream` is the address of a subscription, without it the socket's own stream is meant. */
export type ClientMessage =
  | { readonly type: "ping" }
  | { readonly type: "pause" | "resume"; readonly stream?: string }
  | { readonly type: "seek"; readonly start: StartAt; readonly stream?: string }
  | { readonly type: "speed"; readonly speed: number | null; readonly stream?: string }
  | { readonly type: "ack"; readonly frame: FramePlace; readonly stream?: string }
  | { readonly type: "subscribe"; readonly stream: string; readonly cursor?: string }
  | { readonly type: "unsubscribe"; readonly stream: string };

/** Where a frame is. */
export interface FramePlace {
  readonly partition: number;
  readonly offset: number;
}

type Members = Readonly<Record<string, unknown>>;
type Reader = (members: Members) => ClientMessage;

const readers: Readonly<Record<ClientMessage["type"], Reader>> = {
  ping: () => ({ type: "ping" }),
  pause: (members) => ({ type: "pause", ...optionalStream(members) }),
  resume: (members) => ({ type: "resume", ...optionalStream(members) }),
  seek: (members) => ({ type: "seek", start: readCursor(members), ...optionalStream(members) }),
  speed: (members) => ({ type: "speed", speed: readSpeed(members), ...optionalStream(members) }),
  ack: (members) => ({ type: "ack", frame: readFrame(members), ...optionalStream(members) }),
  subscribe: (members) => ({ type: "subscribe", stream: readStream(members), ...optionalCursor(members) }),
  unsubscribe: (members) => ({ type: "unsubscribe", stream: readStream(members) }),
};
const maxPartition = 2 ** 31 - 1;
const types = Object.keys(readers).join(", ");

/** Reads a message of a client.
 * @throws {SyntaxError} that says what was found and what is wanted */
export function readMessage(text: string): ClientMessage {
  const members = readObject(text);
  const { type } = members;
  if (typeof type === "string" && Object.hasOwn(readers, type)) {
    return readers[type as ClientMessage["type"]](members);
  }
  throw new SyntaxError(`Cannot use a message of type ${shown(type)}: one of ${types} is wanted`);
}

function readObject(text: string): Members {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    throw new SyntaxError(`Cannot read the message ${shown(text)}: a JSON object is wanted`);
  }
  if (typeof found === "object" && found !== null && !Array.isArray(found)) return found as Members;
  throw new SyntaxError(`Cannot use the message ${shown(found)}: a JSON object is wanted`);
}

function readCursor({ type, cursor }: Members): StartAt {
  if (typeof cursor === "string") return parseCursor(cursor);
  throw wrong(type, "cursor", cursor, "latest, earliest, t.<ms> or an id");
}

function readSpeed({ type, speed }: Members): number | null {
  if (speed === null || isSpeed(speed)) return speed;
  throw wrong(type, "speed", speed, `${wantedSpeed}, or null,`);
}

function readFrame({ type, frame }: Members): FramePlace {
  const found = typeof frame === "string" ? /^(\d{1,10}):(\d{1,16})$/.exec(frame) : null;
  const partition = Number(found?.[1]), offset = Number(found?.[2]);
  if (partition <= maxPartition && Number.isSafeInteger(offset + 1)) return { partition, offset };
  throw wrong(type, "frame", frame, "the frame's id, <partition>:<offset>,");
}

function readStream({ type, stream }: Members): string {
  if (typeof stream === "string") return stream;
  throw wrong(type, "stream", stream, "the address of a stream");
}

function optionalStream(members: Members): { stream?: string } {
  return members["stream"] === undefined ? {} : { stream: readStream(members) };
}

function optionalCursor({ type, cursor }: Members): { cursor?: string } {
  if (cursor === undefined) return {};
  if (typeof cursor === "string") return { cursor };
  throw wrong(type, "cursor", cursor, "latest, earliest, t.<ms> or an id");
}

function wrong(type: unknown, member: string, found: unknown, wanted: string): SyntaxError {
  return new SyntaxError(`Cannot use ${type} with ${member} ${shown(found)}: ${wanted} is wanted`);
}

function shown(found: unknown): string {
  const text = JSON.stringify(found) ?? "none";
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
