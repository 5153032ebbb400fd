import { assert, assertEquals } from "@std/assert";
import { type Positions, type StartAt, unknownOffset } from "../../kafka/cursor.ts";
import { silentLogger } from "../../logger.ts";
import { ViewerPositions, type ViewerPositionsOptions } from "../../routes/viewer_positions.ts";
import { eventually, pause, quickly, within } from "../eventually.ts";
import { BrokerProxy } from "../kafka/broker_proxy.ts";
import { connect, TestBroker } from "../kafka/test_broker.ts";

const offsetCommitApi = 8, offsetFetchApi = 9;

/** Positions of viewers on a broker with a proxy before it. */
class Ground implements AsyncDisposable {
  readonly #parts = new AsyncDisposableStack();
  broker!: TestBroker;
  proxy!: BrokerProxy;
  positions!: ViewerPositions;

  static async open(options: Partial<ViewerPositionsOptions> = {}): Promise<Ground> {
    const ground = new Ground(), parts = ground.#parts;
    ground.broker = parts.use(await TestBroker.open());
    ground.proxy = parts.use(new BrokerProxy({ hostname: "127.0.0.1", port: ground.broker.broker.port }));
    const kafka = parts.use(connect(ground.proxy.bootstrap));
    ground.positions = parts.use(
      new ViewerPositions({ kafka, log: silentLogger, retryMs: 50, ...options }),
    );
    await ground.broker.createTopic("t", 2);
    return ground;
  }

  get commits(): number {
    return this.proxy.count(offsetCommitApi);
  }

  /** What the broker has for a viewer, of partition 0 and on. */
  committed(viewer: string, topic = "t"): number[] {
    return this.broker.broker.state.offsets.fetchAll(`viewer-${viewer}`)
      .filter((found) => found.topic === topic)
      .toSorted((a, b) => a.partition - b.partition)
      .map(({ offset }) => offset);
  }

