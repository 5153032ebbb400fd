import { assertEquals, assertRejects } from "@std/assert";
import { KafkaError } from "../../kafka/connection.ts";
import { stablePosition } from "../../kafka/stable_position.ts";
import { TransactionalProducer } from "../../kafka/transactions.ts";
import { silentLogger } from "../../logger.ts";
import { eventually } from "../eventually.ts";
import { TransactionClient } from "./broker/transaction_client.ts";
import { BrokerProxy } from "./broker_proxy.ts";
import { connect, TestBroker } from "./test_broker.ts";

const offsetFetchApi = 9, apiVersionsApi = 18;
const place = { group: "g", topic: "t", partition: 1 };

/** A broker with topic "t" behind a proxy, a producer, and questions. */
async function open() {
  const parts = new AsyncDisposableStack();
  const broker = parts.use(await TestBroker.open());
  await broker.createTopic("t", 2);
  const proxy = parts.use(new BrokerProxy({ hostname: "127.0.0.1", port: broker.broker.port }));
  const kafka = parts.use(connect(proxy.bootstrap)), connection = parts.use(kafka.connect());
  const producer = parts.use(new TransactionalProducer(kafka, { transactionalId: "p", log: silentLogger }));
  const stop = new AbortController();
  return {
    proxy,
    client: parts.use(await TransactionClient.connect(broker.broker.port)),
    stop,
    ask: async () => {
      await connection.metadata(["t"]);
      return await stablePosition(connection, place, stop.signal);
    },
    commit: async (partition: number, offset: number, metadata?: string) => {
      await producer.init();
      const position = { partition, offset, ...(metadata !== undefined && { metadata }) };
      await producer.send([], { group: "g", topics: [{ topic: "t", partitions: [position] }] });
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

Deno.test("stablePosition() has the offset of a partition, and what was noted with it", async () => {
  await using ground = await open();
  assertEquals(await ground.ask(), null);
  await ground.commit(0, 3, "of another partition");
  assertEquals(await ground.ask(), null);
  await ground.commit(1, 2 ** 40, "a note ä");
  assertEquals(await ground.ask(), { offset: 2 ** 40, metadata: "a note ä" });
  await ground.commit(1, 5);
  assertEquals(await ground.ask(), { offset: 5, metadata: "" });
  await ground.client.commitPlainly("g", [[1, 6]]);
  assertEquals(await ground.ask(), { offset: 6, metadata: "" });
});

Deno.test("stablePosition() waits for a transaction that is about to change it, for as long as it is wanted", async () => {
  await using ground = await open();
  const { client, proxy, stop } = ground;
  await ground.commit(1, 5);
  const producer = await client.init();
  await client.addGroup(producer, "g");
  await client.commitOffsets(producer, "g", [[1, 9]]);
  const asked = ground.ask(), before = proxy.count(offsetFetchApi);
  await eventually("it to be asked again", () => proxy.count(offsetFetchApi) > before + 2);
  await client.end(producer, true);
  assertEquals(await asked, { offset: 9, metadata: "" });
  await client.addGroup(producer, "g");
  await client.commitOffsets(producer, "g", [[1, 12]]);
  const refused = assertRejects(() => ground.ask(), KafkaError, "UNSTABLE_OFFSET_COMMIT");
  const again = proxy.count(offsetFetchApi);
  await eventually("it to be asked", () => proxy.count(offsetFetchApi) > again);
  stop.abort();
  await refused;
});

Deno.test("stablePosition() asks a Kafka that cannot tell as it can be asked", async () => {
  await using ground = await open();
  ground.proxy.onAnswer = ({ api, bytes }) => {
    if (api !== apiVersionsApi) return "pass";
    const view = new DataView(bytes.buffer, bytes.byteOffset); // [api:INT16 min:INT16 max:INT16], of v0–v2
    for (let i = 0, at = 14; i < view.getInt32(10); i++, at += 6) {
      if (view.getInt16(at) === offsetFetchApi) view.setInt16(at + 4, 6);
    }
    return "pass";
  };
  await ground.commit(1, 5, "note");
  assertEquals(await ground.ask(), { offset: 5, metadata: "note" });
  const versions = ground.proxy.requests.filter(({ api }) => api === offsetFetchApi).map(({ version }) =>
    version
  );
  assertEquals(versions, [4]);
});
