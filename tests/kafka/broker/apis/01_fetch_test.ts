import { assertEquals } from "@std/assert";
import { eventually, within } from "../../../eventually.ts";
import { batchOf, valuesIn } from "../batches.ts";
import { fetch, fetchBody, fetchedIn, makeTopic, produceRecords, withBroker } from "../harness.ts";
import { compact, hex16, hex32, hex64, RawClient, str, uvarint } from "../raw_client.ts";
import { TransactionClient } from "../transaction_client.ts";

const NO_BYTES = new Uint8Array(0);

/** A Fetch body of any version for partition 0 of a topic, by name or id. */
function bodyOf(
  version: number,
  topic: string,
  { offset = 0, epoch = -1, session = 0, isolation = 0 } = {},
): string {
  const flexible = version >= 12;
  const name = version >= 13 ? topic : flexible ? compact(topic) : str(topic);
  const one = flexible ? "02" : hex32(1);
  const end = flexible ? "00" : "";
  return "ffffffff" + hex32(0) + hex32(1) + hex32(1_000_000) + hex16(isolation).slice(2) +
    (version >= 7 ? hex32(session) + hex32(session === 0 ? -1 : 1) : "") +
    one + name + one + hex32(0) + (version >= 9 ? hex32(epoch) : "") + hex64(offset) +
    (version >= 12 ? hex32(-1) : "") + (version >= 5 ? hex64(-1) : "") + hex32(1_000_000) + end + end +
    (version >= 7 ? (flexible ? "01" : hex32(0)) : "") +
    (version >= 11 ? (flexible ? "01" : hex16(0)) : "") + end;
}

function answerOf(
  version: number,
  topic: string,
  error: number,
  end: number,
  start: number,
  records: string,
  committed?: { stable: number; aborted: readonly (readonly [producerId: number, first: number])[] },
): string {
  const flexible = version >= 12;
  const name = version >= 13 ? topic : flexible ? compact(topic) : str(topic);
  const one = flexible ? "02" : hex32(1);
  const tags = flexible ? "00" : "";
  const length = records.length / 2;
  const transactions = committed === undefined
    ? (flexible ? "00" : hex32(-1))
    : (flexible ? uvarint(committed.aborted.length + 1) : hex32(committed.aborted.length)) +
      committed.aborted.map((fields) => fields.map(hex64).join("") + tags).join("");
  return hex32(0) + (version >= 7 ? hex16(0) + hex32(0) : "") + one + name + one + hex32(0) + hex16(error) +
    hex64(end) + hex64(committed?.stable ?? end) + (version >= 5 ? hex64(start) : "") + transactions +
    (version >= 11 ? hex32(-1) : "") + (flexible ? uvarint(length + 1) : hex32(length)) + records + tags +
    tags + tags;
}

Deno.test("Fetch answers v4 to v13, each in its format", () =>
  withBroker(async (broker, client) => {
    const uuid = await makeTopic(broker, "t");
    await produceRecords(client, "t", [{ value: "a" }]);
    const records = (await fetch(client, "t", { offset: 0 }))[0]?.records.toHex() ?? "";
    for (let version = 4; version <= 13; version++) {
      const topic = version >= 13 ? uuid : "t";
      const request = { key: 1, version, flexible: version >= 12 };
      assertEquals(
        await client.ask({ ...request, body: bodyOf(version, topic) }),
        answerOf(version, topic, 0, 1, 0, records),
        `v${version}`,
      );
      assertEquals(
        await client.ask({ ...request, body: bodyOf(version, topic, { offset: 2 }) }),
        answerOf(version, topic, 1, 1, 0, ""),
        `v${version} out of range`,
      );
      const other = version >= 13 ? "ab".repeat(16) : "other";
      assertEquals(
        await client.ask({ ...request, body: bodyOf(version, other) }),
        answerOf(version, other, version >= 13 ? 100 : 3, -1, -1, ""),
        `v${version} unknown`,
      );
    }
  }));

