import { assertEquals } from "@std/assert";
import { syncGroup } from "../../../../kafka/broker/apis/14_sync_group.ts";
import { joinDefaults } from "../group_harness.ts";
import { type ApiHarness, flexible as f, i16, i32, old as o, withApis } from "../group_api_harness.ts";

const noThrottle = i32(0);

/** A group "g" in CompletingRebalance: the leader app-1 and the follower i-2, which is static with the name
 * i. */
async function joinTwo({ clock, state }: ApiHarness): Promise<void> {
  const never = new AbortController().signal;
  const joining = [
    state.groups.join("g", joinDefaults, never),
    state.groups.join("g", { ...joinDefaults, instanceId: "i" }, never),
  ];
  clock.pass(200);
  assertEquals((await Promise.all(joining)).map((told) => told?.leader), ["app-1", "app-1"]);
}

for (const [version, throttle] of [[0, ""], [1, noThrottle], [2, noThrottle]] as const) {
  Deno.test(`SyncGroup v${version} parks the follower until the leader's assignment is there`, () =>
    withApis(async (h) => {
      await joinTwo(h);
      const follower = h.ask(syncGroup, version, o.text("g") + i32(1) + o.text("i-2") + o.array());
      const assignments = o.array(o.text("app-1") + o.bytes("01"), o.text("i-2") + o.bytes("0202"));
      const leader = o.text("g") + i32(1) + o.text("app-1") + assignments;
      assertEquals(await h.ask(syncGroup, version, leader), throttle + i16(0) + o.bytes("01"));
      assertEquals(await follower, throttle + i16(0) + o.bytes("0202"));
    }));
}

Deno.test("SyncGroup v3 fences by instance id", () =>
  withApis(async (h) => {
    await joinTwo(h);
    const body = o.text("g") + i32(1) + o.text("i-1") + o.text("i") + o.array();
    assertEquals(await h.ask(syncGroup, 3, body), noThrottle + i16(82) + o.bytes(""));
    assertEquals(h.fail(syncGroup, 3, body, -1), noThrottle + i16(-1) + o.bytes(""));
  }));

Deno.test("SyncGroup v4 is flexible; v5 checks and tells protocol type and name", () =>
  withApis(async (h) => {
    await joinTwo(h);
    const assignments = f.array(f.struct(f.text("app-1"), f.bytes("01")));
    const claim = f.text("g") + i32(1) + f.text("app-1") + f.text(null);
    const refused = f.struct(noThrottle, i16(23), f.text(null), f.text(null), f.bytes(""));
    const wrong = f.struct(claim, f.text("consumer"), f.text("sticky"), assignments);
    assertEquals(await h.ask(syncGroup, 5, wrong), refused);
    const missing = f.struct(
      f.text(""),
      i32(9),
      f.text("x"),
      f.text(null),
      f.text(null),
      f.text("range"),
      f.array(),
    );
    assertEquals(await h.ask(syncGroup, 5, missing), refused, "before anything else");
    assertEquals(
      await h.ask(syncGroup, 5, f.struct(claim, f.text("consumer"), f.text("range"), assignments)),
      f.struct(noThrottle, i16(0), f.text("consumer"), f.text("range"), f.bytes("01")),
    );
    assertEquals(
      await h.ask(syncGroup, 4, f.struct(claim, f.array())),
      f.struct(noThrottle, i16(0), f.bytes("01")),
    );
  }));

Deno.test("SyncGroup has no answer for a connection that is gone", () =>
  withApis(async (h) => {
    await joinTwo(h);
    const connection = new AbortController();
    const body = o.text("g") + i32(1) + o.text("i-2") + o.array();
    const parked = h.ask(syncGroup, 0, body, connection.signal);
    connection.abort();
    assertEquals(await parked, "none");
  }));
