/** Idempotent producers: what is sent again after a lost answer is there once. @module */
import { assertEquals } from "@std/assert";
import { produceApi } from "../../kafka/broker_proxy.ts";
import { numbered, proxyFor, readPartition, type Scenario, values } from "./scenario.ts";

export const producerScenarios: readonly Scenario[] = [
  {
    name: "idempotent: a batch whose answer was lost is there once",
    needs: ["produce", "consume", "idempotent"],
    async run(driver, context) {
      const topic = await context.topic("lost-answer");
      const proxy = proxyFor(context);
      let cuts = 0;
      proxy.onAnswer = ({ api }) => api === produceApi && cuts++ < 2 ? "cut" : "pass";
      const behind = await context.start(proxy.bootstrap);
      const { records: places } = await behind.ask("produce", {
        topic,
        records: numbered(50, 0),
        idempotent: true,
      });
      if (driver.has("offsets")) assertEquals(places.map(({ offset }) => offset), [...Array(50).keys()]);
      assertEquals(cuts > 1, true, "the proxy cut something");
      await driver.ask("produce", { topic, records: [{ partition: 0, key: "a", value: "last" }] });
      const wanted = [...values(numbered(50)), "last"];
      assertEquals(values(await readPartition(driver, topic, wanted.length)), wanted);
    },
  },
  {
    name: "idempotent: a batch that never got there is sent again",
    needs: ["produce", "consume", "idempotent"],
    async run(driver, context) {
      const topic = await context.topic("lost-request");
      const proxy = proxyFor(context);
      let cuts = 0;
      proxy.onRequest = ({ api }) => api === produceApi && cuts++ < 1 ? "cut" : "pass";
      const behind = await context.start(proxy.bootstrap);
      await behind.ask("produce", { topic, records: numbered(50, 0), idempotent: true });
      assertEquals(cuts > 1, true, "the proxy cut something");
      assertEquals(values(await readPartition(driver, topic, 50)), values(numbered(50)));
    },
  },
  {
    name: "idempotent: 500 KB in many batches, and now and then the connection is lost",
    needs: ["produce", "consume", "idempotent"],
    async run(driver, context) {
      const topic = await context.topic("cuts");
      const proxy = proxyFor(context);
      let [requests, answers] = [0, 0];
      proxy.onRequest = ({ api }) => api === produceApi && ++requests % 7 === 3 ? "cut" : "pass";
      proxy.onAnswer = ({ api }) => api === produceApi && ++answers % 5 === 1 ? "cut" : "pass";
      const behind = await context.start(proxy.bootstrap);
      const filler = "y".repeat(900);
      const records = numbered(500, 0).map((each) => ({ ...each, value: `${each.value} ${filler}` }));
      await behind.ask("produce", { topic, records, idempotent: true, codec: "none" }, 60_000);
      const read = await readPartition(driver, topic, 500);
      assertEquals(values(read), values(records));
    },
  },
  {
    name: "ten idempotent producers write to one partition at once",
    needs: ["produce", "consume", "idempotent"],
    async run(driver, context) {
      const topic = await context.topic("ten");
      await Promise.all(
        [...Array(10).keys()].map((n) => {
          const records = numbered(20, 0).map((each) => ({ ...each, key: `${n}` }));
          return driver.ask("produce", { topic, records, idempotent: true });
        }),
      );
      const read = await readPartition(driver, topic, 200);
      for (let n = 0; n < 10; n++) {
        assertEquals(values(read.filter(({ key }) => key === `${n}`)), values(numbered(20)));
      }
    },
  },
];
