/** What tests of the processors stand on: a broker, folders, services that count on it, measurements of known numbers, and what of all that
 * has to agree in the end. */
import { assert, assertEquals } from "@std/assert";
import type { Kafka } from "../../../kafka/client.ts";
import {
  edgesOf,
  histTopicOf,
  measurementRecord,
  type MeasurementSpec,
} from "../../../kafka/measurements.ts";
import { covers } from "../../../kafka/processors/beginning.ts";
import {
  HistogramService,
  type HistogramServiceOptions,
} from "../../../kafka/processors/histogram_service.ts";
import type { HistogramNow, RowPage } from "../../../kafka/processors/histogram_types.ts";
import { type CountedState, readPublishedRecord } from "../../../kafka/processors/published.ts";
import { createProducer, type Producer } from "../../../kafka/producer.ts";
import { TopicReader } from "../../../kafka/reader.ts";
import { silentLogger } from "../../../logger.ts";
import { eventually } from "../../eventually.ts";
import { BrokerProxy } from "../broker_proxy.ts";
import { connect, TestBroker } from "../test_broker.ts";

export const temperature: MeasurementSpec = { name: "temperature", first: -25, last: 24, step: 1 };
export const humidity: MeasurementSpec = { name: "humidity", first: 40, last: 79, step: 1 };
const startMs = Date.UTC(2026, 4, 17);

/** A broker, what is sent to it, and services that count. */
export class Ground implements AsyncDisposable {
  readonly parts = new AsyncDisposableStack();
  broker!: TestBroker;
  /** Between the services and the broker. */
  proxy!: BrokerProxy;
  kafka!: Kafka;
  producer!: Producer;
  folder!: string;
  /** How many measurements were sent. */
  sent = 0;
  #folders = 0;

  static async open(): Promise<Ground> {
    const ground = new Ground(), { parts } = ground;
    ground.folder = await Deno.makeTempDir({ prefix: "tailrace-histograms-" });
    parts.defer(() => Deno.remove(ground.folder, { recursive: true }));
    ground.broker = parts.use(await TestBroker.open());
    ground.proxy = parts.use(new BrokerProxy({ hostname: "127.0.0.1", port: ground.broker.broker.port }));
    ground.kafka = parts.use(connect(ground.broker.bootstrap));
    ground.producer = parts.use(createProducer(ground.kafka, { log: silentLogger }));
    return ground;
  }

  /** A path of its own for each call. */
  newFile(): string {
    return `${this.folder}/${++this.#folders}/measurements.db`;
  }

  /** Opens a service.
   * @param options.isDirect it goes past the proxy */
  count(
    options: Partial<HistogramServiceOptions> & { readonly isDirect?: boolean } = {},
  ): HistogramService & { file: string } {
    const { isDirect = false, ...settings } = options;
    const file = settings.file ?? this.newFile();
    const kafka = connect(isDirect ? this.broker.bootstrap : this.proxy.bootstrap);
    const service = new HistogramService({
      kafka,
      specs: [temperature],
      log: silentLogger,
      retentionMs: -1,
      retentionBytes: -1,
      publishPauseMs: 10,
      ...settings,
      file,
    });
    this.parts.defer(async () => {
      await service[Symbol.asyncDispose]();
      await kafka[Symbol.asyncDispose]();
    });
    return Object.assign(service, { file });
  }

  /** Sends so many measurements, −30, −29, … round and round: some lie outside the bins. */
  async send(count: number, { topic = "temperature", partition = 0 } = {}): Promise<void> {
    const records = Array.from({ length: count }, () => {
      const n = this.sent++;
      return { ...measurementRecord(-30 + n % 60, startMs + n * 1_000), partition };
    });
    await this.producer.sendAll(topic, records);
  }

  /** Waits until a service has counted so many. */
  async counted(service: HistogramService, count: number, name = "temperature"): Promise<HistogramNow> {
    let now: HistogramNow | undefined;
    return await eventually(
      `${count} measurements of ${name}`,
      async () => {
        now = await service.now(name);
        assert(now.snapshot.count <= count, `counted ${now.snapshot.count}`);
        return now.snapshot.count === count && now;
      },
      30_000,
      () => now && { count: now.snapshot.count, status: now.status },
    );
  }

  /** Follows what is published of a measurement. */
  published(name = "temperature"): PublishedStates {
    return this.parts.use(new PublishedStates(this.kafka, name));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.parts.disposeAsync();
  }
}

/** All that was published of a measurement, as readers of committed records see it. */
export class PublishedStates implements AsyncDisposable {
  readonly states: CountedState[] = [];
  readonly #reader: TopicReader;

  constructor(kafka: Kafka, name: string) {
    this.#reader = new TopicReader(
      kafka,
      histTopicOf(name),
      {
        started() {},
        records: ({ records }) => {
          for (const record of records) {
            const state = readPublishedRecord(name, record);
            if (state) this.states.push(state);
          }
        },
        skipped() {},
        restarted() {},
        status() {},
      },
      silentLogger,
      { from: {} },
    );
  }

  /** Waits until so many measurements are published. */
  async reaches(count: number): Promise<CountedState> {
    return await eventually(
      `${count} measurements published`,
      () => this.states.findLast(({ snapshot }) => snapshot.count === count),
      30_000,
      () => this.states.at(-1)?.snapshot.count,
    );
  }

  /** Fails unless each covers the one before, and counts what it covers. */
  check(): void {
    for (const [i, state] of this.states.entries()) {
      const { snapshot: { count, wrong, missed }, covered: { log, positions } } = state;
      const sum = (numbers: Readonly<Record<string, number>>) =>
        Object.values(numbers).reduce((all, n) => all + n, 0);
      if (log === 0) {
        assertEquals(count + sum(wrong) + missed, sum(positions), `record ${i} counts what it covers`);
      }
      const before = this.states[i - 1];
      if (!before) continue;
      assert(
        covers(state.covered, before.covered),
        `record ${i} goes back: ${JSON.stringify(state.covered)}`,
      );
      assert(state.snapshot.count >= before.snapshot.count, `record ${i} counts less`);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#reader[Symbol.asyncDispose]();
  }
}

/** The counts of the measurements that `Ground.send` sends, by hand. */
export function countsOf(sent: number, spec = temperature): number[] {
  const edges = edgesOf(spec), bins = edges.length - 1;
  const hist = new Array<number>(bins).fill(0);
  for (let n = 0; n < sent; n++) {
    const value = -30 + n % 60;
    const bin = edges.findIndex((edge, i) =>
      value >= edge && (value < edges[i + 1]! || (i === bins - 1 && value === edges[bins]))
    );
    if (bin >= 0 && bin < bins) hist[bin]!++;
  }
  return hist;
}

/** Fails unless a service has counted, and stored, each of `sent` measurements once. */
export async function checkWhole(service: HistogramService, sent: number): Promise<HistogramNow> {
  const now = await service.now("temperature");
  assertEquals(now.snapshot.count, sent, "count");
  assertEquals(now.snapshot.hist, countsOf(sent), "histogram");
  assertEquals(now.rows, sent, "rows");
  const dates = new Set<string>();
  let after: string | null = null;
  do {
    const page: RowPage = await service.rows("temperature", { limit: 1_000, ...(after && { after }) });
    for (const { date } of page.rows) dates.add(date);
    after = page.next;
  } while (after !== null);
  assertEquals(dates.size, sent, "each has a row");
  return now;
}
