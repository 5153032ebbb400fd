/** What kafka/membership.ts promises, whichever Kafka it talks to: one suite, run by the test files beside it. Left out: answers that a
 * healthy broker never gives, and members that are cut off (tests/kafka/membership_test.ts).
 * @module */
import { assert, assertEquals } from "@std/assert";
import type { Kafka } from "../../kafka/client.ts";
import { createLogger } from "../../logger.ts";
import { javaTool } from "../apache_kafka.ts";
import { createTopic, plainKafka } from "../clients.ts";
import { eventually, pause } from "../eventually.ts";
import { connect } from "../kafka/test_broker.ts";
import { assertOneOwner, TestMember } from "../kafka/test_member.ts";
import { newTopic } from "../new_topic.ts";
import { Program } from "../programs.ts";
import { requires } from "../requirements.ts";

/** Registers the suite.
 * @param on the kind of Kafka, for the tests' names
 * @param ignore whether the machine has not got it
 * @param bootstrap its host:port; asked for inside the tests only */
export function membershipContract(on: string, ignore: boolean, bootstrap: () => string): void {
  const test = (claim: string, fn: (bootstrap: string) => Promise<void>) =>
    Deno.test({ name: `kafka/membership.ts on ${on}: ${claim}`, ignore, fn: () => fn(bootstrap()) });

  test("GroupMembership deals out each topic to one member, as members come and leave", comeAndLeave);
  test("GroupMembership deals out what each member wants where their topics differ", differentTopics);
  test("GroupMembership gets what a killed member had when the session timeout has passed", killed);
  test("GroupMembership does not believe in a stopped process what was given to others meanwhile", stopped);
  test("GroupMembership waits for a group whose members are of another kind, and says so", foreignGroup);
  test("GroupMembership goes through 20 members that come at once, and leave at once", crowd);
  Deno.test({
    name:
      `kafka/membership.ts on ${on}: kafka-consumer-groups shows members with their topics and partitions`,
    ignore: ignore || requires("apache-kafka").ignore,
    fn: () => toolsShow(bootstrap()),
  });
}

/** Of members that nobody kills: a busy machine does not put them out. */
const sessionTimeoutMs = 15_000;
/** That of Kafka's own clients; ours is 6 s. */
const usualSessionTimeoutMs = 45_000;

/** A member in this process. */
function memberOf(
  kafka: Kafka,
  group: string,
  topics: readonly string[],
  options: ConstructorParameters<typeof TestMember>[3] = {},
): TestMember {
  return new TestMember(kafka, group, topics, { sessionTimeoutMs, ...options });
}

/** Three topics in alphabetic order, of which the last does not exist. */
async function threeTopics(bootstrap: string): Promise<string[]> {
  const topics = ["a", "b", "c"].map(newTopic);
  for (const topic of topics.slice(0, 2)) await createTopic(bootstrap, topic, 2);
  return topics;
}

/** Resolves once all members have their share of the topics, and no two of them the same. */
async function shared(topics: readonly string[], ...members: TestMember[]): Promise<void> {
  const has = () => members.map((member) => member.has);
  const seen = () => members.map((member) => member.told);
  await eventually(
    "the topics to be shared",
    () => {
      const owned = has().flatMap((names) => names ?? []);
      const generations = new Set(members.map(({ membership }) => membership.generation));
      return has().every((names) => names !== null) && owned.length === topics.length &&
        generations.size === 1;
    },
    90_000,
    seen,
  );
  assertEquals(has().flat().sort(), [...topics].sort());
}

