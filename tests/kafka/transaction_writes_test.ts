/** Records of large transactions on their way to Kafka, batch by batch. @module */
import { assertEquals } from "@std/assert";
import { TransactionalProducer, type TransactionRecord } from "../../kafka/transactions.ts";
import { silentLogger } from "../../logger.ts";
import { BrokerProxy, produceApi } from "./broker_proxy.ts";
import { connect, TestBroker } from "./test_broker.ts";

/** Notes how many requests had been sent when its value was asked for. */
class LateRecord implements TransactionRecord {
  readonly topic = "t";
  readonly partition: number;
  readonly #asked: () => void;

  constructor(partition: number, asked: () => void) {
    this.partition = partition;
    this.#asked = asked;
  }

  get value(): string {
    this.#asked();
    return "v";
  }
}

Deno.test("TransactionalProducer.send() asks for values when they are to be written, once, also when answers are lost", async () => {
  await using broker = await TestBroker.open();
  await using proxy = new BrokerProxy({ hostname: "127.0.0.1", port: broker.broker.port });
  await broker.createTopic("t", 2);
  await using kafka = connect(proxy.bootstrap);
  await using producer = new TransactionalProducer(kafka, {
    transactionalId: "tx",
    log: silentLogger,
    timeoutMs: 60_000,
  });
  await producer.init();
  const asked: [number, number][] = [];
  let answers = 0, answered = 0;
  proxy.onAnswer = ({ request }) => {
    if (request?.api !== produceApi) return "pass";
    if (++answers === 2) return "cut";
    answered++;
    return "pass";
  };
  const count = 12_000;
  const records = Array.from(
    { length: count + 1 },
    (_, i) => new LateRecord(i < count ? 0 : 1, () => asked.push([i < count ? 0 : 1, answered])),
  );
  const places = await producer.send(records);
  // At most 5,000 records go together.
  const after = (answers: number) => asked.filter(([, when]) => when === answers).length;
  assertEquals([0, 1, 2].map(after), [5_001, 5_000, 2_000]);
  assertEquals(places, [
    ...Array.from({ length: count }, (_, offset) => ({ partition: 0, offset })),
    { partition: 1, offset: 0 },
  ]);
});
