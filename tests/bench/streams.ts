/** `deno task bench:streams`: what opening, holding and resuming streams costs, and what slow viewers do to the others.
 *
 *     deno task bench:streams [first] [slow] [stalled] [idle] [resume] [--seconds 60] [--rate 2000] [--viewers 1000]
 *         [--tries 200] [--transport sse,websocket] [--apache]
 *
 * The service and the load are processes of their own, both on this machine; records are written straight to Kafka. CPU and memory
 * are those of the service's process, its embedded broker included where it has one (`resume` has the broker in a process of its
 * own), so on Linux only. With `--apache`, `first` is also run on Apache Kafka. Nothing is asserted.
 * @module */
import { parseArgs } from "node:util";
import { ApacheKafka, defaultJvm } from "../apache_kafka.ts";
import { BrokerProxy } from "../kafka/broker_proxy.ts";
import { Service } from "../service.ts";
import type { CrowdJob, Fed, Hurried } from "./crowd.ts";
import type { First, FirstJob } from "./first_record.ts";
import { LoadProcess } from "./load_process.ts";
import { cpuSeconds, megabytes, MemorySeries, resetPeak, row, type Spread } from "./measure.ts";
import type { Resumed, ResumeJob } from "./resume.ts";
import { measureStalled } from "./stalled.ts";

export type StreamJob = FirstJob | CrowdJob | ResumeJob;

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "60" },
    rate: { type: "string", default: "2000" },
    viewers: { type: "string", default: "1000" },
    tries: { type: "string", default: "200" },
    transport: { type: "string", default: "sse,websocket" },
    apache: { type: "boolean", default: false },
  },
});
const seconds = Number(values.seconds), rate = Number(values.rate), viewers = Number(values.viewers);
const transports = values.transport.split(",") as ("sse" | "websocket")[];
const settings = { LOG_LEVEL: "warn", MAX_CONNECTIONS: "20000" };
const settleMs = 3_000;
const apiNames: Readonly<Record<number, string>> = {
  1: "Fetch",
  2: "ListOffsets",
  3: "Metadata",
  18: "ApiVersions",
};

if (import.meta.main) {
  const parts = { first, slow, stalled, idle, resume };
  for (const [name, part] of Object.entries(parts)) {
    if (positionals.length === 0 || positionals.includes(name)) await part();
  }
}

function portOf(service: Service): number {
  return Number(new URL(service.url).port);
}

function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** From opening a stream to its first record. */
async function first(): Promise<void> {
  console.log(`\nfirst: ms from opening a stream to its first record, ${values.tries} tries`);
  const widths = [9, 7, 11, 10, 9, 9, 9, 11, 11];
  console.log(
    row(["broker", "topic", "transport", "start", "p50", "p99", "max", "ping p50", "ping p99"], widths),
  );
  const run = async (name: string, service: Service) => {
    for (const warm of [false, true]) {
      for (const transport of transports) {
        for (const start of ["earliest", "id", "latest"] as const) {
          const { bootstrap } = service, port = portOf(service), tries = Number(values.tries);
          const job: FirstJob = { kind: "first", port, bootstrap, transport, start, tries, warm };
          await using load = new LoadProcess<First>("streams_load.ts", job);
          const { first: { p50, p99, max }, ping } = await load.answer();
          const times = [p50, p99, max, ping.p50, ping.p99];
          console.log(row([name, warm ? "warm" : "cold", transport, start, ...times], widths));
        }
      }
    }
  };
  {
    await using service = await Service.open({ settings });
    await run("embedded", service);
  }
  if (!values.apache) return;
  await using kafka = await ApacheKafka.open({}, defaultJvm);
  await using service = await Service.open({ settings, kafkaBrokers: kafka.bootstrap });
  await run("Apache", service);
}

/** Some viewers that stall, one that is slow, beside many; then the many alone. */
async function slow(): Promise<void> {
  console.log(
    `\nslow: ${viewers} viewers, ${rate} records/s of 200 B for ${seconds} s; with 10 that never read and one at 10 KB/s, then without`,
  );
  for (const transport of transports) {
    await using service = await Service.open({ settings });
    const crowd = { kind: "crowd", ...reached(service), transport, recordsPerSecond: rate, seconds } as const;
    for (const withSlow of [true, false]) {
      const job: CrowdJob = withSlow
        ? { ...crowd, viewers: viewers - 11, stalled: 10, slow: true }
        : { ...crowd, viewers: viewers - 11, stalled: 0, slow: false };
      await using load = new LoadProcess<Fed & Hurried>("streams_load.ts", job);
      await load.answer();
      await load.ask("open");
      const before = cpuSeconds(service.pid);
      const memory = new MemorySeries(service.pid, 2_000);
      const { p50, p99, max, records, served, cut } = await load.ask("feed");
      memory[Symbol.dispose]();
      const cpu = cpuSeconds(service.pid) - before;
      console.log(
        `${transport} ${
          withSlow ? "with" : "without"
        }: p50 ${p50} ms, p99 ${p99} ms, max ${max} ms; ${served} of ${job.viewers} ` +
          `had all ${records} records, ${cut} were cut; CPU ${(cpu / seconds * 100).toFixed(0)} %`,
      );
      console.log(`  RSS MB every 2 s: ${memory.megabytes.join(" ")}`);
      if (!withSlow) continue;
      const told = await load.ask("hurry");
      console.log(
        `  the slow one was at ${told.atEnd} of ${records}, then had ${told.records} records in ${
          told.seconds.toFixed(1)
        } s, ` +
          `${told.breaks} out of order or missing, after ${told.reconnects} reconnects`,
      );
    }
  }
}

