/** What no client library of Socket.IO would send: handshakes that are wrong, polls that overlap, upgrades that race, rubbish.
 *
 * Each test ends with the service as it was: a real client comes, is sent a window, and goes. @module */
import { assert, assertEquals } from "@std/assert";
import { eventually } from "../eventually.ts";
import { Random } from "../random.ts";
import { RawSocket, textFrame } from "./raw_socket.ts";
import { SocketIoGround } from "./socketio_ground.ts";

const polling = "EIO=4&transport=polling", websocket = "EIO=4&transport=websocket";

async function asked(ground: SocketIoGround, query: string, init: RequestInit = {}) {
  const response = await fetch(`${ground.url}/socket.io/?${query}`, init);
  return { status: response.status, text: await response.text() };
}

/** @returns the query of a session's further requests */
async function session(ground: SocketIoGround): Promise<string> {
  const { text } = await asked(ground, polling);
  return `${polling}&sid=${JSON.parse(text.slice(1)).sid}`;
}

async function post(ground: SocketIoGround, query: string, body: string): Promise<number> {
  return (await asked(ground, query, { method: "POST", body })).status;
}

/** @returns a socket's messages until it is closed, and what sends it */
async function socketOf(ground: SocketIoGround, query = websocket) {
  const socket = new WebSocket(`ws://127.0.0.1:${ground.port}/socket.io/?${query}`);
  const messages: string[] = [], closed = Promise.withResolvers<void>();
  socket.onmessage = ({ data }) => void messages.push(data);
  socket.onerror = () => {};
  socket.onclose = () => closed.resolve();
  const opened = Promise.withResolvers<void>();
  socket.onopen = () => opened.resolve();
  await Promise.race([opened.promise, closed.promise]);
  return { socket, messages, closed: closed.promise };
}

/** A call that is refused by a long answer, as a frame masked with zeros. */
const callFrame = (() => {
  const text = new TextEncoder().encode(`421["register_room",{"rooms":["${"\\u0000".repeat(80)}"]}]`);
  return new Uint8Array([
    0x80 | textFrame,
    0x80 | 126,
    text.length >> 8,
    text.length & 255,
    0,
    0,
    0,
    0,
    ...text,
  ]);
})();

/** The service serves those who come. */
async function checkServes(ground: SocketIoGround): Promise<void> {
  const client = await ground.client({ transports: ["websocket"] }).connected();
  await client.wants(["a"], "1_min");
  ground.windows.close("1m", "a", 1);
  assertEquals(await client.has(1), [["live_aggregations_1", { id: "a", count: 1 }]]);
  await client.end();
}

Deno.test("handshakes that are wrong are answered by the protocol's codes", async () => {
  await using ground = new SocketIoGround();
  const code = async (query: string, init: RequestInit = {}) => {
    const { status, text } = await asked(ground, query, init);
    assertEquals(status, 400, text);
    return JSON.parse(text).code;
  };
  assertEquals(await code(""), 0);
  assertEquals(await code("EIO=4&transport=webtransport"), 0);
  assertEquals(await code("EIO=4&transport=__proto__"), 0);
  for (const sid of ["nobody", "__proto__", "constructor", "toString", "x".repeat(5_000), "%00"]) {
    assertEquals(await code(`${polling}&sid=${sid}`), 1);
    assertEquals(await code(`${polling}&sid=${sid}`, { method: "POST", body: "40" }), 1);
  }
  assertEquals(await code(polling, { method: "POST", body: "40" }), 2);
  assertEquals(await code(websocket), 3);
  assertEquals(await code("transport=polling"), 5);
  assertEquals(await code("EIO=3&transport=polling"), 5);
  assertEquals(await code("EIO=5&transport=polling"), 5);
  assertEquals(ground.connections.size, 0);
  for (const method of ["PUT", "DELETE", "PATCH"]) {
    assertEquals((await asked(ground, polling, { method })).status, 405);
  }
  assertEquals((await asked(ground, polling, { method: "HEAD" })).status, 400);
  assertEquals((await asked(ground, polling, { method: "OPTIONS" })).status, 204);
  assertEquals(ground.connections.size, 0);
  await checkServes(ground);
});

Deno.test("sessions are told apart by names that nobody guesses", async () => {
  await using ground = new SocketIoGround();
  const names = new Set<string>();
  for (let n = 0; n < 100; n++) names.add((await session(ground)).slice(`${polling}&sid=`.length));
  assertEquals(names.size, 100);
  assert([...names].every((name) => name.length >= 20));
  assertEquals(new Set([...names].map((name) => name.slice(0, 10))).size, 100, "they begin alike");
});

