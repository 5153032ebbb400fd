/** Whether a client is socket.io-client, the JavaScript library: it is handed the numbers of recovery without asking for them.
 *
 * A number is an argument more (socketio_recovery.ts). In JavaScript nobody notices it; python-socketio calls a handler with it that does
 * not take it, and Dart's hands over a list in the place of the data. So numbers are for
 *
 *     auth: {recover: true}                          whoever asks for them; {recover: false} has none
 *     handshake and CONNECT like socket.io-client    without any other `auth`
 *
 * and for nobody else: whoever is in doubt gets none, and begins afresh after a cut, as ever. A handshake is like its own when it is
 *
 *     a poll of Node         user-agent node-XMLHttpRequest, or that of a runtime which speaks nothing but JavaScript
 *     a poll of a browser    user-agent Mozilla/…, and `t=` as the library makes it: Dart's has none, or the whole time in base 36
 *     a socket of Node       that of `ws`: no user-agent, no origin, `permessage-deflate; client_max_window_bits`
 *
 * and a CONNECT when it has no data (python-socketio sends `{}`, or its `auth`; before 5.1 nothing, so both have to be right) or nothing
 * but the `pid` and `offset` of somebody who was here before (Dart's offset may be null). A browser that begins with a WebSocket, React
 * Native, Swift, Java, .NET and Go have to ask: the first looks like Dart in a browser, and the others are not known by anything. Left
 * out: `auth` of a user's own, which may be anybody's.
 * @module */
import type { EngineRequest } from "./socketio_engine.ts";

/** User-agents of polls that only JavaScript makes. */
const ofJavaScript = /^(node-XMLHttpRequest|node|undici|Deno\/.*|Bun\/.*)$/;
const ofBrowsers = /^Mozilla\/5\.0 /;
/** `t=` of version 4.8, and of those before it. */
const stamp = /^[\w-]{4,8}(\.\d+)?$/;
const ofWs = "permessage-deflate; client_max_window_bits";
const dayMs = 24 * 3_600_000;
/** Nobody who comes back says more. */
const maxReturnLength = 10_000;

/** Whether a handshake is one of socket.io-client.
 * @param query its query */
export function isJavaScript({ headers }: Request, query: URLSearchParams): boolean {
  const agent = headers.get("user-agent");
  if (query.get("transport") === "websocket") {
    return agent === null && !headers.has("origin") && headers.get("sec-websocket-extensions") === ofWs;
  }
  if (agent === null) return false;
  return ofJavaScript.test(agent) || (ofBrowsers.test(agent) && isStamp(query.get("t") ?? ""));
}

function isStamp(text: string): boolean {
  return stamp.test(text) && !(Math.abs(parseInt(text, 36) - Date.now()) < dayMs);
}

/** Whether a client is handed numbers.
 * @param asked its handshake, after its CONNECT
 * @param auth what it says of itself in it */
export function takesNumbers(asked: EngineRequest, auth: Readonly<Record<string, unknown>>): boolean {
  if (typeof auth.recover === "boolean") return auth.recover;
  const isBack = typeof auth.pid === "string" && typeof auth.offset === "string" &&
    Object.keys(auth).length === 2;
  return asked.isJavaScript && (asked.isBare === true || isBack);
}

/** A CONNECT in which an offset that is not there is an empty one: of a client that was sent nothing before it was cut off. The package
 * would let it begin afresh.
 * @param packet as it is on the wire */
export function withOffset(packet: string): string {
  if (packet.length > maxReturnLength || !packet.startsWith('0{"pid":"')) return packet;
  try {
    const auth = JSON.parse(packet.slice(1));
    return "offset" in auth ? packet : `0${JSON.stringify({ ...auth, offset: "" })}`;
  } catch {
    return packet; // the package says what is wrong with it
  }
}
