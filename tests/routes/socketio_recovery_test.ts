/** Coming back to what was missed, message by message: who may, to what, and what a made-up claim brings.
 *
 * Left out: the same by the client library (socketio_test.ts). @module */
import { assert, assertEquals } from "@std/assert";
import { eventually } from "../eventually.ts";
import { SocketIoGround } from "./socketio_ground.ts";

/** A connection on which a test says what it likes. */
class RawClient {
  readonly messages: string[] = [];
  readonly #socket: WebSocket;
  readonly #closed = Promise.withResolvers<void>();
  sid = "";
  pid = "";

  private constructor(ground: SocketIoGround) {
    const url = `ws://127.0.0.1:${ground.port}/socket.io/?EIO=4&transport=websocket`;
    this.#socket = new WebSocket(url);
    this.#socket.onmessage = ({ data }) => void this.messages.push(data);
    this.#socket.onclose = () => this.#closed.resolve();
  }

  /** @param claim what it says of itself */
  static async open(ground: SocketIoGround, claim: object): Promise<RawClient> {
    const client = new RawClient(ground);
    await client.message("0{");
    client.say(`40${JSON.stringify(claim)}`);
    const welcome = await client.message("40{");
    return Object.assign(client, JSON.parse(welcome.slice(2)));
  }

  say(text: string): void {
    this.#socket.send(text);
  }

  /** Waits for a message that starts so. */
  async message(start: string): Promise<string> {
    return await eventually(start, () => this.messages.find((one) => one.startsWith(start)));
  }

  get events(): unknown[][] {
    return this.messages.filter((one) => one.startsWith("42")).map((one) => JSON.parse(one.slice(2)));
  }

  async close(): Promise<void> {
    this.#socket.close();
    await this.#closed.promise;
  }
}

/** A client in the room of `a`, cut off after its first event. */
async function cutOff(ground: SocketIoGround): Promise<RawClient> {
  const client = await RawClient.open(ground, { recover: true });
  client.say('421["register_room",{"rooms":["a"]}]');
  client.say('422["consume_1_min_aggregations",{}]');
  await client.message("432");
  ground.windows.close("1m", "a", 1);
  await client.message("42[");
  await client.close();
  await eventually("its end", () => ground.connections.size === 0);
  return client;
}

Deno.test("who comes back is who it was, with what it missed; nobody else comes back as it", async () => {
  await using ground = new SocketIoGround();
  const before = await cutOff(ground), offset = before.events[0]!.at(-1);
  ground.windows.close("1m", "a", 2);
  const back = await RawClient.open(ground, { pid: before.pid, offset });
  assertEquals([back.sid, back.pid], [before.sid, before.pid]);
  assertEquals(back.events.map(([, data]) => data), [{ id: "a", count: 2 }]);
  ground.windows.close("1m", "a", 3);
  await eventually("the next one", () => back.events.length === 2);
  const again = await RawClient.open(ground, { pid: before.pid, offset });
  assert(again.sid !== before.sid, "two clients are one");
  assertEquals(again.events, []);
  await Promise.all([back.close(), again.close()]);
});

Deno.test("an event that was on its way when the connection broke comes again", async () => {
  await using ground = new SocketIoGround();
  const before = await cutOff(ground), [, , first] = before.events[0] as [string, object, string];
  // It says that it has not seen the last one.
  const back = await RawClient.open(ground, { pid: before.pid, offset: String(Number(first) - 1) });
  assertEquals([back.sid, back.events.map(([, data]) => data)], [before.sid, [{ id: "a", count: 1 }]]);
  await back.close();
});

Deno.test("claims that are made up, or too old for what is kept, begin afresh", async () => {
  await using ground = new SocketIoGround();
  const claims: unknown[] = ["", "x", "-7", "2", "1e9", "1.5", "NaN", "Infinity", 1, null, {}];
  for (const offset of claims) {
    const before = await cutOff(ground), seen = Number(before.events[0]!.at(-1));
    const made = offset === "2" ? String(seen + 1) : offset;
    const back = await RawClient.open(ground, { pid: before.pid, offset: made });
    assert(back.sid !== before.sid, `it came back with ${JSON.stringify(made)}`);
    await back.close();
  }
  const before = await cutOff(ground), offset = before.events[0]!.at(-1);
  for (let n = 0; n <= 20_000; n++) ground.windows.close("1m", "a", 1);
  const back = await RawClient.open(ground, { pid: before.pid, offset });
  assert(back.sid !== before.sid, "what it missed is not kept any more");
  await back.close();
});
