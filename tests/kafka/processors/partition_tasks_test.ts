import { assertEquals, assertNotEquals } from "@std/assert";
import { eachPartition } from "../../../kafka/assignors.ts";
import {
  type Ownership,
  PartitionTasks,
  type PartitionTasksOptions,
} from "../../../kafka/processors/partition_tasks.ts";
import { silentLogger } from "../../../logger.ts";
import { eventually } from "../../eventually.ts";
import { BrokerProxy } from "../broker_proxy.ts";
import { connect, TestBroker } from "../test_broker.ts";

/** A task that does nothing but say that it is there. */
interface Idle extends AsyncDisposable {
  readonly partition: number;
  readonly ownership: Ownership;
  /** Resolves its end, which waits for it. */
  end?: () => void;
}

/** Instances that share the partitions of a topic. */
class Ground implements AsyncDisposable {
  readonly #parts = new AsyncDisposableStack();
  broker!: TestBroker;

  static async open(partitions: number): Promise<Ground> {
    const ground = new Ground();
    ground.broker = ground.#parts.use(await TestBroker.open());
    await ground.broker.createTopic("t", partitions);
    return ground;
  }

  /** @param endsLate whether the tasks' ends are held up */
  add(options: Partial<PartitionTasksOptions> = {}, endsLate = false) {
    const proxy = this.#parts.use(
      new BrokerProxy({ hostname: "127.0.0.1", port: this.broker.broker.port }),
    );
    const kafka = this.#parts.use(connect(proxy.bootstrap));
    const opened: Idle[] = [], running = new Map<number, Idle>();
    const tasks = new PartitionTasks(kafka, {
      group: "g",
      topic: "t",
      assign: eachPartition("each"),
      log: silentLogger,
      open(partition, ownership) {
        if (running.has(partition)) throw new Error(`Two tasks of ${partition}`);
        const task: Idle = {
          partition,
          ownership,
          async [Symbol.asyncDispose]() {
            if (endsLate) await new Promise<void>((resolve) => task.end = resolve);
            running.delete(partition);
          },
        };
        opened.push(task);
        running.set(partition, task);
        return task;
      },
      ...options,
    });
    this.#parts.use(tasks);
    return { tasks, opened, running, proxy };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

/** Waits until each has so many tasks, all of them together one for each partition. */
async function have(instances: readonly { tasks: PartitionTasks }[], ...counts: number[]): Promise<void> {
  const seen = () => instances.map(({ tasks }) => tasks.partitions);
  await eventually(
    `tasks ${counts}`,
    () =>
      `${seen().map(({ length }) => length).sort()}` === `${counts.toSorted()}` &&
      new Set(seen().flat()).size === seen().flat().length,
    30_000,
    seen,
  );
}

Deno.test("PartitionTasks: instances come and go, and a task whose partition stays goes on", async () => {
  await using ground = await Ground.open(3);
  const first = ground.add();
  await have([first], 3);
  assertEquals(first.tasks.partitions, [0, 1, 2]);
  assertEquals(first.opened.map(({ ownership }) => ownership.isOwner()), [true, true, true]);
  const second = ground.add();
  await have([first, second], 2, 1);
  assertEquals([first.opened.length, second.opened.length], [3, 1], "two went on, one moved");
  await first.tasks[Symbol.asyncDispose]();
  assertEquals([first.tasks.partitions, first.running.size], [[], 0]);
  assertEquals(first.opened[0]!.ownership.isOwner(), false);
  await have([second], 3);
  assertEquals(second.opened.length, 3, "the one it had went on");
});

Deno.test("PartitionTasks: a task that is fenced is closed, and opened anew where the partition still is its instance's", async () => {
  await using ground = await Ground.open(2);
  const { tasks, opened, running } = ground.add();
  await have([{ tasks }], 2);
  const fenced = running.get(1)!;
  fenced.ownership.onFenced();
  assertEquals(tasks.partitions, [0]);
  await have([{ tasks }], 2);
  assertNotEquals(running.get(1), fenced);
  assertEquals(opened.map(({ partition }) => partition), [0, 1, 1]);
  fenced.ownership.onFenced();
  assertEquals(tasks.partitions, [0, 1], "the task before has no say any more");
});

Deno.test("PartitionTasks: a partition that comes back waits for the end of its task before", async () => {
  await using ground = await Ground.open(1);
  const { tasks, running, opened } = ground.add({}, true);
  await have([{ tasks }], 1);
  running.get(0)!.ownership.onFenced();
  await eventually("it to be given back", () => opened[0]!.ownership.isOwner());
  assertEquals([tasks.partitions, opened.length], [[], 1]);
  opened[0]!.end!();
  await have([{ tasks }], 1);
  const ended = tasks[Symbol.asyncDispose]();
  opened[1]!.end!();
  await ended;
});

Deno.test("PartitionTasks: new partitions are dealt out by whoever sees them", async () => {
  await using ground = await Ground.open(1);
  const instances = [ground.add(), ground.add()];
  await have(instances, 0, 1);
  const { topics } = ground.broker.broker.state.log;
  await topics.addPartitions(topics.byName("t")!, 4);
  instances[0]!.tasks.rejoin();
  await have(instances, 2, 2);
});

Deno.test("PartitionTasks: tasks of which nobody knows whose they are end after a while", async () => {
  await using ground = await Ground.open(2);
  const { tasks, opened, proxy } = ground.add({ doubtMs: 100 });
  await have([{ tasks }], 2);
  await proxy.stop();
  tasks.rejoin();
  assertEquals(tasks.partitions, [0, 1], "they go on at first");
  assertEquals(opened[0]!.ownership.isOwner(), false);
  await have([{ tasks }], 0);
  proxy.start();
  await have([{ tasks }], 2);
  assertEquals(opened.length, 4);
});
