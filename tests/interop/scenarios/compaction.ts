/** Compacted topics: the newest record of each key stays, older ones and tombstones go. @module */
import { assert, assertEquals } from "@std/assert";
import { eventually } from "../../eventually.ts";
import type { Scenario } from "./scenario.ts";

const compacted = {
  "cleanup.policy": "compact",
  "segment.ms": "100",
  "min.cleanable.dirty.ratio": "0.01",
  "min.compaction.lag.ms": "0",
  "delete.retention.ms": "100",
};

export const compactionScenarios: readonly Scenario[] = [
  {
    name: "a compacted topic keeps the newest record of each key, at its offset",
    needs: ["produce", "consume", "tombstones"],
    async run(driver, context) {
      const topic = await context.topic("compacted", { configs: compacted });
      for (let round = 0; round < 3; round++) {
        const records = ["a", "b", "c", "gone"].map((key) => ({
          partition: 0,
          key,
          value: `${key}${round}`,
        }));
        await driver.ask("produce", { topic, records });
      }
      await driver.ask("produce", { topic, records: [{ partition: 0, key: "gone", value: null }] });
      // Kafka leaves the newest segment alone: a record of another key begins the next one.
      const next = { topic, records: [{ partition: 0, key: "next", value: "n" }] };
      const wanted = ["a2 at 8", "b2 at 9", "c2 at 10"];
      let seen: string[] = [], timeoutMs = 1_000;
      await eventually(
        "only the newest records",
        async () => {
          await driver.ask("produce", next);
          timeoutMs += 500; // how many there are is not known, and a busy machine takes longer
          const asked = { topic, positions: { 0: "earliest" } as const, count: 1_000, timeoutMs };
          const { records } = await driver.ask("consume", asked);
          const others = records.filter(({ key }) => key !== "next");
          seen = others.map(({ value, offset }) => `${value} at ${offset}`);
          for (const each of wanted) assertEquals(seen.includes(each), true, `${each} is kept: ${seen}`);
          return seen.length === wanted.length;
        },
        120_000,
        () => seen,
      );
      assertEquals(seen, wanted);
    },
  },
  {
    name: "a compacted topic refuses records without a key with 87",
    needs: ["produce", "nullKeys"],
    async run(driver, context) {
      const topic = await context.topic("keys", { configs: compacted });
      const error = await driver.refused("produce", {
        topic,
        records: [{ partition: 0, key: null, value: "a" }],
      });
      // aiokafka does not know this number, and tells UNKNOWN_SERVER_ERROR.
      assert(error.code === 87 || error.code === -1, error.message);
    },
  },
];
