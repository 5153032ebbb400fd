import { assertEquals } from "@std/assert";
import type { GroupError, JoinRequest } from "../../../kafka/broker/group_messages.ts";
import { GroupHarness, protocols } from "./group_harness.ts";

Deno.test("Group.join() takes a first member in after the initial delay, as leader of generation 1", () => {
  const h = new GroupHarness();
  const first = h.join();
  h.clock.pass(99);
  assertEquals(first.answer, null);
  assertEquals(h.group.state, "PreparingRebalance");
  h.clock.pass(1);
  assertEquals(first.answer, {
    ...{ error: "NONE", generation: 1, protocolType: "consumer", protocol: "range", leader: "app-1" },
    ...{ skipAssignment: false, memberId: "app-1" },
    members: [{ memberId: "app-1", instanceId: null, metadata: Uint8Array.of(1) }],
  });
  assertEquals(h.group.state, "CompletingRebalance");
  assertEquals(h.stored, [1]);
});

Deno.test("Group.join() extends the initial delay while members come, up to the rebalance timeout", () => {
  const h = new GroupHarness();
  const first = h.join({ rebalanceTimeoutMs: 250 });
  h.clock.pass(90);
  h.join({ rebalanceTimeoutMs: 250 });
  h.clock.pass(20);
  assertEquals(first.answer, null, "the second member extends the delay");
  h.clock.pass(80);
  h.join({ rebalanceTimeoutMs: 250 });
  h.clock.pass(59);
  assertEquals(first.answer, null, "the third member extends it again");
  h.clock.pass(1);
  assertEquals(first.answer?.members.length, 3, "250 ms are the most");
});

Deno.test("Group.join() tells the leader of all members and the followers of none", () => {
  const h = new GroupHarness();
  const [leader, follower] = [
    h.join({ protocols: protocols(7, "range") }),
    h.join({ protocols: protocols(8, "range") }),
  ];
  h.clock.pass(200);
  assertEquals(leader.answer?.members.map(({ memberId, metadata }) => [memberId, ...metadata]), [
    ["app-1", 7],
    ["app-2", 8],
  ]);
  assertEquals([follower.answer?.leader, follower.answer?.members], ["app-1", []]);
  assertEquals(follower.answer?.generation, 1);
});

Deno.test("Group.join() tells a client that can keep it an id first, and admits it with that id", () => {
  const h = new GroupHarness();
  const first = h.join({ requireKnownMemberId: true });
  assertEquals([first.answer?.error, first.answer?.memberId, first.answer?.generation], [
    "MEMBER_ID_REQUIRED",
    "app-1",
    -1,
  ]);
  assertEquals([h.group.state, h.group.vacant], ["Empty", false]);
  const again = h.join({ requireKnownMemberId: true, memberId: "app-1" });
  h.clock.pass(100);
  assertEquals([again.answer?.error, again.answer?.memberId], ["NONE", "app-1"]);
});

Deno.test("Group.join() forgets an announced id after its session timeout", () => {
  const h = new GroupHarness();
  h.join({ requireKnownMemberId: true });
  h.clock.pass(10_000);
  assertEquals(h.join({ memberId: "app-1" }).answer?.error, "UNKNOWN_MEMBER_ID");
  assertEquals([h.group.vacant, h.clock.pending], [true, 0]);
});

Deno.test("Group.join() waits at the barrier for announced ids, until they come, leave or time out", () => {
  for (const way of ["comes", "leaves", "times out"]) {
    const h = new GroupHarness();
    const [id = ""] = h.stable({});
    const announced = h.join({ requireKnownMemberId: true, sessionTimeoutMs: 8_000 });
    const newId = announced.answer?.memberId ?? "";
    h.join({ memberId: id }); // the leader has partitions dealt anew
    assertEquals(h.group.state, "PreparingRebalance", way);
    if (way === "comes") h.join({ memberId: newId });
    if (way === "leaves") assertEquals(h.leave(newId), ["NONE"]);
    if (way === "times out") h.clock.pass(8_000);
    assertEquals([h.group.state, h.group.generation], ["CompletingRebalance", 2], way);
  }
});

