/** `deno task bench`: posts per second, and deliveries per second with their CPU seconds, of the real service.
 *
 * The service runs in a process of its own and so does the load, both on this machine: compare lines of one run, not runs on two
 * machines. CPU is that of the whole service, the embedded broker and the Kafka client included (user + system, from /proc, so
 * on Linux only). Nothing is asserted. With `KAFKA_BROKERS` set the service works on that Kafka instead.
 *
 *     deno task bench [posts] [deliveries] [--seconds N]
 * @module */
import { parseArgs } from "node:util";
import { Service } from "../service.ts";
import { cpuSeconds, megabytes, row } from "./measure.ts";

/** What the load process is told, and what it tells; rates per second, times in ms. */
export type Job =
  | { readonly kind: "posts"; readonly port: number; readonly concurrency: number; readonly seconds: number }
  | {
    readonly kind: "deliveries";
    readonly port: number;
    readonly transport: "websocket" | "sse";
    readonly viewers: number;
    readonly recordsPerSecond: number;
    readonly seconds: number;
  };
export interface Outcome {
  readonly count: number;
  readonly expected: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
}

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: { seconds: { type: "string", default: "4" } },
});
const seconds = Number(values.seconds);
const wants = (kind: string) => positionals.length === 0 || positionals.includes(kind);

const kafkaBrokers = Deno.env.get("KAFKA_BROKERS") ?? "";
const settings = { LOG_LEVEL: "warn", MAX_CONNECTIONS: "20000" };
await using service = await Service.open({ settings, ...(kafkaBrokers !== "" && { kafkaBrokers }) });
const port = Number(new URL(service.url).port);
console.log(
  `service: ${kafkaBrokers === "" ? "embedded broker, BROKER_SYNC=full" : `Kafka at ${kafkaBrokers}`}`,
);

if (wants("posts")) {
  console.log(
    "\nposts of one position, acknowledged\nconcurrency   requests/s     p50 ms     p99 ms   CPU s/M",
  );
  for (const concurrency of [1, 32, 256]) {
    const job: Job = { kind: "posts", port, concurrency, seconds };
    await run({ ...job, seconds: 1 }); // warm-up
    const { outcome, cpuSeconds } = await measured(job);
    const { count, p50, p99 } = outcome;
    console.log(
      row([concurrency, count / outcome.seconds, p50, p99, perMillion(cpuSeconds, count)], [
        11,
        13,
        11,
        11,
        10,
      ]),
    );
  }
}
if (wants("deliveries")) {
  console.log("\ndeliveries of 200-byte positions");
  console.log("transport  viewers  asked/s  delivered/s  of asked     p50 ms     p99 ms   CPU s/M    RSS MB");
  for (const viewers of [100, 1000]) {
    for (const perSecond of viewers === 100 ? [20_000, 80_000] : [20_000, 80_000, 320_000]) {
      for (const transport of ["websocket", "sse"] as const) {
        const job: Job = {
          kind: "deliveries",
          port,
          transport,
          viewers,
          recordsPerSecond: perSecond / viewers,
          seconds,
        };
        const { outcome, cpuSeconds } = await measured(job);
        const { count, expected, p50, p99 } = outcome;
        const share = `${Math.round(100 * count / expected)} %`;
        const cells = [transport, viewers, perSecond, count / outcome.seconds, share, p50, p99];
        console.log(
          row([...cells, perMillion(cpuSeconds, count), rssMegabytes()], [9, 9, 9, 13, 10, 11, 11, 10, 10]),
        );
      }
    }
  }
}

async function measured(job: Job): Promise<{ outcome: Outcome; cpuSeconds: number | null }> {
  const before = cpuSecondsSoFar();
  const outcome = await run(job);
  const after = cpuSecondsSoFar();
  return { outcome, cpuSeconds: before === null || after === null ? null : after - before };
}

async function run(job: Job): Promise<Outcome> {
  const load = new URL("./load.ts", import.meta.url).pathname;
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-net=127.0.0.1", load, JSON.stringify(job)],
    stdout: "piped",
    stderr: "inherit",
  });
  const { success, stdout } = await command.output();
  if (!success) throw new Error(`The load process failed for ${JSON.stringify(job)}`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** User and system time of the service; null where there is no /proc. */
function cpuSecondsSoFar(): number | null {
  try {
    return cpuSeconds(service.pid);
  } catch {
    return null;
  }
}

function rssMegabytes(): number | string {
  try {
    return megabytes(service.pid);
  } catch {
    return "–";
  }
}

function perMillion(cpuSeconds: number | null, count: number): number | string {
  return cpuSeconds === null || count === 0 ? "–" : cpuSeconds / count * 1e6;
}
