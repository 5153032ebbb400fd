import { assertEquals } from "@std/assert";
import { joinGroup } from "../../../../kafka/broker/apis/11_join_group.ts";
import { flexible as f, i16, i32, i8, old as o, withApis } from "../group_api_harness.ts";

const noThrottle = i32(0);
const sessionTimeout = i32(10_000);
const rebalanceTimeout = i32(60_000);
const oldProtocols = o.array(o.text("range") + o.bytes("cafe"));
const newProtocols = f.array(f.struct(f.text("range"), f.bytes("cafe")));

Deno.test("JoinGroup v0 takes a member in at once, with its session timeout as rebalance timeout", () =>
  withApis(async ({ askAfterDelay, state }) => {
    const body = o.text("g") + sessionTimeout + o.text("") + o.text("consumer") + oldProtocols;
    assertEquals(
      await askAfterDelay(joinGroup, 0, body),
      i16(0) + i32(1) + o.text("range") + o.text("app-1") + o.text("app-1") +
        o.array(o.text("app-1") + o.bytes("cafe")),
    );
    assertEquals(state.groups.size, 1);
  }));

for (const [version, throttle] of [[1, ""], [2, noThrottle], [3, noThrottle]] as const) {
  Deno.test(`JoinGroup v${version} has a rebalance timeout and needs no id`, () =>
    withApis(async ({ askAfterDelay }) => {
      const body = o.text("g") + sessionTimeout + rebalanceTimeout + o.text("") + o.text("consumer") +
        oldProtocols;
      assertEquals(
        await askAfterDelay(joinGroup, version, body),
        throttle + i16(0) + i32(1) + o.text("range") + o.text("app-1") + o.text("app-1") +
          o.array(o.text("app-1") + o.bytes("cafe")),
      );
    }));
}

Deno.test("JoinGroup v4 tells a newcomer its id with MEMBER_ID_REQUIRED, then takes it in", () =>
  withApis(async ({ ask, askAfterDelay }) => {
    const body = (memberId: string) =>
      o.text("g") + sessionTimeout + rebalanceTimeout + o.text(memberId) + o.text("consumer") + oldProtocols;
    assertEquals(
      await ask(joinGroup, 4, body("")),
      noThrottle + i16(79) + i32(-1) + o.text("") + o.text("") + o.text("app-1") + o.array(),
    );
    assertEquals(
      await askAfterDelay(joinGroup, 4, body("app-1")),
      noThrottle + i16(0) + i32(1) + o.text("range") + o.text("app-1") + o.text("app-1") +
        o.array(o.text("app-1") + o.bytes("cafe")),
    );
  }));

Deno.test("JoinGroup v5 names static members", () =>
  withApis(async ({ askAfterDelay }) => {
    const body = o.text("g") + sessionTimeout + rebalanceTimeout + o.text("") + o.text("i") +
      o.text("consumer") + oldProtocols;
    assertEquals(
      await askAfterDelay(joinGroup, 5, body),
      noThrottle + i16(0) + i32(1) + o.text("range") + o.text("i-1") + o.text("i-1") +
        o.array(o.text("i-1") + o.text("i") + o.bytes("cafe")),
    );
  }));

const flexibleStart = (memberId: string, instanceId: string | null) =>
  f.text("g") + sessionTimeout + rebalanceTimeout + f.text(memberId) + f.text(instanceId) +
  f.text("consumer") + newProtocols;

Deno.test("JoinGroup v6 is flexible, and its refusals have an empty protocol name", () =>
  withApis(async ({ ask, askAfterDelay }) => {
    assertEquals(
      await ask(joinGroup, 6, f.struct(flexibleStart("x", null))),
      f.struct(noThrottle, i16(25), i32(-1), f.text(""), f.text(""), f.text("x"), f.array()),
    );
    assertEquals(
      await askAfterDelay(joinGroup, 6, f.struct(flexibleStart("", "i"))),
      f.struct(
        noThrottle + i16(0) + i32(1) + f.text("range") + f.text("i-1") + f.text("i-1"),
        f.array(f.struct(f.text("i-1"), f.text("i"), f.bytes("cafe"))),
      ),
    );
  }));

Deno.test("JoinGroup v7 has the protocol type, and its refusals null for it and the name", () =>
  withApis(async ({ ask, askAfterDelay }) => {
    assertEquals(
      await ask(joinGroup, 7, f.struct(flexibleStart("", null))),
      f.struct(
        noThrottle,
        i16(79),
        i32(-1),
        f.text(null),
        f.text(null),
        f.text(""),
        f.text("app-1"),
        f.array(),
      ),
    );
    assertEquals(
      await askAfterDelay(joinGroup, 7, f.struct(flexibleStart("app-1", null))),
      f.struct(
        noThrottle + i16(0) + i32(1) + f.text("consumer") + f.text("range") + f.text("app-1") +
          f.text("app-1"),
        f.array(f.struct(f.text("app-1"), f.text(null), f.bytes("cafe"))),
      ),
    );
  }));

Deno.test("JoinGroup v8 brings a reason, v9 tells a returning static leader to skip the assignment", () =>
  withApis(async ({ ask, askAfterDelay, state }) => {
    const body = f.struct(flexibleStart("", "i"), f.text("why not"));
    const member = (id: string) => f.array(f.struct(f.text(id), f.text("i"), f.bytes("cafe")));
    const protocol = f.text("consumer") + f.text("range");
    assertEquals(
      await askAfterDelay(joinGroup, 9, body),
      f.struct(noThrottle, i16(0), i32(1), protocol, f.text("i-1"), i8(0), f.text("i-1"), member("i-1")),
    );
    const claim = { memberId: "i-1", instanceId: "i", generation: 1, protocolType: null, protocol: null };
    await state.groups.sync("g", { ...claim, assignments: [] }, new AbortController().signal);
    assertEquals(
      await ask(joinGroup, 9, body),
      f.struct(noThrottle, i16(0), i32(1), protocol, f.text("i-2"), i8(1), f.text("i-2"), member("i-2")),
    );
    assertEquals(
      await ask(joinGroup, 8, body),
      f.struct(noThrottle, i16(0), i32(1), protocol, f.text("i-2"), f.text("i-3"), f.array()),
      "an older client is told the old leader",
    );
  }));

Deno.test("JoinGroup skips tagged fields it does not know", () =>
  withApis(async ({ askAfterDelay }) => {
    const tagged = "0107" + "02" + "abcd"; // one field: tag 7, two bytes
    const protocols = i8(2) + f.text("range") + f.bytes("cafe") + tagged;
    const body = f.text("g") + sessionTimeout + rebalanceTimeout + f.text("") + f.text("i") +
      f.text("consumer") + protocols + tagged;
    assertEquals((await askAfterDelay(joinGroup, 6, body)).slice(8, 20), i16(0) + i32(1));
  }));

Deno.test("JoinGroup has no answer for a connection that is gone, and its error in each format", () =>
  withApis(async ({ ask, fail }) => {
    const body = o.text("g") + sessionTimeout + o.text("") + o.text("consumer") + oldProtocols;
    assertEquals(await ask(joinGroup, 0, body, AbortSignal.abort()), "none");
    assertEquals(
      fail(joinGroup, 0, body, -1),
      i16(-1) + i32(-1) + o.text("") + o.text("") + o.text("") + o.array(),
    );
    assertEquals(
      fail(joinGroup, 9, body, -1),
      f.struct(
        noThrottle,
        i16(-1),
        i32(-1),
        f.text(null),
        f.text(null),
        f.text(""),
        i8(0),
        f.text(""),
        f.array(),
      ),
    );
  }));
