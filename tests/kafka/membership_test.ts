import { assert, assertEquals, assertLess } from "@std/assert";
import { GroupMembership } from "../../kafka/membership.ts";
import { createLogger, type Logger, silentLogger } from "../../logger.ts";
import { eventually, pause } from "../eventually.ts";
import { Random } from "../random.ts";
import { BrokerProxy, type Frame } from "./broker_proxy.ts";
import { connect, TestBroker } from "./test_broker.ts";
import { assertOneOwner, TestMember } from "./test_member.ts";

const findCoordinatorApi = 10, joinGroupApi = 11, heartbeatApi = 12, leaveGroupApi = 13, syncGroupApi = 14;
const groupLoadInProgress = 14, notCoordinator = 16, illegalGeneration = 22, unknownMember = 25;
const rebalanceInProgress = 27, groupForbidden = 30;
const sessionTimeoutMs = 6_000;

/** Members of one group, each behind a proxy of its own. */
class Ground implements AsyncDisposable {
  readonly #parts = new AsyncDisposableStack();
  broker!: TestBroker;
  readonly members: TestMember[] = [];
  /** Lines of the log of all members. */
  readonly lines: string[] = [];
  readonly log: Logger = createLogger({
    level: "info",
    format: "text",
    write: (line) => this.lines.push(line),
  });

  static async open(): Promise<Ground> {
    const ground = new Ground();
    ground.broker = ground.#parts.use(await TestBroker.open());
    return ground;
  }