Deno.test("a poll beside a poll, and a post beside a post, end the session", async () => {
  await using ground = new SocketIoGround();
  const query = await session(ground);
  await post(ground, query, "40");
  await asked(ground, query); // the answer to it
  const waiting = asked(ground, query);
  const second = await eventually("an overlap", async () => {
    const answer = await asked(ground, query);
    return answer.status === 400 ? answer : undefined;
  });
  assertEquals((await waiting).status, 200);
  assertEquals(second.status, 400);
  assertEquals(ground.connections.size, 0);

  const other = await session(ground), held = Promise.withResolvers<void>();
  const slow = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode("4")),
    pull: async (controller) => {
      await held.promise;
      controller.close();
    },
  }, { highWaterMark: 2 });
  const init = { method: "POST", body: slow, duplex: "half" } as RequestInit;
  const first = asked(ground, other, init).catch(() => null);
  await eventually("another post to be refused", async () => await post(ground, other, "3") === 400);
  held.resolve();
  await first;
  assertEquals(ground.connections.size, 0);
  await checkServes(ground);
});

Deno.test("a poll that breaks off ends its session", async () => {
  await using ground = new SocketIoGround();
  const query = await session(ground), abort = new AbortController();
  await post(ground, query, "40");
  await asked(ground, query);
  const response = await fetch(`${ground.url}/socket.io/?${query}`, { signal: abort.signal });
  assertEquals(ground.connections.size, 1);
  abort.abort();
  await response.body?.cancel().catch(() => {});
  await eventually("its end", () => ground.connections.size === 0);
  assertEquals((await asked(ground, query)).status, 400);
});

Deno.test("of sockets that race for a session one gets it", async () => {
  await using ground = new SocketIoGround();
  const query = await session(ground);
  await post(ground, query, "40");
  await asked(ground, query);
  const sid = query.split("sid=")[1];
  const racing = await Promise.all(
    [1, 2, 3, 4].map(() => socketOf(ground, `${websocket}&sid=${sid}`)),
  );
  const open = racing.filter(({ socket }) => socket.readyState === WebSocket.OPEN);
  assertEquals(open.length, 1);
  const [{ socket, messages, closed }] = open as [typeof open[0]];
  const poll = asked(ground, query);
  socket.send("2probe");
  assertEquals((await poll).text, "6");
  assertEquals(messages, ["3probe"]);
  socket.send("5");
  socket.send('420["register_room",{"rooms":["a"]}]');
  await eventually("an answer over the socket", () => messages.includes('430[{"rooms":1}]'));
  assertEquals((await asked(ground, query)).status, 400, "a poll after the upgrade");
  const late = await socketOf(ground, `${websocket}&sid=${sid}`);
  assertEquals(late.socket.readyState, WebSocket.CLOSED);
  assertEquals(ground.connections.size, 1);
  socket.close();
  await closed;
  await Promise.all(racing.map((one) => one.closed));
  await eventually("its end", () => ground.connections.size === 0);
});

Deno.test("bodies and messages that are too long, and bytes, end with nothing kept", async () => {
  await using ground = new SocketIoGround({ maxBodyBytes: 2_000_000 });
  const query = await session(ground);
  assertEquals(await post(ground, query, `42${"x".repeat(1_000_001)}`), 413);
  assertEquals(await post(ground, query, `42${"x".repeat(2_000_001)}`), 413);
  assertEquals(await post(ground, query, "bAAAA"), 200);
  assertEquals((await asked(ground, query)).status, 400);
  const many = await session(ground);
  await post(ground, many, new Array(20_000).fill("6").join("\x1e"));
  assertEquals((await asked(ground, many)).status, 400);
  for (const message of ["4".repeat(1_000_001), new Uint8Array(10)]) {
    const { socket, closed } = await socketOf(ground);
    socket.send(message);
    await closed;
  }
  await eventually("nobody", () => ground.connections.size === 0);
  await checkServes(ground);
});

