/** Administration of groups: list, describe and delete them, read and change their offsets. @module */
import { assert, assertEquals } from "@std/assert";
import { eventually } from "../../eventually.ts";
import type { Driver } from "../driver.ts";
import { type Context, memberState, numbered, type Scenario, waitMs } from "./scenario.ts";

interface Joined {
  readonly topic: string;
  readonly group: string;
  readonly member: string;
}

/** A group of one member that has read and committed ten records. */
async function joined(driver: Driver, context: Context): Promise<Joined> {
  const [topic, group, member] = [
    await context.topic("group"),
    context.name("group"),
    context.name("member"),
  ];
  await driver.ask("produce", { topic, records: numbered(10, 0) });
  await driver.ask("group.join", { member, group, topics: [topic], from: "earliest" });
  await memberState(driver, member, "read ten records", ({ records }) => records.length === 10);
  await driver.ask("group.commit", { member });
  return { topic, group, member };
}

async function offsetsOf(driver: Driver, group: string, topic: string): Promise<number> {
  const { offsets } = await driver.ask("groupOffsets", { group, topic, partitions: [0] });
  return offsets[0]?.offset ?? -1;
}

export const groupAdminScenarios: readonly Scenario[] = [
  {
    name: "admin: a group is listed and described, with its member and without",
    needs: ["groups", "produce", "admin:listGroups", "admin:describeGroup"],
    async run(driver, context) {
      const { topic, group, member } = await joined(driver, context);
      const listed = (await driver.ask("listGroups", {})).groups.find((each) => each.group === group);
      assert(listed !== undefined, "it is in the list");
      if (typeof listed.state === "string") assertEquals(listed.state, "Stable");
      const found = await driver.ask("describeGroup", { group });
      assertEquals([found.state, found.members.length], ["Stable", 1]);
      const { assigned } = found.members[0]!;
      if (assigned) assertEquals(assigned, [{ topic, partition: 0 }]);
      await driver.ask("group.leave", { member });
      await eventually("the group to be empty", async () => {
        const { state, members } = await driver.ask("describeGroup", { group });
        return state === "Empty" && members.length === 0;
      }, waitMs);
    },
  },
  {
    name: "admin: a group is deleted when it is empty, refused with 68 when not and with 69 when it is gone",
    needs: ["groups", "produce", "admin:deleteGroups", "admin:listGroups"],
    async run(driver, context) {
      const { group, member } = await joined(driver, context);
      assertEquals((await driver.refused("deleteGroups", { groups: [group] })).code, 68);
      await driver.ask("group.leave", { member });
      await driver.ask("deleteGroups", { groups: [group] });
      const { groups } = await driver.ask("listGroups", {});
      assert(!groups.some((each) => each.group === group), "it is gone");
      assertEquals((await driver.refused("deleteGroups", { groups: [group] })).code, 69);
    },
  },
  {
    name: "admin: a group's offsets are told",
    needs: ["groups", "produce", "admin:groupOffsets"],
    async run(driver, context) {
      const { topic, group, member } = await joined(driver, context);
      assertEquals(await offsetsOf(driver, group, topic), 10);
      assertEquals(await offsetsOf(driver, context.name("no-group"), topic), -1);
      await driver.ask("group.leave", { member });
      assertEquals(await offsetsOf(driver, group, topic), 10);
    },
  },
  {
    name: "admin: a group's offsets are changed while it is empty, and its next member starts there",
    needs: ["groups", "produce", "admin:groupOffsets", "admin:alterGroupOffsets"],
    async run(driver, context) {
      const { topic, group, member } = await joined(driver, context);
      const to = (offset: number) => ({ group, offsets: [{ topic, partition: 0, offset }] });
      await driver.ask("group.leave", { member });
      await driver.ask("alterGroupOffsets", to(7));
      assertEquals(await offsetsOf(driver, group, topic), 7);
      const next = context.name("member");
      await driver.ask("group.join", { member: next, group, topics: [topic], from: "earliest" });
      const { records } = await memberState(
        driver,
        next,
        "read three records",
        ({ records }) => records.length >= 3,
      );
      assertEquals(records.map(({ offset }) => offset), [7, 8, 9]);
      await driver.ask("group.leave", { member: next });
    },
  },
  {
    name: "admin: a group's offsets are deleted, but not those of a topic it is subscribed to",
    needs: ["groups", "produce", "admin:groupOffsets", "admin:deleteGroupOffsets"],
    async run(driver, context) {
      const { topic, group, member } = await joined(driver, context);
      const asked = { group, topic, partitions: [0] };
      assertEquals((await driver.refused("deleteGroupOffsets", asked)).code, 86);
      await driver.ask("group.leave", { member });
      await driver.ask("deleteGroupOffsets", asked);
      assertEquals(await offsetsOf(driver, group, topic), -1);
    },
  },
];
