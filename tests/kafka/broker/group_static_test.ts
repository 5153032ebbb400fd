import { assertEquals } from "@std/assert";
import { GroupHarness, protocols } from "./group_harness.ts";

const a = { instanceId: "a" };
const b = { instanceId: "b" };

Deno.test("Group.join() admits a static member at once and never announces an id to it", () => {
  const h = new GroupHarness();
  const asked = h.join({ ...a, requireKnownMemberId: true });
  assertEquals(asked.answer, null);
  h.clock.pass(100);
  assertEquals([asked.answer?.memberId, asked.answer?.members[0]?.instanceId], ["a-1", "a"]);
});

Deno.test("Group.join() replaces a static follower of a stable group without a rebalance", () => {
  const h = new GroupHarness();
  const [leader = "", old = ""] = h.stable(a, b);
  const asked = h.join(b);
  assertEquals(asked.answer, {
    ...{ error: "NONE", generation: 1, protocolType: "consumer", protocol: "range", leader },
    ...{ skipAssignment: false, memberId: "b-3", members: [] },
  });
  assertEquals([h.group.state, h.stored], ["Stable", [1]]);
  assertEquals(h.sync("b-3", b).answer?.assignment, Uint8Array.of(1), "it goes on with the old assignment");
  assertEquals(h.beat(old, 1, "b"), "FENCED_INSTANCE_ID");
  assertEquals(h.beat(old, 1), "UNKNOWN_MEMBER_ID");
  assertEquals(h.join({ ...b, memberId: old }).answer?.error, "FENCED_INSTANCE_ID");
  assertEquals(h.sync(old, b).answer?.error, "FENCED_INSTANCE_ID");
  assertEquals(h.group.commit({ memberId: old, ...b, generation: 1 }), "FENCED_INSTANCE_ID");
});

Deno.test("Group.join() replaces a static leader: version 9 skips the assignment, older ones follow", () => {
  const h = new GroupHarness();
  const [old = "", other = ""] = h.stable(a, b);
  const older = h.join(a).answer;
  assertEquals([older?.leader, older?.memberId, older?.skipAssignment, older?.members], [
    old,
    "a-3",
    false,
    [],
  ]);
  assertEquals(h.group.members.leader, "a-3");
  const newer = h.join({ ...a, canSkipAssignment: true }).answer;
  assertEquals([newer?.leader, newer?.memberId, newer?.skipAssignment], ["a-4", "a-4", true]);
  assertEquals(newer?.members.map(({ memberId }) => memberId), [other, "a-4"]);
  assertEquals(h.sync("a-4", a).answer?.assignment, Uint8Array.of(0));
});

Deno.test("Group.join() of a known static member rebalances if the protocol changes by it", () => {
  const h = new GroupHarness();
  h.stable({ ...a, protocols: protocols(1, "x", "y") });
  const asked = h.join({ ...a, protocols: protocols(1, "y", "x") });
  assertEquals([asked.answer?.generation, asked.answer?.protocol], [2, "y"]);
});

Deno.test("Group.join() of a known static member in CompletingRebalance rebalances anew", () => {
  const h = new GroupHarness();
  const [first, second] = [h.join(a), h.join(b)];
  h.clock.pass(200);
  const parked = h.sync(second.answer?.memberId ?? "", b);
  const replaced = h.join(b);
  assertEquals(parked.answer?.error, "FENCED_INSTANCE_ID", "the predecessor's parked sync");
  assertEquals([replaced.answer, h.group.state], [null, "PreparingRebalance"]);
  h.join({ ...a, memberId: first.answer?.memberId ?? "" });
  assertEquals([replaced.answer?.generation, replaced.answer?.memberId], [2, "b-3"]);
});

Deno.test("Group.join() of a known static member fences its predecessor's parked join", () => {
  const h = new GroupHarness();
  const parked = h.join(a);
  const replaced = h.join(a);
  assertEquals([parked.answer?.error, parked.answer?.memberId], ["FENCED_INSTANCE_ID", "a-1"]);
  h.clock.pass(200);
  assertEquals([replaced.answer?.memberId, replaced.answer?.members.length], ["a-2", 1]);
});

Deno.test("Group keeps an absent static member through a rebalance until its session ends", () => {
  const h = new GroupHarness();
  const patient = { sessionTimeoutMs: 100_000, rebalanceTimeoutMs: 20_000 };
  const [dynamic = "", static_ = ""] = h.stable(patient, { ...b, ...patient });
  const parked = h.join({ memberId: dynamic, ...patient });
  h.clock.pass(20_000);
  assertEquals(parked.answer?.members.map(({ memberId }) => memberId), [dynamic, static_]);
  assertEquals(h.join({ ...b, ...patient, memberId: static_ }).answer?.generation, 2);
});

Deno.test("Group waits with a rebalance while only absent static members are left", () => {
  const h = new GroupHarness();
  const patient = { sessionTimeoutMs: 100_000, rebalanceTimeoutMs: 20_000 };
  const [first = "", second = ""] = h.stable(patient, { ...b, ...patient });
  h.leave(first);
  h.clock.pass(50_000);
  assertEquals([h.group.state, h.group.generation], ["PreparingRebalance", 1]);
  const back = h.join({ ...b, ...patient, memberId: second });
  assertEquals([back.answer?.generation, back.answer?.leader], [2, second]);

  const alone = new GroupHarness();
  const [gone = ""] = alone.stable(patient, { ...b, ...patient });
  alone.leave(gone);
  alone.clock.pass(100_000);
  assertEquals([alone.group.state, alone.group.members.size, alone.clock.pending], ["Empty", 0, 0]);
});

Deno.test("Group.leave() by name removes whoever bears it now", () => {
  const h = new GroupHarness();
  h.stable(a, b);
  h.join(b);
  assertEquals(h.group.leave([{ memberId: "", instanceId: "b" }]), ["NONE"]);
  assertEquals(h.group.members.byInstance("b"), undefined);
});

Deno.test("Group drops a replaced static member that never syncs again", () => {
  const h = new GroupHarness();
  const patient = { sessionTimeoutMs: 100_000, rebalanceTimeoutMs: 20_000 };
  const joins = [h.join({ ...a, ...patient }), h.join({ ...b, ...patient })];
  h.clock.pass(200);
  h.sync(joins[0]?.answer?.memberId ?? "", a); // the leader decides, b has not asked yet
  assertEquals(h.join({ ...b, ...patient }).answer?.memberId, "b-3");
  h.clock.pass(20_000);
  assertEquals([h.group.state, h.group.members.get("b-3")], ["PreparingRebalance", undefined]);
});
