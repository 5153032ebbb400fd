/** `deno task bench:windows`: a million clicks of a thousand ids through windows of 1, 5 and 10 minutes, from process start to the last
 * finished window; the whole service, and Kafka Streams (windows_peer.ts) beside it in the same run.
 *
 *     deno task bench:windows [--count 1000000] [--ids 1000] [--partitions 1] [--rounds 3] [--on apache|embedded]
 *                             [--only tailrace|streams]
 *
 * Kafka is a process of its own that holds the clicks before either starts: Apache Kafka, or the embedded broker alone. The peer runs
 * with in-memory stores and a commit each second, at least once and exactly once. What is published is compared window by window with
 * the truth. On Linux only. Nothing is asserted but that.
 * @module */
import { parseArgs } from "node:util";
import { readWindowSize } from "../../kafka/windows.ts";
import { ApacheKafka, defaultJvm } from "../apache_kafka.ts";
import { BrokerProcess } from "../crash/broker_process.ts";
import { within } from "../eventually.ts";
import { Service } from "../service.ts";
import { cpuSeconds, megabytes, row } from "./measure.ts";
import {
  type Clicks,
  fillClicks,
  makeClicks,
  Published,
  truthOf,
  type WindowCounts,
} from "./windows_load.ts";
import { installPeer, startPeer } from "./windows_peer.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "1000000" },
    ids: { type: "string", default: "1000" },
    partitions: { type: "string", default: "1" },
    rounds: { type: "string", default: "3" },
    on: { type: "string", default: "apache" },
    only: { type: "string", default: "" },
  },
});
const sizes = ["1m", "5m", "10m"].map((name) => readWindowSize(name)!);
const graceMs = 10_000, longestMs = 180_000;
const widths = [32, 8, 9, 8, 9, 8, 12];

/** A counter that runs; `pid` may be known later than it is started. */
interface Counter extends AsyncDisposable {
  readonly pid: number;
}

/** What is counted, and where results go. */
interface Job {
  readonly bootstrap: string;
  readonly clicksTopic: string;
  readonly topics: ReadonlyMap<number, string>;
  readonly folder: string;
}

type Start = (job: Job) => Counter | Promise<Counter>;

if (import.meta.main) {
  const folder = await Deno.makeTempDir({ prefix: "tailrace-bench-" });
  try {
    if (values.on === "embedded") {
      await using broker = await BrokerProcess.open({ folder, sync: "normal" });
      await measureAll(`127.0.0.1:${broker.port}`, folder);
    } else {
      await using kafka = await ApacheKafka.open({}, defaultJvm);
      await measureAll(kafka.bootstrap, folder);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function measureAll(bootstrap: string, folder: string): Promise<void> {
  const clicks = makeClicks({
    count: Number(values.count),
    ids: Number(values.ids),
    partitions: Number(values.partitions),
    seed: 1,
  });
  const truth = truthOf(clicks, sizes, graceMs);
  console.log(
    `${values.on}: ${clicks.times.length} clicks, ${clicks.partitions} partition(s), ${truth.counts.size} windows, ${truth.late.size} with late events`,
  );
  console.log(row(["", "s", "k/s", "CPU s", "peak MB", "wrong", "late wrong"], widths));
  const counters = await countersOf();
  for (let round = 0; round < Number(values.rounds); round++) {
    const clicksTopic = `clicks-${round}`;
    await fillClicks(bootstrap, clicksTopic, clicks);
    for (const [name, start] of counters) {
      const topics = new Map(sizes.map(({ ms }) => [ms, `${clicksTopic}-${ms}-${crypto.randomUUID()}`]));
      const job = { bootstrap, clicksTopic, topics, folder };
      console.log(row([name, ...await measure(start, job, clicks, truth)], widths));
    }
  }
}

async function countersOf(): Promise<[string, Start][]> {
  const counters: [string, Start][] = [];
  if (values.only !== "streams") counters.push(["tailrace serve", startService]);
  if (values.only === "tailrace") return counters;
  const classPath = await installPeer();
  for (const guarantee of ["at_least_once", "exactly_once_v2"] as const) {
    const logFile = (folder: string) => `${folder}/streams-${crypto.randomUUID()}.log`;
    counters.push([
      `Kafka Streams ${guarantee}`,
      ({ folder, ...job }) => startPeer(classPath, { ...job, graceMs, guarantee, logFile: logFile(folder) }),
    ]);
  }
  return counters;
}

function startService({ bootstrap, clicksTopic, topics }: Job): Promise<Service> {
  const [one, five, ten] = topics.values();
  return Service.open({
    kafkaBrokers: bootstrap,
    settings: {
      CLICKS_TOPIC: clicksTopic,
      ONE_MINUTE_TOPIC: one!,
      FIVE_MINUTE_TOPIC: five!,
      TEN_MINUTE_TOPIC: ten!,
      LOG_LEVEL: "warn",
    },
  });
}

/** Starts one of them, and waits for the last window.
 * @returns seconds, thousands of events a second, CPU seconds, peak of memory in MB; windows with a wrong count, and with a wrong number of
 * late events (the peer tells none) */
async function measure(
  start: Start,
  job: Job,
  { times }: Clicks,
  { counts, late }: ReturnType<typeof truthOf>,
): Promise<(number | string)[]> {
  await using published = new Published(job.bootstrap, job.topics, counts.size);
  const began = performance.now();
  await using counter = await start(job);
  const outcome = await within("the last window", longestMs, published.complete).then(
    () => "",
    () => "never",
  );
  const seconds = (performance.now() - began) / 1000;
  const [cpu, peak] = [cpuSeconds(counter.pid), megabytes(counter.pid, "VmHWM")];
  const wrong = wrongOf(published.counts, counts) + published.contradictions.length;
  const told = published.late.size === 0 ? "-" : wrongOf(published.late, late);
  return [seconds, times.length / seconds / 1000, cpu, peak, outcome || wrong, told];
}

/** Windows with another count than the truth, or that only one of them has. */
function wrongOf(counts: WindowCounts, truth: WindowCounts): number {
  const keys = new Set([...counts.keys(), ...truth.keys()]);
  return [...keys].filter((key) => counts.get(key) !== truth.get(key)).length;
}
