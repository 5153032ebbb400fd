/** What kafka/membership.ts promises, whichever Kafka it talks to: one suite, run by the test files beside it. Left out: answers that a
 * healthy broker never gives, and members that are cut off (tests/kafka/membership_test.ts).
 * @module */
import { assert, assertEquals } from "@std/assert";
import { createTopic } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { connect } from "../kafka/test_broker.ts";
import { TestMember } from "../kafka/test_member.ts";
import { newTopic } from "../new_topic.ts";

/** Registers the suite.
 * @param on the kind of Kafka, for the tests' names
 * @param ignore whether the machine has not got it
 * @param bootstrap its host:port; asked for inside the tests only */
export function membershipContract(on: string, ignore: boolean, bootstrap: () => string): void {
  const test = (claim: string, fn: (bootstrap: string) => Promise<void>) =>
    Deno.test({ name: `kafka/membership.ts on ${on}: ${claim}`, ignore, fn: () => fn(bootstrap()) });

  test("GroupMembership deals out each topic to one member, as members come and leave", comeAndLeave);
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
      return has().every((names) => names !== null) && owned.length === topics.length;
    },
    20_000,
    seen,
  );
  assertEquals(has().flat().sort(), [...topics].sort());
  assertEquals(new Set(members.map(({ membership }) => membership.generation)).size, 1);
}

async function comeAndLeave(bootstrap: string): Promise<void> {
  const group = newTopic("group"), topics = await threeTopics(bootstrap);
  await using kafka = connect(bootstrap);
  await using first = new TestMember(kafka, group, topics);
  await shared(topics, first);
  assertEquals([...first.membership.assigned!.values()], [[0, 1], [0, 1], []]);
  const one = first.membership.generation;

  await using second = new TestMember(kafka, group, topics);
  await shared(topics, first, second);
  assertEquals([first.has!.length, second.has!.length], [2, 1]);
  assert(first.membership.generation > one);
  const [moved] = second.has!;

  await using third = new TestMember(kafka, group, topics);
  await shared(topics, first, second, third);
  assertEquals(second.has, [moved], "what is even already stays where it is");

  await first[Symbol.asyncDispose]();
  assertEquals([first.has, first.membership.assigned], [null, null]);
  await shared(topics, second, third);
  await third[Symbol.asyncDispose]();
  await shared(topics, second);
  assertEquals(second.has, topics);
}
