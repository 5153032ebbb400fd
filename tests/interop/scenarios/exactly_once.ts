/** Exactly once: members of a group that commit their offsets in the transactions they write in. @module */
import { assertEquals } from "@std/assert";
import { numbered, readPartition, type Scenario, values, waitMs } from "./scenario.ts";

const count = 300;

export const exactlyOnceScenarios: readonly Scenario[] = [
  {
    name: "exactly once: two members read, transform and write while the group changes under them",
    needs: ["txnProcess", "produce", "consume"],
    async run(driver, context) {
      const [from, to] = [await context.topic("from", { partitions: 2 }), await context.topic("to")];
      const group = context.name("group");
      for (const partition of [0, 1]) {
        await driver.ask("produce", { topic: from, records: numbered(count, partition) });
      }
      const other = await context.start();
      const process = (which: typeof driver) =>
        which.ask(
          "txn.process",
          { transactionalId: context.name("id"), group, from, to, idleMs: 10_000 },
          200_000,
        );
      const first = process(driver);
      await readPartition(driver, to, 1);
      const second = process(other); // while the first is at work: what that had begun is aborted, or was committed
      const done = (await Promise.all([first, second])).map(({ processed }) => processed);
      assertEquals(done[0]! + done[1]!, 2 * count);
      await driver.ask("produce", { topic: to, records: [{ partition: 0, key: "end", value: "end" }] });
      const asked = { topic: to, positions: { 0: "earliest" }, isolation: "read_committed" } as const;
      const { records } = await driver.ask("consume", { ...asked, count: 2 * count + 1, timeoutMs: waitMs });
      const wanted = ["end", ...[...numbered(count), ...numbered(count)].map(({ value }) => `${value}!`)];
      assertEquals(values(records).toSorted(), wanted.toSorted());
    },
  },
];