async function comeAndLeave(bootstrap: string): Promise<void> {
  const group = newTopic("group"), topics = await threeTopics(bootstrap);
  await using kafka = connect(bootstrap);
  await using first = memberOf(kafka, group, topics);
  await shared(topics, first);
  assertEquals([...first.membership.assigned!.values()], [[0, 1], [0, 1], []]);
  const one = first.membership.generation;

  await using second = memberOf(kafka, group, topics);
  await shared(topics, first, second);
  assertEquals([first.has!.length, second.has!.length], [2, 1]);
  assert(first.membership.generation > one);
  const [moved] = second.has!;

  await using third = memberOf(kafka, group, topics);
  await shared(topics, first, second, third);
  assertEquals(second.has, [moved], "what is even already stays where it is");

  await first[Symbol.asyncDispose]();
  assertEquals([first.has, first.membership.assigned], [null, null]);
  await shared(topics, second, third);
  await third[Symbol.asyncDispose]();
  await shared(topics, second);
  assertEquals(second.has, topics);
}

async function differentTopics(bootstrap: string): Promise<void> {
  const group = newTopic("group"), [a, b, c] = await threeTopics(bootstrap) as [string, string, string];
  await using kafka = connect(bootstrap);
  await using one = memberOf(kafka, group, [a, b]);
  await using two = memberOf(kafka, group, [b, c]);
  await shared([a, b, c], one, two);
  assert(one.has!.includes(a) && two.has!.includes(c));
  await using three = memberOf(kafka, group, [b]);
  await shared([a, b, c], one, two, three);
  assertEquals([one.has, two.has, three.has], [[a], [c], [b]]);
  await one[Symbol.asyncDispose]();
  await shared([b, c], two, three);
  assertEquals([two.has, three.has], [[c], [b]], "nobody else wants the first");
}

/** A member in a process of its own; `lines` is what it printed. */
class MemberProcess implements AsyncDisposable {
  readonly #logFile = Deno.makeTempFileSync({ prefix: "tailrace-member-" });
  readonly program: Program;

