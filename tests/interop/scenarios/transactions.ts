/** Transactions: all or nothing, for records and for offsets; who is fenced; what readers see meanwhile. @module */
import { assert, assertEquals } from "@std/assert";
import { eventually } from "../../eventually.ts";
import { type Driver, DriverError } from "../driver.ts";
import type { Isolation } from "../driver_protocol.ts";
import { type Context, numbered, type Scenario, values, waitMs } from "./scenario.ts";

const needs = ["transactions", "produce", "consume", "isolation"];

/** How long a transaction may stay open while others look at it, ms: longer than each of them has patience. */
const timeoutMs = 600_000;

/** Opens a transactional producer; closed after the scenario. */
async function open(driver: Driver, context: Context, id: string): Promise<string> {
  const handle = context.name("handle");
  await driver.ask("txn.open", { handle, transactionalId: id, timeoutMs });
  // One that was fenced may say so once more.
  context.defer(() => driver.ask("txn.close", { handle }).catch(() => {}));
  return handle;
}

const texts = (...texts: readonly string[]) => texts.map((value) => ({ partition: 0, key: "k", value }));

/** The first records that a reader gets. */
async function readTo(driver: Driver, topic: string, isolation: Isolation, count: number) {
  const positions = { 0: "earliest" } as const;
  const asked = { topic, positions, count, timeoutMs: waitMs, isolation };
  return values((await driver.ask("consume", asked)).records);
}

/** What a reader of committed records gets within two seconds from an offset on, when it has to get nothing. */
async function readHeldBack(driver: Driver, topic: string, from: number) {
  const asked = { topic, positions: { 0: from }, count: 1, timeoutMs: 2_000 };
  return values((await driver.ask("consume", { ...asked, isolation: "read_committed" })).records);
}

async function committed(context: Context, group: string, topic: string): Promise<number> {
  const [found] = await context.admin.fetchOffsets({ groupId: group, topics: [topic] });
  return Number(found!.partitions[0]?.offset ?? -1);
}

/** PRODUCER_FENCED, INVALID_PRODUCER_EPOCH, or the library's own word for them. */
function tellsFenced({ code, message }: DriverError): boolean {
  return code === 90 || code === 47 || /fenced|epoch/i.test(message);
}

/** The error that one of the steps ends with. */
async function firstError(steps: readonly (() => Promise<unknown>)[]): Promise<DriverError> {
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      if (error instanceof DriverError) return error;
      throw error;
    }
  }
  throw new Error("None of the steps was refused");
}

