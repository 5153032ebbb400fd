import { assertEquals } from "@std/assert";
// First the harness: it loads the list of APIs, which an API itself looks back into.
import { withApis } from "../group_api_harness.ts";
import { deleteGroups } from "../../../../kafka/broker/apis/42_delete_groups.ts";
import { joinGroup } from "../../../../kafka/broker/apis/11_join_group.ts";
import { encodingOf } from "../encodings.ts";
import { hex16, hex32, str } from "../raw_client.ts";

const anyone = { memberId: "", instanceId: null, generation: -1 };

function bodyOf(version: number, ...ids: readonly string[]): string {
  const { text, list, tags } = encodingOf(version, 2);
  return list(ids.map(text)) + tags;
}

function answerOf(version: number, ...outcomes: readonly [id: string, error: number][]): string {
  const { text, structs, tags } = encodingOf(version, 2);
  return hex32(0) + structs(outcomes.map(([id, error]) => text(id) + hex16(error))) + tags;
}

Deno.test("DeleteGroups v0 to v2 deletes what has no members, names each group once", () =>
  withApis(async (h) => {
    const protocols = hex32(1) + str("range") + hex32(0);
    await h.askAfterDelay(joinGroup, 0, str("busy") + hex32(10_000) + str("") + str("consumer") + protocols);
    for (let version = 0; version <= 2; version++) {
      h.state.groups.checkCommit("g", anyone);
      assertEquals(
        await h.ask(deleteGroups, version, bodyOf(version, "busy", "g", "nobody", "g")),
        answerOf(version, ["busy", 68], ["g", 0], ["nobody", 69]),
        `v${version}`,
      );
    }
    assertEquals(h.state.groups.list().map(({ id }) => id), ["busy"]);
  }));

Deno.test("DeleteGroups tells when the disk does not take it, and the group stays", () =>
  withApis(async (h) => {
    h.state.groups.checkCommit("g", anyone);
    h.state.store.beforeCommit(() => {
      throw new Error("disk full");
    });
    assertEquals(await h.ask(deleteGroups, 0, bodyOf(0, "g")), answerOf(0, ["g", 56]));
    assertEquals(h.state.groups.describe("g").state, "Empty");
  }));