  /** A new member, and the way it goes to the broker. */
  add(topics: readonly string[], group = "g"): { member: TestMember; proxy: BrokerProxy } {
    const proxy = this.#parts.use(
      new BrokerProxy({ hostname: "127.0.0.1", port: this.broker.broker.port }),
    );
    const kafka = this.#parts.use(connect(proxy.bootstrap));
    const member = this.#parts.use(new TestMember(kafka, group, topics, { log: this.log }));
    this.members.push(member);
    return { member, proxy };
  }

  /** Resolves once a member has so many topics. */
  async has(member: TestMember, count: number): Promise<void> {
    const seen = () => [member.told, this.lines];
    await eventually(`${count} topics`, () => member.has?.length === count, 30_000, seen);
  }

  /** Ids of those that the broker has in the group. */
  ids(): string[] {
    return this.broker.broker.state.groups.describe("g").members.map(({ memberId }) => memberId);
  }

  /** Lines of the log that hold a text. */
  said(text: string): string[] {
    return this.lines.filter((line) => line.includes(text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
    assertOneOwner(this.members);
  }
}

/** Puts an error into the next answers of an API: behind the throttle time, where all of these have it. */
function fail(proxy: BrokerProxy, api: number, error: number, times: number): void {
  proxy.onAnswer = ({ api: answered, bytes }: Frame) => {
    if (answered !== api || times-- <= 0) return "pass";
    new DataView(bytes.buffer, bytes.byteOffset).setInt16(12, error);
    return bytes;
  };
}

Deno.test("GroupMembership keeps what it has when Kafka is away for less than the session timeout", async () => {
  await using ground = await Ground.open();
  const { member, proxy } = ground.add(["a"]);
  await ground.has(member, 1);
  await proxy.stop();
  await pause(1_000);
  proxy.start();
  const before = proxy.count(heartbeatApi);
  await eventually("heartbeats again", () => proxy.count(heartbeatApi) > before + 2);
  assertEquals(member.told.length, 1);
  assert(member.membership.assigned?.has("a"));
});

Deno.test("GroupMembership lets go after the session timeout without an answer, before another one gets it", async () => {
  await using ground = await Ground.open();
  const { member: cutOff, proxy } = ground.add(["a", "b"]);
  await ground.has(cutOff, 2);
  const { member: other } = ground.add(["a", "b"]);
  await ground.has(other, 1);
  await ground.has(cutOff, 1);
  const cutAt = performance.now();
  await proxy.stop();
  await ground.has(other, 2);
  const [lost] = cutOff.told.slice(-1), [gained] = other.told.slice(-1);
  assert(lost!.partitions === null && lost!.at < gained!.at);
  assertLess(gained!.at - cutAt, 2 * sessionTimeoutMs);
  assertEquals(ground.said("no heartbeat was answered").length, 1);

  await eventually("the warning", () => ground.said("group cannot be joined now").length === 1);
  proxy.start();
  await ground.has(cutOff, 1);
  await ground.has(other, 1);
});

Deno.test("GroupMembership lets go after the session timeout when Kafka is silent, without a word", async () => {
  await using ground = await Ground.open();
  const { member, proxy } = ground.add(["a"]);
  await ground.has(member, 1);
  proxy.onAnswer = () => "drop";
  await eventually("the loss", () => member.has === null, 2 * sessionTimeoutMs);
  assertEquals(member.membership.assigned, null);
  proxy.onAnswer = () => "pass";
  await ground.has(member, 1);
});

Deno.test("GroupMembership does not believe an answer that came when Kafka had given its part to others", async () => {
  await using ground = await Ground.open();
  const { member: one } = ground.add(["a", "b"]);
  await ground.has(one, 2);
  const { member: two, proxy } = ground.add(["a", "b"]);
  const late = Promise.withResolvers<"pass">();
  proxy.onAnswer = ({ api }) => api === syncGroupApi ? late.promise : "pass";
  await ground.has(one, 1);
  await ground.has(one, 2);
  proxy.onAnswer = () => "pass";
  late.resolve("pass");
  await ground.has(two, 1);
  assertEquals(two.told.length, 1);
});

for (
  const { name, api, error } of [
    { name: "a coordinator that still loads", api: joinGroupApi, error: groupLoadInProgress },
    { name: "a coordinator that is not found yet", api: findCoordinatorApi, error: groupLoadInProgress + 1 },
    { name: "a rebalance while it asks for its part", api: syncGroupApi, error: rebalanceInProgress },
    {
      name: "a generation that ended while it asked for its part",
      api: syncGroupApi,
      error: illegalGeneration,
    },
    { name: "an id that was forgotten before it was used", api: joinGroupApi, error: unknownMember },
  ]
) {
  Deno.test(`GroupMembership joins in the end, and says nothing of it: ${name}`, async () => {
    await using ground = await Ground.open();
    const { member, proxy } = ground.add(["a"]);
    fail(proxy, api, error, 4);
    await ground.has(member, 1);
    assertEquals(ground.said("cannot"), []);
  });
}

Deno.test("GroupMembership says once why it cannot join, tries on, and joins when it may", async () => {
  await using ground = await Ground.open();
  const { member, proxy } = ground.add(["a"]);
  fail(proxy, joinGroupApi, groupForbidden, 6);
  await ground.has(member, 1);
  const said = ground.said("cannot be joined");
  assertEquals(said.length, 1);
  assert(said[0]!.includes("GROUP_AUTHORIZATION_FAILED") && said[0]!.includes("group=g"), said[0]);
});

Deno.test("GroupMembership finds a coordinator that moved and keeps what it has", async () => {
  await using ground = await Ground.open();
  const { member, proxy } = ground.add(["a"]);
  await ground.has(member, 1);
  const found = proxy.count(findCoordinatorApi);
  fail(proxy, heartbeatApi, notCoordinator, 2);
  await eventually("the coordinator to be asked for", () => proxy.count(findCoordinatorApi) === found + 2);
  const before = proxy.count(heartbeatApi);
  await eventually("heartbeats again", () => proxy.count(heartbeatApi) > before + 1);
  assertEquals(member.told.length, 1);
});

Deno.test("GroupMembership lets go and joins anew under the id it has, or a new one when the group forgot it", async () => {
  await using ground = await Ground.open();
  const { member, proxy } = ground.add(["a"]);
  await ground.has(member, 1);
  const { memberId, generation } = member.membership;
  fail(proxy, heartbeatApi, illegalGeneration, 1);
  await eventually("a loss, and a new assignment", () => member.told.length === 3);
  assertEquals([member.told[1]!.partitions, member.membership.memberId], [null, memberId]);
  assert(member.membership.generation > generation);

  ground.broker.broker.state.groups.leave("g", [{ memberId, instanceId: null }]); // as an administrator does
  await eventually("a loss, and a new assignment", () => member.told.length === 5);
  assertEquals(member.told[3]!.partitions, null);
  assertEquals(ground.ids(), [member.membership.memberId]);
  assert(member.membership.memberId !== memberId);
});

Deno.test("GroupMembership.rejoin() lets go at once, and has the same again", async () => {
  await using ground = await Ground.open();
  const { member: one } = ground.add(["a", "b"]);
  await ground.has(one, 2);
  const { member: two } = ground.add(["a", "b"]);
  await ground.has(two, 1);
  await ground.has(one, 1);
  for (const member of [one, two]) {
    const had = member.has;
    member.membership.rejoin();
    assertEquals([member.has, member.membership.assigned], [null, null]);
    await ground.has(member, 1);
    assertEquals(member.has, had);
  }
});

Deno.test("GroupMembership leaves the group while it waits for others to join, and they go on", async () => {
  await using ground = await Ground.open();
  const { member: silent, proxy } = ground.add(["a"]);
  await ground.has(silent, 1);
  const held = Promise.withResolvers<"pass">();
  proxy.onRequest = ({ api }) => api === heartbeatApi ? held.promise : "pass";
  const { member, proxy: way } = ground.add(["a"]);
  await eventually("the second to be waiting", () => ground.ids().length === 2);
  const before = performance.now();
  await member[Symbol.asyncDispose]();
  assertLess(performance.now() - before, sessionTimeoutMs - 1_000);
  assertEquals(ground.ids(), [silent.membership.memberId]);
  assertEquals([way.count(leaveGroupApi), member.told], [1, []]);
  held.resolve("pass");
  await eventually("the first to be told", () => silent.told.length >= 3);
  await ground.has(silent, 1);
});

Deno.test("GroupMembership leaves nothing behind when it ends before it has joined", async () => {
  await using ground = await Ground.open();
  for (const n of [0, 1, 2, 3, 5, 8, 13]) {
    const { member } = ground.add(["a"]);
    await pause(n);
    await member[Symbol.asyncDispose]();
  }
  const { member } = ground.add(["a"]);
  const before = performance.now();
  await ground.has(member, 1);
  assertLess(performance.now() - before, sessionTimeoutMs - 1_000, "no one is waited for");
});

Deno.test("GroupMembership ends soon when Kafka is away, or has not been there at all", async () => {
  await using ground = await Ground.open();
  const { member, proxy } = ground.add(["a"]);
  await ground.has(member, 1);
  await proxy.stop();
  const { member: late, proxy: closed } = ground.add(["a"]);
  await closed.stop();
  const { member: unheard, proxy: silent } = ground.add(["a"]);
  silent.onRequest = () => "drop";
  await eventually("a request", () => silent.requests.length > 0);
  for (const each of [member, late, unheard]) {
    const before = performance.now();
    await each[Symbol.asyncDispose]();
    assertLess(performance.now() - before, sessionTimeoutMs - 1_000);
    assertEquals(each.has, null);
  }
});

Deno.test("GroupMembership has its topics again after a restart of a broker that forgets its members", async () => {
  await using ground = await Ground.open();
  const { member: one, proxy: oneWay } = ground.add(["a", "b", "c", "d"]);
  await ground.has(one, 4);
  const { member: two, proxy: twoWay } = ground.add(["a", "b", "c", "d"]);
  await ground.has(one, 2);
  const had = [one.has, two.has];
  await Promise.all([oneWay.stop(), twoWay.stop()]);
  await using again = await TestBroker.open();
  for (const proxy of [oneWay, twoWay]) {
    proxy.target = { hostname: "127.0.0.1", port: again.broker.port };
    proxy.start();
  }
  await eventually(
    "everybody to join",
    () => one.told.length > 3 && one.has?.length === 2 && two.has?.length === 2,
  );
  assertEquals([one.has, two.has], had);
});

Deno.test("GroupMembership deals out to the others when a member cannot be read", async () => {
  await using ground = await Ground.open();
  const { member } = ground.add(["a"]);
  await ground.has(member, 1);
  const { groups } = ground.broker.broker.state;
  const here = new AbortController();
  const joined = groups.join("g", {
    ...{ memberId: "", instanceId: null, protocolType: "consumer", requireKnownMemberId: false },
    ...{ sessionTimeoutMs, rebalanceTimeoutMs: sessionTimeoutMs, clientId: "", clientHost: "" },
    protocols: [{ name: "tailrace-topics", metadata: new Uint8Array([0, 2, 0, 0, 0, 9]) }],
    canSkipAssignment: false,
  }, here.signal);
  await eventually("the topic again", () => member.told.length === 3);
  assertEquals(member.has, ["a"]);
  assertEquals((await joined)!.generation, member.membership.generation);
  assertEquals(ground.said("member of the group cannot be read").length, 1);
});

Deno.test("GroupMembership may be ended, or told to join anew, by what it calls", async () => {
  await using broker = await TestBroker.open();
  await using kafka = connect(broker.bootstrap);
  const told: string[] = [];
  const membership: GroupMembership = new GroupMembership(kafka, {
    group: "g",
    topics: ["a"],
    log: silentLogger,
    onAssigned: () => {
      told.push("assigned");
      if (told.length < 5) membership.rejoin();
      else membership[Symbol.asyncDispose]();
    },
    onLost: () => {
      told.push("lost");
      if (told.length === 6) membership[Symbol.asyncDispose]();
    },
  });
  await eventually("the end", () => told.length === 6);
  await membership[Symbol.asyncDispose]();
  assertEquals(told, ["assigned", "lost", "assigned", "lost", "assigned", "lost"]);
  assertEquals(broker.broker.state.groups.describe("g").members, []);
});

Deno.test("GroupMembership has one owner for each topic at any moment, through 100 random steps", async () => {
  const random = new Random("GroupMembership");
  await using ground = await Ground.open();
  const all = [..."abcde"];
  const here: ReturnType<Ground["add"]>[] = [];
  const join = (topics: readonly string[]) => {
    const one = ground.add(topics);
    one.proxy.onRequest = async () => {
      if (random.between(0, 9) === 0) await pause(random.between(0, 200));
      return random.between(0, 99) === 0 ? "cut" : "pass";
    };
    here.push(one);
  };
  for (let step = 0; step < 100; step++) {
    const chance = random.between(0, 9);
    const some = here[random.between(0, Math.max(0, here.length - 1))];
    if (!some || chance < 2 && here.length < 5) join(all.slice(random.between(0, 2)));
    else if (chance < 4) here.splice(here.indexOf(some), 1)[0]!.member[Symbol.asyncDispose]();
    else if (chance < 5) some.proxy.cutAll();
    else if (chance < 6) some.member.membership.rejoin();
    else await pause(random.between(0, 300));
  }
  join(all);
  const members = here.map(({ member }) => member);
  const owned = () => members.flatMap(({ has }) => has ?? []).sort().join("");
  await eventually("every topic to have its owner", () => owned() === "abcde", 30_000, () => ground.lines);
});