const refusals: [string, Partial<JoinRequest>, GroupError, string][] = [
  ["another protocol type", { protocolType: "connect" }, "INCONSISTENT_GROUP_PROTOCOL", ""],
  ["no protocol in common", { protocols: protocols(1, "sticky") }, "INCONSISTENT_GROUP_PROTOCOL", ""],
  ["no protocol", { protocols: [] }, "INCONSISTENT_GROUP_PROTOCOL", ""],
  ["no protocol type", { protocolType: "" }, "INCONSISTENT_GROUP_PROTOCOL", ""],
  ["an unknown id", { memberId: "app-9" }, "UNKNOWN_MEMBER_ID", "app-9"],
  ["an unknown id with an unknown name", { memberId: "x", instanceId: "i" }, "UNKNOWN_MEMBER_ID", "x"],
  [
    "too much metadata",
    { protocols: [{ name: "range", metadata: new Uint8Array(2000) }] },
    "GROUP_MAX_SIZE_REACHED",
    "",
  ],
];
for (const [what, request, error, memberId] of refusals) {
  Deno.test(`Group.join() refuses ${what} with ${error} and stays as it is`, () => {
    const h = new GroupHarness();
    h.stable({}, {});
    const { answer } = h.join(request);
    assertEquals([answer?.error, answer?.memberId, answer?.generation, answer?.protocol], [
      error,
      memberId,
      -1,
      null,
    ]);
    assertEquals([h.group.state, h.group.members.size], ["Stable", 2]);
  });
}

Deno.test("Group.join() bounds members, announced ones counted, but refuses none it knows", () => {
  const h = new GroupHarness({ maxMembers: 3 });
  const [leader = ""] = h.stable({}, { instanceId: "i" });
  h.join({ requireKnownMemberId: true });
  assertEquals(h.join().answer?.error, "GROUP_MAX_SIZE_REACHED");
  assertEquals(h.join({ instanceId: "other" }).answer?.error, "GROUP_MAX_SIZE_REACHED");
  assertEquals(h.join({ instanceId: "i" }).answer?.error, "NONE");
  assertEquals(h.join({ memberId: leader }).answer, null, "parked, not refused");
});

Deno.test("Group.join() rebalances a stable group for its leader and for changed metadata only", () => {
  const h = new GroupHarness();
  const [leader = "", follower = ""] = h.stable({}, {});
  const same = h.join({ memberId: follower });
  assertEquals([same.answer?.generation, same.answer?.leader, same.answer?.members], [1, leader, []]);
  assertEquals(h.group.state, "Stable");

  const changed = h.join({ memberId: follower, protocols: protocols(9, "range") });
  assertEquals([changed.answer, h.group.state], [null, "PreparingRebalance"]);
  assertEquals(h.beat(leader), "REBALANCE_IN_PROGRESS");
  const rejoined = h.join({ memberId: leader });
  assertEquals([changed.answer?.generation, rejoined.answer?.generation], [2, 2]);
  assertEquals(rejoined.answer?.members.map(({ metadata }) => [...metadata]), [[1], [9]]);
});

Deno.test("Group.join() repeats its answer in CompletingRebalance unless the metadata changed", () => {
  const h = new GroupHarness();
  const [leader, follower] = [h.join(), h.join()];
  h.clock.pass(200);
  const id = leader.answer?.memberId ?? "";
  assertEquals(h.join({ memberId: id }).answer, leader.answer);
  const followerId = follower.answer?.memberId ?? "";
  const parked = h.sync(followerId);
  assertEquals(h.join({ memberId: id, protocols: protocols(2, "range") }).answer, null);
  assertEquals(h.group.state, "PreparingRebalance");
  assertEquals(parked.answer?.error, "REBALANCE_IN_PROGRESS");
});

