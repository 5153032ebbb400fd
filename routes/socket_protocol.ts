/** The subprotocols of sockets of streams: `tailrace.v1.json`, all text, and `tailrace.v1.frames`, in which frames of video are messages of
 * bytes and everything else is the same text.
 *
 * Any stream may be on a socket of either: of `tailrace.v1.frames` too only those streams are bytes that say how. Left out: what the
 * bytes are (video_feed.ts), what a client may say (socket_messages.ts).
 * @module */
import { defineWire, type Wire } from "../kafka/feed.ts";

/** How a socket of streams talks. */
export interface SocketProtocol {
  /** As it is offered and chosen. */
  readonly name: string;
  /** Whether frames are bytes; its streams have numbers, then, and keep their viewers' positions. */
  readonly hasFrames: boolean;
}

export const jsonProtocol: SocketProtocol = { name: "tailrace.v1.json", hasFrames: false };
export const framesProtocol: SocketProtocol = { name: "tailrace.v1.frames", hasFrames: true };
const protocols = [jsonProtocol, framesProtocol];

/** An event as every one of these subprotocols writes it. */
export const jsonEvent: Wire["event"] = (name, json, id) => eventText(name, "", json, id ?? "");

/** Events as `tailrace.v1.json` writes them. */
export const jsonWire = defineWire("\n", jsonEvent);

/** Chooses what a client likes best of what it offers.
 * @param offered the header `Sec-WebSocket-Protocol`
 * @param byDefault for a client that offers nothing known */
export function chooseProtocol(offered: string | undefined, byDefault: SocketProtocol): SocketProtocol {
  const names = (offered ?? "").split(",").map((name) => name.trim());
  const known = names.map((name) => protocols.find((protocol) => protocol.name === name));
  return known.find((protocol) => protocol !== undefined) ?? byDefault;
}

/** A member `type` that data begins with; a message says its own name there. */
const ownType = /^\{"type":"[^"]*",?/;

/** An event as text.
 * @param label members that say whose it is, each with a comma before it */
export function eventText(name: string, label: string, json: string, id: string): string {
  // The data of `end` is its cursor, which a message has anyway.
  const data = json.startsWith('{"type":') ? json.replace(ownType, "{") : json;
  const members = data === "{}" || name === "end" ? "" : `,${data.slice(1, -1)}`;
  return `{"type":"${name}"${label}${members}${id === "" ? "" : `,"cursor":"${id}"`}}`;
}

/** The same event with members that say whose it is.
 * @param text as `eventText` makes it without a label */
export function withLabel(text: string, labelOf: (name: string) => string): string {
  return text.replace(/^\{"type":"([^"]*)"/, (head, name: string) => head + labelOf(name));
}
