import { assertEquals } from "@std/assert";
import { describeGroups } from "../../../../kafka/broker/apis/15_describe_groups.ts";
import { joinGroup } from "../../../../kafka/broker/apis/11_join_group.ts";
import { syncGroup } from "../../../../kafka/broker/apis/14_sync_group.ts";
import { encodingOf } from "../encodings.ts";
import { type ApiHarness, withApis } from "../group_api_harness.ts";
import { hex16, hex32, str } from "../raw_client.ts";

const NONE = "80000000";
/** Read, delete, describe, describe and alter configs. */
const ALL = hex32(3400);

interface Expected {
  readonly id: string;
  readonly state: string;
  readonly type?: string;
  readonly protocol?: string;
  readonly members?: { id: string; instance: string | null; metadata: string; assignment: string }[];
}

function bodyOf(version: number, ids: readonly string[], operations: boolean): string {
  const { text, list, tags } = encodingOf(version, 5);
  return list(ids.map(text)) + (version >= 3 ? (operations ? "01" : "00") : "") + tags;
}

function answerOf(version: number, groups: readonly Expected[], operations = NONE): string {
  const { text, maybe, bytes, structs, tags } = encodingOf(version, 5);
  const found = groups.map(({ id, state, type = "", protocol = "", members = [] }) =>
    hex16(0) + text(id) + text(state) + text(type) + text(protocol) +
    structs(
      members.map((member) =>
        text(member.id) + (version >= 4 ? maybe(member.instance) : "") + text("app") + text("/127.0.0.1") +
        bytes(member.metadata) + bytes(member.assignment)
      ),
    ) + (version >= 3 ? operations : "")
  );
  return (version >= 1 ? hex32(0) : "") + structs(found) + tags;
}

/** Joins group "g" as a static member with JoinGroup v5. */
async function join(h: ApiHarness): Promise<void> {
  const body = str("g") + hex32(10_000) + hex32(60_000) + str("") + str("i") + str("consumer") +
    hex32(1) + str("range") + hex32(2) + "abcd";
  await h.askAfterDelay(joinGroup, 5, body);
}

Deno.test("DescribeGroups v0 to v5 tells of a stable group all, of one on its way no bytes", () =>
  withApis(async (h) => {
    await join(h);
    const [id, instance] = ["i-1", "i"];
    const waiting = { id, instance, metadata: "", assignment: "" };
    for (let version = 0; version <= 5; version++) {
      const found = { id: "g", state: "CompletingRebalance", type: "consumer", members: [waiting] };
      assertEquals(
        await h.ask(describeGroups, version, bodyOf(version, ["g"], false)),
        answerOf(version, [found]),
        `v${version}`,
      );
    }
    const sync = str("g") + hex32(1) + str(id) + str(instance) + hex32(1) + str(id) + hex32(1) + "07";
    await h.ask(syncGroup, 3, sync);
    for (let version = 0; version <= 5; version++) {
      const members = [{ id, instance, metadata: "abcd", assignment: "07" }];
      const found = { id: "g", state: "Stable", type: "consumer", protocol: "range", members };
      assertEquals(
        await h.ask(describeGroups, version, bodyOf(version, ["g", "x"], true)),
        answerOf(version, [found, { id: "x", state: "Dead" }], ALL),
        `v${version}`,
      );
    }
  }));
