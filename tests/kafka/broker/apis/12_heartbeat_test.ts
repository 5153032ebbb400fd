import { assertEquals } from "@std/assert";
import { heartbeat } from "../../../../kafka/broker/apis/12_heartbeat.ts";
import { joinDefaults } from "../group_harness.ts";
import { flexible as f, i16, i32, old as o, withApis } from "../group_api_harness.ts";

Deno.test("Heartbeat answers in each of its formats", () =>
  withApis(async ({ ask, clock, state, fail }) => {
    const never = new AbortController().signal;
    const joining = state.groups.join("g", { ...joinDefaults, instanceId: "i" }, never);
    clock.pass(100);
    assertEquals((await joining)?.memberId, "i-1");
    const body = o.text("g") + i32(1) + o.text("i-1");
    assertEquals(await ask(heartbeat, 0, body), i16(0));
    assertEquals(await ask(heartbeat, 1, body), i32(0) + i16(0));
    assertEquals(await ask(heartbeat, 2, o.text("g") + i32(2) + o.text("i-1")), i32(0) + i16(22));
    assertEquals(await ask(heartbeat, 3, body + o.text("i")), i32(0) + i16(0));
    assertEquals(await ask(heartbeat, 3, body + o.text("other")), i32(0) + i16(25));
    assertEquals(
      await ask(heartbeat, 4, f.struct(f.text("g"), i32(1), f.text("i-0"), f.text("i"))),
      f.struct(i32(0), i16(82)),
    );
    assertEquals(
      await ask(heartbeat, 4, f.struct(f.text(""), i32(1), f.text("x"), f.text(null))),
      f.struct(i32(0), i16(24)),
    );
    assertEquals(fail(heartbeat, 0, body, -1), i16(-1));
  }));