Deno.test("Group.join() throws out who does not rejoin within the longest rebalance timeout", () => {
  const h = new GroupHarness();
  const [stays = "", goes = ""] = h.stable(
    { rebalanceTimeoutMs: 20_000, sessionTimeoutMs: 60_000 },
    { rebalanceTimeoutMs: 40_000, sessionTimeoutMs: 60_000 },
  );
  const parked = h.join({ memberId: stays, rebalanceTimeoutMs: 20_000 });
  h.clock.pass(39_999);
  assertEquals(parked.answer, null);
  h.clock.pass(1);
  assertEquals(parked.answer?.members.map(({ memberId }) => memberId), [stays]);
  assertEquals(h.beat(goes, 1), "UNKNOWN_MEMBER_ID");
});

Deno.test("Group.join() elects a leader among those who rejoined, and keeps the old one if it did", () => {
  const h = new GroupHarness();
  const patient = { sessionTimeoutMs: 200_000 };
  const [a = "", b = "", c = ""] = h.stable(patient, patient, patient);
  const [forC, forB] = [h.join({ memberId: c, protocols: protocols(3, "range") }), h.join({ memberId: b })];
  h.clock.pass(60_000);
  assertEquals([forC.answer?.leader, forB.answer?.leader], [b, b], `${a} is out, ${b} came before ${c}`);
  assertEquals(forB.answer?.members.length, 2);
  const again = h.join({ memberId: c, protocols: protocols(4, "range") });
  h.join({ memberId: b });
  assertEquals(again.answer?.leader, b);
});

Deno.test("Group.join() selects the protocol that most members prefer among the common ones", () => {
  const cases: [string[][], string][] = [
    [[["range", "rr"], ["range", "rr"]], "range"],
    [[["range", "rr"], ["rr", "range"], ["rr", "range"]], "rr"],
    [[["sticky", "range"], ["range"]], "range"],
    [[["sticky", "rr", "range"], ["sticky", "range", "rr"], ["range", "rr"]], "range"],
    [[["a", "b"], ["b", "a"]], "a"],
  ];
  for (const [offers, selected] of cases) {
    const h = new GroupHarness();
    h.stable(...offers.map((names) => ({ protocols: protocols(0, ...names) })));
    assertEquals(h.group.protocol, selected, JSON.stringify(offers));
  }
});

Deno.test("Group.join() drops a brand-new member that stays parked for five minutes", () => {
  const h = new GroupHarness();
  const [id = ""] = h.stable({ rebalanceTimeoutMs: 600_000 });
  const parked = h.join({ rebalanceTimeoutMs: 600_000 });
  for (let passed = 0; passed < 297_000; passed += 9_000) {
    h.clock.pass(9_000);
    assertEquals(h.beat(id), "REBALANCE_IN_PROGRESS"); // it lives, but does not rejoin
  }
  h.clock.pass(2_999);
  assertEquals([parked.answer, h.group.members.size], [null, 2]);
  h.clock.pass(1);
  assertEquals([parked.answer?.error, h.group.members.size], ["UNKNOWN_MEMBER_ID", 1]);
});

Deno.test("Group.join() answers a member's own earlier request when it asks again", () => {
  const h = new GroupHarness();
  const [id = "", other = ""] = h.stable({}, {});
  const lost = h.join({ memberId: id });
  const again = h.join({ memberId: id });
  assertEquals([lost.answer?.error, again.answer], ["REBALANCE_IN_PROGRESS", null]);
  h.join({ memberId: other });
  assertEquals([again.answer?.generation, lost.count, again.count], [2, 1, 1]);
});

