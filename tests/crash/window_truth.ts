/** Clicks over hours of event time, and what windows have to say of them in the end, worked out from the topics by a client that is not ours.
 *
 * Each round sends to every partition, so that none of them is idle, up to a grace behind the newest time: nothing of it is late. What is to
 * be late says so in a header; it lies in windows that have been closed for certain. Left out: who is killed when (the tests). @module */
import { assert, assertEquals } from "@std/assert";
import { Kafka } from "../../kafka/client.ts";
import { createProducer } from "../../kafka/producer.ts";
import { type FinishedWindow, windowStart } from "../../kafka/windows.ts";
import { silentLogger } from "../../logger.ts";
import { readTopic } from "../clients.ts";
import { pause } from "../eventually.ts";
import type { Random } from "../random.ts";

export const graceMs = 10_000;
const minuteMs = 60_000, hourMs = 60 * minuteMs;
const sizes = [
  { ms: minuteMs, type: "1min", setting: "ONE_MINUTE_TOPIC" },
  { ms: 5 * minuteMs, type: "5min", setting: "FIVE_MINUTE_TOPIC" },
  { ms: 10 * minuteMs, type: "10min", setting: "TEN_MINUTE_TOPIC" },
] as const;
const ids = Array.from({ length: 20 }, (_, n) => `video ${n}`);
const wrongValues = [null, "", "\u0007", "x".repeat(300), new Uint8Array([0xc3, 0x28])];

/** Topics of one run, and the settings that name them. */
export class RunTopics {
  readonly clicks: string;
  readonly finished: readonly string[];

  constructor(run: number) {
    this.clicks = `clicks-${run}`;
    this.finished = sizes.map(({ type }) => `windows-${type}-${run}`);
  }

  get settings(): Record<string, string> {
    const finished = sizes.map(({ setting }, i) => [setting, this.finished[i]!]);
    return {
      CLICKS_TOPIC: this.clicks,
      ...Object.fromEntries(finished),
      GRACE_MS: String(graceMs),
      WINDOWS_KEPT: "1000",
      MEASUREMENTS: "none",
    };
  }
}

/** Clicks on and on, whatever becomes of Kafka. */
export class ClickLoad implements AsyncDisposable {
  readonly #parts = new AsyncDisposableStack();
  readonly #producer;
  readonly #random: Random;
  readonly #topic: string;
  readonly #partitions: number;
  readonly #working: Promise<void>;
  /** Event time, ms. */
  #nowMs = Math.floor(Date.now() / minuteMs) * minuteMs - 12 * hourMs;
  /** What ended its grace before it is closed for certain, ms. */
  #closedMs: number | null = null;
  #isStopped = false;

  constructor(
    bootstrap: string,
    { topic, partitions, random }: { topic: string; partitions: number; random: Random },
  ) {
    const way = { brokers: [bootstrap], clientId: "load", ssl: null, sasl: null, log: silentLogger };
    const kafka = this.#parts.use(new Kafka(way));
    this.#producer = this.#parts.use(createProducer(kafka, { log: silentLogger, timeoutMs: 60_000 }));
    this.#random = random;
    this.#topic = topic;
    this.#partitions = partitions;
    this.#working = this.#send();
  }

  /** Some of what is sent from now on is too late for this watermark. */
  closedUpTo(watermarkMs: number | null): void {
    this.#closedMs = watermarkMs ?? this.#closedMs;
  }

