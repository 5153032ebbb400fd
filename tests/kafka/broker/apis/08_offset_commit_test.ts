import { assertEquals, assertRejects } from "@std/assert";
import { offsetCommit } from "../../../../kafka/broker/apis/08_offset_commit.ts";
import { WireError } from "../../../../kafka/broker/wire/reader.ts";
import { joinDefaults } from "../group_harness.ts";
import { flexible as f, i16, i32, i64, old as o, withApis } from "../group_api_harness.ts";

const noThrottle = i32(0);
/** The group "g", no generation, no member. */
const simple = o.text("g") + i32(-1) + o.text("");
const retention = i64(-1);

Deno.test("OffsetCommit v2 to v4 have a retention time, which is ignored; v3 on has a throttle time", () =>
  withApis(async ({ ask, stored, state }) => {
    await stored.topic("t");
    const topics = o.array(o.text("t") + o.array(i32(1) + i64(42) + o.text("note")));
    const told = o.array(o.text("t") + o.array(i32(1) + i16(0)));
    const forEver = "7fffffffffffffff";
    assertEquals(await ask(offsetCommit, 2, simple + forEver + topics), told);
    assertEquals(await ask(offsetCommit, 3, simple + retention + topics), noThrottle + told);
    assertEquals(await ask(offsetCommit, 4, simple + retention + topics), noThrottle + told);
    assertEquals(await ask(offsetCommit, 5, simple + topics), noThrottle + told);
    assertEquals(state.offsets.fetchAll("g"), [
      { topic: "t", partition: 1, offset: 42, leaderEpoch: -1, metadata: "note" },
    ]);
  }));

Deno.test("OffsetCommit v6 keeps the leader epoch, v7 knows static members, null metadata is none", () =>
  withApis(async ({ ask, stored, state, clock }) => {
    await stored.topic("t");
    const topics = o.array(o.text("t") + o.array(i32(0) + i64(7) + i32(3) + o.text(null)));
    const told = (error: number) => noThrottle + o.array(o.text("t") + o.array(i32(0) + i16(error)));
    assertEquals(await ask(offsetCommit, 6, simple + topics), told(0));
    assertEquals(state.offsets.fetch("g", "t", 0), {
      ...{ topic: "t", partition: 0, offset: 7, leaderEpoch: 3, metadata: "" },
    });
    const joining = state.groups.join(
      "g",
      { ...joinDefaults, instanceId: "i" },
      new AbortController().signal,
    );
    clock.pass(100);
    assertEquals((await joining)?.memberId, "i-1");
    const commit = (generation: number, memberId: string, instanceId: string | null) =>
      ask(offsetCommit, 7, o.text("g") + i32(generation) + o.text(memberId) + o.text(instanceId) + topics);
    assertEquals(await commit(1, "i-0", "i"), told(82));
    assertEquals(await commit(2, "i-1", "i"), told(22));
    assertEquals(await commit(1, "i-1", "i"), told(27), "before the assignment");
    const claim = { memberId: "i-1", instanceId: "i", generation: 1, protocolType: null, protocol: null };
    await state.groups.sync("g", { ...claim, assignments: [] }, new AbortController().signal);
    assertEquals(await commit(1, "i-1", "i"), told(0));
    assertEquals(await commit(-1, "", null), told(25), "not a member");
  }));

Deno.test("OffsetCommit v8 is flexible, and each partition has its own error", () =>
  withApis(async ({ ask, stored, state }) => {
    await stored.topic("t");
    const item = (partition: number, note: string) => f.struct(i32(partition), i64(5), i32(-1), f.text(note));
    const body = f.struct(
      f.text("g") + i32(-1) + f.text("") + f.text(null),
      f.array(
        f.struct(f.text("t"), f.array(item(0, ""), item(3, ""), item(-1, ""))),
        f.struct(f.text("unknown"), f.array(item(0, ""))),
      ),
    );
    const told = (partition: number, error: number) => f.struct(i32(partition), i16(error));
    assertEquals(
      await ask(offsetCommit, 8, body),
      f.struct(
        noThrottle,
        f.array(
          f.struct(f.text("t"), f.array(told(0, 0), told(3, 3), told(-1, 3))),
          f.struct(f.text("unknown"), f.array(told(0, 3))),
        ),
      ),
    );
    assertEquals(state.offsets.fetchAll("g").length, 1);
  }));

Deno.test("OffsetCommit refuses a note of more than 4096 characters and takes the others", () =>
  withApis(async ({ ask, stored, state }) => {
    await stored.topic("t");
    const item = (partition: number, note: string) => i32(partition) + i64(5) + o.text(note);
    const topics = o.array(o.text("t") + o.array(item(0, "x".repeat(4097)), item(1, "é".repeat(4096))));
    assertEquals(
      await ask(offsetCommit, 5, simple + topics),
      noThrottle + o.array(o.text("t") + o.array(i32(0) + i16(12), i32(1) + i16(0))),
    );
    assertEquals(state.offsets.fetchAll("g").map(({ partition }) => partition), [1]);
  }));

Deno.test("OffsetCommit for unknown partitions alone does not ask the group nor make one", () =>
  withApis(async ({ ask, state }) => {
    const topics = o.array(o.text("t") + o.array(i32(0) + i64(5) + o.text("")));
    assertEquals(
      await ask(offsetCommit, 5, o.text("g") + i32(7) + o.text("x") + topics),
      noThrottle + o.array(o.text("t") + o.array(i32(0) + i16(3))),
    );
    assertEquals(state.groups.size, 0);
  }));

Deno.test("OffsetCommit of a generation in an unknown group is ILLEGAL_GENERATION", () =>
  withApis(async ({ ask, stored }) => {
    await stored.topic("t");
    const topics = o.array(o.text("t") + o.array(i32(0) + i64(5) + o.text("")));
    assertEquals(
      await ask(offsetCommit, 5, o.text("g") + i32(7) + o.text("x") + topics),
      noThrottle + o.array(o.text("t") + o.array(i32(0) + i16(22))),
    );
  }));

Deno.test("OffsetCommit answers NOT_COORDINATOR when the disk takes nothing, as Kafka does", () =>
  withApis(async ({ ask, stored }) => {
    await stored.topic("t");
    await stored.store[Symbol.asyncDispose]();
    const topics = o.array(o.text("t") + o.array(i32(0) + i64(5) + o.text("")));
    assertEquals(
      await ask(offsetCommit, 5, simple + topics),
      noThrottle + o.array(o.text("t") + o.array(i32(0) + i16(16))),
    );
  }));

Deno.test("OffsetCommit tells every partition of an error, and bounds the partitions of a request", () =>
  withApis(async ({ ask, fail }) => {
    const items = (count: number) => Array.from({ length: count }, () => i32(0) + i64(5) + o.text(""));
    const body = (count: number) => simple + o.array(o.text("t") + o.array(...items(count)));
    assertEquals(
      fail(offsetCommit, 5, body(2), -1),
      noThrottle + o.array(o.text("t") + o.array(i32(0) + i16(-1), i32(0) + i16(-1))),
    );
    await assertRejects(() => ask(offsetCommit, 5, body(20_001)), WireError, "20000");
  }));
