/** How long `tailrace broker` takes to start on a log of one gigabyte, after kill -9 and after SIGTERM. @module */
import { BrokerProcess, spread } from "../crash/broker_process.ts";
import { batchOf } from "../kafka/broker/batches.ts";
import { ProtocolClient } from "../protocol/client.ts";

const partitions = 12;
const batchBytes = 16_000;
const recordBytes = 200;
const starts = 5;

/** Makes the log, then prints the times.
 * @param scale of the gigabyte */
export async function measureRestart(scale: number): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tailrace-restart-" });
  try {
    await using broker = await BrokerProcess.open({ folder, sync: "normal" });
    const batches = await fill(broker.port, 1e9 * scale);
    for (const end of ["kill", "stop"] as const) {
      broker.starts.length = 0;
      for (let n = 0; n < starts; n++) {
        await broker[end]();
        await broker.start();
      }
      const how = end === "kill" ? "kill -9" : "SIGTERM";
      console.log(
        `start on ${batches} batches, ${scale.toFixed(1)} GB, after ${how}: ${spread(broker.starts)}`,
      );
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Batches of 16 KB by the same bytes again and again, as fast as the broker takes them. */
async function fill(port: number, bytes: number): Promise<number> {
  using client = await ProtocolClient.connect(port);
  const topics = [{ name: "filled", numPartitions: partitions, replicationFactor: 1 }];
  await client.ask(19, 4, { topics, timeoutMs: 10_000 });
  const record = { value: "x".repeat(recordBytes), timestamp: Date.now() };
  const records = batchOf(Array.from({ length: batchBytes / recordBytes }, () => record));
  const partitionData = Array.from({ length: partitions }, (_, index) => ({ index, records }));
  const request = { acks: -1, timeoutMs: 60_000, topicData: [{ name: "filled", partitionData }] };
  const wanted = Math.ceil(bytes / batchBytes / partitions);
  let sent = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    while (sent++ < wanted) await client.ask(0, 7, request);
  }));
  return wanted * partitions;
}