Deno.test("Group.sync() parks everyone until the leader has assigned, then gives each its bytes", () => {
  const h = new GroupHarness();
  const joins = [h.join(), h.join(), h.join()];
  h.clock.pass(200);
  const [a = "", b = "", c = ""] = joins.map(({ answer }) => answer?.memberId);
  const [early, other] = [h.sync(b), h.sync(c)];
  for (let passed = 0; passed < 54_000; passed += 9_000) {
    h.clock.pass(9_000);
    h.beat(a);
  }
  assertEquals([early.answer, other.answer], [null, null], "no timer answers");
  const assignments = [
    { memberId: a, assignment: Uint8Array.of(1) },
    { memberId: b, assignment: Uint8Array.of(2, 2) },
    { memberId: "stranger", assignment: Uint8Array.of(3) },
  ];
  const decided = h.sync(a, { assignments });
  assertEquals([decided.answer?.assignment, early.answer?.assignment, other.answer?.assignment], [
    Uint8Array.of(1),
    Uint8Array.of(2, 2),
    new Uint8Array(0),
  ]);
  assertEquals(early.answer, {
    ...{ error: "NONE", protocolType: "consumer", protocol: "range", assignment: Uint8Array.of(2, 2) },
  });
  assertEquals(h.group.state, "Stable");
  assertEquals(h.sync(b).answer?.assignment, Uint8Array.of(2, 2), "asked again in Stable");
});

Deno.test("Group.sync() refuses strangers, other generations and other protocols, in this order", () => {
  const h = new GroupHarness();
  const [id = ""] = h.stable({});
  const error = (memberId: string, request: Parameters<GroupHarness["sync"]>[1]) =>
    h.sync(memberId, request).answer?.error;
  assertEquals(error("x", { generation: 9 }), "UNKNOWN_MEMBER_ID");
  assertEquals(error(id, { generation: 9, protocol: "other" }), "ILLEGAL_GENERATION");
  assertEquals(error(id, { protocolType: "connect" }), "INCONSISTENT_GROUP_PROTOCOL");
  assertEquals(error(id, { protocol: "other" }), "INCONSISTENT_GROUP_PROTOCOL");
  assertEquals(error(id, { protocolType: "consumer", protocol: "range" }), "NONE");
  h.join();
  assertEquals(error(id, { protocol: "range" }), "REBALANCE_IN_PROGRESS");
});

Deno.test("Group.sync() refuses a leader whose assignments exceed the bound", () => {
  const h = new GroupHarness();
  const asked = h.join();
  h.clock.pass(100);
  const memberId = asked.answer?.memberId ?? "";
  const { answer } = h.sync(memberId, { assignments: [{ memberId, assignment: new Uint8Array(1001) }] });
  assertEquals([answer?.error, h.group.state], ["INVALID_REQUEST", "CompletingRebalance"]);
});

Deno.test("Group.sync() tells all parked members of a new rebalance", () => {
  const h = new GroupHarness();
  const [a, b] = [h.join(), h.join()];
  h.clock.pass(200);
  const parked = h.sync(b.answer?.memberId ?? "");
  h.join(); // a third member
  assertEquals([parked.answer?.error, parked.answer?.assignment], [
    "REBALANCE_IN_PROGRESS",
    new Uint8Array(0),
  ]);
  assertEquals(h.beat(a.answer?.memberId ?? ""), "REBALANCE_IN_PROGRESS");
});

Deno.test("Group.sync() missing for the rebalance timeout throws the member out and rebalances", () => {
  const h = new GroupHarness();
  const times = { sessionTimeoutMs: 600_000, rebalanceTimeoutMs: 30_000 };
  const [leader, follower] = [h.join(times), h.join(times)];
  h.clock.pass(200);
  const parked = h.sync(follower.answer?.memberId ?? "");
  h.clock.pass(29_000);
  assertEquals(parked.answer, null);
  h.clock.pass(1_000);
  assertEquals(parked.answer?.error, "REBALANCE_IN_PROGRESS");
  assertEquals(h.beat(leader.answer?.memberId ?? ""), "UNKNOWN_MEMBER_ID");
  const again = h.join({ memberId: follower.answer?.memberId ?? "" });
  assertEquals([again.answer?.generation, again.answer?.leader], [2, follower.answer?.memberId]);
});

