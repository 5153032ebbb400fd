/** Clients of Socket.IO as their own library makes them: over each transport, cut off, coming back, refused.
 *
 * Left out: what no library sends (socketio_payloads_test.ts), browsers (socketio_browser_test.ts), Python
 * (tests/interop/socketio_clients_test.ts). @module */
import { assert, assertEquals } from "@std/assert";
import { eventually } from "../eventually.ts";
import { SocketIoGround, type TestClient } from "./socketio_ground.ts";

const ways = {
  polling: ["polling"],
  websocket: ["websocket"],
  "polling, then websocket": ["polling", "websocket"],
};

for (const [way, transports] of Object.entries(ways)) {
  Deno.test(`${way}: a client is sent the windows of the ids that it registered, of the sizes that it asked for`, async () => {
    await using ground = new SocketIoGround();
    const client = await ground.client({ transports }).connected();
    await client.wants(["a", "b"], "1_min", "10_min");
    ground.windows.close("1m", "a", 3);
    ground.windows.close("5m", "a", 4);
    ground.windows.close("1m", "c", 5);
    ground.windows.close("1m", "b", 0);
    ground.windows.close("1m", "b", 6, false);
    ground.windows.close("10m", "b", 7);
    assertEquals(await client.has(2), [
      ["live_aggregations_1", { id: "a", count: 3 }],
      ["live_aggregations_10", { id: "b", count: 7 }],
    ]);
    await eventually("the last transport", () => client.transport === transports.at(-1));
    ground.windows.close("1m", "a", 8);
    assertEquals((await client.has(3))[2], ["live_aggregations_1", { id: "a", count: 8 }]);
    assertEquals(ground.connections.size, 1);
  });

  Deno.test(`${way}: a client that is told to go comes back, and registers as in the beginning`, async () => {
    const first = new SocketIoGround(), { port } = first;
    const client = first.client({ transports });
    client.socket.on("connect", () => {
      client.socket.emit("register_room", { rooms: ["a"] });
      client.socket.emit("consume_1_min_aggregations", {});
    });
    await eventually("its room", () => first.windows.isWanted("a"));
    await eventually("the last transport", () => client.transport === transports.at(-1));
    first.drain();
    assertEquals(await client.has(1), [["bye", { reason: "draining" }]]);
    await eventually("to be cut off", () => !client.socket.connected);
    await first.end();
    await using second = new SocketIoGround({ port });
    await eventually("its room again", () => second.windows.isWanted("a"));
    second.windows.close("1m", "a", 2);
    assertEquals((await client.has(2))[1], ["live_aggregations_1", { id: "a", count: 2 }]);
    await client.end();
  });
}

Deno.test("both calls may come in either order and again, with or without an acknowledgement", async () => {
  await using ground = new SocketIoGround();
  const client = await ground.client().connected();
  assertEquals(await client.call("consume_1_min_aggregations"), { rooms: 0, event: "live_aggregations_1" });
  assertEquals(await client.call("register_room", { rooms: ["a", "b", "a"] }), { rooms: 2 });
  assertEquals(await client.call("register_room", { rooms: ["b", "c"] }), { rooms: 3 });
  assertEquals(await client.call("consume_1_min_aggregations", {}), {
    rooms: 3,
    event: "live_aggregations_1",
  });
  client.socket.emit("register_room", { rooms: ["d"] });
  await eventually("d", () => ground.windows.isWanted("d"));
  assert(!ground.windows.isWanted("e"));
  for (const id of "abcde") ground.windows.close("1m", id, 1);
  assertEquals((await client.has(4)).map(([, data]) => (data as { id: string }).id), ["a", "b", "c", "d"]);
});

Deno.test("windows of less than a minute have their seconds in the names", async () => {
  await using ground = new SocketIoGround({ sizes: ["30s", "1h"] });
  const client = await ground.client().connected();
  await client.wants(["a"], "30s", "60_min");
  ground.windows.close("30s", "a", 1);
  ground.windows.close("60m", "a", 2);
  assertEquals((await client.has(2)).map(([event]) => event), [
    "live_aggregations_30s",
    "live_aggregations_60",
  ]);
});

