/** Coming back to what was missed, message by message: who may, to what, and what a made-up claim brings.
 *
 * Left out: the same by the client library (socketio_test.ts), and at random (socketio_recovery_model_test.ts). @module */
import { assert, assertEquals } from "@std/assert";
import { RecoveringAdapter } from "../../routes/socketio_recovery.ts";
import { eventually } from "../eventually.ts";
import { SocketIoGround } from "./socketio_ground.ts";
import { RawClient } from "./socketio_raw_client.ts";

/** A client in the room of `a`, after its first event. */
async function inRoom(ground: SocketIoGround): Promise<RawClient> {
  const client = await RawClient.open(ground, { recover: true });
  client.say('421["register_room",{"rooms":["a"]}]');
  client.say('422["consume_1_min_aggregations",{}]');
  await client.message("432");
  ground.windows.close("1m", "a", 1);
  await client.message("42[");
  return client;
}

/** The same, cut off. */
async function cutOff(ground: SocketIoGround): Promise<RawClient> {
  const client = await inRoom(ground);
  await client.close();
  await eventually("its end", () => ground.connections.size === 0);
  return client;
}

function counts(client: RawClient): unknown[] {
  return client.events.map(([, data]) => (data as { count?: number }).count);
}

Deno.test("who comes back is who it was, with what it missed", async () => {
  await using ground = new SocketIoGround();
  const before = await cutOff(ground), offset = before.events[0]!.at(-1);
  ground.windows.close("1m", "a", 2);
  const back = await RawClient.open(ground, { pid: before.pid, offset });
  assertEquals([back.sid, back.pid], [before.sid, before.pid]);
  ground.windows.close("1m", "a", 3);
  await eventually("the next one", () => back.events.length === 2);
  assertEquals(counts(back), [2, 3]);
  await back.close();
});

Deno.test("who is back before its old connection is known to be broken takes its place", async () => {
  await using ground = new SocketIoGround();
  const before = await inRoom(ground), offset = before.events[0]!.at(-1);
  ground.windows.close("1m", "a", 2); // into a connection that nobody reads any more, as it were
  const back = await RawClient.open(ground, { pid: before.pid, offset });
  await before.closed;
  assertEquals([back.sid, counts(back)], [before.sid, [2]]);
  await eventually("the old one to be gone", () => ground.connections.size === 1);
  ground.windows.close("1m", "a", 3);
  await eventually("the next one", () => back.events.length === 2);
  assertEquals(counts(back), [2, 3]);
  const again = await RawClient.open(ground, { pid: before.pid, offset: back.events[1]!.at(-1) });
  await back.closed;
  assertEquals([again.sid, counts(again)], [before.sid, []]);
  await again.close();
});

Deno.test("of two who come back as the same one at once, one does", async () => {
  await using ground = new SocketIoGround();
  const before = await cutOff(ground), claim = { pid: before.pid, offset: before.events[0]!.at(-1) };
  const asked = async (query: string, init: RequestInit = {}) =>
    await (await fetch(`${ground.url}/socket.io/?EIO=4&transport=polling${query}`, init)).text();
  const query = `&sid=${JSON.parse((await asked("")).slice(1)).sid}`, connect = `40${JSON.stringify(claim)}`;
  await asked(query, { method: "POST", body: `${connect}\x1e${connect}` });
  const welcomes: string[] = [];
  while (welcomes.length < 2) welcomes.push(...(await asked(query)).split("\x1e"));
  const sids = welcomes.map((one) => JSON.parse(one.slice(2)).sid);
  assertEquals([sids.length, sids.filter((sid) => sid === before.sid).length], [2, 1]);
  await asked(query, { method: "POST", body: "1" });
});

Deno.test("an event that was on its way when the connection broke comes again", async () => {
  await using ground = new SocketIoGround();
  const before = await inRoom(ground), first = before.events[0]!.at(-1);
  ground.windows.close("1m", "a", 2);
  ground.windows.close("1m", "a", 3);
  await eventually("all", () => before.events.length === 3);
  await before.close();
  await eventually("its end", () => ground.connections.size === 0);
  ground.windows.close("1m", "a", 4);
  const back = await RawClient.open(ground, { pid: before.pid, offset: first });
  assertEquals([back.sid, counts(back)], [before.sid, [2, 3, 4]]);
  await back.close();
});

