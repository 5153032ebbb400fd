import { assertEquals } from "@std/assert";
import { systemClock } from "../../../kafka/broker/group_clock.ts";
import { silentBrokerLogger } from "../../../kafka/broker/logger.ts";
import type { JoinAnswer, JoinRequest } from "../../../kafka/broker/group_messages.ts";
import { eventually } from "../../eventually.ts";
import { joinDefaults, protocols } from "./group_harness.ts";
import { StoredGroups, withFolder } from "./stored_groups.ts";

const day = 86_400_000;
const never = new AbortController().signal;
const nobody = { memberId: "", instanceId: null, generation: -1 };

function join(
  h: StoredGroups,
  groupId: string,
  request: Partial<JoinRequest> = {},
): Promise<JoinAnswer | null> {
  return h.groups.join(groupId, { ...joinDefaults, ...request }, never);
}

/** Joins as the only member of a group. */
async function joinAlone(
  h: StoredGroups,
  groupId: string,
  request: Partial<JoinRequest> = {},
): Promise<JoinAnswer> {
  const joining = join(h, groupId, request);
  h.clock.pass(100);
  const told = await joining;
  if (told?.error !== "NONE") throw new Error(`Cannot join ${groupId}: ${told?.error}`);
  return told;
}

function leave(h: StoredGroups, groupId: string, memberId: string): void {
  h.groups.leave(groupId, [{ memberId, instanceId: null }]);
}

Deno.test("Groups refuses what needs no group to be refused", () =>
  withFolder(async (dataDir) => {
    await using h = await StoredGroups.open(dataDir);
    const joinError = async (groupId: string, request: Partial<JoinRequest>) =>
      (await join(h, groupId, request))?.error;
    assertEquals(await joinError("", { sessionTimeoutMs: 1 }), "INVALID_GROUP_ID");
    assertEquals(await joinError("a\0b", {}), "INVALID_GROUP_ID");
    assertEquals(await joinError("x".repeat(1001), {}), "INVALID_GROUP_ID");
    assertEquals(await joinError("g", { sessionTimeoutMs: 5_999 }), "INVALID_SESSION_TIMEOUT");
    assertEquals(await joinError("g", { sessionTimeoutMs: 1_800_001 }), "INVALID_SESSION_TIMEOUT");
    assertEquals(await joinError("g", { memberId: "x" }), "UNKNOWN_MEMBER_ID");
    assertEquals(await joinError("g", { instanceId: "i".repeat(250) }), "INVALID_REQUEST");
    const many = protocols(0, ...Array.from({ length: 101 }, (_, at) => `p${at}`));
    assertEquals(await joinError("g", { protocols: many }), "INVALID_REQUEST");
    assertEquals(h.groups.size, 0, "none of them makes a group");

    const sync = { ...nobody, protocolType: null, protocol: null, assignments: [] };
    assertEquals((await h.groups.sync("g", sync, never))?.error, "UNKNOWN_MEMBER_ID");
    assertEquals((await h.groups.sync("", sync, never))?.error, "INVALID_GROUP_ID");
    assertEquals(h.groups.heartbeat("g", nobody), "UNKNOWN_MEMBER_ID");
    assertEquals(h.groups.heartbeat("", nobody), "INVALID_GROUP_ID");
    assertEquals(h.groups.leave("g", [nobody, nobody]), ["UNKNOWN_MEMBER_ID", "UNKNOWN_MEMBER_ID"]);
    assertEquals(h.groups.checkCommit("g", { ...nobody, generation: 0 }), "ILLEGAL_GENERATION");
    assertEquals(h.groups.checkCommit("a\0b", nobody), "INVALID_GROUP_ID");
  }));

Deno.test("Groups continues a group's generation over a restart and knows none of its members", () =>
  withFolder(async (dataDir) => {
    let memberId: string;
    {
      await using h = await StoredGroups.open(dataDir);
      memberId = (await joinAlone(h, "g")).memberId;
      await joinAlone(h, "g", { memberId, protocols: protocols(2, "range") });
      assertEquals(h.offsets.groups().map(({ id, generation }) => [id, generation]), [["g", 2]]);
    }
    await using h = await StoredGroups.open(dataDir);
    assertEquals(h.groups.heartbeat("g", { memberId, instanceId: null, generation: 2 }), "UNKNOWN_MEMBER_ID");
    assertEquals((await join(h, "g", { memberId }))?.error, "UNKNOWN_MEMBER_ID");
    assertEquals((await joinAlone(h, "g")).generation, 3);
  }));