Deno.test("what is wrong is told to who asked: ids, their number, the form", async () => {
  await using ground = new SocketIoGround();
  const client = await ground.client().connected();
  const refused = async (data: unknown) =>
    (await client.call("register_room", data) as { error: string }).error;
  for (const data of [null, 5, "a", [], {}, { rooms: "a" }, { rooms: [1] }, { rooms: [null] }]) {
    assertEquals(await refused(data), "invalid-registration");
  }
  for (const id of ["", "a\n", "\0", "x".repeat(257), "\ud800"]) {
    assertEquals(await refused({ rooms: ["good", id] }), "invalid-id");
  }
  const many = Array.from({ length: 10_000 }, (_, n) => `id ${n}`);
  assertEquals(await client.call("register_room", { rooms: many }), { rooms: 10_000 });
  assertEquals(await refused({ rooms: ["one more"] }), "too-many-rooms");
  assertEquals(await client.call("register_room", { rooms: ["id 7"] }), { rooms: 10_000 });
  client.socket.emit("register_room", { rooms: [""] });
  const [[event, told]] = await client.has(1) as [[string, { event: string; error: string }]];
  assertEquals([event, told.event, told.error], ["refused", "register_room", "invalid-id"]);
  assert(!ground.windows.isWanted("good"), "nothing of a call that is refused is registered");
});

Deno.test("who leaves is out of its rooms", async () => {
  await using ground = new SocketIoGround();
  const client = await ground.client().connected();
  await client.wants(["a"], "1_min");
  assert(ground.windows.isWanted("a"));
  client.socket.disconnect();
  await eventually("nobody in the room", () => !ground.windows.isWanted("a"));
  await eventually("no connection", () => ground.connections.size === 0);
});

/** Cuts a client off, and waits until the service knows.
 * @param left sessions that there are then */
async function cutOff(ground: SocketIoGround, client: TestClient, left: number): Promise<void> {
  client.socket.io.engine.close();
  await eventually("to be cut off", () => !client.socket.connected);
  await eventually("the service to know", () => ground.connections.size === left);
}

/** Cut off clients come back when a test says so: what they miss is missed. */
const byHand = { reconnection: false };

async function comeBack(client: TestClient): Promise<void> {
  client.socket.connect();
  await client.connected();
}

for (const [way, transports] of Object.entries(ways)) {
  Deno.test(`${way}: a client that was cut off has what it missed, once, in its order, and only that of its rooms`, async () => {
    await using ground = new SocketIoGround();
    const client = await ground.client({ transports, ...byHand }).connected();
    const other = await ground.client({ transports: ["websocket"], auth: { recover: false } }).connected();
    await eventually("the last transport", () => client.transport === transports.at(-1));
    await client.wants(["a", "b"], "1_min");
    await other.wants(["a", "b"], "1_min");
    ground.windows.close("1m", "a", 1);
    await client.has(1);
    const before = client.socket.id;
    for (let cut = 0; cut < 3; cut++) {
      await cutOff(ground, client, 1);
      assert(ground.windows.isWanted("a"));
      ground.windows.close("1m", "c", 1);
      ground.windows.close("5m", "a", 1);
      ground.windows.close("1m", "b", 3 * cut + 2);
      ground.windows.close("1m", "a", 3 * cut + 3);
      await comeBack(client);
      assertEquals([client.socket.recovered, client.socket.id], [true, before]);
      ground.windows.close("1m", "b", 3 * cut + 4);
      await client.has(3 * cut + 4);
    }
    const counts = Array.from({ length: 10 }, (_, n): [string, unknown] => [
      "live_aggregations_1",
      { id: n % 3 === 2 || n === 0 ? "a" : "b", count: n + 1 },
    ]);
    assertEquals(await client.has(10), counts);
    assertEquals(await other.has(10), counts);
  });

  Deno.test(`${way}: a client that was cut off before it was sent anything comes back, too`, async () => {
    await using ground = new SocketIoGround();
    const client = await ground.client({ transports, ...byHand }).connected();
    await client.wants(["a"], "1_min");
    const before = client.socket.id;
    ground.windows.close("1m", "b", 1);
    await cutOff(ground, client, 0);
    await comeBack(client);
    assertEquals([client.socket.recovered, client.socket.id], [true, before]);
    await cutOff(ground, client, 0);
    ground.windows.close("1m", "a", 1);
    await comeBack(client);
    ground.windows.close("1m", "a", 2);
    const counts = [1, 2].map((count): [string, unknown] => ["live_aggregations_1", { id: "a", count }]);
    assertEquals([client.socket.recovered, await client.has(2)], [true, counts]);
  });
}

