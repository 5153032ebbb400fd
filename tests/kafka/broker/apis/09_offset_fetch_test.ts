import { assertEquals, assertRejects } from "@std/assert";
import { offsetFetch } from "../../../../kafka/broker/apis/09_offset_fetch.ts";
import { WireError } from "../../../../kafka/broker/wire/reader.ts";
import {
  type ApiHarness,
  flexible as f,
  i16,
  i32,
  i64,
  i8,
  old as o,
  withApis,
} from "../group_api_harness.ts";

const noThrottle = i32(0);

/** Group "g" has committed t-1 at 42 with epoch 3 and a note, and u-0 at 7. */
async function commit({ stored }: ApiHarness): Promise<void> {
  const [t, u] = [await stored.topic("t"), await stored.topic("u")];
  await stored.offsets.commit("g", [
    { topic: t, partition: 1, offset: 42, leaderEpoch: 3, metadata: "note" },
    { topic: u, partition: 0, offset: 7, leaderEpoch: -1, metadata: "" },
  ]);
}

Deno.test("OffsetFetch v1 answers what is there and −1 for the rest, without an error", () =>
  withApis(async (h) => {
    await commit(h);
    const topics = (name: string) => o.array(o.text(name) + o.array(i32(1), i32(0)));
    const none = (partition: number) => i32(partition) + i64(-1) + o.text("") + i16(0);
    assertEquals(
      await h.ask(offsetFetch, 1, o.text("g") + topics("t")),
      o.array(o.text("t") + o.array(i32(1) + i64(42) + o.text("note") + i16(0), none(0))),
    );
    assertEquals(
      await h.ask(offsetFetch, 1, o.text("nobody") + topics("t")),
      o.array(o.text("t") + o.array(none(1), none(0))),
    );
    assertEquals(
      await h.ask(offsetFetch, 1, o.text("g") + topics("unknown")),
      o.array(o.text("unknown") + o.array(none(1), none(0))),
    );
  }));

Deno.test("OffsetFetch v2 and v3 answer null topics with all, v5 brings the leader epoch", () =>
  withApis(async (h) => {
    await commit(h);
    const all = o.text("g") + o.none;
    const told = (epoch1: string, epoch2: string) =>
      o.array(
        o.text("t") + o.array(i32(1) + i64(42) + epoch1 + o.text("note") + i16(0)),
        o.text("u") + o.array(i32(0) + i64(7) + epoch2 + o.text("") + i16(0)),
      ) + i16(0);
    assertEquals(await h.ask(offsetFetch, 2, all), told("", ""));
    assertEquals(await h.ask(offsetFetch, 3, all), noThrottle + told("", ""));
    assertEquals(await h.ask(offsetFetch, 4, o.text("nobody") + o.none), noThrottle + o.array() + i16(0));
    assertEquals(await h.ask(offsetFetch, 5, all), noThrottle + told(i32(3), i32(-1)));
    assertEquals(await h.ask(offsetFetch, 2, o.text("g") + o.array()), o.array() + i16(0), "none asked");
  }));

Deno.test("OffsetFetch v6 is flexible and v7 has requireStable", () =>
  withApis(async (h) => {
    await commit(h);
    const topics = f.array(f.struct(f.text("t"), f.array(i32(1))));
    const told = f.struct(
      noThrottle,
      f.array(f.struct(f.text("t"), f.array(f.struct(i32(1), i64(42), i32(3), f.text("note"), i16(0))))),
      i16(0),
    );
    assertEquals(await h.ask(offsetFetch, 6, f.struct(f.text("g"), topics)), told);
    assertEquals(await h.ask(offsetFetch, 7, f.struct(f.text("g"), topics, i8(1))), told);
    assertEquals(
      await h.ask(offsetFetch, 7, f.struct(f.text("nobody"), f.none, i8(0))),
      f.struct(noThrottle, f.array(), i16(0)),
    );
  }));

Deno.test("OffsetFetch v8 answers several groups, each with its own topics", () =>
  withApis(async (h) => {
    await commit(h);
    const body = f.struct(
      f.array(
        f.struct(f.text("g"), f.array(f.struct(f.text("u"), f.array(i32(0), i32(2))))),
        f.struct(f.text("nobody"), f.none),
      ),
      i8(0),
    );
    const position = (partition: number, offset: number) =>
      f.struct(i32(partition), i64(offset), i32(-1), f.text(""), i16(0));
    assertEquals(
      await h.ask(offsetFetch, 8, body),
      f.struct(
        noThrottle,
        f.array(
          f.struct(
            f.text("g"),
            f.array(f.struct(f.text("u"), f.array(position(0, 7), position(2, -1)))),
            i16(0),
          ),
          f.struct(f.text("nobody"), f.array(), i16(0)),
        ),
      ),
    );
    const error = (group: string) => f.struct(f.text(group), f.array(), i16(-1));
    const asked = f.struct(f.array(f.struct(f.text("g"), f.none), f.struct(f.text("h"), f.none)), i8(0));
    assertEquals(
      h.fail(offsetFetch, 8, asked, -1),
      f.struct(noThrottle, f.array(error("g"), error("h"))),
    );
  }));

Deno.test("OffsetFetch bounds the positions of one request", () =>
  withApis(async (h) => {
    const many = o.array(...Array.from({ length: 60_000 }, (_, at) => i32(at)));
    const body = o.text("g") + o.array(o.text("a") + many, o.text("b") + many);
    await assertRejects(() => h.ask(offsetFetch, 1, body), WireError, "60000 elements");
    assertEquals(
      h.fail(offsetFetch, 1, o.text("g") + o.array(o.text("a") + o.array(i32(3))), -1),
      o.array(o.text("a") + o.array(i32(3) + i64(-1) + o.text("") + i16(-1))),
    );
  }));

Deno.test("OffsetFetch v7 and v8 tell of offsets that a transaction holds back, when stable ones are required", () =>
  withApis(async (h) => {
    await commit(h);
    const topic = await h.stored.topic("t");
    const held = { topic, partition: 1, offset: 99, leaderEpoch: 3, metadata: "new" };
    await h.stored.store.write(() => h.stored.offsets.hold(7, "g", [held]));
    const unstable = f.struct(i32(1), i64(-1), i32(-1), f.text(""), i16(88));
    const old = f.struct(i32(1), i64(42), i32(3), f.text("note"), i16(0));
    const topics = f.array(f.struct(f.text("t"), f.array(i32(1))));
    for (const [stable, told] of [[1, unstable], [0, old]] as const) {
      const found = f.array(f.struct(f.text("t"), f.array(told)));
      assertEquals(
        await h.ask(offsetFetch, 7, f.struct(f.text("g"), topics, i8(stable))),
        f.struct(noThrottle, found, i16(0)),
      );
      assertEquals(
        await h.ask(offsetFetch, 8, f.struct(f.array(f.struct(f.text("g"), topics)), i8(stable))),
        f.struct(noThrottle, f.array(f.struct(f.text("g"), found, i16(0)))),
      );
    }
  }));