export const transactionScenarios: readonly Scenario[] = [
  {
    name: "transaction: what is committed becomes visible, and not before",
    needs,
    async run(driver, context) {
      const topic = await context.topic("commit");
      const handle = await open(driver, context, context.name("id"));
      await driver.ask("txn.begin", { handle });
      await driver.ask("txn.send", { handle, topic, records: texts("a", "b") });
      assertEquals(await readHeldBack(driver, topic, 0), []);
      assertEquals(await readTo(driver, topic, "read_uncommitted", 2), ["a", "b"]);
      await driver.ask("txn.send", { handle, topic, records: texts("c") });
      await driver.ask("txn.commit", { handle });
      assertEquals(await readTo(driver, topic, "read_committed", 3), ["a", "b", "c"]);
    },
  },
  {
    name: "transaction: what is aborted is seen by read_uncommitted only",
    needs,
    async run(driver, context) {
      const topic = await context.topic("abort");
      const handle = await open(driver, context, context.name("id"));
      await driver.ask("txn.begin", { handle });
      await driver.ask("txn.send", { handle, topic, records: texts("a", "b") });
      await driver.ask("txn.abort", { handle });
      await driver.ask("txn.begin", { handle });
      await driver.ask("txn.send", { handle, topic, records: texts("c") });
      await driver.ask("txn.commit", { handle });
      await driver.ask("produce", { topic, records: texts("end") });
      assertEquals(await readTo(driver, topic, "read_committed", 2), ["c", "end"]);
      assertEquals(await readTo(driver, topic, "read_uncommitted", 4), ["a", "b", "c", "end"]);
    },
  },
  {
    name: "transaction: ten in a row, every second one aborted, over three partitions",
    needs,
    not: { "@platformatic/kafka": "leaves out only the last of several aborted ones of a producer" },
    async run(driver, context) {
      const topic = await context.topic("row", { partitions: 3 });
      const handle = await open(driver, context, context.name("id"));
      for (let n = 0; n < 10; n++) {
        await driver.ask("txn.begin", { handle });
        const records = [0, 1, 2].map((partition) => ({ partition, key: "k", value: `${n}` }));
        await driver.ask("txn.send", { handle, topic, records });
        await driver.ask(n % 2 === 0 ? "txn.commit" : "txn.abort", { handle });
      }
      const positions = { 0: "earliest", 1: "earliest", 2: "earliest" } as const;
      const asked = { topic, positions, timeoutMs: waitMs, isolation: "read_committed" as const };
      const { records } = await driver.ask("consume", { ...asked, count: 15 });
      for (const partition of [0, 1, 2]) {
        const mine = records.filter((record) => record.partition === partition);
        assertEquals(values(mine), ["0", "2", "4", "6", "8"]);
        // Each transaction is a record and a marker.
        assertEquals(mine.map(({ offset }) => offset), [0, 4, 8, 12, 16]);
      }
    },
  },
  {
    name: "transaction: empty ones leave nothing",
    needs,
    not: { "@platformatic/kafka": "asks the broker to end what it has not begun, which is refused" },
    async run(driver, context) {
      const topic = await context.topic("nothing");
      const handle = await open(driver, context, context.name("id"));
      for (const end of ["txn.commit", "txn.abort"] as const) {
        await driver.ask("txn.begin", { handle });
        await driver.ask(end, { handle });
      }
      await driver.ask("txn.begin", { handle });
      await driver.ask("txn.send", { handle, topic, records: texts("a") });
      await driver.ask("txn.commit", { handle });
      const positions = { 0: "earliest" } as const;
      const { records } = await driver.ask("consume", { topic, positions, count: 1, timeoutMs: waitMs });
      assertEquals([records[0]!.offset, records[0]!.value], [0, "a"]);
    },
  },
  {
    name: "transaction: an open one holds back what comes after it from read_committed",
    needs,
    async run(driver, context) {
      const topic = await context.topic("stable");
      await driver.ask("produce", { topic, records: texts("before") });
      const handle = await open(driver, context, context.name("id"));
      await driver.ask("txn.begin", { handle });
      await driver.ask("txn.send", { handle, topic, records: texts("inside") });
      await driver.ask("produce", { topic, records: texts("after") });
      assertEquals(await readTo(driver, topic, "read_committed", 1), ["before"]);
      assertEquals(await readHeldBack(driver, topic, 1), []);
      assertEquals(await readTo(driver, topic, "read_uncommitted", 3), ["before", "inside", "after"]);
      await driver.ask("txn.abort", { handle });
      assertEquals(await readTo(driver, topic, "read_committed", 2), ["before", "after"]);
    },
  },
  {
    name: "transaction: two producers in one partition, one commits and one aborts",
    needs,
    async run(driver, context) {
      const topic = await context.topic("two");
      const a = await open(driver, context, context.name("a"));
      const b = await open(driver, context, context.name("b"));
      for (const handle of [a, b]) await driver.ask("txn.begin", { handle });
      await driver.ask("txn.send", { handle: a, topic, records: texts("a1") });
      await driver.ask("txn.send", { handle: b, topic, records: texts("b1") });
      await driver.ask("txn.send", { handle: a, topic, records: texts("a2") });
      await driver.ask("txn.abort", { handle: a });
      await driver.ask("txn.send", { handle: b, topic, records: texts("b2") });
      await driver.ask("txn.commit", { handle: b });
      assertEquals(await readTo(driver, topic, "read_committed", 2), ["b1", "b2"]);
      assertEquals(await readTo(driver, topic, "read_uncommitted", 4), ["a1", "b1", "a2", "b2"]);
    },
  },
  {
    name: "transaction: a second instance of the same id fences the first, and aborts what it had open",
    needs,
    async run(driver, context) {
      const [topic, id] = [await context.topic("fenced"), context.name("id")];
      const old = await open(driver, context, id);
      await driver.ask("txn.begin", { handle: old });
      await driver.ask("txn.send", { handle: old, topic, records: texts("old") });
      const young = await open(driver, context, id);
      await driver.ask("txn.begin", { handle: young });
      await driver.ask("txn.send", { handle: young, topic, records: texts("young") });
      const error = await driver.refused("txn.commit", { handle: old });
      assert(tellsFenced(error), error.message);
      await driver.ask("txn.commit", { handle: young });
      assertEquals(await readTo(driver, topic, "read_committed", 1), ["young"]);
    },
  },
  {
    name: "transaction: what a fenced producer still sends is not there",
    needs,
    async run(driver, context) {
      const [topic, id] = [await context.topic("zombie"), context.name("id")];
      const old = await open(driver, context, id);
      await driver.ask("txn.begin", { handle: old });
      await driver.ask("txn.send", { handle: old, topic, records: texts("old") });
      const young = await open(driver, context, id);
      await driver.ask("txn.begin", { handle: young });
      await driver.ask("txn.send", { handle: young, topic, records: texts("young") });
      await driver.ask("txn.commit", { handle: young });
      const error = await firstError([
        () => driver.ask("txn.send", { handle: old, topic, records: texts("too late") }),
        () => driver.ask("txn.commit", { handle: old }),
      ]);
      assert(tellsFenced(error), error.message);
      await driver.ask("produce", { topic, records: texts("after") });
      assertEquals(await readTo(driver, topic, "read_committed", 2), ["young", "after"]);
    },
  },
  {
    name: "transaction: one whose process was killed is aborted when the next instance starts",
    needs,
    async run(driver, context) {
      const [topic, id] = [await context.topic("killed"), context.name("id")];
      const other = await context.start();
      await other.ask("txn.open", { handle: "h", transactionalId: id });
      await other.ask("txn.begin", { handle: "h" });
      await other.ask("txn.send", { handle: "h", topic, records: texts("lost") });
      await other.kill();
      const handle = await open(driver, context, id);
      await driver.ask("txn.begin", { handle });
      await driver.ask("txn.send", { handle, topic, records: texts("found") });
      await driver.ask("txn.commit", { handle });
      assertEquals(await readTo(driver, topic, "read_committed", 1), ["found"]);
    },
  },
  {
    name: "transaction: one that takes too long is aborted by the broker",
    needs: [...needs, "txnTimeout"],
    async run(driver, context) {
      const topic = await context.topic("timeout");
      const other = await context.start();
      await other.ask("txn.open", { handle: "h", transactionalId: context.name("id"), timeoutMs: 4_000 });
      await other.ask("txn.begin", { handle: "h" });
      await other.ask("txn.send", { handle: "h", topic, records: texts("late") });
      await driver.ask("produce", { topic, records: texts("after") });
      assertEquals(await readTo(driver, topic, "read_committed", 1), ["after"]);
      await other.kill(); // what libraries do when their transaction is gone is not the point
    },
  },
  {
    name: "transaction: offsets count when it commits, not before and not when it aborts",
    needs: [...needs, "txnOffsets"],
    async run(driver, context) {
      const [topic, group] = [await context.topic("offsets"), context.name("group")];
      await driver.ask("produce", { topic, records: numbered(10, 0) });
      const handle = await open(driver, context, context.name("id"));
      const at = (offset: number) => ({ handle, group, offsets: [{ topic, partition: 0, offset }] });
      await driver.ask("txn.begin", { handle });
      await driver.ask("txn.sendOffsets", at(3));
      assertEquals(await committed(context, group, topic), -1);
      await driver.ask("txn.commit", { handle });
      await eventually("the commit", async () => await committed(context, group, topic) === 3, waitMs);
      await driver.ask("txn.begin", { handle });
      await driver.ask("txn.sendOffsets", at(7));
      await driver.ask("txn.abort", { handle });
      assertEquals(await committed(context, group, topic), 3);
    },
  },
  {
    name: "transaction: consume, transform, produce",
    needs: [...needs, "txnOffsets"],
    async run(driver, context) {
      const [input, output] = [await context.topic("in"), await context.topic("out")];
      const group = context.name("group");
      await driver.ask("produce", { topic: input, records: numbered(20, 0) });
      const handle = await open(driver, context, context.name("id"));
      for (const [from, end] of [[0, "txn.abort"], [0, "txn.commit"], [10, "txn.commit"]] as const) {
        const positions = { 0: from };
        const asked = { topic: input, positions, count: 10, timeoutMs: waitMs };
        const { records: read } = await driver.ask("consume", asked);
        await driver.ask("txn.begin", { handle });
        const records = read.map(({ key, value }) => ({ partition: 0, key, value: `${Number(value) * 2}` }));
        await driver.ask("txn.send", { handle, topic: output, records });
        const next = read.at(-1)!.offset + 1;
        await driver.ask("txn.sendOffsets", {
          handle,
          group,
          offsets: [{ topic: input, partition: 0, offset: next }],
        });
        await driver.ask(end, { handle });
      }
      const doubled = numbered(20).map(({ value }) => `${Number(value) * 2}`);
      assertEquals(await readTo(driver, output, "read_committed", 20), doubled);
      await eventually("the offsets", async () => await committed(context, group, input) === 20, waitMs);
    },
  },
];
