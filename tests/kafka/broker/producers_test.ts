import { assertEquals } from "@std/assert";
import { type Broker, startBroker } from "../../../kafka/broker/mod.ts";
import { batchOf } from "./batches.ts";
import {
  fetch,
  makeTopic,
  optionsFor,
  produce,
  produceBody,
  producedIn,
  withBroker,
  withFolder,
} from "./harness.ts";
import { RawClient } from "./raw_client.ts";

const OUT_OF_ORDER = 45;
const OLD_EPOCH = 47;
const LAST_SEQUENCE = 2_147_483_647;

/** Error code, then base offset. */
async function send(
  client: RawClient,
  sequence: number,
  { epoch = 0, count = 1, producerId = 7, partition = 0 } = {},
): Promise<[number, number]> {
  const records = Array.from({ length: count }, (_, i) => ({ value: `${sequence + i}` }));
  const batch = batchOf(records, { producerId, epoch, sequence });
  const { error, baseOffset } = await produce(client, "t", batch, { partition });
  return [error, baseOffset];
}

async function logEnd(client: RawClient): Promise<number | undefined> {
  return (await fetch(client, "t", { offset: 0 }))[0]?.highWatermark;
}

async function initProducerId(client: RawClient): Promise<number> {
  const answer = await client.ask({ key: 22, version: 0, body: "ffff" + "0000ea60" });
  return parseInt(answer.slice(12, 28), 16);
}

Deno.test("a batch sent again gets its old offset and is not appended", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    assertEquals(await send(client, 0, { count: 3 }), [0, 0]);
    assertEquals(await send(client, 3), [0, 3]);
    assertEquals(await send(client, 0, { count: 3 }), [0, 0]);
    assertEquals(await send(client, 3), [0, 3]);
    assertEquals(await logEnd(client), 4);
  }));

Deno.test("the last five batches are remembered, an older one is out of order", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    for (let sequence = 0; sequence < 6; sequence++) {
      assertEquals(await send(client, sequence), [0, sequence]);
    }
    for (let sequence = 1; sequence < 6; sequence++) {
      assertEquals(await send(client, sequence), [0, sequence]);
    }
    assertEquals(await send(client, 0), [OUT_OF_ORDER, -1]);
    assertEquals(await logEnd(client), 6);
  }));

Deno.test("a gap, an overlap and a repeated first sequence of another length are out of order", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    assertEquals(await send(client, 0, { count: 2 }), [0, 0]);
    assertEquals(await send(client, 3), [OUT_OF_ORDER, -1]);
    assertEquals(await send(client, 1), [OUT_OF_ORDER, -1]);
    assertEquals(await send(client, 0, { count: 1 }), [OUT_OF_ORDER, -1]);
    assertEquals(await send(client, 2), [0, 2]);
  }));

Deno.test("sequences wrap from 2147483647 to 0, also inside a batch", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    assertEquals(await send(client, LAST_SEQUENCE), [0, 0]); // nothing is known of 7: any sequence is taken
    assertEquals(await send(client, 0), [0, 1]);
    assertEquals(await send(client, LAST_SEQUENCE - 1, { producerId: 8, count: 4 }), [0, 2]);
    assertEquals(await send(client, 2, { producerId: 8 }), [0, 6]);
    assertEquals(await send(client, LAST_SEQUENCE - 1, { producerId: 8, count: 4 }), [0, 2]);
  }));

Deno.test("a lower epoch is refused, a higher one must begin at sequence 0", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    assertEquals(await send(client, 0, { epoch: 1 }), [0, 0]);
    assertEquals(await send(client, 1, { epoch: 0 }), [OLD_EPOCH, -1]);
    assertEquals(await send(client, 1, { epoch: 2 }), [OUT_OF_ORDER, -1]);
    assertEquals(await send(client, 0, { epoch: 2 }), [0, 1]);
    assertEquals(await send(client, 1, { epoch: 1 }), [OLD_EPOCH, -1]);
    assertEquals(await send(client, 1, { epoch: 2 }), [0, 2]);
  }));

