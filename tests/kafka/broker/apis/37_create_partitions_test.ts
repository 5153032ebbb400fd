import { assertEquals } from "@std/assert";
import { startBroker } from "../../../../kafka/broker/mod.ts";
import { encodingOf } from "../encodings.ts";
import { makeTopic, optionsFor, produceRecords, withBroker, withFolder } from "../harness.ts";
import { hex16, hex32, RawClient } from "../raw_client.ts";

interface Wanted {
  readonly name: string;
  readonly count: number;
  readonly assignments?: readonly number[][];
}

function bodyOf(version: number, topics: readonly Wanted[], validateOnly = false): string {
  const { text, list, structs, nullList, tags } = encodingOf(version, 2);
  const items = topics.map(({ name, count, assignments }) =>
    text(name) + hex32(count) +
    (assignments === undefined ? nullList : structs(assignments.map((brokers) => list(brokers.map(hex32)))))
  );
  return structs(items) + hex32(1000) + (validateOnly ? "01" : "00") + tags;
}

function answerOf(version: number, outcomes: readonly [name: string, error: number, text: string | null][]) {
  const { text, maybe, structs, tags } = encodingOf(version, 2);
  return hex32(0) + structs(outcomes.map(([name, error, why]) => text(name) + hex16(error) + maybe(why))) +
    tags;
}

function ask(client: RawClient, version: number, topics: readonly Wanted[], validateOnly = false) {
  const body = bodyOf(version, topics, validateOnly);
  return client.ask({ key: 37, version, flexible: version >= 2, body });
}

const noIncrease = (now: number, count: number) =>
  `The topic t currently has ${now} partition(s); ${count} would not be an increase.`;

Deno.test("CreatePartitions v0 to v3 adds partitions that can be used at once", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    for (let version = 0; version <= 3; version++) {
      const count = version + 2;
      const asked = [{ name: "t", count }, { name: "u", count }];
      const unknown: [string, number, string] = ["u", 3, "The topic does not exist."];
      assertEquals(await ask(client, version, asked, true), answerOf(version, [["t", 0, null], unknown]));
      assertEquals(broker.state.log.topics.byName("t")?.partitions.length, count - 1, "only checked");
      assertEquals(await ask(client, version, asked), answerOf(version, [["t", 0, null], unknown]));
      assertEquals(await produceRecords(client, "t", [{ value: "v" }], {}, count - 1), 0);
    }
  }));

const refusals: [claim: string, topic: Wanted, error: number, text: string][] = [
  ["as many as there are", { name: "t", count: 2 }, 37, "Topic already has 2 partition(s)."],
  ["fewer than there are", { name: "t", count: 1 }, 37, noIncrease(2, 1)],
  ["a negative number", { name: "t", count: -1 }, 37, noIncrease(2, -1)],
  [
    "more than the broker holds",
    { name: "t", count: 10_001 },
    37,
    "This broker holds at most 10000 partitions.",
  ],
  [
    "too few assignments",
    { name: "t", count: 4, assignments: [[1]] },
    39,
    "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.",
  ],
  [
    "an assignment to another broker",
    { name: "t", count: 3, assignments: [[2]] },
    39,
    "The manual partition assignment includes broker 2, but no such broker is registered.",
  ],
  [
    "an assignment to nobody",
    { name: "t", count: 3, assignments: [[]] },
    39,
    "The manual partition assignment includes an empty replica list.",
  ],
];
for (const [claim, topic, error, text] of refusals) {
  Deno.test(`CreatePartitions refuses ${claim}`, () =>
    withBroker(async (broker, client) => {
      await makeTopic(broker, "t", { partitions: 2 });
      for (const validateOnly of [true, false]) {
        assertEquals(await ask(client, 3, [topic], validateOnly), answerOf(3, [["t", error, text]]));
      }
      assertEquals(broker.state.log.topics.byName("t")?.partitions.length, 2);
    }));
}

Deno.test("CreatePartitions refuses a topic named twice and grows the others", () =>
  withBroker(async (broker, client) => {
    for (const name of ["t", "u"]) await makeTopic(broker, name);
    const asked = [{ name: "t", count: 2 }, { name: "u", count: 2, assignments: [[1]] }, {
      name: "t",
      count: 3,
    }];
    assertEquals(
      await ask(client, 0, asked),
      answerOf(0, [["t", 42, "Duplicate topic name."], ["u", 0, null]]),
    );
    assertEquals(broker.state.log.topics.byName("t")?.partitions.length, 1);
  }));

Deno.test("CreatePartitions lasts over a restart, records included", () =>
  withFolder(async (dataDir) => {
    {
      await using broker = await startBroker(optionsFor(dataDir));
      using client = await RawClient.connect(broker.port);
      await makeTopic(broker, "t");
      await ask(client, 0, [{ name: "t", count: 3 }]);
      await produceRecords(client, "t", [{ value: "v" }], {}, 2);
    }
    await using broker = await startBroker(optionsFor(dataDir));
    assertEquals(broker.state.log.topics.byName("t")?.partitions.map(({ end }) => end), [0, 0, 1]);
  }));

Deno.test("CreatePartitions tells when the disk does not take it, and the topic stays as it was", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    let failing = true;
    broker.state.store.beforeCommit(() => {
      if (failing) throw new Error("disk full");
    });
    const asked = [{ name: "t", count: 9_999 }];
    assertEquals(await ask(client, 0, asked), answerOf(0, [["t", 56, "KAFKA_STORAGE_ERROR"]]));
    assertEquals(broker.state.log.topics.byName("t")?.partitions.length, 1);
    failing = false;
    assertEquals(await ask(client, 0, [{ name: "t", count: 3 }]), answerOf(0, [["t", 0, null]]));
    assertEquals(await ask(client, 0, [{ name: "t", count: 10_000 }], true), answerOf(0, [["t", 0, null]]));
  }));
