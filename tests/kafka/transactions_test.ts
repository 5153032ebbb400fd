/** Our own readers on a topic with transactions: they hand on committed records only, in order, and count the markers
 * between them. @module */

import { assertEquals } from "@std/assert";
import { History } from "../../kafka/history.ts";
import { TopicReader } from "../../kafka/reader.ts";
import { silentLogger } from "../../logger.ts";
import { eventually } from "../eventually.ts";
import { TransactionClient } from "./broker/transaction_client.ts";
import { connect, TestBroker } from "./test_broker.ts";

const PLAIN = { id: -1, epoch: -1 };
const plainly = { transactional: false, transactionalId: null };

/** A broker with topic "t", and two transactional producers. */
async function open() {
  const parts = new AsyncDisposableStack();
  const broker = parts.use(await TestBroker.open());
  await broker.createTopic("t");
  const clients = [
    parts.use(await TransactionClient.connect(broker.broker.port, { id: "first" })),
    parts.use(await TransactionClient.connect(broker.broker.port, { id: "second" })),
  ] as const;
  return { broker, parts, clients, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

Deno.test("TopicReader tells committed records once they are, aborted ones never, and passes over both markers", async () => {
  await using ground = await open();
  const [first, second] = ground.clients;
  const [p, q] = [await first.init(), await second.init()];
  await first.add(p);
  await first.produce(p, 0, [{ value: "before" }]);
  const told: string[] = [];
  const decoder = new TextDecoder();
  ground.parts.use(
    new TopicReader(ground.parts.use(connect(ground.broker.bootstrap)), "t", {
      started: (positions) => told.push(`started ${positions.join(" ")}`),
      records: ({ records, next }) =>
        told.push(
          ...records.map(({ offset, value }) => `${offset} ${value && decoder.decode(value)}`),
          `at ${next}`,
        ),
      skipped: (_partition, from, to, reason) => told.push(`skipped ${from} ${to} ${reason}`),
      restarted: () => told.push("restarted"),
      status: () => {},
    }, silentLogger),
  );
  const hears = (line: string) => eventually(line, () => told.includes(line), 30_000, () => told);
  await hears("started 0"); // the last stable offset
  await second.add(q);
  await second.produce(q, 0, [{ value: "lost" }]);
  await first.produce(PLAIN, -1, [{ value: "plain" }], plainly);
  await second.end(q, false);
  await first.produce(p, 1, [{ value: "after" }]);
  await first.end(p, true);
  await hears("at 6");
  assertEquals(told.filter((line) => !line.startsWith("at")), [
    "started 0",
    "0 before",
    "2 plain",
    "4 after",
  ]);
  await second.add(q);
  await second.produce(q, 1, [{ value: "lost, too" }]);
  await second.end(q, false);
  await hears("at 8");
  await first.produce(PLAIN, -1, [{ value: "last" }], plainly);
  await hears("8 last");
  assertEquals(told.some((line) => line.includes("lost") || line.includes("skipped")), false);
});

Deno.test("History.read() ends at the last stable offset and leaves aborted records out wherever a page begins", async () => {
  await using ground = await open();
  const [first, second] = ground.clients;
  const history = ground.parts.use(new History(ground.parts.use(connect(ground.broker.bootstrap))));
  const [p, q] = [await first.init(), await second.init()];
  for (let i = 0; i < 3; i++) {
    await first.add(p);
    await first.produce(p, 2 * i, [{ value: `lost ${i}` }, { value: `lost ${i}` }]);
    await first.produce(PLAIN, -1, [{ value: `plain ${i}` }], plainly);
    await first.end(p, false);
  }
  await second.add(q);
  await second.produce(q, 0, [{ value: "open" }]);
  const offsets = async (from: number) => {
    const { records, next, end } = await history.read("t", 0, from);
    return { offsets: records.map(({ offset }) => offset).filter((offset) => offset >= from), next, end };
  };
  assertEquals(await offsets(0), { offsets: [2, 6, 10], next: 12, end: 12 });
  assertEquals((await offsets(5)).offsets, [6, 10], "the middle of an aborted batch");
  assertEquals((await offsets(11)).offsets, [], "the marker of the last abort");
  assertEquals((await offsets(12)).offsets, [], "beyond it is the open transaction");
});
