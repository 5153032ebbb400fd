import { assertEquals, assertLess, assertRejects } from "@std/assert";
import { KafkaError, latestOffset, requestTimeoutMs } from "../../kafka/connection.ts";
import { BrokerProxy, metadataApi } from "./broker_proxy.ts";
import { connect, TestBroker } from "./test_broker.ts";

Deno.test("KafkaConnection.reset() fails every request at once, also those that are just being made", async () => {
  await using broker = await TestBroker.open();
  await broker.createTopic("t");
  await using proxy = new BrokerProxy({ hostname: "127.0.0.1", port: broker.broker.port });
  await using kafka = connect(proxy.bootstrap);
  await using connection = kafka.connect();
  const { topics: [topic] } = await connection.metadata(["t"]);
  const leader = topic!.partitions[0]!.leader!;
  proxy.onRequest = () => "drop";
  for (let ticks = 0; ticks < 40; ticks++) { // the cut comes a little later each time
    proxy.onRequest = () => "pass";
    await connection.metadata(["t"]);
    proxy.onRequest = () => "drop";
    const began = performance.now();
    const requests = [
      connection.offsets(leader, "t", [0], latestOffset),
      connection.fetch(leader, "t", [{ partition: 0, offset: 0, maxBytes: 100 }], {
        maxWaitMs: 10,
        maxBytes: 100,
      }),
      connection.metadata(["t"]),
    ];
    const failed = requests.map((request) => assertRejects(() => request, KafkaError));
    for (let i = 0; i < ticks; i++) await null;
    await connection.reset();
    assertEquals((await Promise.all(failed)).map(({ code }) => code), [
      "UNREACHABLE",
      "UNREACHABLE",
      "UNREACHABLE",
    ]);
    assertLess(performance.now() - began, requestTimeoutMs / 2, `cut after ${ticks} ticks`);
  }
  proxy.onRequest = () => "pass";
  await connection.metadata(["t"]);
  const open = proxy.connections, asked = proxy.count(metadataApi);
  await connection.metadata(["t"]);
  assertEquals([proxy.connections, proxy.count(metadataApi)], [open, asked + 1]);
});