Deno.test("Groups.join() answers only after the generation is on disk", () =>
  withFolder(async (dataDir) => {
    await using h = await StoredGroups.open(dataDir);
    let stored: number | undefined;
    const joining = join(h, "g").then(() => stored = h.offsets.groups()[0]?.generation);
    h.clock.pass(100);
    assertEquals(h.offsets.groups(), [], "decided, but not written yet");
    await joining;
    assertEquals(stored, 1);
  }));

Deno.test("Groups.join() goes on when the disk takes nothing, and logs it", () =>
  withFolder(async (dataDir) => {
    const warnings: string[] = [];
    const logger = { ...silentBrokerLogger, warn: (message: string) => void warnings.push(message) };
    await using h = await StoredGroups.open(dataDir, { logger });
    await h.store[Symbol.asyncDispose]();
    assertEquals((await joinAlone(h, "g")).generation, 1);
    assertEquals(warnings, ["cannot store the generation of a group"]);
  }));

Deno.test("Groups.join() lets go of a parked request when its connection ends, and keeps the member", () =>
  withFolder(async (dataDir) => {
    await using h = await StoredGroups.open(dataDir);
    const connection = new AbortController();
    const lost = h.groups.join("g", joinDefaults, connection.signal);
    const other = join(h, "g");
    connection.abort();
    assertEquals(await lost, null);
    h.clock.pass(200);
    assertEquals((await other)?.members.length ?? (await other)?.leader, 0, "the lost member leads");
    const again = h.groups.join("g", joinDefaults, connection.signal);
    assertEquals(await again, null, "a connection that is gone already");
  }));

Deno.test("Groups.sync() lets go of a parked request when its connection ends", () =>
  withFolder(async (dataDir) => {
    await using h = await StoredGroups.open(dataDir);
    const joining = [join(h, "g"), join(h, "g")];
    h.clock.pass(200);
    const [, follower] = await Promise.all(joining);
    const connection = new AbortController();
    const claim = { memberId: follower?.memberId ?? "", instanceId: null, generation: 1 };
    const wish = { ...claim, protocolType: null, protocol: null, assignments: [] };
    const parked = h.groups.sync("g", wish, connection.signal);
    connection.abort();
    assertEquals(await parked, null);
    assertEquals(h.groups.heartbeat("g", claim), "NONE", "still a member");
  }));

Deno.test("Groups bounds its groups, and makes room by dropping names that came to nothing", () =>
  withFolder(async (dataDir) => {
    await using h = await StoredGroups.open(dataDir, { maxGroups: 2 });
    assertEquals((await join(h, "named", { protocols: [] }))?.error, "INCONSISTENT_GROUP_PROTOCOL");
    await joinAlone(h, "used");
    assertEquals(h.groups.checkCommit("committed", nobody), "NONE");
    assertEquals(h.groups.size, 2);
    assertEquals((await join(h, "new"))?.error, "GROUP_MAX_SIZE_REACHED");
    assertEquals(h.groups.checkCommit("new", nobody), "GROUP_MAX_SIZE_REACHED");
    assertEquals((await joinAlone(h, "committed")).generation, 1, "a known group goes on");
  }));

Deno.test("Groups bounds the memory of all members, and counts who leaves and who never comes", () =>
  withFolder(async (dataDir) => {
    await using h = await StoredGroups.open(dataDir, { maxBytes: 3 * 2048 });
    const { memberId } = await joinAlone(h, "a");
    await joinAlone(h, "b");
    assertEquals((await join(h, "c", { requireKnownMemberId: true }))?.error, "MEMBER_ID_REQUIRED");
    assertEquals((await join(h, "d"))?.error, "GROUP_MAX_SIZE_REACHED");
    assertEquals((await join(h, "d", { requireKnownMemberId: true }))?.error, "GROUP_MAX_SIZE_REACHED");
    leave(h, "a", memberId);
    await joinAlone(h, "d");
    assertEquals((await join(h, "e"))?.error, "GROUP_MAX_SIZE_REACHED");
    h.clock.pass(10_000); // the id announced to c's member is forgotten, the silent members are gone
    assertEquals((await joinAlone(h, "e")).generation, 1);
  }));

