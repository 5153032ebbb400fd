/** The whole way beside numpy: measurements in Kafka, counted by the service, which is killed half-way; its histogram in the answer, in
 * `hist_<name>` and in the rows of its file is numpy's of the same numbers.
 *
 * TAILRACE_NUMPY_MEASUREMENTS says how many (100,000). Left out: one number after the other (numpy_test.ts), many kills
 * (tests/crash/). @module */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { histTopicOf, measurementRecord, usualMeasurements } from "../../kafka/measurements.ts";
import type { HistogramSnapshot } from "../../kafka/processors/histogram_types.ts";
import { readPublished } from "../../kafka/processors/published.ts";
import { createProducer } from "../../kafka/producer.ts";
import { silentLogger } from "../../logger.ts";
import { ApacheKafka } from "../apache_kafka.ts";
import { createTopic } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { connect } from "../kafka/test_broker.ts";
import { Random } from "../random.ts";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";
import { askNumpy, type NumpyAnswer, valuesAround } from "./numpy.ts";

const measurements = Number(Deno.env.get("TAILRACE_NUMPY_MEASUREMENTS") ?? 100_000);
const [, temperature] = usualMeasurements, spec = temperature!;
const chunk = 5_000, waitMs = 120_000;

type Answer = HistogramSnapshot & { readonly rows: number };

function assertAsNumpy(ours: HistogramSnapshot, numpys: NumpyAnswer): void {
  assertEquals(ours.bin_edges, numpys.edges);
  assertEquals(ours.hist, numpys.hist);
  assertEquals([ours.count, ours.missed, ours.wrong], [measurements, 0, {}]);
  assertEquals([ours.min, ours.max], [numpys.min, numpys.max]);
  assertAlmostEquals(ours.mean! / numpys.mean!, 1, 1e-9);
  assertAlmostEquals(ours.stddev! / numpys.std!, 1, 1e-9);
}

/** Sends the values, each half by itself, and kills the service in between while it counts. */
async function send(service: Service, values: Float64Array, partitions: number): Promise<void> {
  await using kafka = connect(service.bootstrap);
  await using producer = createProducer(kafka, { log: silentLogger, timeoutMs: 60_000 });
  const startMs = Date.now() - values.length;
  for (let from = 0; from < values.length; from += chunk) {
    const records = Array.from(values.subarray(from, from + chunk), (value, i) => {
      return { ...measurementRecord(value, startMs + from + i), partition: (from + i) % partitions };
    });
    await producer.sendAll(spec.name, records);
    if (from <= values.length / 2 && from + chunk > values.length / 2) {
      await counted(service, from / 4);
      await service.kill();
      await service.start();
    }
  }
}

async function counted(service: Service, count: number): Promise<Answer> {
  let now: Answer | undefined;
  return await eventually(
    `${count} measurements to be counted`,
    async () => {
      const response = await fetch(`${service.url}/histograms/${spec.name}`);
      now = await response.json();
      return response.ok && now!.count >= count && now;
    },
    waitMs,
    () => now,
  );
}

/** The numbers in the file, ascending. */
function storedValues(service: Service): Float64Array {
  using db = new DatabaseSync(`${service.dataDir}/measurements.db`, { readOnly: true });
  const values = new Float64Array(measurements + 1);
  let rows = 0;
  for (const { value } of db.prepare(`SELECT value FROM "${spec.name}"`).iterate()) {
    values[rows++] = value as number;
  }
  return values.slice(0, rows).sort();
}

async function compare(service: Service, partitions: number): Promise<void> {
  const values = valuesAround(spec, new Random("measurements through Kafka"), measurements);
  const { answers: [numpys] } = await askNumpy([{ spec, values }]);
  await send(service, values, partitions);
  const answer = await counted(service, measurements);
  assertAsNumpy(answer, numpys!);
  await using kafka = connect(service.bootstrap);
  await using connection = kafka.connect();
  const published = await eventually(
    "the last histogram in Kafka",
    async () => {
      const found = await readPublished(connection, spec.name);
      return found?.snapshot.count === measurements && found;
    },
    waitMs,
  );
  assertAsNumpy(published.snapshot, numpys!);
  assertEquals(answer.rows, measurements);
  assertEquals(storedValues(service), values.toSorted(), "every number has its row, once");
}

const settings = { MEASUREMENTS: spec.name, LOG_LEVEL: "warn" };

Deno.test({
  name: "measurements on the embedded broker are counted and stored as numpy has them, through a kill -9",
  ignore: requires("numpy").ignore,
  async fn() {
    await using service = await Service.open({ settings });
    await compare(service, 1);
  },
});

Deno.test({
  name: "measurements on Apache Kafka are counted and stored as numpy has them, through a kill -9",
  ignore: requires("numpy", "apache-kafka").ignore,
  async fn() {
    await using kafka = await ApacheKafka.open();
    await createTopic(kafka.bootstrap, spec.name, 3);
    await createTopic(kafka.bootstrap, histTopicOf(spec.name), 1);
    await using service = await Service.open({ kafkaBrokers: kafka.bootstrap, settings });
    await compare(service, 3);
  },
});
