/** `deno task bench:broker`: how fast the embedded broker takes and gives records, beside Apache Kafka in the same run.
 *
 * 1,000,000 records of 200 bytes and 20,000 of 30 KB, three partitions, acks=all, through kafkajs and librdkafka, each in
 * a process of its own; the brokers take turns job by job, so that compare what is in one table, not two machines. Each
 * runs as its users run it: `tailrace broker` with BROKER_SYNC=full and normal, Apache Kafka with the JVM and the settings
 * of its start script (it syncs nothing). CPU is the broker's own, user and system; memory its peak during the job. Linux
 * only. Nothing is asserted.
 *
 *     deno task bench:broker [kafkajs] [librdkafka] [restart] [--scale 0.1] [--rounds 3]
 * @module */
import { parseArgs } from "node:util";
import { ApacheKafka, defaultJvm } from "../apache_kafka.ts";
import { run as runProgram } from "../programs.ts";
import { ProtocolClient } from "../protocol/client.ts";
import { testPython } from "../requirements.ts";
import { Service } from "../service.ts";
import { measureRestart } from "./broker_restart.ts";
import { cpuSeconds, megabytes, resetPeak } from "./measure.ts";

/** What the load process is told. */
export interface BrokerJob {
  readonly kind: "produce" | "consume";
  readonly bootstrap: string;
  readonly topic: string;
  readonly count: number;
  /** Of a record's value. */
  readonly bytes: number;
  readonly partitions: number;
}

interface Target {
  readonly name: string;
  readonly bootstrap: string;
  readonly pid: number;
}

interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMegabytes: number;
}

const partitions = 3;
const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: { scale: { type: "string", default: "1" }, rounds: { type: "string", default: "1" } },
});
const scale = Number(values.scale);
const rounds = Number(values.rounds);
const wants = (what: string) => positionals.length === 0 || positionals.includes(what);
const clients = (["kafkajs", "librdkafka"] as const).filter(wants);
const workloads = [{ count: 1_000_000 * scale, bytes: 200 }, { count: 20_000 * scale, bytes: 30_000 }];

if (import.meta.main) {
  if (clients.length > 0) await compare();
  if (wants("restart")) await measureRestart(scale);
}

async function compare(): Promise<void> {
  const settings = { LOG_LEVEL: "warn" };
  await using full = await Service.open({
    command: "broker",
    settings: { ...settings, BROKER_SYNC: "full" },
  });
  await using normal = await Service.open({
    command: "broker",
    settings: { ...settings, BROKER_SYNC: "normal" },
  });
  await using apache = await ApacheKafka.open({}, defaultJvm);
  const targets: readonly Target[] = [
    { name: "Apache Kafka", bootstrap: apache.bootstrap, pid: apache.pid },
    { name: "full", bootstrap: full.bootstrap, pid: full.pid },
    { name: "normal", bootstrap: normal.bootstrap, pid: normal.pid },
  ];
  for (const target of targets) await warmUp(target);
  console.log(
    "client      records          job      broker            records/s      MB/s  CPU s/M  peak MB   × Kafka",
  );
  for (const client of clients) {
    for (const workload of workloads) {
      const topics = await Promise.all(targets.map((target) => makeTopic(target)));
      for (const kind of ["produce", "consume"] as const) {
        const found: Measured[][] = targets.map(() => []);
        for (let round = 0; round < (kind === "produce" ? 1 : rounds); round++) {
          for (const [i, target] of targets.entries()) {
            found[i]!.push(await measure(target, client, { kind, topic: topics[i]!, ...workload }));
          }
        }
        const medians = found.map((all) => all.toSorted((a, b) => a.seconds - b.seconds)[all.length >> 1]!);
        for (const [i, target] of targets.entries()) {
          print(client, kind, target, workload, medians[i]!, medians[0]!.seconds / medians[i]!.seconds);
        }
      }
    }
  }
}

/** Both jobs once, small: JIT compilers and page caches. */
async function warmUp(target: Target): Promise<void> {
  const workload = { count: 50_000, bytes: 200 };
  const topic = await makeTopic(target);
  for (const kind of ["produce", "consume"] as const) {
    await measure(target, "kafkajs", { kind, topic, ...workload });
  }
}

async function makeTopic({ bootstrap }: Target): Promise<string> {
  const name = `bench-${crypto.randomUUID().slice(0, 8)}`;
  using client = await ProtocolClient.connect(Number(bootstrap.split(":")[1]));
  const topics = [{ name, numPartitions: partitions, replicationFactor: 1 }];
  await client.ask(19, 4, { topics, timeoutMs: 10_000 });
  return name;
}

async function measure(
  target: Target,
  client: "kafkajs" | "librdkafka",
  wanted: Omit<BrokerJob, "bootstrap" | "partitions">,
): Promise<Measured> {
  const job: BrokerJob = { ...wanted, bootstrap: target.bootstrap, partitions };
  resetPeak(target.pid);
  const cpuBefore = cpuSeconds(target.pid);
  const script =
    new URL(client === "kafkajs" ? "broker_load.ts" : "broker_load.py", import.meta.url).pathname;
  const [program, ...args] = client === "kafkajs"
    ? [Deno.execPath(), "run", "--quiet", "-A", script]
    : [testPython(), script];
  const { stdout } = await runProgram(program!, { args: [...args, JSON.stringify(job)], timeoutMs: 600_000 });
  return {
    seconds: JSON.parse(stdout).seconds,
    cpuSeconds: cpuSeconds(target.pid) - cpuBefore,
    peakMegabytes: megabytes(target.pid, "VmHWM"),
  };
}

function print(
  client: string,
  kind: string,
  target: Target,
  { count, bytes }: { count: number; bytes: number },
  { seconds, cpuSeconds, peakMegabytes }: Measured,
  ratio: number,
): void {
  console.log(
    client.padEnd(12) + `${count} × ${bytes} B`.padEnd(17) + kind.padEnd(9) + target.name.padEnd(15) +
      Math.round(count / seconds).toLocaleString("en").padStart(12) +
      (count * bytes / seconds / 1e6).toFixed(0).padStart(10) +
      (cpuSeconds / count * 1e6).toFixed(1).padStart(9) +
      peakMegabytes.toFixed(0).padStart(9) + ratio.toFixed(2).padStart(10),
  );
}
