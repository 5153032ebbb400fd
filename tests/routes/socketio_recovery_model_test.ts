/** Clients of Socket.IO that are cut off at random, held against what ended in their rooms: each window once, in its order.
 *
 * A client here is what socket.io-client is: it comes back with its secret and the newest number it has, which may be one of a session
 * before. What was on its way when it was cut off it never saw, and its old connection may still be open. A case has a seed, told with a
 * failure. @module */
import { assert, assertEquals } from "@std/assert";
import { eventually } from "../eventually.ts";
import { Random } from "../random.ts";
import { SocketIoGround } from "./socketio_ground.ts";
import { RawClient } from "./socketio_raw_client.ts";

const ids = ["a", "b", "c", "d"], clients = 6, steps = 250;

/** A client with what it saw. */
class Viewer {
  /** Counts of windows that ended in its rooms since it joined them, and those that it saw. */
  wanted: number[] = [];
  seen: number[] = [];
  readonly rooms = new Set<string>();
  #offset: string | undefined;
  #client!: RawClient;

  constructor(readonly ground: SocketIoGround) {}

  /** @returns whether it was recovered */
  async connect(): Promise<boolean> {
    const pid = this.#client?.pid, sid = this.#client?.sid;
    const back = pid ? { pid, ...this.#offset && { offset: this.#offset } } : {};
    this.#client = await RawClient.open(this.ground, pid ? { ...back, recover: true } : { recover: true });
    if (this.#client.sid === sid) return true;
    this.rooms.clear();
    [this.wanted, this.seen] = [[], []];
    return false;
  }

  async join(...rooms: string[]): Promise<void> {
    await this.#client.call("register_room", { rooms });
    await this.#client.call("consume_1_min_aggregations", {});
    for (const room of rooms) this.rooms.add(room);
  }

  /** Is cut off, having seen all but the newest ones.
   * @param lost how many of what came over this connection it did not see
   * @param isKnown whether the service is told */
  async cut(lost: number, isKnown: boolean): Promise<void> {
    if (isKnown) await this.#client.close();
    this.#see(lost);
  }

  /** Waits for all it wants. */
  async caughtUp(): Promise<void> {
    await eventually("all windows", () => this.seen.length + this.#counts().length >= this.wanted.length);
    assertEquals([...this.seen, ...this.#counts()], this.wanted);
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  #counts(): number[] {
    return this.#client.events.map(([, data]) => (data as { count: number }).count);
  }

  #see(lost: number): void {
    const { events } = this.#client, kept = Math.max(0, events.length - lost);
    this.seen.push(...this.#counts().slice(0, kept));
    this.#offset = events[kept - 1]?.at(-1) as string ?? this.#offset;
  }
}

/** @returns how often somebody was recovered, and not */
async function play(seed: string): Promise<[number, number]> {
  await using ground = new SocketIoGround();
  const random = new Random(seed), viewers = Array.from({ length: clients }, () => new Viewer(ground));
  const returns: [number, number] = [0, 0];
  let count = 0;
  const end = () => {
    const id = ids[random.between(0, ids.length - 1)]!;
    ground.windows.close("1m", id, ++count);
    for (const viewer of viewers) if (viewer.rooms.has(id)) viewer.wanted.push(count);
  };
  for (const viewer of viewers) {
    await viewer.connect();
    await viewer.join(...ids.filter(() => random.between(0, 1) === 1));
  }
  for (let step = 0; step < steps; step++) {
    const viewer = viewers[random.between(0, clients - 1)]!, kind = random.between(0, 9);
    if (kind < 6) end();
    else if (kind < 7) await viewer.join(ids[random.between(0, ids.length - 1)]!);
    else if (kind < 8) await viewer.caughtUp();
    else {
      if (random.between(0, 2) === 0) await viewer.caughtUp();
      await viewer.cut(random.between(0, 3), random.between(0, 1) === 1);
      for (let missed = random.between(0, 4); missed > 0; missed--) end();
      const isRecovered = await viewer.connect();
      returns[isRecovered ? 0 : 1]++;
      if (!isRecovered) await viewer.join(ids[random.between(0, ids.length - 1)]!);
    }
  }
  for (const viewer of viewers) await viewer.caughtUp();
  await Promise.all(viewers.map((viewer) => viewer.close()));
  return returns;
}

Deno.test("whoever is cut off at random has each window of its rooms once and in its order, and is recovered", async () => {
  for (let run = 0; run < 5; run++) {
    const [recovered, afresh] = await play(`recovery ${run}`);
    assert(recovered > 0 && afresh === 0, `${recovered} were recovered, ${afresh} began afresh`);
  }
});
