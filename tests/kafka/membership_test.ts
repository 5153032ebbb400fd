import { assertEquals } from "@std/assert";
import { eventually } from "../eventually.ts";
import { connect, TestBroker } from "./test_broker.ts";
import { TestMember } from "./test_member.ts";

Deno.test("GroupMembership is left at once by a member that waits for others", async () => {
  await using broker = await TestBroker.open({});
  await using kafka = connect(broker.bootstrap);
  const one = new TestMember(kafka, "g", ["a"]);
  await one[Symbol.asyncDispose]();
  assertEquals(one.told, []);
  await using two = new TestMember(kafka, "g", ["a"]);
  await eventually("the topic at the other member", () => two.has?.length === 1, 3_000);
});
