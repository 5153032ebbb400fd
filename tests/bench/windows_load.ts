/** Clicks for benchmarks of windows: what is in the topic, what windows have to say of it, and what was published of them.
 *
 * An hour of event time, some hours ago; times go back by up to four seconds. With one partition, one event in a thousand is later
 * than windows wait; with several, how late an event is depends on who is read first, so none is. Left out: who counts.
 * @module */
import { Kafka } from "../../kafka/client.ts";
import { clickRecord } from "../../kafka/clicks.ts";
import { createProducer, type OutRecord } from "../../kafka/producer.ts";
import { TopicReader } from "../../kafka/reader.ts";
import { type FinishedWindow, type WindowSize, windowStart } from "../../kafka/windows.ts";
import { silentLogger } from "../../logger.ts";
import { createTopic } from "../clients.ts";
import { Random } from "../random.ts";

/** Events in the order they are in the log; with several partitions, they go round. */
export interface Clicks {
  readonly partitions: number;
  readonly ids: readonly string[];
  /** Which of the ids, shape [events]. */
  readonly which: Uint16Array;
  /** ms since the epoch, shape [events]. */
  readonly times: Float64Array;
  /** Behind all of them by more than any window and its grace: in each partition ids of all partitions, so that everything closes. */
  readonly closing: readonly OutRecord[];
}

/** Counts by `size/id/start`. */
export type WindowCounts = ReadonlyMap<string, number>;

const spanMs = 3_600_000, closingMs = 3_600_000 / 2;
const chunk = 5_000, disorderMs = 4_000, longestLateMs = 200_000;
/** So many ids that every partition gets some. */
const closingIds = 64;

/** Makes up events; the same ones for the same hour. */
export function makeClicks(
  { count, ids: idCount, partitions, seed }: {
    count: number;
    ids: number;
    partitions: number;
    seed: number;
  },
): Clicks {
  const random = new Random(null, seed);
  const ids = Array.from(
    { length: idCount },
    (_, i) => `${i.toString(16).padStart(8, "0")}-8907-4f43-bb4c-280501481046`,
  );
  const startMs = windowStart(Date.now() - 4 * spanMs, spanMs);
  const which = new Uint16Array(count), times = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const isLate = partitions === 1 && random.between(0, 999) === 0;
    const delayMs = random.between(0, isLate ? longestLateMs : disorderMs);
    times[i] = startMs + Math.max(0, Math.floor(i / count * spanMs) - delayMs);
    // The square makes some ids far livelier than others.
    which[i] = Math.floor(idCount * (random.between(0, 2 ** 20 - 1) / 2 ** 20) ** 2);
  }
  const closing = Array.from({ length: closingIds * partitions }, (_, i) => ({
    ...clickRecord(`closing-${i % closingIds}`, startMs + spanMs + closingMs),
    partition: Math.floor(i / closingIds),
  }));
  return { partitions, ids, which, times, closing };
}

/** What windows have to say, event by event: one is late when its window's end and grace are not after the newest time before it. */
export function truthOf({ ids, which, times }: Clicks, sizes: readonly WindowSize[], graceMs: number): {
  readonly counts: WindowCounts;
  readonly late: WindowCounts;
} {
  const counts = new Map<string, number>(), late = new Map<string, number>();
  let newest = -Infinity;
  for (const [i, time] of times.entries()) {
    for (const { ms } of sizes) {
      const start = windowStart(time, ms), key = `${ms}/${ids[which[i]!]}/${start}`;
      const told = start + ms + graceMs <= newest ? late : counts;
      told.set(key, (told.get(key) ?? 0) + 1);
    }
    newest = Math.max(newest, time);
  }
  return { counts, late };
}

/** Puts them into a topic that is made for it. */
export async function fillClicks(bootstrap: string, topic: string, clicks: Clicks): Promise<void> {
  await createTopic(bootstrap, topic, clicks.partitions);
  await using kafka = benchKafka(bootstrap);
  await using producer = createProducer(kafka, { log: silentLogger, timeoutMs: 60_000 });
  for (let from = 0; from < clicks.times.length; from += chunk) {
    const records = Array.from({ length: Math.min(chunk, clicks.times.length - from) }, (_, n) => {
      const i = from + n;
      return {
        ...clickRecord(clicks.ids[clicks.which[i]!]!, clicks.times[i]!),
        partition: i % clicks.partitions,
      };
    });
    await producer.sendAll(topic, records);
  }
  await producer.sendAll(topic, clicks.closing);
}

/** Reads what is published of windows, until all that is wanted is there. */
export class Published implements AsyncDisposable {
  readonly counts = new Map<string, number>();
  /** Windows that were published with two counts. */
  readonly contradictions: string[] = [];
  /** Events that were late, by `size/id/start`, as it is told last. */
  readonly late = new Map<string, number>();
  readonly complete: Promise<void>;
  readonly #parts = new AsyncDisposableStack();

  /** @param topics by size in ms
   * @param wanted resolves `complete` when so many windows have a count */
  constructor(bootstrap: string, topics: ReadonlyMap<number, string>, wanted: number) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.complete = promise;
    const kafka = this.#parts.use(benchKafka(bootstrap)), decoder = new TextDecoder();
    for (const [ms, topic] of topics) {
      const events = {
        started() {},
        skipped() {},
        restarted() {},
        status() {},
        records: ({ records }: { readonly records: readonly { readonly value: Uint8Array | null }[] }) => {
          for (const { value } of records) this.#add(ms, JSON.parse(decoder.decode(value!)));
          if (this.counts.size >= wanted) resolve();
        },
      };
      this.#parts.use(new TopicReader(kafka, topic, events, silentLogger, { from: {} }));
    }
  }

  #add(ms: number, value: Omit<FinishedWindow, "late"> & { readonly late?: number }): void {
    const { video_uid, window_start, count, late = 0 } = value;
    const key = `${ms}/${video_uid}/${window_start}`;
    if (late > 0) this.late.set(key, late);
    if (count === 0) return; // only late events
    const known = this.counts.get(key);
    if (known !== undefined && known !== count) this.contradictions.push(`${key}: ${known} and ${count}`);
    this.counts.set(key, count);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

function benchKafka(bootstrap: string): Kafka {
  return new Kafka({ brokers: [bootstrap], clientId: "bench", ssl: null, sasl: null, log: silentLogger });
}
