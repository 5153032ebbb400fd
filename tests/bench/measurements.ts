/** `deno task bench:measurements`: Kafka → histogram → SQLite → Kafka for a million measurements, from process start to the last one
 * in the file and in `hist_<name>`.
 *
 *     deno task bench:measurements [--count 1000000] [--partitions 1] [--apache] [--peer]
 *
 * Kafka is a process of its own (the embedded broker alone; with `--apache` also Apache Kafka) that holds the records before the
 * service starts on an empty folder, so CPU and memory are those of reading, counting, storing and publishing. `--peer` runs the same
 * by hand in Python beside it (measurements_peer.py). On Linux only. Nothing is asserted but that the counts are right.
 * @module */
import { assertEquals } from "@std/assert";
import { parseArgs } from "node:util";
import { Kafka } from "../../kafka/client.ts";
import { edgesOf, histTopicOf, type MeasurementSpec } from "../../kafka/measurements.ts";
import { createProducer } from "../../kafka/producer.ts";
import { silentLogger } from "../../logger.ts";
import { ApacheKafka, defaultJvm } from "../apache_kafka.ts";
import { createTopic } from "../clients.ts";
import { BrokerProcess } from "../crash/broker_process.ts";
import { run } from "../programs.ts";
import { testPython } from "../requirements.ts";
import { Service } from "../service.ts";
import { cpuSeconds, megabytes, MemorySeries } from "./measure.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "1000000" },
    partitions: { type: "string", default: "1" },
    apache: { type: "boolean", default: false },
    peer: { type: "boolean", default: false },
  },
});
const count = Number(values.count), partitions = Number(values.partitions);
const spec: MeasurementSpec = { name: "temperature", first: -25, last: 24, step: 1 };
const pollMs = 100, chunk = 5_000;

if (import.meta.main) {
  const folder = await Deno.makeTempDir({ prefix: "tailrace-bench-" });
  try {
    {
      await using broker = await BrokerProcess.open({ folder, sync: "normal" });
      await measure("embedded broker", `127.0.0.1:${broker.port}`, folder);
    }
    if (values.apache) {
      await using kafka = await ApacheKafka.open({}, defaultJvm);
      await measure("Apache Kafka", kafka.bootstrap, folder);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Fills the topic, then runs the service, and the peer, on it. */
async function measure(on: string, bootstrap: string, folder: string): Promise<void> {
  await fill(bootstrap);
  await measureService(on, bootstrap);
  if (values.peer) await measurePeer(on, bootstrap, `${folder}/${crypto.randomUUID()}.db`);
}

async function measureService(on: string, bootstrap: string): Promise<void> {
  const settings = { MEASUREMENTS: "temperature:-25:24:1", LOG_LEVEL: "warn" };
  const began = performance.now();
  await using service = await Service.open({ kafkaBrokers: bootstrap, settings });
  using memory = new MemorySeries(service.pid, 500);
  const seconds = () => (performance.now() - began) / 1000;
  const first = await counted(service.url, 1);
  const [firstAt, firstCpu] = [seconds(), cpuSeconds(service.pid)];
  const last = await counted(service.url, count);
  const [lastAt, cpu] = [seconds(), cpuSeconds(service.pid)];
  assertEquals([last.count, last.rows], [count, count]);
  const rate = (last.count - first.count) / (lastAt - firstAt);
  console.log(
    `${on}, ${partitions} partition(s): ${count} measurements in ${
      lastAt.toFixed(1)
    } s from process start, ` +
      `${Math.round(count / lastAt / 1000)} k/s; running ${Math.round(rate / 1000)} k/s; ` +
      `CPU ${cpu.toFixed(1)} s (${(cpu - firstCpu).toFixed(1)} s while running), ` +
      `peak ${Math.round(megabytes(service.pid, "VmHWM"))} MB, MB each half second ${
        memory.megabytes.join(" ")
      }`,
  );
}

/** Asks until so many are counted. */
async function counted(url: string, wanted: number): Promise<{ count: number; rows: number }> {
  for (;;) {
    const response = await fetch(`${url}/histograms/${spec.name}`);
    const found = await response.json();
    if (response.ok && found.count >= wanted) return found;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

async function measurePeer(on: string, bootstrap: string, file: string): Promise<void> {
  const job = { bootstrap, topic: spec.name, out: "hist_peer", file, count, edges: edgesOf(spec) };
  const began = performance.now();
  const { stdout } = await run(testPython(), {
    args: [new URL("measurements_peer.py", import.meta.url).pathname, JSON.stringify(job)],
    timeoutMs: 300_000,
  });
  const seconds = (performance.now() - began) / 1000, { cpu, rows } = JSON.parse(stdout);
  assertEquals(rows, count);
  console.log(
    `${on}, Python by hand (librdkafka, numpy, sqlite3): ${seconds.toFixed(1)} s, ` +
      `${Math.round(count / seconds / 1000)} k/s, CPU ${cpu.toFixed(1)} s`,
  );
}

async function fill(bootstrap: string): Promise<void> {
  await createTopic(bootstrap, spec.name, partitions);
  await createTopic(bootstrap, histTopicOf(spec.name), 1);
  await using kafka = new Kafka({
    brokers: [bootstrap],
    clientId: "bench",
    ssl: null,
    sasl: null,
    log: silentLogger,
  });
  await using producer = createProducer(kafka, { log: silentLogger, timeoutMs: 60_000 });
  const start = Date.now() - count;
  for (let n = 0; n < count; n += chunk) {
    const records = Array.from({ length: Math.min(chunk, count - n) }, (_, i) => {
      const measurement = Math.round((Math.random() * 60 - 30) * 10) / 10;
      return {
        partition: Math.floor(n / chunk) % partitions,
        value: JSON.stringify({ measurement, measurement_time: new Date(start + n + i).toISOString() }),
      };
    });
    await producer.sendAll(spec.name, records);
  }
}