Deno.test("producers and partitions do not mix", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { partitions: 2 });
    assertEquals(await send(client, 0), [0, 0]);
    assertEquals(await send(client, 0, { producerId: 8 }), [0, 1]);
    assertEquals(await send(client, 0, { partition: 1 }), [0, 0]);
    assertEquals(await send(client, 1, { partition: 1 }), [0, 1]);
  }));

Deno.test("pipelined batches of one producer, and their repetition, keep their order in one commit", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    const batch = (sequence: number) => batchOf([{ value: "x" }], { producerId: 7, epoch: 0, sequence });
    const sequences = [0, 1, 2, 1, 3, 4, 6, 0];
    for (const sequence of sequences) {
      await client.send({ key: 0, version: 7, body: produceBody("t", batch(sequence)) });
    }
    const answers: number[][] = [];
    for (let i = 1; i <= sequences.length; i++) {
      const { error, baseOffset } = producedIn(await client.answer(false, i), "t");
      answers.push([error, baseOffset]);
    }
    assertEquals(answers, [[0, 0], [0, 1], [0, 2], [0, 1], [0, 3], [0, 4], [OUT_OF_ORDER, -1], [0, 0]]);
    assertEquals(await logEnd(client), 5);
  }));

Deno.test("what is known of producers survives a restart to the batch", () =>
  withFolder(async (dataDir) => {
    const now = 1_700_000_000_000;
    const withRestarted = async (
      atMs: number,
      test: (client: RawClient, broker: Broker) => Promise<void>,
    ) => {
      await using broker = await startBroker(optionsFor(dataDir, { now: () => atMs }));
      using client = await RawClient.connect(broker.port);
      await test(client, broker);
    };
    await withRestarted(now, async (client, broker) => {
      await makeTopic(broker, "t");
      for (let sequence = 0; sequence < 7; sequence++) await send(client, sequence, { epoch: 3 });
    });
    await withRestarted(now + 1000, async (client) => {
      assertEquals(await send(client, 6, { epoch: 3 }), [0, 6]);
      assertEquals(await send(client, 2, { epoch: 3 }), [0, 2]);
      assertEquals(await send(client, 1, { epoch: 3 }), [OUT_OF_ORDER, -1]);
      assertEquals(await send(client, 8, { epoch: 3 }), [OUT_OF_ORDER, -1]);
      assertEquals(await send(client, 7, { epoch: 2 }), [OLD_EPOCH, -1]);
      assertEquals(await send(client, 7, { epoch: 3 }), [0, 7]);
    });
    await withRestarted(now + 86_400_000 + 2000, async (client, broker) => {
      await broker.sweep();
      assertEquals(await send(client, 55, { epoch: 0 }), [0, 8]); // forgotten after a day of silence
    });
  }));

Deno.test("nothing is known of producers in a topic that was deleted and made anew", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    await send(client, 0);
    const topic = broker.state.log.topics.byName("t");
    if (topic !== undefined) await broker.state.log.topics.delete(topic);
    await makeTopic(broker, "t");
    assertEquals(await send(client, 9), [0, 0]);
    assertEquals(await logEnd(client), 1);
  }));

Deno.test("producer ids never repeat, also over restarts and beyond a reserved block", () =>
  withFolder(async (dataDir) => {
    const ids: number[] = [];
    for (const count of [3, 1_005, 2]) {
      await using broker = await startBroker(optionsFor(dataDir));
      using client = await RawClient.connect(broker.port);
      for (let i = 0; i < count; i++) ids.push(await initProducerId(client));
    }
    assertEquals(new Set(ids).size, 1_010);
    assertEquals(ids.every((id) => id >= 0 && id < 4_000), true);
  }));

Deno.test("a producer without an id is not checked at all", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    const batch = batchOf([{ value: "same" }]);
    for (let i = 0; i < 3; i++) assertEquals((await produce(client, "t", batch)).baseOffset, i);
  }));
