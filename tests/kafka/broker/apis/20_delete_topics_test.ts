import { assertEquals } from "@std/assert";
import { makeTopic, topicNames, withBroker } from "../harness.ts";
import { compact, hex16, hex32, str } from "../raw_client.ts";

const NO_ID = "00".repeat(16);

Deno.test("DeleteTopics answers v1 to v5, by name", () =>
  withBroker(async (broker, client) => {
    for (const version of [1, 2, 3]) {
      await makeTopic(broker, "t");
      const body = hex32(2) + str("t") + str("u") + hex32(1000);
      const answer = await client.ask({ key: 20, version, body });
      assertEquals(answer, hex32(0) + hex32(2) + str("t") + hex16(0) + str("u") + hex16(3), `v${version}`);
      assertEquals(topicNames(broker), []);
    }
    for (const version of [4, 5]) {
      await makeTopic(broker, "t");
      const body = "03" + compact("t") + compact("u") + hex32(1000) + "00";
      const answer = await client.ask({ key: 20, version, flexible: true, body });
      const [fine, failed] = version >= 5
        ? ["00", compact("This server does not host this topic-partition.")]
        : ["", ""];
      assertEquals(
        answer,
        hex32(0) + "03" + compact("t") + hex16(0) + fine + "00" + compact("u") + hex16(3) + failed + "00" +
          "00",
        `v${version}`,
      );
    }
  }));

Deno.test("DeleteTopics v6 takes a name or an id, not both and not neither", () =>
  withBroker(async (broker, client) => {
    const byName = await makeTopic(broker, "a");
    const byId = await makeTopic(broker, "b");
    const kept = await makeTopic(broker, "kept");
    const unknown = "ab".repeat(16);
    const asked = [
      [compact("a"), NO_ID],
      ["00", byId],
      [compact("kept"), kept],
      ["00", NO_ID],
      ["00", unknown],
    ];
    const body = "06" + asked.map(([name, id]) => `${name}${id}00`).join("") + hex32(1000) + "00";
    const answer = await client.ask({ key: 20, version: 6, flexible: true, body });
    const outcome = (name: string, id: string, error: number, text: string): string =>
      name + id + hex16(error) + text + "00";
    assertEquals(
      answer,
      hex32(0) + "06" + outcome(compact("a"), byName, 0, "00") + outcome(compact("b"), byId, 0, "00") +
        outcome(compact("kept"), kept, 42, compact("You may not specify both topic name and topic id.")) +
        outcome("00", NO_ID, 42, compact("Neither topic name nor id were specified.")) +
        outcome("00", unknown, 100, compact("This server does not host this topic ID.")) + "00",
    );
    assertEquals(topicNames(broker), ["kept"]);
  }));

Deno.test("DeleteTopics refuses a topic named twice and deletes the others", () =>
  withBroker(async (broker, client) => {
    for (const name of ["a", "b"]) await makeTopic(broker, name);
    const body = "04" + [compact("a"), compact("b"), compact("a")].map((name) =>
      `${name}${NO_ID}00`
    ).join("") +
      hex32(1000) + "00";
    const uuid = broker.state.log.topics.byName("b")?.uuid ?? "";
    assertEquals(
      await client.ask({ key: 20, version: 6, flexible: true, body }),
      hex32(0) + "03" + compact("a") + NO_ID + hex16(42) + compact("Duplicate topic name.") + "00" +
        compact("b") + uuid + hex16(0) + "00" + "00" + "00",
    );
    assertEquals(topicNames(broker), ["a"]);
  }));

Deno.test("a topic made anew has another id and begins at offset 0", () =>
  withBroker(async (broker, client) => {
    const first = await makeTopic(broker, "t");
    await client.ask({ key: 20, version: 1, body: hex32(1) + str("t") + hex32(1000) });
    const second = await makeTopic(broker, "t");
    assertEquals(first === second, false);
    assertEquals(broker.state.log.topics.byId(first), undefined);
    assertEquals(broker.state.log.partition("t", 0)?.end, 0);
  }));

Deno.test("DeleteTopics tells when the disk does not take it, and the topic stays", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    broker.state.store.beforeCommit(() => {
      throw new Error("disk full");
    });
    const answer = await client.ask({ key: 20, version: 1, body: hex32(1) + str("t") + hex32(1000) });
    assertEquals(answer, hex32(0) + hex32(1) + str("t") + hex16(56));
    assertEquals(topicNames(broker), ["t"]);
  }));
