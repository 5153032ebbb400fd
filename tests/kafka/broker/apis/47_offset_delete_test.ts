import { assertEquals } from "@std/assert";
// First the harness: it loads the list of APIs, which an API itself looks back into.
import { type ApiHarness, withApis } from "../group_api_harness.ts";
import { offsetDelete } from "../../../../kafka/broker/apis/47_offset_delete.ts";
import { joinGroup } from "../../../../kafka/broker/apis/11_join_group.ts";
import { hex16, hex32, str } from "../raw_client.ts";

type Places = readonly [topic: string, ...partitions: number[]][];

function bodyOf(groupId: string, places: Places): string {
  return str(groupId) + hex32(places.length) +
    places.map(([topic, ...partitions]) =>
      str(topic) + hex32(partitions.length) + partitions.map(hex32).join("")
    ).join("");
}

function answerOf(error: number, outcomes: readonly [topic: string, ...pairs: [number, number][]][]): string {
  return hex16(error) + hex32(0) + hex32(outcomes.length) +
    outcomes.map(([topic, ...pairs]) =>
      str(topic) + hex32(pairs.length) +
      pairs.map(([partition, code]) => hex32(partition) + hex16(code)).join("")
    ).join("");
}

/** Topics "t" and "u" with an offset of group "g" in partition 0 each. */
async function commitTo(h: ApiHarness): Promise<void> {
  h.state.groups.checkCommit("g", { memberId: "", instanceId: null, generation: -1 });
  for (const name of ["t", "u"]) await h.stored.commit("g", await h.stored.topic(name), 7);
}

const committed = (h: ApiHarness) => h.state.offsets.fetchAll("g").map(({ topic }) => topic);

Deno.test("OffsetDelete v0 deletes offsets of a group without members, and tells of partitions that are not there", () =>
  withApis(async (h) => {
    await commitTo(h);
    const answer = await h.ask(offsetDelete, 0, bodyOf("g", [["t", 0, 1, 9], ["x", 0]]));
    assertEquals(answer, answerOf(0, [["t", [0, 0], [1, 0], [9, 3]], ["x", [0, 3]]]));
    assertEquals(committed(h), ["u"]);
  }));

Deno.test("OffsetDelete keeps the offsets of what the members of a group read", () =>
  withApis(async (h) => {
    await commitTo(h);
    const metadata = "0000" + hex32(1) + str("t") + "ffffffff";
    const protocols = hex32(1) + str("range") + hex32(metadata.length / 2) + metadata;
    await h.askAfterDelay(joinGroup, 0, str("g") + hex32(10_000) + str("") + str("consumer") + protocols);
    const answer = await h.ask(offsetDelete, 0, bodyOf("g", [["t", 0], ["u", 0]]));
    assertEquals(answer, answerOf(0, [["t", [0, 86]], ["u", [0, 0]]]));
    assertEquals(committed(h), ["t"]);
  }));

Deno.test("OffsetDelete refuses a group that is unknown, without a name, or of another kind with members", () =>
  withApis(async (h) => {
    const body = (groupId: string) => bodyOf(groupId, [["t", 0]]);
    assertEquals(await h.ask(offsetDelete, 0, body("nobody")), answerOf(69, []));
    assertEquals(await h.ask(offsetDelete, 0, body("")), answerOf(24, []));
    const protocols = hex32(1) + str("x") + hex32(0);
    await h.askAfterDelay(joinGroup, 0, str("g") + hex32(10_000) + str("") + str("connect") + protocols);
    assertEquals(await h.ask(offsetDelete, 0, body("g")), answerOf(68, []));
  }));

Deno.test("OffsetDelete tells when the disk does not take it, and the offset stays", () =>
  withApis(async (h) => {
    await commitTo(h);
    h.state.store.beforeCommit(() => {
      throw new Error("disk full");
    });
    assertEquals(
      await h.ask(offsetDelete, 0, bodyOf("g", [["t", 0], ["x", 0]])),
      answerOf(0, [
        ["t", [0, 56]],
        ["x", [0, 3]],
      ]),
    );
    assertEquals(committed(h), ["t", "u"]);
  }));
