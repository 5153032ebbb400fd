/** Partitions that are added to a topic while viewers follow it, by the broker's own API. @module */
import { assertEquals } from "@std/assert";
import { parseCursor } from "../../kafka/cursor.ts";
import { Hub } from "../../kafka/hub.ts";
import { createProducer } from "../../kafka/producer.ts";
import { silentLogger } from "../../logger.ts";
import { createMetrics } from "../../metrics.ts";
import { ProtocolClient } from "../protocol/client.ts";
import { BrokerProxy } from "./broker_proxy.ts";
import { HubViewer, placeOf } from "./hub_viewer.ts";
import { connect, TestBroker } from "./test_broker.ts";

Deno.test("Hub: a viewer is given the records of partitions that were added, from their beginning, and resumes", async () => {
  await using broker = await TestBroker.open();
  await broker.createTopic("t", 1);
  await using proxy = new BrokerProxy({ hostname: "127.0.0.1", port: broker.broker.port });
  await using kafka = connect(proxy.bootstrap);
  await using hub = new Hub({ kafka, metrics: createMetrics("test"), log: silentLogger });
  const viewer = new HubViewer(hub, "t");
  const { start } = await viewer.event("ready");
  assertEquals(placeOf(start), [0]);

  using admin = await ProtocolClient.connect(broker.broker.port);
  const topics = [{ name: "t", count: 3, assignments: null }];
  const answer = await admin.ask(37, 3, { topics, timeoutMs: 1000, validateOnly: false });
  assertEquals(answer.results, [{ name: "t", errorCode: 0, errorMessage: null }]);
  await using sending = connect(broker.bootstrap);
  await using producer = createProducer(sending, { log: silentLogger });
  await producer.sendAll("t", [{ value: "a", partition: 2 }, { value: "b", partition: 2 }]);
  proxy.cutAll(); // the reader looks at the cluster again when it comes back, not only every half minute
  await viewer.records(2);
  assertEquals(viewer.texts, ["a", "b"]);
  assertEquals(placeOf(viewer.lastId), [0, 0, 2]);

  await producer.sendAll("t", [{ value: "c", partition: 1 }]);
  await viewer.records(3);
  const resumed = new HubViewer(hub, "t", { start: parseCursor(start) });
  assertEquals((await resumed.event("ready")).resume, "exact");
  await resumed.records(3);
  assertEquals(resumed.texts.toSorted(), ["a", "b", "c"], "an id from before the partitions resumes in them");
  for (const each of [viewer, resumed]) each.viewer.close();
});

Deno.test("Hub: who is behind and shown the newest of each key is shown it in a partition that was added meanwhile, too", async () => {
  await using broker = await TestBroker.open();
  await broker.createTopic("t", 1);
  await using proxy = new BrokerProxy({ hostname: "127.0.0.1", port: broker.broker.port });
  await using kafka = connect(proxy.bootstrap);
  const options = { kafka, metrics: createMetrics("test"), log: silentLogger, ringBytes: 6_000 };
  await using hub = new Hub(options);
  await using sending = connect(broker.bootstrap);
  await using producer = createProducer(sending, { log: silentLogger });
  const records = (partition: number, name: string) =>
    Array.from({ length: 50 }, (_, n) => ({ key: `${name}${n % 2}`, value: `${name}${n}`, partition }));
  const viewer = new HubViewer(hub, "t", { policy: "latest-per-key", room: 1 });
  await viewer.event("ready");

  using admin = await ProtocolClient.connect(broker.broker.port);
  const topics = [{ name: "t", count: 2, assignments: null }];
  await admin.ask(37, 3, { topics, timeoutMs: 1000, validateOnly: false });
  await producer.sendAll("t", [...records(0, "a"), ...records(1, "b")]);
  proxy.cutAll();
  const witness = new HubViewer(hub, "t", { start: { kind: "earliest" } });
  await witness.records(100);
  viewer.give(Infinity);
  await viewer.records(4);
  assertEquals(viewer.texts.slice(-4).toSorted(), ["a48", "a49", "b48", "b49"]);
  for (const each of [viewer, witness]) each.viewer.close();
});
