import { assertEquals } from "@std/assert";
import { leaveGroup } from "../../../../kafka/broker/apis/13_leave_group.ts";
import { joinDefaults } from "../group_harness.ts";
import { type ApiHarness, flexible as f, i16, i32, old as o, withApis } from "../group_api_harness.ts";

const noThrottle = i32(0);

/** A group "g" with the members app-1 and i-2, the latter static with the name i. */
async function joinTwo({ clock, state }: ApiHarness): Promise<void> {
  const never = new AbortController().signal;
  const joining = [
    state.groups.join("g", joinDefaults, never),
    state.groups.join("g", { ...joinDefaults, instanceId: "i" }, never),
  ];
  clock.pass(200);
  assertEquals((await Promise.all(joining)).map((told) => told?.memberId), ["app-1", "i-2"]);
}

for (const [version, throttle] of [[0, ""], [1, noThrottle], [2, noThrottle]] as const) {
  Deno.test(`LeaveGroup v${version} removes one member and answers for it alone`, () =>
    withApis(async (h) => {
      await joinTwo(h);
      const body = o.text("g") + o.text("app-1");
      assertEquals(await h.ask(leaveGroup, version, body), throttle + i16(0));
      assertEquals(await h.ask(leaveGroup, version, body), throttle + i16(25));
      assertEquals(await h.ask(leaveGroup, version, o.text("") + o.text("x")), throttle + i16(24));
      assertEquals(h.fail(leaveGroup, version, body, -1), throttle + i16(-1));
    }));
}

Deno.test("LeaveGroup v3 removes several members, each with its own error", () =>
  withApis(async (h) => {
    await joinTwo(h);
    const body = o.text("g") +
      o.array(o.text("app-1") + o.text(null), o.text("") + o.text("i"), o.text("x") + o.text(null));
    assertEquals(
      await h.ask(leaveGroup, 3, body),
      noThrottle + i16(0) +
        o.array(
          o.text("app-1") + o.text(null) + i16(0),
          o.text("") + o.text("i") + i16(0),
          o.text("x") + o.text(null) + i16(25),
        ),
    );
  }));

Deno.test("LeaveGroup v4 is flexible and v5 brings reasons", () =>
  withApis(async (h) => {
    await joinTwo(h);
    assertEquals(
      await h.ask(leaveGroup, 4, f.struct(f.text("g"), f.array(f.struct(f.text("i-1"), f.text("i"))))),
      f.struct(noThrottle, i16(0), f.array(f.struct(f.text("i-1"), f.text("i"), i16(82)))),
    );
    const leaver = f.struct(f.text("app-1"), f.text(null), f.text("the consumer is being closed"));
    assertEquals(
      await h.ask(leaveGroup, 5, f.struct(f.text("g"), f.array(leaver))),
      f.struct(noThrottle, i16(0), f.array(f.struct(f.text("app-1"), f.text(null), i16(0)))),
    );
    assertEquals(
      await h.ask(leaveGroup, 5, f.struct(f.text("unknown"), f.array(leaver))),
      f.struct(noThrottle, i16(0), f.array(f.struct(f.text("app-1"), f.text(null), i16(25)))),
    );
  }));