  constructor(bootstrap: string, group: string, topics: readonly string[]) {
    const script = new URL("../kafka/member_program.ts", import.meta.url).pathname;
    const args = ["run", "-A", "--no-check", script, bootstrap, group, ...topics];
    this.program = Program.start(Deno.execPath(), args, { logFile: this.#logFile });
  }

  get lines(): { assigned: string[] | null; before: number; at: number }[] {
    return this.program.log().split("\n").filter((line) => line.startsWith("{")).map((line) =>
      JSON.parse(line)
    );
  }

  /** Resolves once it has so many topics. */
  async has(count: number): Promise<void> {
    const has = () => this.lines.at(-1)?.assigned?.length === count;
    await eventually(`${count} topics in the other process`, has, 60_000, () => this.program.log());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program[Symbol.asyncDispose]();
    await Deno.remove(this.#logFile);
  }
}

async function killed(bootstrap: string): Promise<void> {
  const group = newTopic("group"), topics = await threeTopics(bootstrap);
  await using process = new MemberProcess(bootstrap, group, topics);
  await process.has(3);
  await using kafka = connect(bootstrap);
  await using other = memberOf(kafka, group, topics);
  await process.has(2);
  await eventually("a share", () => other.has?.length === 1);
  const killedAt = performance.now();
  await process.program.kill();
  await eventually("everything", () => other.has?.length === 3, 60_000);
  const ms = Math.round(other.told.at(-1)!.at - killedAt);
  console.log(`taken over ${ms} ms after the kill`);
  assert(ms < usualSessionTimeoutMs, `${ms} ms`);
}

async function stopped(bootstrap: string): Promise<void> {
  const group = newTopic("group"), topics = await threeTopics(bootstrap);
  await using process = new MemberProcess(bootstrap, group, topics);
  await process.has(3);
  await using kafka = connect(bootstrap);
  let takenAt = 0;
  await using other = memberOf(kafka, group, topics, {
    onAssigned: (names) => takenAt = names.size === 3 ? Date.now() : 0,
    onLost: () => takenAt = 0,
  });
  await process.has(2);
  process.program.signal("SIGSTOP");
  await eventually("everything", () => takenAt > 0, 60_000);
  const lines = process.lines.length, goesOnAt = Date.now();
  process.program.signal("SIGCONT");
  const first = await eventually("the first word of the process that goes on", () => process.lines[lines]);
  assert(other.membership.generation > 0);
  assert(first.assigned === null && first.at >= goesOnAt && first.before < takenAt, JSON.stringify(first));
}

async function foreignGroup(bootstrap: string): Promise<void> {
  const group = newTopic("group"), topics = await threeTopics(bootstrap);
  const consumer = plainKafka(bootstrap).consumer({ groupId: group });
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
  await consumer.connect();
  await consumer.subscribe({ topic: topics[0]! });
  await consumer.run({ eachMessage: () => Promise.resolve() });
  await joined;
  const lines: string[] = [];
  const log = createLogger({ level: "info", format: "text", write: (line) => lines.push(line) });
  await using kafka = connect(bootstrap);
  await using member = memberOf(kafka, group, topics, { log });
  const warnings = () => lines.filter((line) => line.includes("its members are of another kind")).length;
  await eventually("the warning", () => warnings() > 0, 60_000, () => lines);
  await pause(500); // some more tries
  assertEquals(warnings(), 1, lines.join(""));
  assertEquals(member.told, []);
  await consumer.disconnect();
  await shared(topics, member);
}

async function crowd(bootstrap: string): Promise<void> {
  const group = newTopic("group"), topics = await threeTopics(bootstrap);
  await using kafka = connect(bootstrap);
  const begun = performance.now();
  await using stay = memberOf(kafka, group, topics);
  const members = [stay, ...Array.from({ length: 19 }, () => memberOf(kafka, group, topics))];
  await shared(topics, ...members);
  const settled = performance.now();
  await Promise.all(members.slice(1).map((member) => member[Symbol.asyncDispose]()));
  await shared(topics, stay);
  const left = performance.now();
  assertOneOwner(members);
  console.log(
    `20 members: ${Math.round(settled - begun)} ms to come, ${Math.round(left - settled)} ms to leave`,
  );
}

async function toolsShow(bootstrap: string): Promise<void> {
  const group = newTopic("group"), topics = await threeTopics(bootstrap);
  await using kafka = connect(bootstrap);
  await using one = memberOf(kafka, group, topics);
  await using two = memberOf(kafka, group, topics);
  await shared(topics, one, two);
  const describe = async (...more: string[]) => {
    const args = [
      "--bootstrap-server",
      bootstrap,
      "--describe",
      "--group",
      group,
      "--timeout",
      "60000",
      ...more,
    ];
    const { stdout } = await javaTool("consumer-groups", args);
    const [names, ...rows] = stdout.split("\n").filter((line) => line.trim() !== "").map((line) =>
      line.trim().split(/\s+/)
    );
    return rows.map((row) => Object.fromEntries(row.map((cell, n) => [names![n], cell])));
  };
  // What does not exist yet has an owner, but no partitions to show.
  const owners = new Map(
    [one, two].flatMap((member) => member.has!.map((topic) => [topic, member] as const)),
  );
  const members = await describe("--members", "--verbose");
  const shown = members.map((row) => [row["CONSUMER-ID"], row["CURRENT-ASSIGNMENT"]]).sort();
  const [a, b] = topics as [string, string, string];
  const wanted = [a, b].map((topic) => [owners.get(topic)!.membership.memberId, `${topic}:0,1`]).sort();
  assertEquals(shown, wanted);
  const lags = await describe();
  assertEquals(lags.map((row) => `${row["TOPIC"]}/${row["PARTITION"]}`).sort(), [
    `${a}/0`,
    `${a}/1`,
    `${b}/0`,
    `${b}/1`,
  ]);
  for (const row of lags) assertEquals(row["CONSUMER-ID"], owners.get(row["TOPIC"]!)!.membership.memberId);
  const [state] = await describe("--state");
  const words = Object.values(state!);
  assert(words.includes("Stable") && words.includes("tailrace-topics"), words.join(" "));
}
