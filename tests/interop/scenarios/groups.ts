/** Consumer groups: who has what, what is committed, and what happens when members come and go. @module */
import { assert, assertEquals } from "@std/assert";
import { eventually } from "../../eventually.ts";
import type { Driver } from "../driver.ts";
import type { Ops, ReadRecord, TopicPartition } from "../driver_protocol.ts";
import { type Context, memberState, numbered, type Scenario, waitMs } from "./scenario.ts";

type Join = Partial<Ops["group.join"][0]>;

interface Member {
  readonly driver: Driver;
  readonly name: string;
}

/** Partitions of members: sorted, one topic. */
function partitions(assigned: readonly (readonly TopicPartition[])[]): number[] {
  return assigned.flat().map(({ partition }) => partition).toSorted((a, b) => a - b);
}

async function join(
  driver: Driver,
  context: Context,
  group: string,
  topic: string,
  more: Join = {},
): Promise<Member> {
  const name = context.name("member");
  const asked = { member: name, group, topics: [topic], from: "earliest" as const, ...more };
  await driver.ask("group.join", asked);
  return { driver, name };
}

function state({ driver, name }: Member): Promise<Ops["group.state"][1]> {
  return driver.ask("group.state", { member: name });
}

function leave({ driver, name }: Member): Promise<unknown> {
  return driver.ask("group.leave", { member: name });
}

/** Waits until the members share all `count` partitions, each partition with one of them, and everyone has some. */
async function shared(members: readonly Member[], count: number, everyone = true): Promise<number[][]> {
  let seen: unknown;
  return await eventually(
    `${members.length} members to share ${count} partitions`,
    async () => {
      const assigned = (await Promise.all(members.map(state))).map(({ assigned }) => assigned);
      seen = assigned;
      const all = partitions(assigned);
      const done = all.length === count && all.every((partition, n) => partition === n) &&
        (!everyone || assigned.every(({ length }) => length > 0));
      return done ? assigned.map((each) => partitions([each])) : undefined;
    },
    waitMs,
    () => seen,
  );
}

/** Waits until the members have read `count` different records (any, with `again`), and gives what they read. */
async function allRead(members: readonly Member[], count: number, again = false): Promise<ReadRecord[][]> {
  let seen: unknown;
  return await eventually(
    `${count} records`,
    async () => {
      const read = (await Promise.all(members.map(state))).map(({ records }) => records);
      seen = read.map(({ length }) => length);
      const places = read.flat().map(({ partition, offset }) => `${partition}:${offset}`);
      return (again ? places : [...new Set(places)]).length >= count ? read : undefined;
    },
    waitMs,
    () => seen,
  );
}

const numbers = (records: readonly ReadRecord[]) =>
  records.map(({ value }) => Number(value)).toSorted((a, b) => a - b);

/** The numbers of all that members read after a rebalance. @platformatic/kafka still tells what a fetch brings that it sent for
 * partitions it has lost meanwhile, on Apache Kafka too: there, each number counts once. */
function numbersOf(members: readonly Member[], read: readonly (readonly ReadRecord[])[]): number[] {
  const all = numbers(read.flat());
  return members[0]!.driver.name === "@platformatic/kafka" ? [...new Set(all)] : all;
}
const upTo = (count: number) => [...Array(count).keys()];

/** Records whose numbers go on from `start`, spread evenly over partitions. */
function spread(start: number, count: number, partitions: number) {
  return upTo(count).map((n) => ({ partition: n % partitions, key: `k${n}`, value: `${start + n}` }));
}

