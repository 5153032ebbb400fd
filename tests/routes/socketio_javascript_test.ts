/** Who is taken for socket.io-client: handshakes and CONNECTs as libraries make them, written down from the wire or from their source.
 *
 * Left out: the libraries themselves (socketio_test.ts, socketio_browser_test.ts, tests/interop/socketio_clients_test.ts). @module */
import { assertEquals } from "@std/assert";
import { isJavaScript, takesNumbers, withOffset } from "../../routes/socketio_javascript.ts";
import type { EngineRequest } from "../../routes/socketio_engine.ts";

const chromium = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0";
const polling = "EIO=4&transport=polling", websocket = "EIO=4&transport=websocket";
const deflate = "permessage-deflate; client_max_window_bits";
const wholeTime = Date.now().toString(36);

/** Its handshake: the query, the user-agent, what else it says. */
type Handshake = [library: string, query: string, agent: string | null, headers?: Record<string, string>];

const ofTheLibrary: Handshake[] = [
  ["socket.io-client on Node, polling", `${polling}&t=u9t5h6xw`, "node-XMLHttpRequest"],
  ["the same without timestamps", polling, "node-XMLHttpRequest"],
  ["socket.io-client on Node, fetch", `${polling}&t=u9t5h6xw`, "node"],
  ["socket.io-client on Deno, fetch", `${polling}&t=u9tatnkr`, "Deno/2.9.6"],
  ["socket.io-client on Bun, fetch", `${polling}&t=u9tatnkr`, "Bun/1.2.3"],
  ["socket.io-client in a browser", `${polling}&t=zzzzz9k1`, chromium],
  ["socket.io-client 4.7 in a browser", `${polling}&t=PcTb4-a`, chromium],
  ["socket.io-client 4.7, another request in the same ms", `${polling}&t=PcTb4_a.0`, chromium],
  ["socket.io-client on Node, WebSocket", websocket, null, { "sec-websocket-extensions": deflate }],
];
const ofOthers: Handshake[] = [
  ["python-socketio, polling", `transport=polling&EIO=4&t=1763755200.123456`, "python-requests/2.34.2"],
  ["python-socketio, asyncio", `transport=polling&EIO=4&t=1763755200.123456`, "Python/3.11 aiohttp/3.14.5"],
  ["python-socketio as a browser", `transport=polling&EIO=4&t=1763755200.123456`, chromium],
  ["python-socketio as a browser, no timestamps", `transport=polling&EIO=4`, chromium],
  ["python-socketio, WebSocket", `transport=websocket&EIO=4&t=1763755200.12`, null, { origin: "http://a" }],
  ["python-socketio, WebSocket, no origin", `transport=websocket&EIO=4&t=1763755200.12`, null],
  ["python-socketio, asyncio, WebSocket", `transport=websocket&EIO=4`, "Python/3.11 aiohttp/3.14.5"],
  ["the same with compression", websocket, "Python/3.11 aiohttp/3", { "sec-websocket-extensions": deflate }],
  ["socket_io_client (Dart) in a browser", polling, chromium],
  ["socket_io_client in a browser, with timestamps", `${polling}&t=${wholeTime}`, chromium],
  ["socket_io_client in a browser, or whoever, WebSocket", websocket, chromium, {
    origin: "http://a",
    "sec-websocket-extensions": deflate,
  }],
  ["socket_io_client", websocket, "Dart/3.9 (dart:io)", { "sec-websocket-extensions": deflate }],
  ["socket.io-client-java, React Native", `${polling}&t=PcTb4-a`, "okhttp/4.12.0"],
  ["socket.io-client-java, WebSocket", websocket, "okhttp/4.12.0"],
  ["socket.io-client-swift", polling, "App/1 CFNetwork/1410.0.3 Darwin/22.6.0"],
  ["socket.io-client-swift, WebSocket", websocket, null, {
    origin: "http://a",
    "sec-websocket-extensions": "permessage-deflate; client_max_window_bits; server_max_window_bits=15",
  }],
  ["SocketIOClient (.NET)", `${polling}&t=1763755200123`, null],
  ["SocketIOClient, WebSocket", websocket, null],
  ["gorilla/websocket", websocket, null, {
    "sec-websocket-extensions": "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
  }],
  ["Go", polling, "Go-http-client/1.1"],
  ["nobody", polling, null],
  ["an empty name", polling, ""],
  ["something like it", polling, "node-XMLHttpRequest/2"],
];

for (const [wanted, handshakes] of [[true, ofTheLibrary], [false, ofOthers]] as const) {
  for (const [library, query, agent, more = {}] of handshakes) {
    Deno.test(`${wanted ? "a handshake of the library" : "a handshake of another one"}: ${library}`, () => {
      const headers = new Headers(agent === null ? more : { ...more, "user-agent": agent });
      const request = new Request(`http://localhost/socket.io/?${query}`, { headers });
      assertEquals(isJavaScript(request, new URLSearchParams(query)), wanted);
    });
  }
}

function asked(isJavaScript: boolean, isBare?: boolean): EngineRequest {
  const request = { method: "GET", url: "", headers: {}, connection: { remoteAddress: "" }, _query: {} };
  return { ...request, isJavaScript, ...isBare === undefined ? {} : { isBare } };
}

Deno.test("numbers are for those who ask, and for the library with a CONNECT of its own", () => {
  const library = asked(true, false), bare = asked(true, true), other = asked(false, true);
  for (const request of [library, bare, other]) {
    assertEquals(takesNumbers(request, { recover: true }), true);
    assertEquals(takesNumbers(request, { recover: false }), false);
    assertEquals(takesNumbers(request, { recover: false, pid: "p", offset: "1" }), false);
  }
  assertEquals(takesNumbers(bare, {}), true);
  assertEquals(takesNumbers(other, {}), false);
  assertEquals(takesNumbers(library, {}), false, "python-socketio says {}");
  assertEquals(takesNumbers(asked(true), {}), false);
  assertEquals(takesNumbers(library, { token: "t" }), false);
  assertEquals(takesNumbers(library, { pid: "p", offset: "1" }), true);
  assertEquals(takesNumbers(other, { pid: "p", offset: "1" }), false);
  assertEquals(takesNumbers(library, { pid: "p", offset: "1", token: "t" }), false);
  assertEquals(takesNumbers(library, { pid: "p", offset: null }), false, "Dart's");
  assertEquals(takesNumbers(library, { pid: 1, offset: "1" }), false);
  for (const recover of [null, 0, 1, "true", {}]) assertEquals(takesNumbers(library, { recover }), false);
});

Deno.test("a CONNECT of somebody who comes back without an offset gets an empty one, any other stays as it is", () => {
  assertEquals(withOffset('0{"pid":"p"}'), '0{"pid":"p","offset":""}');
  assertEquals(withOffset('0{"pid":"p","token":"t"}'), '0{"pid":"p","token":"t","offset":""}');
  const long = `0{"pid":"${"x".repeat(10_000)}"}`;
  for (
    const packet of [
      "0",
      "0{}",
      "0/a,",
      '0{"pid":"p","offset":"7"}',
      '0{"pid":"p","offset":null}',
      '0{"pid":5}',
      long,
    ]
  ) assertEquals(withOffset(packet), packet);
  for (const packet of ['0{"pid":"p"', '0{"pid":"p"}}', '0{"pid":"']) {
    assertEquals(withOffset(packet), packet);
  }
});
