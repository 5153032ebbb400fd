/** `deno task bench:video`: what live video costs, beside plain servers that do nothing else.
 *
 *     deno task bench:video [compare] [soak] [replay] [--viewers 10,50,200] [--rounds 3] [--seconds 4] [--bytes 30000] [--fps 25]
 *         [--transport websocket,mjpeg] [--no-positions]
 *
 * `compare` (the default): frames go to every viewer over a WebSocket and as MJPEG, from the service and from its peers (video_peer.*),
 * round by round in turns; medians are told. `soak`: a minute with 50 viewers, then again with one more that never reads. `replay`:
 * viewers that each are at another place of a recording. Kafka (the embedded broker), the servers and the load are processes of their own;
 * CPU and memory are those of the server with its Kafka client, from /proc, so on Linux only. Nothing is asserted.
 * @module */
import { parseArgs } from "node:util";
import { Service } from "../service.ts";
import { LoadProcess } from "./load_process.ts";
import { cpuSeconds, megabytes, MemorySeries, row, type Spread } from "./measure.ts";
import type { VideoJob, Viewed } from "./video_load.ts";
import { type Contender, openPeers, tailrace } from "./video_servers.ts";

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  allowNegative: true,
  options: {
    viewers: { type: "string", default: "10,50,200" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "4" },
    bytes: { type: "string", default: "30000" },
    fps: { type: "string", default: "25" },
    transport: { type: "string", default: "websocket,mjpeg" },
    positions: { type: "boolean", default: true },
  },
});
const transports = values.transport.split(",") as ("websocket" | "mjpeg")[];
const fps = Number(values.fps), frameBytes = Number(values.bytes);
const settings = { LOG_LEVEL: "warn", MAX_CONNECTIONS: "20000" };
const soakSeconds = 60, soakViewers = 50, replayViewers = 50, recordedSeconds = 60;

/** One run of one server. */
interface Run extends Viewed {
  readonly cpu: number;
  readonly rss: number;
}

if (import.meta.main) {
  const parts = { compare, soak, replay };
  for (const [name, part] of Object.entries(parts)) {
    if (positionals.includes(name) || positionals.length === 0 && name === "compare") await part();
  }
}

/** The service and its peers, in turns. */
async function compare(): Promise<void> {
  await using broker = await Service.open({ command: "broker", settings });
  await using service = await Service.open({ settings, kafkaBrokers: broker.bootstrap });
  await using peers = await openPeers(broker.bootstrap);
  const contenders = [...tailrace(service, values.positions), ...peers.contenders].filter(({ source }) =>
    transports.includes(source.transport)
  );
  console.log(
    `${frameBytes} bytes, ${fps} frames/s; medians of ${values.rounds} rounds of ${values.seconds} s`,
  );
  const widths = [22, 9, 11, 11, 11, 9, 9, 9, 9, 9];
  const titles = [
    "",
    "viewers",
    "delivered",
    "CPU ms/MB",
    "of peer",
    "p50 ms",
    "p99 ms",
    "CPU %",
    "load %",
    "RSS MB",
  ];
  console.log(row(titles, widths));
  for (const viewers of values.viewers.split(",").map(Number)) {
    const runs = new Map<Contender, Run[]>(contenders.map((one) => [one, []]));
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const one of contenders) {
        runs.get(one)!.push(
          await run(one, { bootstrap: broker.bootstrap, viewers, seconds: Number(values.seconds) }),
        );
      }
    }
    for (const [one, own] of runs) {
      const peer = contenders.find(({ name }) => name === one.peer);
      const cost = costOf(own), share = peer ? (cost / costOf(runs.get(peer)!)).toFixed(2) : "";
      const of = (read: (run: Run) => number) => median(own.map(read));
      const delivered = `${(100 * of((each) => each.delivered / each.expected)).toFixed(1)} %`;
      const cells = [
        one.name,
        viewers,
        delivered,
        cost.toFixed(2),
        share,
        of(({ delay }) => delay.p50),
        of(({ delay }) => delay.p99),
      ];
      const load = [
        of(({ cpu, seconds }) => 100 * cpu / seconds),
        of(({ loadCpu, seconds }) => 100 * loadCpu / seconds),
      ];
      console.log(row([...cells, ...load, of(({ rss }) => rss)], widths));
    }
  }
}