Deno.test("Groups.sweep() expires offsets 7 days after a group became Empty, not while it has members", () =>
  withFolder(async (dataDir) => {
    await using h = await StoredGroups.open(dataDir);
    const topic = await h.topic("t");
    const { memberId } = await joinAlone(h, "g", { sessionTimeoutMs: 1_800_000 });
    await h.commit("g", topic, 5);
    for (let i = 0; i < 8 * 96; i++) {
      h.clock.pass(day / 96); // the member heartbeats four times an hour
      const claim = { memberId, instanceId: null, generation: 1 };
      const wish = { ...claim, protocolType: null, protocol: null, assignments: [] };
      if (i === 0) await h.groups.sync("g", wish, never);
      else h.groups.heartbeat("g", claim);
      if (i % 96 === 0) await h.groups.sweep();
    }
    assertEquals(h.offsets.fetch("g", "t", 0)?.offset, 5, "8 days old, but the group lives");
    leave(h, "g", memberId);
    await h.store.write(() => {}); // what the leave stored is on disk
    h.clock.pass(7 * day);
    await h.groups.sweep();
    assertEquals(h.offsets.fetch("g", "t", 0)?.offset, 5, "Empty for 7 days");
    h.clock.pass(1);
    await h.groups.sweep();
    assertEquals([h.offsets.fetch("g", "t", 0), h.groups.size, h.offsets.groups()], [undefined, 0, []]);
  }));

Deno.test("Groups.sweep() keeps what a consumer outside the group commits for 7 days", () =>
  withFolder(async (dataDir) => {
    const options = { sweepMs: 1e12 };
    await using h = await StoredGroups.open(dataDir, options);
    const topic = await h.topic("t");
    assertEquals(h.groups.checkCommit("g", nobody), "NONE");
    await h.commit("g", topic, 1);
    h.clock.pass(5 * day);
    assertEquals(h.groups.checkCommit("g", nobody), "NONE");
    await h.commit("g", topic, 2);
    h.clock.pass(5 * day);
    await h.groups.sweep();
    assertEquals(h.offsets.fetch("g", "t", 0)?.offset, 2);
    h.clock.pass(3 * day);
    await h.groups.sweep();
    assertEquals([h.offsets.fetch("g", "t", 0), h.groups.size], [undefined, 0]);
  }));

Deno.test("Groups counts the 7 days of a group that had members when the broker ended from the start", () =>
  withFolder(async (dataDir) => {
    {
      await using h = await StoredGroups.open(dataDir);
      await joinAlone(h, "g");
      await h.commit("g", await h.topic("t"), 5);
    }
    await using h = await StoredGroups.open(dataDir, { sweepMs: 1e12 });
    h.clock.pass(6 * day);
    await h.groups.sweep();
    assertEquals([h.groups.size, h.offsets.fetch("g", "t", 0)?.offset], [1, 5]);
    h.clock.pass(2 * day);
    await h.groups.sweep();
    assertEquals(h.groups.size, 0);
  }));

Deno.test("Groups sweeps by itself", () =>
  withFolder(async (dataDir) => {
    await using h = await StoredGroups.open(dataDir);
    await h.commit("g", await h.topic("t"), 1);
    assertEquals(h.groups.checkCommit("g", nobody), "NONE");
    h.clock.pass(7 * day + 600_000);
    await eventually("a sweep", async () => {
      await h.store.write(() => {}); // the sweep's own write comes before it
      h.clock.pass(600_000);
      return h.groups.size === 0;
    });
    assertEquals([h.groups.size, h.offsets.fetch("g", "t", 0)], [0, undefined]);
  }));

Deno.test("Groups answers parked requests when closed, leaves no timer, takes nobody in after", () =>
  withFolder(async (dataDir) => {
    await using h = await StoredGroups.open(dataDir);
    const parked = join(h, "g");
    await join(h, "g", { requireKnownMemberId: true });
    h.groups[Symbol.dispose]();
    assertEquals((await parked)?.error, "COORDINATOR_NOT_AVAILABLE");
    assertEquals((await join(h, "g"))?.error, "COORDINATOR_NOT_AVAILABLE");
    assertEquals(h.groups.checkCommit("g", nobody), "COORDINATOR_NOT_AVAILABLE");
    assertEquals(h.clock.pending, 0);
  }));

Deno.test("systemClock runs a timer later, a long one much later, and takes it back", async () => {
  const order: string[] = [];
  const ran = new Promise<void>((resolve) => systemClock.setTimer(() => (order.push("timer"), resolve()), 0));
  const long = systemClock.setTimer(() => order.push("long"), 1e15);
  order.push("now");
  await ran;
  systemClock.clearTimer(long);
  assertEquals(order, ["now", "timer"]);
});
