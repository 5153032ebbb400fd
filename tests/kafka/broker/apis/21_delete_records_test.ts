import { assertEquals } from "@std/assert";
import type { Broker } from "../../../../kafka/broker/mod.ts";
import { startBroker } from "../../../../kafka/broker/mod.ts";
import { encodingOf } from "../encodings.ts";
import { fetch, makeTopic, optionsFor, produceRecords, withBroker, withFolder } from "../harness.ts";
import { hex16, hex32, hex64, RawClient } from "../raw_client.ts";

type Wish = readonly [partition: number, offset: number];
type Outcome = readonly [partition: number, lowWatermark: number, error: number];

function bodyOf(version: number, topics: Readonly<Record<string, readonly Wish[]>>): string {
  const { text, structs, tags } = encodingOf(version, 2);
  const items = Object.entries(topics).map(([name, wishes]) =>
    text(name) + structs(wishes.map(([partition, offset]) => hex32(partition) + hex64(offset)))
  );
  return structs(items) + hex32(1000) + tags;
}

function answerOf(version: number, topics: Readonly<Record<string, readonly Outcome[]>>): string {
  const { text, structs, tags } = encodingOf(version, 2);
  const items = Object.entries(topics).map(([name, outcomes]) =>
    text(name) +
    structs(outcomes.map(([partition, low, error]) => hex32(partition) + hex64(low) + hex16(error)))
  );
  return hex32(0) + structs(items) + tags;
}

function ask(client: RawClient, version: number, topics: Readonly<Record<string, readonly Wish[]>>) {
  return client.ask({ key: 21, version, flexible: version >= 2, body: bodyOf(version, topics) });
}

async function fill(broker: Broker, client: RawClient): Promise<void> {
  await makeTopic(broker, "t", { partitions: 2 });
  for (const value of ["a", "b", "c"]) await produceRecords(client, "t", [{ value }, { value }]);
}

Deno.test("DeleteRecords v0 to v2 moves the start, also into a batch, and tells what it refuses", () =>
  withBroker(async (broker, client) => {
    await fill(broker, client);
    for (let version = 0; version <= 2; version++) {
      const start = version + 1;
      assertEquals(
        await ask(client, version, { t: [[0, start], [1, 1], [2, 0]], u: [[0, 0]] }),
        answerOf(version, { t: [[0, start, 0], [1, -1, 1], [2, -1, 3]], u: [[0, -1, 3]] }),
        `v${version}`,
      );
      assertEquals(broker.state.log.partition("t", 0)?.start, start);
    }
    assertEquals(await ask(client, 0, { t: [[0, 1]] }), answerOf(0, { t: [[0, 3, 0]] }), "never back");
    assertEquals(await ask(client, 0, { t: [[0, -2]] }), answerOf(0, { t: [[0, -1, 1]] }));
    assertEquals(await ask(client, 0, { t: [[0, 4], [0, -1]] }), answerOf(0, { t: [[0, 6, 0]] }), "the last");
    const [below, end] = [
      (await fetch(client, "t", { offset: 5 }))[0],
      await fetch(client, "t", { offset: 6 }),
    ];
    assertEquals([below?.error, end[0]?.error], [1, 0]);
    assertEquals(await produceRecords(client, "t", [{ value: "d" }]), 6, "offsets go on");
  }));

Deno.test("DeleteRecords lasts over a restart, and the space is freed", () =>
  withFolder(async (dataDir) => {
    {
      await using broker = await startBroker(optionsFor(dataDir));
      using client = await RawClient.connect(broker.port);
      await fill(broker, client);
      await ask(client, 0, { t: [[0, 5]] });
    }
    await using broker = await startBroker(optionsFor(dataDir));
    using client = await RawClient.connect(broker.port);
    assertEquals((await fetch(client, "t", { offset: 4 }))[0]?.error, 1);
    const partition = broker.state.log.partition("t", 0);
    assertEquals([partition?.start, partition?.end], [5, 6]);
    await broker.sweep();
    const bases = broker.state.store.db.prepare("SELECT base FROM batches").all().map(({ base }) => base);
    assertEquals(bases, [4], "a batch that the start lies in stays");
  }));

Deno.test("DeleteRecords answers a fetch that waits before the new start", () =>
  withBroker(async (broker, client) => {
    await fill(broker, client);
    using other = await RawClient.connect(broker.port);
    const waiting = fetch(other, "t", { offset: 5, minBytes: 1_000_000, maxWaitMs: 30_000 });
    await ask(client, 0, { t: [[0, -1]] });
    assertEquals((await waiting)[0]?.error, 1);
  }));

Deno.test("DeleteRecords refuses a topic that is only compacted", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "c", { configs: { "cleanup.policy": "compact" } });
    await makeTopic(broker, "b", { configs: { "cleanup.policy": "compact,delete" } });
    assertEquals(
      await ask(client, 1, { c: [[0, 0]], b: [[0, 0]] }),
      answerOf(1, {
        c: [[0, -1, 44]],
        b: [[0, 0, 0]],
      }),
    );
  }));
