/** A producer while Apache Kafka dies with its answer: what the node knows of a producer when it is back depends on the records' times.
 * @module */
import { assertEquals, assertRejects } from "@std/assert";
import { StreamError } from "../../errors.ts";
import { latestOffset } from "../../kafka/connection.ts";
import { History } from "../../kafka/history.ts";
import { createProducer } from "../../kafka/producer.ts";
import { silentLogger } from "../../logger.ts";
import { ApacheKafka } from "../apache_kafka.ts";
import { requires } from "../requirements.ts";
import { BrokerProxy, produceApi } from "./broker_proxy.ts";
import { connect } from "./test_broker.ts";

Deno.test({
  name:
    "Kafka that dies with its answers: young records are there once at their place, old ones at most once",
  ignore: requires("apache-kafka").ignore,
  fn: async () => {
    await using node = await ApacheKafka.open();
    const port = Number(node.bootstrap.split(":")[1]);
    await using proxy = new BrokerProxy({ hostname: "127.0.0.1", port });
    await using kafka = connect(proxy.bootstrap);
    await using direct = connect(node.bootstrap);
    await using history = new History(direct);
    for (const [n, restart] of [() => node.kill(), () => node.stop()].entries()) {
      await using producer = createProducer(kafka, { log: silentLogger, timeoutMs: 60_000 });
      const young = `young-${n}`, old = `old-${n}`;
      await producer.send(young, { value: "first" });
      await producer.send(old, { value: "first" });
      const { promise: restarted, resolve: back, reject } = Promise.withResolvers<void>();
      let left = 2;
      proxy.onAnswer = async ({ api }) => {
        if (api !== produceApi || left <= 0) return "pass";
        // With both in the log.
        if (--left === 0) await restart().then(() => node.start()).then(back, reject);
        await restarted;
        return "cut";
      };
      const timestamp = Date.now() - 25 * 3_600_000;
      const sent = [
        producer.send(young, { value: "second" }),
        producer.send(old, { value: "second", timestamp }),
      ] as const;
      const [unknown] = await Promise.all([assertRejects(() => sent[1], StreamError), sent[0]]);
      assertEquals([unknown.code, (await sent[0]).offset], ["outcome-unknown", 1]);
      for (const topic of [young, old]) {
        await producer.send(topic, { value: "third" });
        assertEquals([topic, ...await history.positions(topic, latestOffset)], [topic, 3]);
      }
    }
  },
});
