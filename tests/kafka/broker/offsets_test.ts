import { assertEquals } from "@std/assert";
import { StoredGroups, withFolder } from "./stored_groups.ts";

Deno.test("Offsets.commit() remembers positions over a restart, with epoch and note", () =>
  withFolder(async (dataDir) => {
    {
      await using h = await StoredGroups.open(dataDir);
      const [a, b] = [await h.topic("a"), await h.topic("b")];
      const taken = await h.offsets.commit("g", [
        { topic: b, partition: 2, offset: 7, leaderEpoch: -1, metadata: "" },
        { topic: a, partition: 0, offset: 2 ** 53 - 1, leaderEpoch: 4, metadata: "note\0é" },
      ]);
      assertEquals(taken, [true, true]);
      await h.offsets.commit("g", [{ topic: b, partition: 2, offset: 8, leaderEpoch: 0, metadata: "x" }]);
      await h.commit("other", b, 1);
    }
    await using h = await StoredGroups.open(dataDir);
    assertEquals(h.offsets.fetchAll("g"), [
      { topic: "a", partition: 0, offset: 2 ** 53 - 1, leaderEpoch: 4, metadata: "note\0é" },
      { topic: "b", partition: 2, offset: 8, leaderEpoch: 0, metadata: "x" },
    ]);
    assertEquals(h.offsets.fetch("g", "b", 2)?.offset, 8);
    assertEquals(h.offsets.fetch("g", "b", 0), undefined);
    assertEquals(h.offsets.fetchAll("nobody"), []);
  }));

Deno.test("Offsets forgets what was committed for a deleted topic, and takes no late commit for it", () =>
  withFolder(async (dataDir) => {
    await using h = await StoredGroups.open(dataDir);
    const [gone, kept] = [await h.topic("gone"), await h.topic("kept")];
    await h.commit("g", gone, 5);
    await h.commit("g", kept, 6);
    const deleting = h.topics.delete(gone);
    const late = h.offsets.commit("g", [
      { topic: gone, partition: 1, offset: 9, leaderEpoch: 0, metadata: "" },
      { topic: kept, partition: 1, offset: 9, leaderEpoch: 0, metadata: "" },
    ]);
    assertEquals([await deleting, await late], [true, [false, true]]);
    await h.topic("gone"); // made anew
    assertEquals(h.offsets.fetchAll("g").map(({ topic, partition }) => `${topic}-${partition}`), [
      "kept-0",
      "kept-1",
    ]);
  }));

Deno.test("Offsets.saveGroup() never lets a generation go back", () =>
  withFolder(async (dataDir) => {
    await using h = await StoredGroups.open(dataDir);
    await h.offsets.saveGroup({ id: "g", generation: 9, protocolType: "consumer", emptySince: null });
    await h.offsets.saveGroup({ id: "g", generation: 4, protocolType: "consumer", emptySince: 5 });
    assertEquals(h.offsets.groups(), [
      { id: "g", generation: 9, protocolType: "consumer", emptySince: 5 },
    ]);
  }));

Deno.test("Offsets.expire() forgets old positions and groups that have none left", () =>
  withFolder(async (dataDir) => {
    await using h = await StoredGroups.open(dataDir);
    const topic = await h.topic("t");
    await h.commit("old", topic, 1);
    await h.commit("both", topic, 1);
    h.clock.pass(1000);
    await h.offsets.commit("both", [{ topic, partition: 1, offset: 2, leaderEpoch: 0, metadata: "" }]);
    await h.commit("young", topic, 1);
    assertEquals(await h.offsets.expire(["old", "both", "young"], h.clock.now()), ["old"]);
    assertEquals(h.offsets.fetchAll("both").map(({ partition }) => partition), [1]);
    assertEquals(h.offsets.groups().map(({ id }) => id), ["both", "young"]);
  }));