export const groupScenarios: readonly Scenario[] = [
  {
    name: "a group of three: every partition once, every record once, and again after one leaves",
    needs: ["groups", "produce"],
    async run(driver, context) {
      const [topic, group] = [await context.topic("group", { partitions: 6 }), context.name("group")];
      const members = await Promise.all([0, 1, 2].map(() => join(driver, context, group, topic)));
      const first = await shared(members, 6);
      assertEquals(first.map(({ length }) => length), [2, 2, 2]);
      await driver.ask("produce", { topic, records: spread(0, 60, 6) });
      const read = await allRead(members, 60);
      assertEquals(numbersOf(members, read), upTo(60));
      for (const { name } of members) await driver.ask("group.commit", { member: name });
      await leave(members.pop()!);
      const second = await shared(members, 6);
      assertEquals(second.map(({ length }) => length), [3, 3]);
      await driver.ask("produce", { topic, records: spread(60, 60, 6) });
      const wanted = new Set(upTo(60).map((n) => 60 + n));
      await eventually("the records sent later", async () => {
        const all = (await Promise.all(members.map(state))).flatMap(({ records }) => records);
        const news = new Set(numbers(all).filter((number) => wanted.has(number)));
        return news.size === wanted.size;
      }, waitMs);
      await Promise.all(members.map(leave));
    },
  },
  {
    name: "commit and resume: who comes next goes on where the last one stopped",
    needs: ["groups", "produce"],
    async run(driver, context) {
      const [topic, group] = [await context.topic("resume"), context.name("group")];
      await driver.ask("produce", { topic, records: numbered(30, 0) });
      const first = await join(driver, context, group, topic);
      await allRead([first], 30);
      await driver.ask("group.commit", { member: first.name });
      await leave(first);
      await driver.ask("produce", { topic, records: numbered(40, 0).slice(30) });
      const second = await join(driver, context, group, topic);
      const [records] = await allRead([second], 10);
      assertEquals(records!.map(({ offset }) => offset), upTo(10).map((n) => 30 + n));
      await leave(second);
    },
  },
  {
    name: "what was not committed comes again",
    needs: ["groups", "produce"],
    async run(driver, context) {
      const [topic, group] = [await context.topic("again"), context.name("group")];
      await driver.ask("produce", { topic, records: numbered(10, 0) });
      const first = await join(driver, context, group, topic);
      await allRead([first], 10);
      await leave(first);
      const second = await join(driver, context, group, topic);
      const [records] = await allRead([second], 10);
      assertEquals(numbers(records!), upTo(10));
      await leave(second);
    },
  },
  {
    name: "automatic commits: nothing comes twice",
    needs: ["groups", "produce"],
    async run(driver, context) {
      const [topic, group] = [await context.topic("auto"), context.name("group")];
      await driver.ask("produce", { topic, records: numbered(10, 0) });
      const first = await join(driver, context, group, topic, { autoCommit: true });
      await allRead([first], 10);
      await eventually("the commit", async () => {
        const [found] = await context.admin.fetchOffsets({ groupId: group, topics: [topic] });
        return found!.partitions[0]!.offset === "10";
      }, waitMs);
      await leave(first);
      await driver.ask("produce", { topic, records: numbered(12, 0).slice(10) });
      const second = await join(driver, context, group, topic, { autoCommit: true });
      const [records] = await allRead([second], 2);
      assertEquals(records!.map(({ offset }) => offset), [10, 11]);
      await leave(second);
    },
  },
  {
    name: "a member seeks back and reads again",
    needs: ["groups", "groupSeek", "produce"],
    async run(driver, context) {
      const [topic, group] = [await context.topic("back"), context.name("group")];
      await driver.ask("produce", { topic, records: numbered(10, 0) });
      const member = await join(driver, context, group, topic);
      await allRead([member], 10);
      await driver.ask("group.seek", { member: member.name, topic, partition: 0, offset: 6 });
      const [records] = await allRead([member], 14, true);
      assertEquals(records!.slice(10).map(({ offset }) => offset), [6, 7, 8, 9]);
      await leave(member);
    },
  },
  {
    name: "two processes share a topic, and one goes on alone when the other has gone",
    needs: ["groups", "produce"],
    async run(driver, context) {
      const [topic, group] = [await context.topic("processes", { partitions: 4 }), context.name("group")];
      const other = await context.start();
      const mine = await join(driver, context, group, topic);
      const its = await join(other, context, group, topic);
      await shared([mine, its], 4);
      await driver.ask("produce", { topic, records: spread(0, 40, 4) });
      assertEquals(numbersOf([mine, its], await allRead([mine, its], 40)), upTo(40));
      for (const { driver, name } of [mine, its]) await driver.ask("group.commit", { member: name });
      await other.close(); // a process that ends leaves its groups
      await shared([mine], 4);
      await leave(mine);
    },
  },
  {
    name: "a process that is killed loses its partitions when its session ends",
    needs: ["groups", "produce"],
    async run(driver, context) {
      const [topic, group] = [await context.topic("killed", { partitions: 2 }), context.name("group")];
      const other = await context.start();
      const mine = await join(driver, context, group, topic, { sessionTimeoutMs: 10_000 });
      const its = await join(other, context, group, topic, { sessionTimeoutMs: 10_000 });
      await shared([mine, its], 2);
      await other.kill();
      await shared([mine], 2);
      await driver.ask("produce", { topic, records: spread(0, 10, 2) });
      assertEquals(numbers((await allRead([mine], 10)).flat()), upTo(10));
      await leave(mine);
    },
  },
  {
    name: "a static member comes back to its partitions without a rebalance",
    needs: ["groups", "static", "produce", "admin:describeGroup"],
    async run(driver, context) {
      const [topic, group] = [await context.topic("static", { partitions: 4 }), context.name("group")];
      const other = await context.start();
      const statically = (instanceId: string) => ({ instanceId, sessionTimeoutMs: 60_000 });
      const a = await join(driver, context, group, topic, statically("a"));
      const b = await join(other, context, group, topic, statically("b"));
      const before = await shared([a, b], 4);
      const ids = async () => {
        const { groups: [found] } = await context.admin.describeGroups([group]);
        return found!.members.map(({ memberId }) => memberId).toSorted();
      };
      const idsBefore = await ids();
      await other.kill(); // no goodbye, and its session goes on
      const again = await context.start();
      const c = await join(again, context, group, topic, statically("b"));
      const after = await shared([a, c], 4);
      assertEquals(after, before);
      const idsAfter = await ids();
      assertEquals(idsAfter.length, 2);
      assertEquals(
        idsAfter.filter((id) => idsBefore.includes(id)).length,
        1,
        "a kept its id, b has a new one",
      );
      await leave(a);
      await leave(c);
    },
  },
  ...(["range", "roundrobin"] as const).map((assignor): Scenario => ({
    name: `the ${assignor} assignor`,
    needs: ["groups", `assignor:${assignor}`],
    async run(driver, context) {
      const [topic, group] = [await context.topic(assignor, { partitions: 4 }), context.name("group")];
      const members = await Promise.all(
        [0, 1].map(() => join(driver, context, group, topic, { assignor })),
      );
      const assigned = await shared(members, 4);
      const wanted = assignor === "range" ? [[0, 1], [2, 3]] : [[0, 2], [1, 3]];
      assertEquals(assigned.toSorted((a, b) => a[0]! - b[0]!), wanted);
      await Promise.all(members.map(leave));
    },
  })),
  {
    name: "the cooperative assignor: a member keeps most of what it has when another comes",
    needs: ["groups", "cooperative", "produce"],
    async run(driver, context) {
      const [topic, group] = [await context.topic("cooperative", { partitions: 4 }), context.name("group")];
      const cooperative = { assignor: "cooperative-sticky" as const };
      const a = await join(driver, context, group, topic, cooperative);
      const [alone] = await shared([a], 4);
      const b = await join(driver, context, group, topic, cooperative);
      const [kept, moved] = await shared([a, b], 4);
      assertEquals([kept!.length, moved!.length], [2, 2]);
      assert(kept!.every((partition) => alone!.includes(partition)));
      await driver.ask("produce", { topic, records: spread(0, 20, 4) });
      assertEquals(numbersOf([a, b], await allRead([a, b], 20)), upTo(20));
      await leave(b);
      await shared([a], 4);
      await leave(a);
    },
  },
  {
    name: "more members than partitions: who has none takes over",
    needs: ["groups"],
    async run(driver, context) {
      const [topic, group] = [await context.topic("spare"), context.name("group")];
      const members = await Promise.all([0, 1].map(() => join(driver, context, group, topic)));
      const assigned = await shared(members, 1, false);
      const busy = assigned.findIndex(({ length }) => length === 1);
      await leave(members[busy]!);
      await shared([members[1 - busy]!], 1);
      await leave(members[1 - busy]!);
    },
  },
  {
    name: "five members share thirty partitions",
    needs: ["groups", "produce"],
    async run(driver, context) {
      const [topic, group] = [await context.topic("thirty", { partitions: 30 }), context.name("group")];
      const members = await Promise.all([...Array(5)].map(() => join(driver, context, group, topic)));
      const assigned = await shared(members, 30);
      assertEquals(assigned.map(({ length }) => length), [6, 6, 6, 6, 6]);
      await driver.ask("produce", { topic, records: spread(0, 90, 30) });
      assertEquals(numbersOf(members, await allRead(members, 90)), upTo(90));
      await Promise.all(members.map(leave));
    },
  },
  {
    name: "a group of two topics: every partition of both",
    needs: ["groups", "produce"],
    async run(driver, context) {
      const topics = [await context.topic("one", { partitions: 2 }), await context.topic("two")];
      const [group, member] = [context.name("group"), context.name("member")];
      for (const topic of topics) await driver.ask("produce", { topic, records: numbered(10, 0) });
      await driver.ask("group.join", { member, group, topics, from: "earliest" });
      const { assigned } = await memberState(
        driver,
        member,
        "read it all",
        ({ records }) => records.length >= 20,
      );
      const places = assigned.map(({ topic, partition }) => `${topics.indexOf(topic)}:${partition}`);
      assertEquals(places.toSorted(), ["0:0", "0:1", "1:0"]);
      await driver.ask("group.leave", { member });
    },
  },
  {
    name: "members come and go five times",
    needs: ["groups", "produce"],
    async run(driver, context) {
      const [topic, group] = [await context.topic("turns", { partitions: 2 }), context.name("group")];
      const seen: ReadRecord[] = [];
      for (let turn = 0; turn < 5; turn++) {
        await driver.ask("produce", { topic, records: spread(turn * 4, 4, 2) });
        const member = await join(driver, context, group, topic);
        const [records] = await allRead([member], 4);
        await driver.ask("group.commit", { member: member.name });
        await leave(member);
        seen.push(...records!);
      }
      assertEquals(numbers(seen), upTo(20));
    },
  },
  {
    name: "two groups read the same topic without knowing of each other",
    needs: ["groups", "produce"],
    async run(driver, context) {
      const topic = await context.topic("two-groups");
      await driver.ask("produce", { topic, records: numbered(20, 0) });
      const members = await Promise.all(
        ["a", "b"].map((name) => join(driver, context, context.name(name), topic)),
      );
      for (const member of members) {
        const { records } = await memberState(
          driver,
          member.name,
          "read it all",
          ({ records }) => records.length >= 20,
        );
        assertEquals(numbers(records), upTo(20));
        await leave(member);
      }
    },
  },
];