  /** Sends very many at once. */
  async burst(rounds: number): Promise<void> {
    const records = Array.from({ length: rounds }, () => this.#round()).flat();
    await this.#producer.sendAll(this.#topic, records).catch(() => {}); // they may be there or not
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#working;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#parts.disposeAsync();
  }

  async #send(): Promise<void> {
    while (!this.#isStopped) {
      await this.burst(1);
      await pause(this.#random.between(0, 60));
    }
  }

  #round() {
    const random = this.#random;
    const records = Array.from(
      { length: this.#partitions },
      (_, partition) =>
        Array.from({ length: random.between(1, 6) }, () => {
          const timestamp = this.#nowMs - random.between(0, graceMs - 1);
          return { partition, timestamp, value: ids[random.between(0, random.between(0, ids.length - 1))]! };
        }),
    ).flat();
    return [...records, ...this.#late(), ...this.#wrong(), ...this.#next()];
  }

  /** Time goes on, now and then by an hour. */
  #next(): [] {
    const random = this.#random;
    this.#nowMs += random.between(0, 19) === 0 ? random.between(0, 20 * minuteMs) : random.between(0, 8_000);
    return [];
  }

  #late() {
    const random = this.#random;
    if (this.#closedMs === null || random.between(0, 4) > 0) return [];
    const newest = this.#closedMs - graceMs - 10 * minuteMs;
    const timestamp = newest - random.between(1, 30 * minuteMs);
    const partition = random.between(0, this.#partitions - 1);
    return [{ partition, timestamp, value: ids[random.between(0, ids.length - 1)]!, headers: { late: "1" } }];
  }

  #wrong() {
    const random = this.#random;
    if (random.between(0, 19) > 0) return [];
    const value = wrongValues[random.between(0, wrongValues.length - 1)]!;
    return [{ partition: 0, timestamp: this.#nowMs, value, headers: { wrong: "1" } }];
  }
}

/** Counts and late events by type, id and start of a window. */
export interface Truth {
  readonly windows: ReadonlyMap<string, readonly [count: number, late: number]>;
  readonly clicks: number;
  readonly late: number;
  readonly wrong: number;
}

/** Counts what is in a topic of clicks, one after the other. */
export async function truthOf(bootstrap: string, topic: string): Promise<Truth> {
  const windows = new Map<string, [number, number]>();
  let clicks = 0, late = 0, wrong = 0;
  for (const { value, timestamp, headers } of await readTopic(bootstrap, topic)) {
    if ("wrong" in headers) {
      wrong++;
      continue;
    }
    const isLate = "late" in headers;
    clicks++;
    if (isLate) late++;
    for (const { ms, type } of sizes) {
      const key = `${type} ${value} ${windowStart(timestamp, ms)}`, window = windows.get(key) ?? [0, 0];
      window[isLate ? 1 : 0]++;
      windows.set(key, window);
    }
  }
  return { windows, clicks, late, wrong };
}

/** Holds what was published against the truth: every window once and for all, none with two counts, the newest with all that was late.
 * @returns how many records there are */
export async function checkFinished(
  bootstrap: string,
  topics: readonly string[],
  truth: Truth,
): Promise<number> {
  const found = new Map<string, [number, number]>();
  let records = 0;
  for (const [i, topic] of topics.entries()) {
    const { ms, type } = sizes[i]!;
    for (const { key, value, offset } of await readTopic(bootstrap, topic)) {
      const window: FinishedWindow = JSON.parse(value!),
        { video_uid, count, late, window_start, window_end } = window;
      const name = `${type} ${video_uid} ${window_start}`, before = found.get(name);
      records++;
      assertEquals(
        [window.type, key, window_end - window_start],
        [type, video_uid, ms],
        `record ${offset} of ${topic}`,
      );
      if (before) assertEquals(before[0], count, `second count of ${name}`);
      assert(late >= (before?.[1] ?? 0), `late events of ${name} went from ${before?.[1]} to ${late}`);
      found.set(name, [count, late]);
    }
  }
  const differences = [...new Set([...found.keys(), ...truth.windows.keys()])]
    .map((name) => [name, found.get(name), truth.windows.get(name)] as const)
    .filter(([, is, wanted]) => is?.[0] !== wanted?.[0] || is?.[1] !== wanted?.[1]);
  assertEquals(
    differences.slice(0, 5),
    [],
    `${differences.length} of ${truth.windows.size} windows [count, late], wanted`,
  );
  return records;
}

/** Holds what an instance answers against the truth. */
export async function checkAnswers(url: string, truth: Truth): Promise<void> {
  const found = new Map<string, [number, number]>();
  for (const id of ids) {
    const answer = await fetch(`${url}/aggregations/${encodeURIComponent(id)}`);
    const { aggregations } = await answer.json();
    for (const { windows } of aggregations) {
      for (const { type, video_uid, window_start, count, late, final } of windows) {
        assert(final, `${type} ${video_uid} ${window_start} is open`);
        found.set(`${type} ${video_uid} ${window_start}`, [count, late]);
      }
    }
  }
  assertEquals(found.size, truth.windows.size, `windows at ${url}`);
  for (const [name, window] of truth.windows) assertEquals(found.get(name), [...window], `${name} at ${url}`);
}

/** What an instance says of counting. */
export async function statusOf(url: string) {
  const answer = await fetch(`${url}/aggregations?limit=1`);
  if (!answer.ok) {
    await answer.body?.cancel();
    return null;
  }
  const { status } = await answer.json();
  return status as {
    state: string;
    watermark: number | null;
    totals: { counted: number; wrong: Record<string, number> };
  };
}
