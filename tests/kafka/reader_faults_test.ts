/** A topic's reader while leaders move and nodes are cut, stopped and silent, at random: every record once, in order. @module */
import { assertEquals } from "@std/assert";
import { createProducer } from "../../kafka/producer.ts";
import { TopicReader } from "../../kafka/reader.ts";
import { silentLogger } from "../../logger.ts";
import { eventually, pause } from "../eventually.ts";
import { Random } from "../random.ts";
import { fetchApi, type Verdict } from "./broker_proxy.ts";
import { SplitCluster } from "./split_cluster.ts";
import { connect, TestBroker } from "./test_broker.ts";

const nodes = 3, partitions = 2, steps = Number(Deno.env.get("TAILRACE_FAULT_STEPS") ?? 60);

Deno.test("TopicReader among moving leaders and nodes that come and go: every record once, in order", async () => {
  const chance = new Random("faults of nodes");
  await using broker = await TestBroker.open();
  await broker.createTopic("t", partitions);
  await using cluster = new SplitCluster(broker.broker.port, nodes);
  await using kafka = connect(...cluster.nodes.map(({ bootstrap }) => bootstrap) as [string, ...string[]]);
  await using direct = connect(broker.bootstrap);
  await using producer = createProducer(direct, { log: silentLogger });
  const got = Array.from({ length: partitions }, (): number[] => []), wrong: string[] = [];
  let begun = 0;
  await using _reader = new TopicReader(kafka, "t", {
    started: () => begun++,
    records: ({ partition, records }) => got[partition]!.push(...records.map(({ offset }) => offset)),
    skipped: (...what) => wrong.push(`skipped ${what}`),
    restarted: () => wrong.push("restarted"),
    status: () => {},
  }, silentLogger);
  await eventually("its start", () => begun > 0);

  const leaders: (number | null)[] = Array.from(
    { length: partitions },
    (_, partition) => partition % nodes + 1,
  );
  cluster.leaderOf = (partition) => leaders[partition]!;
  for (const node of cluster.nodes) {
    node.onAnswer = async ({ api }): Promise<Verdict> => { // some come when their partitions are read elsewhere already
      if (api === fetchApi) await pause(chance.between(0, 1) * chance.between(0, 300));
      return "pass";
    };
  }
  const stopped = new Set<number>(), silent = new Set<number>();
  const ends = Array.from({ length: partitions }, () => 0);
  const heal = (id: number) => {
    const node = cluster.node(id);
    node.onRequest = () => "pass";
    if (silent.delete(id)) node.cutAll();
    if (stopped.delete(id)) node.start();
  };
  for (let step = 0; step < steps; step++) {
    const id = chance.between(1, nodes), partition = chance.between(0, partitions - 1);
    const deed = chance.between(0, 9);
    if (deed <= 3) leaders[partition] = deed === 0 ? null : id;
    else if (deed <= 5) cluster.node(id).cutAll();
    else if (deed === 6 && !stopped.has(id)) await cluster.node(id).stop().then(() => stopped.add(id));
    else if (deed === 7 && !stopped.has(id)) {
      silent.add(id);
      cluster.node(id).onRequest = () => "drop";
    } else heal(id);
    for (let place = 0; place < partitions; place++) {
      const count = chance.between(1, 3);
      await producer.sendAll("t", Array.from({ length: count }, () => ({ value: "v", partition: place })));
      ends[place]! += count;
    }
    await pause(chance.between(5, 80));
  }
  for (let id = 1; id <= nodes; id++) heal(id);
  leaders.forEach((leader, partition) => leaders[partition] = leader ?? 1);
  const counts = () => got.map((offsets) => offsets.length);
  await eventually(
    "everything",
    () => String(counts()) === String(ends),
    30_000,
    () => [counts(), ends, wrong],
  );
  for (const offsets of got) assertEquals(offsets, offsets.map((_, n) => n));
  assertEquals(wrong, []);
});
