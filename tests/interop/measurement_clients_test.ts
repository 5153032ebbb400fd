/** Foreign programs on measurements: producers that know nothing but `{"measurement","measurement_time"}`, plotters that read `hist_<name>`,
 * a viewer of the SQLite file, Kafka's tools on the group.
 *
 * Left out: numbers that are hard to count (numpy_test.ts), a kill in between (numpy_service_test.ts), each way of being no measurement
 * (tests/kafka/processors/measurement_value_test.ts). @module */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { javaTool } from "../apache_kafka.ts";
import { eventually } from "../eventually.ts";
import { run } from "../programs.ts";
import { requires, testPython } from "../requirements.ts";
import { Service } from "../service.ts";
import { lines } from "./broker.ts";

const clientMs = 120_000;
const scripts = new URL("./measurement_clients/", import.meta.url).pathname;
const usual = ["humidity:40:79:1", "temperature:-25:24:1", "pressure:800:1100:100"];
const others = ["codecs:0:99:1", "odd:0:9:1", "sold:0:49:1", "lines:0:9:1"];

let service: Service;
Deno.test.beforeAll(async () => {
  const settings = { MEASUREMENTS: [...usual, ...others].join() };
  service = await Service.open({ settings });
});
Deno.test.afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

interface Histogram {
  readonly hist: readonly number[];
  readonly bin_edges: readonly number[];
}
interface Now extends Histogram {
  readonly count: number;
  readonly rows: number;
  readonly wrong: Readonly<Record<string, number>>;
  readonly positions: Readonly<Record<number, number>>;
  readonly status: { readonly state: string; readonly behind: number };
}

async function python(script: string, args: readonly string[], stdin?: string): Promise<string> {
  const program = [`${scripts}${script}`, ...args], timeoutMs = clientMs;
  return (await run(testPython(), { args: program, timeoutMs, ...stdin !== undefined && { stdin } })).stdout;
}

