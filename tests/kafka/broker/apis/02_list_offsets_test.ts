import { assertEquals } from "@std/assert";
import { makeTopic, produceRecords, withBroker } from "../harness.ts";
import { compact, hex16, hex32, hex64, str } from "../raw_client.ts";
import { TransactionClient } from "../transaction_client.ts";

function bodyOf(
  version: number,
  timestamp: number,
  { topic = "t", partition = 0, epoch = -1, isolation = 0 } = {},
): string {
  const flexible = version >= 6;
  const one = flexible ? "02" : hex32(1);
  return hex32(-1) + (version >= 2 ? hex16(isolation).slice(2) : "") + one +
    (flexible ? compact(topic) : str(topic)) +
    one + hex32(partition) + (version >= 4 ? hex32(epoch) : "") + hex64(timestamp) +
    (flexible ? "000000" : "");
}

function answerOf(
  version: number,
  { error = 0, timestamp = -1, offset = -1, topic = "t", partition = 0 },
): string {
  const flexible = version >= 6;
  const one = flexible ? "02" : hex32(1);
  return (version >= 2 ? hex32(0) : "") + one + (flexible ? compact(topic) : str(topic)) + one +
    hex32(partition) +
    hex16(error) + hex64(timestamp) + hex64(offset) +
    (version >= 4 ? hex32(offset < 0 ? -1 : 0) : "") + (flexible ? "000000" : "");
}

Deno.test("ListOffsets answers v1 to v7: end, start, a time, and nothing at that time", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { configs: { "retention.ms": "-1" } });
    await produceRecords(client, "t", [{ timestamp: 100 }, { timestamp: 300 }, { timestamp: 200 }]);
    for (let version = 1; version <= 7; version++) {
      const ask = (timestamp: number, options = {}) =>
        client.ask({ key: 2, version, flexible: version >= 6, body: bodyOf(version, timestamp, options) });
      assertEquals(await ask(-1), answerOf(version, { offset: 3 }), `v${version} end`);
      assertEquals(await ask(-2), answerOf(version, { offset: 0 }), `v${version} start`);
      assertEquals(await ask(150), answerOf(version, { timestamp: 300, offset: 1 }), `v${version} time`);
      assertEquals(await ask(301), answerOf(version, {}), `v${version} nothing`);
      assertEquals(
        await ask(0, { topic: "u" }),
        answerOf(version, { error: 3, topic: "u" }),
        `v${version} unknown`,
      );
      const newest = version >= 7 ? { timestamp: 300, offset: 1 } : { error: 35 };
      assertEquals(await ask(-3), answerOf(version, newest), `v${version} newest`);
      assertEquals(await ask(-4), answerOf(version, { error: 35 }), `v${version} tiered`);
    }
  }));

Deno.test("ListOffsets v2 to v7 end at the last stable offset for readers of committed records", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    await produceRecords(client, "t", [{ timestamp: 100 }]);
    using producing = await TransactionClient.connect(broker.port);
    const producer = await producing.init();
    await producing.add(producer);
    await producing.produce(producer, 0, [{ timestamp: 200 }]);
    for (let version = 1; version <= 7; version++) {
      const ask = (timestamp: number, isolation: number) =>
        client.ask({
          ...{ key: 2, version, flexible: version >= 6 },
          body: bodyOf(version, timestamp, { isolation }),
        });
      const offset = version >= 2 ? 1 : 2; // v1 knows no isolation
      assertEquals(await ask(-1, 1), answerOf(version, { offset }), `v${version} end`);
      assertEquals(await ask(-1, 0), answerOf(version, { offset: 2 }), `v${version} end`);
      assertEquals(await ask(100, 1), answerOf(version, { timestamp: 100, offset: 0 }), `v${version}`);
      const second = { timestamp: 200, offset: 1 };
      assertEquals(await ask(101, 1), answerOf(version, version >= 2 ? {} : second), `v${version}`);
      assertEquals(await ask(101, 0), answerOf(version, second), `v${version}`);
    }
  }));

Deno.test("ListOffsets checks partition and leader epoch, and clamps absurd times", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    const ask = (timestamp: number, options = {}) =>
      client.ask({ key: 2, version: 4, body: bodyOf(4, timestamp, options) });
    assertEquals(await ask(-1, { partition: 4 }), answerOf(4, { error: 3, partition: 4 }));
    assertEquals(await ask(-1, { epoch: 3 }), answerOf(4, { error: 75 }));
    assertEquals(await ask(-1, { epoch: 0 }), answerOf(4, { offset: 0 }));
    const huge = bodyOf(4, 0).slice(0, -16) + "7fffffffffffffff";
    assertEquals(await client.ask({ key: 2, version: 4, body: huge }), answerOf(4, {}));
    assertEquals(await ask(-3), answerOf(4, { error: 35 }));
  }));

Deno.test("ListOffsets v7 finds no newest record in an empty log", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    const answer = await client.ask({ key: 2, version: 7, flexible: true, body: bodyOf(7, -3) });
    assertEquals(answer, answerOf(7, {}));
  }));