Deno.test("Fetch answers committed records and aborted transactions in v4 to v13", () =>
  withBroker(async (broker, client) => {
    const uuid = await makeTopic(broker, "t");
    using producing = await TransactionClient.connect(broker.port);
    const producer = await producing.init();
    const transaction = async (sequence: number) => {
      await producing.add(producer);
      await producing.produce(producer, sequence, [{ value: "a" }]);
    };
    for (const sequence of [0, 1]) {
      await transaction(sequence);
      await producing.end(producer, false);
    }
    await transaction(2);
    const { records } = await producing.fetch();
    for (let version = 4; version <= 13; version++) {
      const topic = version >= 13 ? uuid : "t";
      const ask = (offset: number, isolation: number) =>
        client.ask({
          key: 1,
          version,
          flexible: version >= 12,
          body: bodyOf(version, topic, { offset, isolation }),
        });
      const aborted = [[producer.id, 0], [producer.id, 2]] as const;
      assertEquals(
        await ask(0, 1),
        answerOf(version, topic, 0, 5, 0, records.toHex(), { stable: 4, aborted }),
        `v${version}`,
      );
      assertEquals(
        await ask(4, 1),
        answerOf(version, topic, 0, 5, 0, "", { stable: 4, aborted: [] }),
        `v${version} between`,
      );
    }
  }));

Deno.test("Fetch refuses sessions and leader epochs that are not ours", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    const session = await client.ask({ key: 1, version: 7, body: bodyOf(7, "t", { session: 9 }) });
    assertEquals(session, hex32(0) + hex16(70) + hex32(0) + hex32(0));
    const later = await client.ask({ key: 1, version: 9, body: bodyOf(9, "t", { epoch: 1 }) });
    assertEquals(later, answerOf(9, "t", 75, -1, -1, ""));
    const ours = await client.ask({ key: 1, version: 9, body: bodyOf(9, "t", { epoch: 0 }) });
    assertEquals(ours, answerOf(9, "t", 0, 0, 0, ""));
  }));

Deno.test("Fetch begins with the batch that holds the offset", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    await produceRecords(client, "t", [{ value: "a" }, { value: "b" }, { value: "c" }]);
    await produceRecords(client, "t", [{ value: "d" }]);
    const [found] = await fetch(client, "t", { offset: 2 });
    assertEquals(valuesIn(found?.records ?? NO_BYTES).map(({ value }) => value), ["a", "b", "c", "d"]);
    const [last] = await fetch(client, "t", { offset: 3 });
    assertEquals(valuesIn(last?.records ?? NO_BYTES), [{ offset: 3, value: "d" }]);
  }));

for (const cacheBytes of [0, 10_000_000]) {
  const where = cacheBytes === 0 ? "disk" : "memory";
  Deno.test(`Fetch sends the first batch however big, and no other beyond the limits, from ${where}`, () =>
    withBroker(async (broker, client) => {
      await makeTopic(broker, "t", { partitions: 2 });
      const size = batchOf([{ value: "x".repeat(1000) }]).byteLength;
      for (const partition of [0, 0, 0, 1, 1, 1]) {
        await produceRecords(client, "t", [{ value: "x".repeat(1000) }], {}, partition);
      }
      const sizes = async (maxBytes: number, partitionMaxBytes: number) =>
        (await fetch(
          client,
          "t",
          { partition: 0, offset: 0, maxBytes, partitionMaxBytes },
          { partition: 1, offset: 0, partitionMaxBytes },
        )).map(({ records }) => records.byteLength).sort((a, b) => a - b);
      assertEquals(await sizes(1, 1), [0, size]);
      assertEquals(await sizes(0, 0), [0, size]);
      assertEquals(await sizes(10_000_000, 1), [0, size]);
      assertEquals(await sizes(10_000_000, size * 2), [size * 2, size * 2]);
      assertEquals(await sizes(10_000_000, size * 2 + 10), [size * 2, size * 2]);
      assertEquals(await sizes(size * 4, 10_000_000), [size, size * 3]);
      assertEquals(await sizes(0x7fffffff, 0x7fffffff), [size * 3, size * 3]);
    }, { cacheBytes }));
}

