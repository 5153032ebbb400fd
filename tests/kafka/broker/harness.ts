/** A broker in the test's thread over a folder of its own, on any free port. @module */

import { type Broker, type BrokerOptions, startBroker } from "../../../kafka/broker/mod.ts";
import { type BatchFields, batchOf, type TestRecord } from "./batches.ts";
import { hex16, hex32, hex64, RawClient, str } from "./raw_client.ts";

/** Options of a test's broker in a folder. */
export function optionsFor(dataDir: string, options: Partial<BrokerOptions> = {}): BrokerOptions {
  return {
    host: "127.0.0.1",
    port: 0,
    dataDir,
    sync: "normal",
    retentionMs: -1,
    retentionBytes: -1,
    ...options,
  };
}

/** Runs a test in a folder that is removed after it. */
export async function withFolder<T>(test: (dataDir: string) => Promise<T>): Promise<T> {
  const dataDir = await Deno.makeTempDir({ prefix: "tailrace-broker-" });
  try {
    return await test(dataDir);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
}

/** Runs a test with a broker and a raw connection to it. */
export function withBroker(
  test: (broker: Broker, client: RawClient) => Promise<void>,
  options: Partial<BrokerOptions> = {},
): Promise<void> {
  return withFolder(async (dataDir) => {
    await using broker = await startBroker(optionsFor(dataDir, options));
    using client = await RawClient.connect(broker.port);
    await test(broker, client);
  });
}

/** Makes a topic without going through the protocol. */
export async function makeTopic(
  broker: Broker,
  name: string,
  options: { partitions?: number; configs?: Record<string, string> } = {},
): Promise<string> {
  const configs = new Map(Object.entries(options.configs ?? {}));
  const { topic } = await broker.state.log.topics.create({
    name,
    partitions: options.partitions ?? 1,
    configs,
  });
  return topic.uuid;
}

/** Body of a Produce request v3–8 for one partition. */
export function produceBody(
  topic: string,
  batch: Uint8Array | null,
  { acks = -1, partition = 0 }: { acks?: number; partition?: number } = {},
): string {
  const records = batch === null ? "ffffffff" : hex32(batch.byteLength) + batch.toHex();
  return "ffff" + hex16(acks) + hex32(30_000) + "00000001" + str(topic) + "00000001" + hex32(partition) +
    records;
}

/** What Produce v7 says about one partition. */
export interface Produced {
  readonly error: number;
  readonly baseOffset: number;
  readonly appendTimeMs: number;
  readonly logStart: number;
}

/** Produces one batch with Produce v7. */
export async function produce(
  client: RawClient,
  topic: string,
  batch: Uint8Array,
  options: { acks?: number; partition?: number } = {},
): Promise<Produced> {
  return producedIn(
    await client.ask({ key: 0, version: 7, body: produceBody(topic, batch, options) }),
    topic,
  );
}

/** Reads the answer to Produce v7 for one partition. */
export function producedIn(answer: string, topic: string): Produced {
  const view = new DataView(Uint8Array.fromHex(answer).buffer);
  const at = 4 + 2 + topic.length + 4 + 4;
  return {
    error: view.getInt16(at),
    baseOffset: Number(view.getBigInt64(at + 2)),
    appendTimeMs: Number(view.getBigInt64(at + 10)),
    logStart: Number(view.getBigInt64(at + 18)),
  };
}

/** Produces records as one batch; returns their base offset. */
export async function produceRecords(
  client: RawClient,
  topic: string,
  records: readonly TestRecord[],
  fields: BatchFields = {},
  partition = 0,
): Promise<number> {
  const { error, baseOffset } = await produce(client, topic, batchOf(records, fields), { partition });
  if (error !== 0) throw new Error(`Cannot produce to ${topic}: error ${error}`);
  return baseOffset;
}

/** What Fetch v4 is asked for. */
export interface FetchWish {
  readonly partition?: number;
  readonly offset: number;
  readonly maxWaitMs?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly partitionMaxBytes?: number;
}

/** Body of a Fetch request v4 for partitions of one topic. */
export function fetchBody(topic: string, wishes: readonly FetchWish[]): string {
  const { maxWaitMs = 0, minBytes = 1, maxBytes = 0x7fffffff } = wishes[0] ?? { offset: 0 };
  return "ffffffff" + hex32(maxWaitMs) + hex32(minBytes) + hex32(maxBytes) + "00" + "00000001" + str(topic) +
    hex32(wishes.length) +
    wishes.map(({ partition = 0, offset, partitionMaxBytes = 0x7fffffff }) =>
      hex32(partition) + hex64(offset) + hex32(partitionMaxBytes)
    ).join("");
}

/** What Fetch v4 says about one partition. */
export interface Fetched {
  readonly partition: number;
  readonly error: number;
  readonly highWatermark: number;
  readonly records: Uint8Array<ArrayBuffer>;
}

/** Fetches partitions of one topic with Fetch v4. */
export async function fetch(
  client: RawClient,
  topic: string,
  ...wishes: readonly FetchWish[]
): Promise<Fetched[]> {
  return fetchedIn(await client.ask({ key: 1, version: 4, body: fetchBody(topic, wishes) }), topic);
}

/** Reads the answer to Fetch v4 for one topic. */
export function fetchedIn(answer: string, topic: string): Fetched[] {
  const bytes = Uint8Array.fromHex(answer);
  const view = new DataView(bytes.buffer);
  let at = 4 + 4 + 2 + topic.length; // throttle time, one topic, its name
  const count = view.getInt32(at);
  at += 4;
  return Array.from({ length: count }, () => {
    const partition = view.getInt32(at);
    const error = view.getInt16(at + 4);
    const highWatermark = Number(view.getBigInt64(at + 6));
    const size = view.getInt32(at + 26); // after last stable offset and aborted transactions (null)
    const records = bytes.slice(at + 30, at + 30 + size);
    at += 30 + size;
    return { partition, error, highWatermark, records };
  });
}

/** A broker's own answer to "which topics are there": for tests that only need the names. */
export function topicNames(broker: Broker): string[] {
  return [...broker.state.log.topics].map(({ name }) => name).sort();
}
