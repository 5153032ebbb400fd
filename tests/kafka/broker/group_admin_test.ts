/** Groups as those see them who are not in them: described, listed, deleted, their offsets too. @module */
import { assertEquals, assertRejects } from "@std/assert";
import type { JoinRequest } from "../../../kafka/broker/group_messages.ts";
import { StorageError } from "../../../kafka/broker/store.ts";
import { joinDefaults } from "./group_harness.ts";
import { StoredGroups, withFolder } from "./stored_groups.ts";

const anyone = { memberId: "", instanceId: null, generation: -1 };
const never = new AbortController().signal;
/** Head of a consumer's metadata that reads the topics "t" and "u". */
const readsTandU = Uint8Array.fromHex("0001" + "00000002" + "000174" + "000175" + "ffffffff");

/** Lets a member join a group, and returns its id. */
async function join(
  stored: StoredGroups,
  groupId: string,
  request: Partial<JoinRequest> = {},
): Promise<string> {
  const joined = stored.groups.join(groupId, { ...joinDefaults, ...request }, never);
  stored.clock.pass(200);
  return (await joined)?.memberId ?? "";
}

function withGroups(test: (stored: StoredGroups, dataDir: string) => Promise<void>): Promise<void> {
  return withFolder(async (dataDir) => {
    await using stored = await StoredGroups.open(dataDir);
    await test(stored, dataDir);
  });
}

Deno.test("Groups.list() shows a group of offsets alone, also after a restart, and none that was only named", () =>
  withFolder(async (dataDir) => {
    {
      await using stored = await StoredGroups.open(dataDir);
      await join(stored, "refused", { protocolType: "" });
      assertEquals(stored.groups.checkCommit("g", anyone), "NONE");
      await stored.commit("g", await stored.topic("t"), 7);
      assertEquals(stored.groups.list(), [{ id: "g", protocolType: "", state: "Empty" }]);
      assertEquals(stored.groups.describe("refused").state, "Dead");
    }
    await using again = await StoredGroups.open(dataDir);
    assertEquals(again.groups.list(), [{ id: "g", protocolType: "", state: "Empty" }]);
    assertEquals(again.groups.describe("g").state, "Empty");
  }));

Deno.test("Groups.delete() forgets groups without members for ever, with all they committed", () =>
  withFolder(async (dataDir) => {
    {
      await using stored = await StoredGroups.open(dataDir);
      const topic = await stored.topic("t");
      for (const id of ["a", "b"]) {
        stored.groups.checkCommit(id, anyone);
        await stored.commit(id, topic, 7);
      }
      await stored.store.write(() => {
        const offset = { topic, partition: 1, offset: 9, leaderEpoch: 0, metadata: "" };
        stored.offsets.hold(1000, "a", [offset]);
      });
      await join(stored, "busy");
      const asked = ["a", "busy", "nobody"];
      assertEquals(await stored.groups.delete(asked), ["NONE", "NON_EMPTY_GROUP", "GROUP_ID_NOT_FOUND"]);
      assertEquals(stored.offsets.hasOffsets("a"), false, "held back ones go too");
      assertEquals(stored.groups.describe("a").state, "Dead");
      assertEquals(await stored.groups.delete(["a"]), ["GROUP_ID_NOT_FOUND"]);
    }
    await using again = await StoredGroups.open(dataDir);
    assertEquals(again.groups.list().map(({ id }) => id).sort(), ["b", "busy"]);
    assertEquals(again.offsets.fetch("b", "t", 0)?.offset, 7);
  }));

Deno.test("Groups.delete() keeps a group whose end did not reach the disk", () =>
  withGroups(async (stored) => {
    stored.groups.checkCommit("g", anyone);
    await stored.commit("g", await stored.topic("t"), 7);
    let failing = true;
    stored.store.beforeCommit(() => {
      if (failing) throw new Error("disk full");
    });
    await assertRejects(() => stored.groups.delete(["g"]), StorageError);
    assertEquals(stored.groups.list(), [{ id: "g", protocolType: "", state: "Empty" }]);
    assertEquals(stored.offsets.fetch("g", "t", 0)?.offset, 7);
    failing = false;
    assertEquals(await stored.groups.delete(["g"]), ["NONE"]);
  }));

Deno.test("Groups.delete() turns away a member that was only announced", () =>
  withGroups(async (stored) => {
    const request = { ...joinDefaults, requireKnownMemberId: true };
    const announced = await stored.groups.join("g", request, never);
    assertEquals(stored.groups.describe("g").state, "Empty");
    assertEquals(await stored.groups.delete(["g"]), ["NONE"]);
    const back = { ...request, memberId: announced?.memberId ?? "" };
    assertEquals((await stored.groups.join("g", back, never))?.error, "UNKNOWN_MEMBER_ID");
  }));

Deno.test("Groups.delete() leaves a group that commits while it is being deleted", () =>
  withGroups(async (stored) => {
    const topic = await stored.topic("t");
    stored.groups.checkCommit("g", anyone);
    await stored.commit("g", topic, 7);
    const deleted = stored.groups.delete(["g"]);
    stored.groups.checkCommit("g", anyone);
    await stored.commit("g", topic, 8);
    assertEquals(await deleted, ["NONE"]);
    assertEquals(stored.groups.describe("g").state, "Empty");
    assertEquals(stored.offsets.fetch("g", "t", 0)?.offset, 8);
  }));

Deno.test("Groups.checkOffsetDelete() keeps the offsets of what members read", () =>
  withGroups(async (stored) => {
    const check = (id: string) => {
      const { error, subscribed } = stored.groups.checkOffsetDelete(id);
      return [error, subscribed === null ? "all" : [...subscribed].join()];
    };
    assertEquals(check(""), ["INVALID_GROUP_ID", ""]);
    assertEquals(check("nobody"), ["GROUP_ID_NOT_FOUND", ""]);
    const memberId = await join(stored, "readers", { protocols: [{ name: "range", metadata: readsTandU }] });
    assertEquals(check("readers"), ["NONE", "t,u"]);
    stored.groups.leave("readers", [{ memberId, instanceId: null }]);
    assertEquals(check("readers"), ["NONE", ""]);
    await join(stored, "riddle", { protocols: [{ name: "range", metadata: Uint8Array.of(0xff) }] });
    assertEquals(check("riddle"), ["NONE", "all"]);
    await join(stored, "workers", { protocolType: "connect" });
    assertEquals(check("workers"), ["NON_EMPTY_GROUP", ""]);
    void stored.groups.join("first", joinDefaults, never);
    assertEquals(check("first"), ["NONE", "all"], "no protocol was chosen yet");
  }));