Deno.test("Group.heartbeat() answers by state and restarts the session", () => {
  const h = new GroupHarness();
  const asked = h.join();
  h.clock.pass(100);
  const id = asked.answer?.memberId ?? "";
  assertEquals(h.beat(id), "NONE", "CompletingRebalance");
  h.sync(id);
  for (let i = 0; i < 5; i++) {
    h.clock.pass(9_000);
    assertEquals(h.beat(id), "NONE", "Stable");
  }
  assertEquals(h.beat(id, 7), "ILLEGAL_GENERATION");
  assertEquals(h.beat("x", 7), "UNKNOWN_MEMBER_ID");
  h.join(); // another member: rebalance
  for (let i = 0; i < 5; i++) {
    h.clock.pass(9_000);
    assertEquals(h.beat(id), "REBALANCE_IN_PROGRESS");
  }
});

Deno.test("Group ends a silent member's session and rebalances the others", () => {
  const h = new GroupHarness();
  const [leader = "", follower = ""] = h.stable({}, {});
  h.clock.pass(9_000);
  h.beat(follower);
  h.clock.pass(1_000);
  assertEquals([h.group.state, h.group.members.leader], ["PreparingRebalance", follower]);
  const again = h.join({ memberId: follower });
  assertEquals([again.answer?.generation, again.answer?.leader], [2, follower]);
  assertEquals(h.beat(leader), "UNKNOWN_MEMBER_ID");
});

Deno.test("Group becomes Empty with a new generation when its last session ends, without timers", () => {
  const h = new GroupHarness();
  h.stable({});
  h.clock.pass(10_000);
  assertEquals([h.group.state, h.group.generation, h.stored], ["Empty", 2, [1, 2]]);
  assertEquals([h.group.protocol, h.group.emptySince, h.clock.pending], [null, h.clock.now(), 0]);
  assertEquals(h.group.vacant, true);
});

Deno.test("Group keeps a member alive whose join or sync is parked, for longer than its session", () => {
  const h = new GroupHarness();
  const [a = "", b = ""] = h.stable({}, { sessionTimeoutMs: 50_000 });
  const parked = h.join({ memberId: a });
  h.clock.pass(30_000); // three sessions of a
  assertEquals([parked.answer, h.group.members.size], [null, 2]);
  h.join({ memberId: b, sessionTimeoutMs: 50_000 });
  const sync = h.sync(b);
  h.beat(a);
  for (let i = 0; i < 6; i++) {
    h.clock.pass(9_000);
    h.beat(a);
  }
  assertEquals([sync.answer, h.group.members.size], [null, 2], "54 s parked with a session of 50 s");
});

Deno.test("Group.leave() removes members at once, each with an answer of its own", () => {
  const h = new GroupHarness();
  const [a = "", b = "", c = ""] = h.stable({}, {}, { instanceId: "i" });
  const parked = h.join({ memberId: b, protocols: protocols(5, "range") });
  assertEquals(
    h.group.leave([
      { memberId: b, instanceId: null },
      { memberId: "x", instanceId: null },
      { memberId: "", instanceId: "unknown" },
      { memberId: "", instanceId: null },
      { memberId: a, instanceId: "i" },
      { memberId: "", instanceId: "i" },
    ]),
    ["NONE", "UNKNOWN_MEMBER_ID", "UNKNOWN_MEMBER_ID", "UNKNOWN_MEMBER_ID", "FENCED_INSTANCE_ID", "NONE"],
  );
  assertEquals(parked.answer?.error, "UNKNOWN_MEMBER_ID", "the leaver's parked join");
  assertEquals([...h.group.members].map(({ id }) => id), [a]);
  assertEquals(h.beat(c), "UNKNOWN_MEMBER_ID");
  assertEquals(h.join({ memberId: a }).answer?.generation, 2);
});