Deno.test("who has none of what it was sent has all of it again, whatever it was told by a service before", async () => {
  for (const offset of [undefined, "1", "99999999999999"]) {
    await using ground = new SocketIoGround();
    const before = await cutOff(ground);
    ground.windows.close("1m", "a", 2);
    const back = await RawClient.open(ground, { pid: before.pid, ...offset && { offset } });
    assertEquals([back.sid, counts(back)], [before.sid, [1, 2]]);
    await back.close();
  }
});

Deno.test("what ends while a client is on its way back is told it, once and in its order", async () => {
  await using ground = new SocketIoGround();
  for (let turn = 0; turn < 12; turn++) {
    const before = await cutOff(ground), offset = before.events[0]!.at(-1);
    ground.windows.close("1m", "a", 2);
    const restore = RecoveringAdapter.prototype.restoreSession;
    // The package goes on in turns that follow each other at once: windows end between two of them.
    RecoveringAdapter.prototype.restoreSession = function (pid, seen) {
      const restored = restore.call(this, pid, seen);
      (async () => {
        for (let n = 0; n < turn; n++) await null;
        ground.windows.close("1m", "a", 3);
      })();
      return restored;
    };
    const back = await RawClient.open(ground, { pid: before.pid, offset });
    RecoveringAdapter.prototype.restoreSession = restore;
    ground.windows.close("1m", "a", 4);
    await eventually("the last one", () => counts(back).at(-1) === 4);
    assertEquals([back.sid, counts(back)], [before.sid, [2, 3, 4]], `${turn} turns later`);
    await back.close();
    await eventually("its end", () => ground.connections.size === 0);
  }
});

Deno.test("claims that are none begin afresh", async () => {
  await using ground = new SocketIoGround();
  for (const offset of ["x", "-7", "1e9", "1.5", "NaN", "Infinity", "1".repeat(16), 1, null, {}, []]) {
    const before = await cutOff(ground);
    const back = await RawClient.open(ground, { pid: before.pid, offset });
    assert(back.sid !== before.sid, `it came back with ${JSON.stringify(offset)}`);
    assertEquals(counts(back), []);
    await back.close();
  }
  for (const pid of ["", "x", "__proto__", 5, null, {}]) {
    const before = await cutOff(ground), offset = before.events[0]!.at(-1);
    const back = await RawClient.open(ground, { pid, offset });
    assert(back.sid !== before.sid, `it came back as ${JSON.stringify(pid)}`);
    await back.close();
  }
});

Deno.test("what is too old for what is kept begins afresh, and waits for nobody", async () => {
  await using ground = new SocketIoGround();
  const before = await cutOff(ground), offset = before.events[0]!.at(-1);
  for (let n = 0; n <= 20_000; n++) ground.windows.close("1m", "a", 1);
  const back = await RawClient.open(ground, { pid: before.pid, offset });
  assert(back.sid !== before.sid, "what it missed is not kept any more");
  await back.close();
  await eventually("its end", () => ground.connections.size === 0);

  const late = await cutOff(ground), now = performance.now;
  performance.now = () => now.call(performance) + 120_001;
  try {
    assert(ground.windows.isWanted("a"));
    ground.windows.close("1m", "a", 1);
    assert(!ground.windows.isWanted("a"), "its room is kept for ever");
  } finally {
    performance.now = now;
  }
  const tooLate = await RawClient.open(ground, { pid: late.pid, offset: late.events[0]!.at(-1) });
  assert(tooLate.sid !== late.sid);
  await tooLate.close();
});

Deno.test("who missed more than half of what is kept has it all, of all its rooms", async () => {
  await using ground = new SocketIoGround();
  const before = await inRoom(ground);
  before.say('423["register_room",{"rooms":["b"]}]');
  await before.message("433");
  await before.close();
  await eventually("its end", () => ground.connections.size === 0);
  for (let n = 0; n < 15_000; n++) ground.windows.close("1m", n % 3 === 0 ? "b" : "a", n + 1);
  const back = await RawClient.open(ground, { pid: before.pid, offset: before.events[0]!.at(-1) });
  assertEquals(counts(back), Array.from({ length: 15_000 }, (_, n) => n + 1));
  await back.close();
});