Deno.test("Fetch takes turns between partitions when answers are full", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { partitions: 3 });
    for (const partition of [0, 1, 2]) await produceRecords(client, "t", [{ value: "x" }], {}, partition);
    const served = new Set<number>();
    for (let i = 0; i < 3; i++) {
      const wishes = [0, 1, 2].map((partition) => ({ partition, offset: 0, maxBytes: 1 }));
      const found = await fetch(client, "t", ...wishes);
      for (const { partition, records } of found) if (records.byteLength > 0) served.add(partition);
    }
    assertEquals([...served].sort(), [0, 1, 2]);
  }));

Deno.test("Fetch waits for records and is woken by the append", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { partitions: 2 });
    using tail = await RawClient.connect(broker.port);
    const wishes = [{ partition: 0, offset: 0, maxWaitMs: 300_000 }, { partition: 1, offset: 0 }];
    for (let i = 0; i < 5; i++) {
      const answer = tail.ask({
        key: 1,
        version: 4,
        body: fetchBody(
          "t",
          wishes.map((wish, partition) => partition === 1 ? { ...wish, offset: i } : wish),
        ),
      });
      await produceRecords(client, "t", [{ value: `v${i}` }], {}, 1);
      const found = fetchedIn(await within("the wake-up", 30_000, answer), "t");
      assertEquals(valuesIn(found[1]?.records ?? NO_BYTES), [{ offset: i, value: `v${i}` }]);
      assertEquals(found[0]?.records.byteLength, 0);
    }
  }));

Deno.test("Fetch of no partition is answered at once, however long it would wait", () =>
  withBroker(async (_broker, client) => {
    // replica, max wait of an hour, min bytes, max bytes, isolation, session, no topics, none forgotten, no rack
    const body = "ffffffff" + hex32(3_600_000) + hex32(1) + hex32(1_000_000) + "00" + hex32(0) + hex32(-1) +
      "01" + "01" + "01" + "00";
    const answer = await within(
      "the answer",
      30_000,
      client.ask({ key: 1, version: 13, flexible: true, body }),
    );
    assertEquals(answer, hex32(0) + "0000" + hex32(0) + "01" + "00");
  }));

Deno.test("Fetch waits until min bytes are there", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    using tail = await RawClient.connect(broker.port);
    const size = batchOf([{ value: "x" }]).byteLength;
    await produceRecords(client, "t", [{ value: "x" }]);
    let answered = false;
    const body = fetchBody("t", [{ offset: 0, maxWaitMs: 300_000, minBytes: size * 3 }]);
    const answer = tail.ask({ key: 1, version: 4, body }).finally(() => answered = true);
    await produceRecords(client, "t", [{ value: "x" }]);
    await fetch(client, "t", { offset: 0 }); // a round trip later it still waits
    assertEquals(answered, false);
    await produceRecords(client, "t", [{ value: "x" }]);
    const [found] = fetchedIn(await within("the answer", 30_000, answer), "t");
    assertEquals(found?.records.byteLength, size * 3);
  }));

Deno.test("Fetch answers empty when its time is over, and at once when there is an error", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    const started = performance.now();
    const [empty] = await fetch(client, "t", { offset: 0, maxWaitMs: 80 });
    assertEquals([empty?.error, empty?.records.byteLength], [0, 0]);
    assertEquals(performance.now() - started >= 79, true);
    const wishes = [{ offset: 0, maxWaitMs: 300_000 }, { partition: 5, offset: 0 }];
    const failed = await within("the answer", 30_000, fetch(client, "t", ...wishes));
    assertEquals(failed.map(({ error }) => error), [0, 3]);
    const [range] = await within("the answer", 30_000, fetch(client, "t", { offset: 1, maxWaitMs: 300_000 }));
    assertEquals([range?.error, range?.highWatermark], [1, 0]);
  }));

Deno.test("Fetch that waits is told when its topic is deleted", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    const answer = fetch(client, "t", { offset: 0, maxWaitMs: 300_000 });
    await eventually("the request to arrive", () => broker.metrics().bytesIn > 0);
    const topic = broker.state.log.topics.byName("t");
    if (topic !== undefined) await broker.state.log.topics.delete(topic);
    const [found] = await within("the answer", 30_000, answer);
    assertEquals(found?.error, 3);
  }));