  async hasCommitted(viewer: string, wanted: readonly number[]): Promise<void> {
    const seen = () => this.committed(viewer);
    await eventually(`the commit of ${wanted}`, () => `${seen()}` === `${wanted}`, 30_000, seen);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

function positionsOf(start: StartAt | null): Positions | null {
  return start?.kind === "id" ? start.positions : null;
}

Deno.test("a viewer is new once; after that it goes on where it was, in each topic by itself", async () => {
  await using ground = await Ground.open();
  const { positions } = ground;
  await ground.broker.createTopic("other");
  const first = positions.open("a", "t");
  assertEquals(await first.start, null);
  first.moved([3, 4]);
  first.close();
  await positions.flush();
  assertEquals(ground.committed("a"), [3, 4]);
  assertEquals(positions.size, 0, "nothing is kept in memory");
  for (
    const [viewer, topic, wanted] of [["a", "t", [3, 4]], ["a", "other", null], ["b", "t", null]] as const
  ) {
    const session = positions.open(viewer, topic);
    assertEquals(positionsOf(await session.start), wanted, `${viewer} ${topic}`);
    session.close();
  }
  assertEquals(positions.size, 0);
});

Deno.test("a position is committed once per interval at most, and only when it has changed", async () => {
  await using ground = await Ground.open({ commitEveryMs: 400 });
  const { positions } = ground;
  const session = positions.open("a", "t");
  await session.start;
  const began = performance.now();
  let last = 0;
  while (last < 200 || ground.commits < 2) {
    session.moved([++last, 0]);
    await pause(5);
  }
  const intervals = (performance.now() - began) / 400;
  assert(ground.commits <= Math.ceil(intervals) + 1, `${ground.commits} in ${intervals}`);
  await ground.hasCommitted("a", [last, 0]);
  const { commits } = ground;
  session.moved([last, 0]);
  await pause(50);
  assertEquals(ground.commits, commits, "not changed");
});

Deno.test("a position is committed at once when its connection closes, however long the interval is", async () => {
  await using ground = await Ground.open({ commitEveryMs: 1e9 });
  const { positions } = ground;
  const session = positions.open("a", "t");
  await session.start;
  session.moved([200, 0]);
  await ground.hasCommitted("a", [200, 0]);
  const { commits } = ground;
  session.moved([201, 0]);
  session.moved([202, 0]);
  session.close();
  await within("the commit", 30_000, positions.flush());
  assertEquals(ground.committed("a"), [202, 0]);
  assertEquals(ground.commits, commits + 1);
  session.moved([203, 0]);
  session.close();
  await positions.flush();
  assertEquals(ground.commits, commits + 1, "closed is closed");
});

Deno.test("a place is worked out only when it is to be committed, and is the one of the move", async () => {
  await using ground = await Ground.open({ commitEveryMs: 200 });
  const { positions } = ground;
  const session = positions.open("a", "t");
  await session.start;
  let asked = 0;
  for (let next = 1; next <= 100; next++) {
    session.moved(() => {
      asked++;
      return [next, 0];
    });
    await pause(4);
  }
  session.close();
  await positions.flush();
  assertEquals(ground.committed("a"), [100, 0]);
  assert(asked <= 2 * ground.commits, `${asked} times for ${ground.commits} commits`);
});

Deno.test("a viewer that has moved nowhere commits nothing", async () => {
  await using ground = await Ground.open();
  const { positions } = ground;
  for (let n = 0; n < 3; n++) {
    const session = positions.open("a", "t");
    await session.start;
    session.close();
  }
  const session = positions.open("a", "t");
  await session.start;
  session.moved([unknownOffset, unknownOffset]);
  session.close();
  await positions.flush();
  assertEquals([ground.commits, positions.size], [0, 0]);
});

Deno.test("of two connections the one opened last owns the position; when it closes, the one before owns it again", async () => {
  await using ground = await Ground.open({ commitEveryMs: 0 });
  const { positions } = ground;
  const first = positions.open("a", "t");
  await first.start;
  first.moved([5, 5]);
  await ground.hasCommitted("a", [5, 5]);
  const second = positions.open("a", "t");
  assertEquals(positionsOf(await second.start), [5, 5]);
  first.moved([9, 9]);
  await pause(50);
  assertEquals(ground.committed("a"), [5, 5], "the first one is not asked any more");
  second.moved([6, 5]);
  await ground.hasCommitted("a", [6, 5]);
  first.moved([10, 10]);
  second.moved([7, 5]);
  second.close();
  await positions.flush();
  assertEquals(ground.committed("a"), [7, 5], "where the last one was, until the first one moves");
  first.moved([11, 10]);
  await ground.hasCommitted("a", [11, 10]);

  const third = positions.open("a", "t");
  await third.start;
  first.close();
  await positions.flush();
  third.moved([12, 10]);
  third.close();
  await positions.flush();
  assertEquals(ground.committed("a"), [12, 10], "one that is closed before is not waited for");
  assertEquals(positions.size, 0);
});

Deno.test("who comes back before Kafka has the position goes on from what is known here", async () => {
  await using ground = await Ground.open();
  const { positions, proxy } = ground;
  const first = positions.open("a", "t");
  await first.start;
  const gate = Promise.withResolvers<"pass">();
  proxy.onRequest = ({ api }) => api === offsetCommitApi ? gate.promise : "pass";
  first.moved([1, 1]);
  await eventually("the commit on its way", () => ground.commits === 1);
  first.moved([2, 1]);
  first.close();
  const fetches = proxy.count(offsetFetchApi);
  const second = positions.open("a", "t");
  assertEquals(positionsOf(await second.start), [2, 1]);
  assertEquals(proxy.count(offsetFetchApi), fetches, "Kafka is not asked");
  gate.resolve("pass");
  second.close();
  await positions.flush();
  assertEquals(ground.committed("a"), [2, 1]);
});

Deno.test("of two instances the last commit wins, and each sees what the other committed", async () => {
  await using ground = await Ground.open({ commitEveryMs: 0 });
  await using kafka = connect(ground.broker.bootstrap);
  await using other = new ViewerPositions({ kafka, log: silentLogger, commitEveryMs: 0 });
  const { positions } = ground;
  const idle = positions.open("a", "t");
  await idle.start;
  idle.moved([5, 5]);
  await ground.hasCommitted("a", [5, 5]);
  const elsewhere = other.open("a", "t");
  assertEquals(positionsOf(await elsewhere.start), [5, 5]);
  elsewhere.moved([9, 6]);
  await ground.hasCommitted("a", [9, 6]);
  for (let times = 0; times < 2; times++) {
    const back = positions.open("a", "t");
    assertEquals(positionsOf(await back.start), [9, 6], "though the first instance knew another place");
    back.close();
  }
  idle.moved([5, 5]);
  await ground.hasCommitted("a", [5, 5]);
  elsewhere.close();
  await other.flush();
  assertEquals(ground.committed("a"), [5, 5], "who has not moved commits nothing when it closes");
});

Deno.test("a start waits while Kafka is away, and is none for who leaves before", async () => {
  await using ground = await Ground.open();
  const { positions, proxy } = ground;
  const before = positions.open("a", "t");
  await before.start;
  before.moved([4, 0]);
  before.close();
  await positions.flush();
  await proxy.stop();
  const leaving = positions.open("b", "t"), waiting = positions.open("a", "t");
  let told = false;
  waiting.start.then(() => told = true);
  await pause(150);
  assertEquals(told, false);
  leaving.close();
  assertEquals(await leaving.start, null);
  proxy.start();
  assertEquals(positionsOf(await waiting.start), [4, 0]);
  waiting.close();
  assertEquals(positions.size, 0);
});

Deno.test("while Kafka is away the newest position waits, alone, and is committed when it is back", async () => {
  await using ground = await Ground.open({ commitEveryMs: 10 });
  const { positions, proxy } = ground;
  const viewers = Array.from({ length: 100 }, (_, n) => `v${n}`);
  const sessions = viewers.map((viewer) => positions.open(viewer, "t"));
  await Promise.all(sessions.map(({ start }) => start));
  await proxy.stop();
  for (let next = 1; next <= 50; next++) {
    for (const session of sessions) session.moved([next, next]);
    await pause(2);
  }
  for (const session of sessions) session.close();
  assertEquals(positions.size, 100);
  const { commits } = ground;
  proxy.start();
  await positions.flush();
  for (const viewer of viewers) assertEquals(ground.committed(viewer), [50, 50]);
  const more = ground.commits - commits - viewers.length;
  assert(more >= 0 && more <= 32, `${more} more: those that were being tried when Kafka came back`);
  assertEquals(positions.size, 0);
});

Deno.test("of more positions than may wait those that were left first are given up", async () => {
  await using ground = await Ground.open({ maxLeft: 3 });
  const { positions, proxy } = ground;
  const sessions = Array.from({ length: 6 }, (_, n) => positions.open(`v${n}`, "t"));
  await Promise.all(sessions.map(({ start }) => start));
  await proxy.stop();
  for (const session of sessions) {
    session.moved([1, 1]);
    session.close();
  }
  assertEquals(positions.size, 3);
  proxy.start();
  await positions.flush();
  assertEquals(sessions.map((_, n) => ground.committed(`v${n}`).length), [0, 0, 0, 2, 2, 2]);
});

Deno.test("what Kafka refuses is not tried again, until the viewer moves on", async () => {
  await using ground = await Ground.open({ commitEveryMs: 10 });
  const { positions } = ground;
  const session = positions.open("a", "later");
  await session.start;
  session.moved([1]);
  await eventually("a commit", () => ground.commits === 1);
  await pause(150);
  assertEquals(ground.commits, 1);
  await ground.broker.createTopic("later");
  session.moved([2]);
  session.close();
  await positions.flush();
  assertEquals(ground.committed("a", "later"), [2]);
});

Deno.test("a position of which some partitions are not known leaves these as they were", async () => {
  await using ground = await Ground.open({ commitEveryMs: 0 });
  const { positions } = ground;
  const session = positions.open("a", "t");
  session.moved([3, 4]);
  await ground.hasCommitted("a", [3, 4]);
  session.moved([unknownOffset, 5]);
  await ground.hasCommitted("a", [3, 5]);
  session.moved([3, unknownOffset]);
  session.close();
  await positions.flush();
  assertEquals(ground.committed("a"), [3, 5]);
});

Deno.test("closing it ends in time whatever waits for Kafka", async () => {
  await quickly("the end", 2_000, async (watch) => {
    const ground = await Ground.open({ retryMs: 60_000 });
    const { positions, proxy } = ground;
    const moved = positions.open("a", "t");
    await moved.start;
    const asked = proxy.requests.length;
    proxy.onAnswer = () => "drop";
    moved.moved([1, 1]);
    moved.close();
    const opening = positions.open("b", "t");
    await eventually("what they ask", () => proxy.requests.length > asked);
    watch.start();
    await ground[Symbol.asyncDispose]();
    assertEquals(await opening.start, null);
  });
});