function reached(service: Service) {
  return { port: portOf(service), bootstrap: service.bootstrap };
}

/** What one costs that asks for the past and never reads. */
async function stalled(): Promise<void> {
  const count = Math.ceil(viewers / 5);
  console.log(`\nstalled: ${count} viewers from earliest that never read; KB each`);
  for (const transport of transports) {
    await using service = await Service.open({ settings });
    const { written, inSystem, held, memory } = await measureStalled(service, transport, count);
    console.log(
      `${transport}: ${written.toFixed(0)} written, ${inSystem.toFixed(0)} of it in the system's queues, ` +
        `${held.toFixed(0)} held by the process, whose memory grew by ${memory.toFixed(0)} (with garbage)`,
    );
  }
}

/** Ten thousand that wait. */
async function idle(): Promise<void> {
  const count = viewers * 10, forSeconds = 20;
  console.log(`\nidle: ${count} viewers on one process, no records`);
  for (const transport of [...transports, "both"] as const) {
    await using service = await Service.open({ settings });
    const crowd = { kind: "crowd", ...reached(service), transport, stalled: 0, slow: false } as const;
    const job: CrowdJob = { ...crowd, viewers: count, recordsPerSecond: 0, seconds: 0 };
    await using load = new LoadProcess<Fed>("streams_load.ts", job);
    await load.answer();
    await pass(settleMs);
    const before = megabytes(service.pid), opening = performance.now(), cpuOpening = cpuSeconds(service.pid);
    await load.ask("open");
    const opened = (performance.now() - opening) / 1000, cpuOpen = cpuSeconds(service.pid) - cpuOpening;
    await pass(settleMs);
    const cpuBefore = cpuSeconds(service.pid);
    await pass(forSeconds * 1000);
    const cpu = (cpuSeconds(service.pid) - cpuBefore) / forSeconds, after = megabytes(service.pid);
    console.log(
      `${transport}: opened in ${opened.toFixed(1)} s (${(cpuOpen / count * 1e3).toFixed(2)} CPU ms each), ` +
        `${((after - before) / count * 1024).toFixed(1)} KB each (RSS ${before.toFixed(0)} → ${
          after.toFixed(0)
        } MB), ` +
        `CPU ${(cpu * 100).toFixed(1)} % of a core with heartbeats every 15 s`,
    );
  }
}

/** A restart under all viewers. */
async function resume(): Promise<void> {
  console.log(
    `\nresume: the service restarts under ${viewers} viewers, and all come back at once, with their ids`,
  );
  for (const transport of transports) {
    for (const behind of [1, 10_000]) {
      await using broker = await Service.open({ command: "broker", settings: { LOG_LEVEL: "warn" } });
      const [hostname, brokerPort] = broker.bootstrap.split(":") as [string, string];
      await using proxy = new BrokerProxy({ hostname, port: Number(brokerPort) });
      await using service = await Service.open({ settings, kafkaBrokers: proxy.bootstrap });
      const { bootstrap } = broker, port = portOf(service);
      const job: ResumeJob = { kind: "resume", port, bootstrap, transport, viewers, behind };
      await using load = new LoadProcess<Resumed>("streams_load.ts", job);
      await load.answer();
      await load.ask("open");
      const { seconds } = await service.terminate();
      await service.start();
      const requestsBefore = proxy.requests.length, cpuBefore = cpuSeconds(service.pid);
      resetPeak(service.pid);
      const { first, all, records, wrong } = await load.ask("back");
      const asked = new Map<string, number>();
      for (const { api } of proxy.requests.slice(requestsBefore)) {
        const name = apiNames[api] ?? `api ${api}`;
        asked.set(name, (asked.get(name) ?? 0) + 1);
      }
      const ms = ({ p50, p99, max }: Spread) => [p50, p99, max].map((each) => each.toFixed(0)).join(" / ");
      console.log(
        `${transport}, each up to ${behind} behind: stop ${seconds.toFixed(2)} s, start ${
          service.startSeconds.toFixed(2)
        } s; ` +
          `first record ${ms(first)} ms, all ${
            ms(all)
          } ms (p50 / p99 / max); ${records} records, ${wrong} viewers wrong; ` +
          `to Kafka: ${[...asked].map(([name, n]) => `${n} ${name}`).join(", ")}; ` +
          `peak ${megabytes(service.pid, "VmHWM").toFixed(0)} MB, ${
            (cpuSeconds(service.pid) - cpuBefore).toFixed(1)
          } CPU s`,
      );
    }
  }
}