Deno.test("who connects again and again, or reads no answer, is cut off", async () => {
  await using ground = new SocketIoGround();
  const again = await session(ground);
  await post(ground, again, new Array(17).fill("40").join("\x1e"));
  assertEquals((await asked(ground, again)).status, 400);

  const unread = await session(ground), namespace = `40/${"x".repeat(400_000)},`;
  let posted = 0;
  while (await post(ground, unread, namespace) === 200) posted++;
  assert(posted >= 9 && posted <= 12, `${posted} answers of 400 KB were kept`);

  // One that writes and never reads: its answers fill the system's buffers, then what may wait here.
  const raw = await RawSocket.upgrade(ground.port, `/socket.io/?${websocket}`);
  await raw.frame(textFrame, "40");
  const opened = new TextDecoder().decode((await raw.next())!.payload), { sid } = JSON.parse(opened.slice(1));
  assert(new TextDecoder().decode((await raw.next())!.payload).startsWith("40{"));
  const calls = new Uint8Array(100 * callFrame.length);
  for (let n = 0; n < 100; n++) calls.set(callFrame, n * callFrame.length);
  const writing = (async () => {
    while (true) await raw.write(calls);
  })().catch(() => {}); // nobody reads it after the cut
  await eventually("to be cut off", async () => {
    return JSON.parse((await asked(ground, `${polling}&sid=${sid}`)).text).code === 1;
  }, 30_000);
  raw[Symbol.dispose]();
  await writing;
  await eventually("nobody", () => ground.connections.size === 0);
  await checkServes(ground);
});

/** Packets, right and nearly so. */
const rubbish = [
  ...[
    "",
    "0",
    "1",
    "2",
    "2probe",
    "3",
    "4",
    "5",
    "6",
    "7",
    "40",
    "40{}",
    '40{"recover":true}',
    "40/other,",
    "41",
  ],
  ...[
    "42",
    "421",
    '42["error","x"]',
    '42["connect"]',
    '42["disconnect"]',
    '42["disconnecting"]',
    "42[5]",
    "42[]",
  ],
  ...[
    '42["newListener"]',
    '42["__proto__",{}]',
    '42{"a":1}',
    "42null",
    "43[]",
    "431[]",
    "44",
    '44{"a":1}',
    "451-[]",
  ],
  ...[
    '451-["register_room",{"_placeholder":true,"num":0}]',
    "45999999999-[]",
    "46",
    "48",
    "4x",
    "bAAAA",
    "b",
    "\ud800",
  ],
  ...[
    '421["register_room"]',
    '42["register_room",null]',
    '42["register_room",{"rooms":{"length":-1}}]',
    "42[[[[[[[",
  ],
  ...['42["register_room",{"rooms":["a"]},1,2]', '429999999999999999999["register_room",{"rooms":["b"]}]'],
  ...['42["consume_1_min_aggregations",[]]', '42["consume_1_min_aggregations","__proto__"]', '42[{"a":1}]'],
  ...[
    '40{"pid":"x","offset":"y"}',
    '40{"pid":5,"offset":{}}',
    '40{"pid":"__proto__","offset":"1e999"}',
    '42["bye"]',
  ],
  ...[
    '40{"__proto__":{"recover":true}}',
    `42["${"[".repeat(5_000)}"]`,
    `42${"[".repeat(50_000)}`,
    "40,",
    "4/,",
  ],
];

Deno.test("rubbish over both transports harms nobody else", async () => {
  await using ground = new SocketIoGround({ heartbeatMs: 4_000 });
  const random = new Random("packets"),
    witness = await ground.client({ transports: ["websocket"] }).connected();
  await witness.wants(["a"], "1_min");
  const pick = () => rubbish[random.between(0, rubbish.length - 1)]!;
  for (let round = 1; round <= 60; round++) {
    const packets = Array.from({ length: 1 + random.between(0, 11) }, pick);
    if (random.between(0, 3) > 0) packets.unshift("40");
    if (random.between(0, 1) === 0) {
      const query = await session(ground), body = packets.join("\x1e");
      await post(ground, query, body);
      const abort = new AbortController();
      const poll = fetch(`${ground.url}/socket.io/?${query}`, { signal: abort.signal });
      await (await poll).body?.cancel();
    } else {
      const { socket, closed } = await socketOf(ground);
      for (const packet of packets) if (socket.readyState === WebSocket.OPEN) socket.send(packet);
      socket.close();
      await closed;
    }
    ground.windows.close("1m", "a", round);
  }
  assertEquals((await witness.has(60)).map(([, data]) => (data as { count: number }).count).at(-1), 60);
  await witness.end();
  await eventually("nobody", () => ground.connections.size === 0, 30_000, () => ground.connections.size);
  await checkServes(ground);
});