Deno.test("numbers are handed to the library and to who asks for them; who refuses them has the data alone, and begins afresh", async () => {
  await using ground = new SocketIoGround();
  const handed = async (auth: Record<string, unknown> | undefined, transport: string) => {
    const options = { transports: [transport], ...byHand, ...auth && { auth } };
    const client = await ground.client(options).connected(), all: unknown[][] = [];
    client.socket.on("live_aggregations_1", (...args) => void all.push(args));
    await client.wants(["a"], "1_min");
    ground.windows.close("1m", "a", 1);
    await client.has(1);
    await cutOff(ground, client, 0);
    ground.windows.close("1m", "a", 2);
    await comeBack(client);
    const wasTold = client.told.length;
    await client.end();
    await eventually("nobody", () => ground.connections.size === 0);
    return { args: all[0]!.length, recovered: client.socket.recovered, told: wasTold };
  };
  for (const transport of ["polling", "websocket"]) {
    for (const auth of [undefined, { recover: true }, { recover: true, token: "t" }]) {
      assertEquals(await handed(auth, transport), { args: 2, recovered: true, told: 2 });
    }
    for (const auth of [{ recover: false }, {}, { token: "t" }]) {
      assertEquals(await handed(auth, transport), { args: 1, recovered: false, told: 1 });
    }
  }
});

Deno.test("after a restart of the service a client begins afresh, and is recovered again from then on", async () => {
  const first = new SocketIoGround(), { port } = first;
  const client = await first.client(byHand).connected();
  await client.wants(["a"], "1_min");
  first.windows.close("1m", "a", 1);
  await client.has(1);
  client.socket.io.engine.close();
  await first.end();
  await using second = new SocketIoGround({ port });
  await comeBack(client);
  assertEquals(client.socket.recovered, false);
  await client.wants(["a"], "1_min");
  await cutOff(second, client, 0);
  second.windows.close("1m", "a", 2);
  await comeBack(client);
  assertEquals(client.socket.recovered, true, "it still has the offset of the service before");
  const counts = [1, 2].map((count): [string, unknown] => ["live_aggregations_1", { id: "a", count }]);
  assertEquals(await client.has(2), counts);
  await client.end();
});

Deno.test("a client that answers no ping is given up, over each transport", async () => {
  await using ground = new SocketIoGround({ heartbeatMs: 60 });
  const polling = await fetch(`${ground.url}/socket.io/?EIO=4&transport=polling`);
  await polling.text();
  const socket = new WebSocket(`ws://127.0.0.1:${ground.port}/socket.io/?EIO=4&transport=websocket`);
  const closed = Promise.withResolvers<void>();
  socket.onclose = () => closed.resolve();
  await closed.promise;
  await eventually("nobody", () => ground.connections.size === 0);
});

Deno.test("as many clients as MAX_CONNECTIONS, however they come; the next one comes in when one has left", async () => {
  await using ground = new SocketIoGround({ maxConnections: 2 });
  const [first] = [
    await ground.client({ transports: ["websocket"] }).connected(),
    await ground.client({ transports: ["polling"] }).connected(),
  ];
  const refused = await fetch(`${ground.url}/socket.io/?EIO=4&transport=polling`);
  assertEquals([refused.status, refused.headers.get("retry-after")], [503, "10"]);
  assertEquals((await refused.json()).code, "too-many-connections");
  const third = ground.client();
  const failed = Promise.withResolvers<Error>();
  third.socket.once("connect_error", failed.resolve);
  await failed.promise;
  first!.socket.disconnect();
  await third.connected();
});

Deno.test("only pages of CORS_ORIGINS read answers, write, and open sockets", async () => {
  await using ground = new SocketIoGround({ corsOrigins: ["https://ours.example"] });
  const handshake = `${ground.url}/socket.io/?EIO=4&transport=polling`;
  const asked = async (origin: string, init: RequestInit = {}, url = handshake) => {
    const response = await fetch(url, { ...init, headers: { origin } });
    const text = await response.text();
    return { status: response.status, allowed: response.headers.get("access-control-allow-origin"), text };
  };
  const ours = await asked("https://ours.example");
  assertEquals([ours.status, ours.allowed], [200, "https://ours.example"]);
  const { sid } = JSON.parse(ours.text.slice(1));
  const theirs = await asked("https://theirs.example");
  assertEquals(theirs.allowed, null);
  const post = { method: "POST", body: "40" }, session = `${handshake}&sid=${sid}`;
  assertEquals((await asked("https://theirs.example", post, session)).status, 403);
  assertEquals((await asked("https://ours.example", post, session)).text, "ok");
  const upgrade = { headers: { origin: "https://theirs.example" }, transports: ["websocket"] };
  const foreign = ground.client({ ...upgrade, extraHeaders: upgrade.headers, reconnection: false });
  const failed = Promise.withResolvers<Error>();
  foreign.socket.once("connect_error", failed.resolve);
  await failed.promise;
  const known = ground.client({
    transports: ["websocket"],
    extraHeaders: { origin: "https://ours.example" },
  });
  await known.connected();
});