/** The histogram of a measurement when it has taken everything up to an offset of its only partition. */
async function counted(name: string, next: number): Promise<Now> {
  let now: Now | undefined;
  return await eventually(
    `${name} to be counted up to ${next}`,
    async () => {
      const response = await fetch(`${service.url}/histograms/${name}`);
      now = await response.json();
      return response.ok && now!.positions[0]! >= next && now;
    },
    clientMs,
    () => now,
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}

Deno.test({
  name:
    "kafka-python produces, plots, and sqlite3 views: each histogram is numpy's of the measurements up to it",
  ignore: requires("kafka-python", "numpy").ignore,
  async fn() {
    const rounds = 40, names = usual.map((spec) => spec.split(":")[0]!);
    const sent = lines(await python("produce_kafka_python.py", [service.bootstrap, `${rounds}`, ...usual]))
      .map((line) => JSON.parse(line));
    for (const name of names) await counted(name, rounds);
    const viewed = JSON.parse(
      await python("view_sqlite3.py", [`${service.dataDir}/measurements.db`, ...names]),
    );
    for (const name of names) {
      const own = sent.filter(({ topic }) => topic === name);
      const histograms: Histogram[] = own.map(({ hist, bin_edges }) => ({ hist, bin_edges }));
      const plotted = lines(
        await python("read_kafka_python.py", [service.bootstrap, `hist_${name}`, `${rounds}`]),
      );
      const published: Histogram[] = plotted.map((line) => JSON.parse(line));
      assertEquals(published.at(-1), histograms.at(-1));
      for (const one of published) assertEquals(one, histograms[sum(one.hist) - 1]);
      assertEquals(
        viewed[name].map(({ date, value, hist, partition, offset }: Record<string, unknown>) => {
          return { date, value, partition, offset, ...JSON.parse(hist as string) };
        }),
        own.map(({ measurement, measurement_time }, offset) => {
          const date = new Date(`${measurement_time}Z`).toISOString();
          return { date, value: measurement, partition: 0, offset, ...histograms[offset] };
        }),
      );
    }
  },
});

Deno.test({
  name: "kafka-python's compressed batches are counted record by record",
  ignore: requires("kafka-python").ignore,
  async fn() {
    const values = Array.from({ length: 100 }, (_, measurement) => {
      return JSON.stringify({ measurement, measurement_time: "2026-01-31 12:00:00.123456+01:00" });
    });
    const codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    for (const codec of codecs) {
      await python("send_kafka_python.py", [service.bootstrap, "codecs", codec], values.join("\n"));
    }
    const now = await counted("codecs", codecs.length * values.length);
    assertEquals([now.count, now.rows, now.wrong], [500, 500, {}]);
    assertEquals(now.hist, Array(50).fill(10));
  },
});

Deno.test({
  name:
    "what kafka-python makes of NaN, None and mistakes is counted by kind, and what follows is a measurement again",
  ignore: requires("kafka-python").ignore,
  async fn() {
    await python("send_kafka_python.py", [service.bootstrap, "odd", "odd"]);
    const good = JSON.stringify({ measurement: 9, measurement_time: "2026-01-31T12:00" });
    await python("send_kafka_python.py", [service.bootstrap, "odd", "none"], good);
    const now = await counted("odd", 15);
    assertEquals([now.hist, now.rows], [[0, 0, 0, 0, 1], 1]);
    const wrong = { "not-finite": 2, "not-a-number": 4, time: 2, json: 2, empty: 2, missing: 2 };
    assertEquals(now.wrong, wrong);
  },
});

Deno.test({
  name:
    "measurements of a transaction that confluent-kafka aborts are not counted, those that it commits are",
  ignore: requires("confluent-kafka").ignore,
  async fn() {
    await python("transactions_confluent.py", [service.bootstrap, "sold", "50"]);
    const now = await counted("sold", 10 + 1 + 50 + 1); // with the markers
    assertEquals([now.hist, now.count, now.rows], [Array(25).fill(2), 50, 50]);
    assertEquals([now.status.state, now.status.behind], ["live", 0]);
  },
});

Deno.test({
  name: "kcat sends lines and reads histograms",
  ignore: requires("kcat").ignore,
  async fn() {
    const kcat = (args: readonly string[], stdin = "") =>
      run("kcat", { args: ["-q", "-b", service.bootstrap, ...args], stdin, timeoutMs: clientMs });
    const sent = Array.from({ length: 10 }, (_, n) => {
      return `{"measurement":${n},"measurement_time":"2026-01-31T12:00Z"}`;
    });
    await kcat(["-P", "-t", "lines"], sent.join("\n"));
    await counted("lines", 10);
    const last = await eventually("the histogram of all", async () => {
      const { stdout } = await kcat(["-C", "-t", "hist_lines", "-o", "beginning", "-e", "-f", "%k %s\n"]);
      const line = lines(stdout).at(-1) ?? "";
      return line.startsWith("lines ") && JSON.parse(line.slice("lines ".length)).count === 10 && line;
    });
    const { hist, bin_edges, count, min, max, mean } = JSON.parse(last.slice("lines ".length));
    assertEquals([hist, count, min, max, mean], [[2, 2, 2, 2, 2], 10, 0, 9, 4.5]);
    assertEquals(bin_edges, [0, 1.8, 3.6, 5.4, 7.2, 9]);
  },
});

Deno.test({
  name: "kafka-consumer-groups shows who publishes what, and that nothing lags",
  ignore: requires("kcat", "apache-kafka").ignore,
  async fn() {
    const stdin = '{"measurement":5,"measurement_time":"2026-01-31T12:00:01Z"}';
    await run("kcat", { args: ["-P", "-b", service.bootstrap, "-t", "lines"], stdin });
    const group = [
      "--bootstrap-server",
      service.bootstrap,
      "--group",
      "tailrace-histograms",
      "--describe",
      "--timeout",
      "60000",
    ];
    await eventually("all to be published", async () => {
      const { stdout } = await javaTool("consumer-groups", group);
      return /^tailrace-histograms +lines +0 +([0-9]+) +\1 +0 +tailrace-/m.test(stdout);
    }, clientMs);
    const { stdout } = await javaTool("consumer-groups", [...group, "--members", "--verbose"]);
    for (const spec of [...usual, ...others]) {
      assertMatch(stdout, new RegExp(`\\b${spec.split(":")[0]}:0\\b`));
    }
    assert(lines(stdout).filter((line) => line.startsWith("tailrace-histograms ")).length === 1, stdout);
  },
});