async function run(
  { source, pid, topic }: Contender,
  job: Pick<VideoJob, "bootstrap" | "viewers" | "seconds"> & Partial<VideoJob>,
): Promise<Run> {
  const whole: VideoJob = { source, topic, fps, frameBytes, stalled: 0, recordedSeconds: 0, ...job };
  await using load = new LoadProcess<Viewed>("video_load.ts", whole);
  await load.answer();
  await load.ask("open");
  const before = cpuSeconds(pid);
  const viewed = await load.ask("feed");
  return { ...viewed, cpu: cpuSeconds(pid) - before, rss: megabytes(pid) };
}

/** CPU ms of the server for each MB that its viewers got. */
function costOf(runs: readonly Run[]): number {
  return median(runs.map(({ cpu, bytes }) => cpu * 1_000 / (bytes / 1e6)));
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b), middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
}

/** Viewers that keep up lose nothing; one that never reads costs a bounded number of bytes. */
async function soak(): Promise<void> {
  await using broker = await Service.open({ command: "broker", settings });
  console.log(`\nsoak: ${soakViewers} viewers, ${fps} frames/s of ${frameBytes} bytes for ${soakSeconds} s`);
  for (const transport of transports) {
    for (const stalled of [0, 1]) {
      await using service = await Service.open({ settings, kafkaBrokers: broker.bootstrap });
      const one = tailrace(service, values.positions).find(({ source }) => source.transport === transport)!;
      using memory = new MemorySeries(service.pid, 2_000);
      const job = { bootstrap: broker.bootstrap, viewers: soakViewers, seconds: soakSeconds, stalled };
      const { expected, delivered, disordered, delay, cpu, seconds } = await run(one, job);
      const who = stalled > 0 ? `${transport} and one that never reads` : transport;
      const frames = `${delivered} of ${expected} frames, ${disordered} out of order`;
      console.log(`${who}: ${frames}; ${spread(delay)}; CPU ${(100 * cpu / seconds).toFixed(0)} %`);
      console.log(`  RSS MB every 2 s: ${memory.megabytes.join(" ")}`);
    }
  }
}

/** Each viewer at a place of its own, in the pace of the recording; the broker is the service's own, and its CPU counts. */
async function replay(): Promise<void> {
  const seconds = Number(values.seconds);
  console.log(`\nreplay: ${replayViewers} viewers, each at its own place of ${recordedSeconds} s, ×1`);
  for (const transport of transports) {
    await using service = await Service.open({ settings });
    const { bootstrap, pid } = service;
    const { source, topic } = tailrace(service, values.positions).find((one) =>
      one.source.transport === transport
    )!;
    const path = source.path.replace("cursor=latest", "cursor=t.{time}&speed=1");
    const how = { fps, seconds, frameBytes, recordedSeconds, viewers: replayViewers, stalled: 0 };
    const job: VideoJob = { ...how, bootstrap, topic, source: { ...source, path } };
    await using load = new LoadProcess<Viewed>("video_load.ts", job);
    await load.answer();
    await load.ask("record");
    await load.ask("open");
    const fetchesBefore = await fetches(service), before = cpuSeconds(pid);
    const { expected, delivered, disordered, delay, bytes } = await load.ask("replay");
    const cpu = cpuSeconds(pid) - before;
    const frames = `${delivered} frames of about ${expected}, ${disordered} out of order`;
    const cost = `CPU ${(100 * cpu / seconds).toFixed(0)} %, ${
      (cpu * 1_000 / (bytes / 1e6)).toFixed(2)
    } ms/MB`;
    const asked = `${await fetches(service) - fetchesBefore} Fetch requests`;
    const memory = `RSS ${megabytes(pid).toFixed(0)} MB`;
    console.log(
      `${transport}: ${frames}; behind their pace by ${spread(delay)}; ${cost}; ${asked}; ${memory}`,
    );
  }
}

/** Fetch requests that the service's own broker has answered so far. */
async function fetches({ url }: Service): Promise<number> {
  const lines = (await (await fetch(`${url}/metrics`)).text()).split("\n");
  const counts = lines.filter((line) => line.startsWith('tailrace_broker_requests_total{api="Fetch"'));
  return counts.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

function spread({ p50, p99, max }: Spread): string {
  return `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${max.toFixed(0)} ms`;
}
