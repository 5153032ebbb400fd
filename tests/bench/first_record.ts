/** How long it takes from opening a stream to its first record: the load's side of it. @module */
import { Feeder } from "./feeder.ts";
import { tell } from "./load_process.ts";
import { type Spread, spreadOf } from "./measure.ts";
import { RawViewer, type ViewerOptions } from "./viewer.ts";
import { connect, readAnswer } from "./wire.ts";

export interface FirstJob {
  readonly kind: "first";
  readonly port: number;
  readonly bootstrap: string;
  readonly transport: "websocket" | "sse";
  /** Where streams begin: `latest` is with records coming in, one every ms. */
  readonly start: "earliest" | "id" | "latest";
  readonly tries: number;
  /** Whether somebody views the topic already; otherwise each try has a topic of its own, which the service has never read. */
  readonly warm: boolean;
}

/** Outcome: ms. */
export interface First {
  readonly first: Spread;
  /** Of `GET /ping` on a connection of its own beside each try: what of it is the machine's. */
  readonly ping: Spread;
}

const recordsBefore = 200, perSecond = 1_000;

export async function runFirst(job: FirstJob): Promise<void> {
  using feeder = await Feeder.connect(job.bootstrap);
  const prefix = `first-${crypto.randomUUID().slice(0, 8)}`;
  const names = Array.from({ length: job.warm ? 1 : job.tries }, (_, n) => `${prefix}-${n}`);
  await feeder.makeTopics([prefix, ...names], recordsBefore);
  const buffer = new Uint8Array(64 * 1024);
  const ready = await until({ ...job, topic: prefix, cursor: "latest" }, buffer, '"resume"');
  const middle = ready.text.match(/v1\.[0-9a-f]{8}/)![0] + `.0:${recordsBefore >> 1}`;
  const start = job.start === "id" ? { id: middle } : { cursor: job.start };
  if (job.warm) {
    const follower = await RawViewer.open({ ...job, topic: names[0]!, cursor: "latest" });
    follower.read(new Uint8Array(64 * 1024), () => {});
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  const times: number[] = [], pings: number[] = [];
  for (let n = 0; n < job.tries; n++) {
    const topic = names[n % names.length]!;
    const stop = new AbortController();
    const feeding = job.start === "latest" ? await feed(feeder, topic, stop.signal) : undefined;
    const { ms } = await until({ ...job, topic, ...start }, buffer, '"message_id"');
    times.push(ms);
    pings.push(await ping(job.port));
    stop.abort();
    await feeding?.done;
  }
  tell({ first: spreadOf(times), ping: spreadOf(pings) } satisfies First);
}

async function ping(port: number): Promise<number> {
  const began = performance.now();
  const client = await connect(port);
  await client.write(new TextEncoder().encode("GET /ping HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"));
  await readAnswer(client);
  client.close();
  return performance.now() - began;
}

/** Resolves when the first record was taken. */
async function feed(feeder: Feeder, topic: string, signal: AbortSignal): Promise<{ done: Promise<void> }> {
  await feeder.fill(topic, 1);
  return { done: feeder.steadily(topic, perSecond, signal) };
}

/** Opens a stream and reads until `text` has come. */
async function until(
  options: ViewerOptions,
  buffer: Uint8Array,
  text: string,
): Promise<{ ms: number; text: string }> {
  const decoder = new TextDecoder();
  const began = performance.now();
  const viewer = await RawViewer.open(options);
  let read = "";
  while (!read.includes(text)) {
    const n = await viewer.connection.read(buffer);
    if (n === null) throw new Error(`The service closed the stream after ${read.slice(-500)}`);
    read += decoder.decode(buffer.subarray(0, n));
  }
  const ms = performance.now() - began;
  viewer.close();
  return { ms, text: read };
}