Deno.test("Group.leave() of the one that is waited for completes the join of the others", () => {
  const h = new GroupHarness();
  const [a = "", b = ""] = h.stable({}, {});
  const parked = h.join({ memberId: a });
  assertEquals(h.leave(b), ["NONE"]);
  assertEquals([parked.answer?.generation, parked.answer?.members.length], [2, 1]);
});

Deno.test("Group.leave() of an announced id does not rebalance a stable group", () => {
  const h = new GroupHarness();
  h.stable({});
  const announced = h.join({ requireKnownMemberId: true });
  assertEquals(h.leave(announced.answer?.memberId ?? ""), ["NONE"]);
  assertEquals(h.group.state, "Stable");
});

Deno.test("Group.leave() of the last member makes the group Empty; the next join starts from there", () => {
  const h = new GroupHarness();
  const [a = ""] = h.stable({});
  h.leave(a);
  assertEquals([h.group.state, h.group.generation, h.clock.pending], ["Empty", 2, 0]);
  const next = h.join({ protocolType: "connect" });
  h.clock.pass(100);
  assertEquals([next.answer?.generation, h.group.protocolType], [3, "connect"]);
});

Deno.test("Group.leave() of everyone within the initial delay lets newcomers in with any protocol", () => {
  const h = new GroupHarness();
  const announced = h.join({ requireKnownMemberId: true }).answer?.memberId ?? "";
  const parked = h.join({ memberId: announced });
  h.leave(announced);
  assertEquals([parked.answer?.error, h.group.state], ["UNKNOWN_MEMBER_ID", "PreparingRebalance"]);
  const next = h.join({ protocolType: "connect", protocols: protocols(1, "other") });
  h.clock.pass(200);
  assertEquals([next.answer?.generation, next.answer?.protocol], [1, "other"]);
});

Deno.test("Group.commit() answers in Kafka's order and counts as a heartbeat", () => {
  const h = new GroupHarness();
  assertEquals(h.commit("", -1), "NONE", "Empty: anyone");
  assertEquals(h.commit("x", 3), "UNKNOWN_MEMBER_ID");
  const [a = ""] = h.stable({});
  assertEquals(h.commit("", -1), "UNKNOWN_MEMBER_ID", "not beside members");
  assertEquals(h.commit("x", 9), "UNKNOWN_MEMBER_ID");
  assertEquals(h.commit(a, -1), "ILLEGAL_GENERATION");
  assertEquals(h.commit(a, 9), "ILLEGAL_GENERATION");
  for (let i = 0; i < 5; i++) {
    h.clock.pass(9_000);
    assertEquals(h.commit(a), "NONE", "Stable");
  }
  const joining = h.join();
  assertEquals(h.commit(a), "NONE", "PreparingRebalance");
  h.join({ memberId: a });
  assertEquals(joining.answer?.error, "NONE");
  assertEquals(h.commit(a), "REBALANCE_IN_PROGRESS", "CompletingRebalance");
});

Deno.test("Group continues from the generation it is given", () => {
  const h = new GroupHarness({}, 41);
  h.stable({});
  assertEquals(h.group.generation, 42);
});

Deno.test("Group.close() answers whoever is parked and stops every timer", () => {
  const h = new GroupHarness();
  const [a = ""] = h.stable({}, {});
  const parked = h.join({ memberId: a });
  h.join({ requireKnownMemberId: true });
  h.group.close();
  assertEquals([parked.answer?.error, h.clock.pending], ["COORDINATOR_NOT_AVAILABLE", 0]);

  const other = new GroupHarness();
  const asked = [other.join(), other.join()];
  other.clock.pass(200);
  const sync = other.sync(asked[1]?.answer?.memberId ?? "");
  other.group.close();
  assertEquals([sync.answer?.error, other.clock.pending], ["COORDINATOR_NOT_AVAILABLE", 0]);
});
