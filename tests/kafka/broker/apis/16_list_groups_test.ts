import { assertEquals } from "@std/assert";
import { joinGroup } from "../../../../kafka/broker/apis/11_join_group.ts";
import { listGroups } from "../../../../kafka/broker/apis/16_list_groups.ts";
import { encodingOf } from "../encodings.ts";
import { type ApiHarness, withApis } from "../group_api_harness.ts";
import { hex16, hex32, str } from "../raw_client.ts";

const anyone = { memberId: "", instanceId: null, generation: -1 };

/** Group "a" waits for its leader, group "b" has but committed. */
async function makeGroups(h: ApiHarness): Promise<void> {
  const protocols = hex32(1) + str("range") + hex32(0);
  await h.askAfterDelay(joinGroup, 0, str("a") + hex32(10_000) + str("") + str("consumer") + protocols);
  h.state.groups.checkCommit("b", anyone);
}

function bodyOf(version: number, states: readonly string[], types: readonly string[]): string {
  const { text, list, tags } = encodingOf(version, 3);
  return (version >= 4 ? list(states.map(text)) : "") + (version >= 5 ? list(types.map(text)) : "") + tags;
}

function answerOf(version: number, groups: readonly [id: string, type: string, state: string][]): string {
  const { text, structs, tags } = encodingOf(version, 3);
  const listed = groups.map(([id, type, state]) =>
    text(id) + text(type) + (version >= 4 ? text(state) : "") + (version >= 5 ? text("classic") : "")
  );
  return (version >= 1 ? hex32(0) : "") + hex16(0) + structs(listed) + tags;
}

const A: [string, string, string] = ["a", "consumer", "CompletingRebalance"];
const B: [string, string, string] = ["b", "", "Empty"];

Deno.test("ListGroups answers v0 to v5 with all groups", () =>
  withApis(async (h) => {
    for (let version = 0; version <= 5; version++) {
      assertEquals(await h.ask(listGroups, version, bodyOf(version, [], [])), answerOf(version, []));
    }
    await makeGroups(h);
    for (let version = 0; version <= 5; version++) {
      const answer = await h.ask(listGroups, version, bodyOf(version, [], []));
      assertEquals(answer, answerOf(version, [A, B]), `v${version}`);
    }
  }));

const filters: [states: string[], types: string[], found: [string, string, string][]][] = [
  [["Empty"], [], [B]],
  [["completingREBALANCE"], [], [A]],
  [["empty", "CompletingRebalance"], [], [A, B]],
  [["Stable"], [], []],
  [["nonsense"], [], []],
  [[], ["classic"], [A, B]],
  [[], ["Consumer"], []],
  [["Empty"], ["CLASSIC", "consumer"], [B]],
];
for (const [states, types, found] of filters) {
  Deno.test(`ListGroups filters by states [${states}] and types [${types}]`, () =>
    withApis(async (h) => {
      await makeGroups(h);
      assertEquals(await h.ask(listGroups, 5, bodyOf(5, states, types)), answerOf(5, found));
      if (types.length > 0) return;
      assertEquals(await h.ask(listGroups, 4, bodyOf(4, states, [])), answerOf(4, found));
    }));
}
