/** The load of `deno task bench:video`: one job, told as JSON in the first argument, in steps that its standard input names. It writes frames
 * straight to Kafka, and views them.
 *
 * Left out: what the jobs are for (video.ts). @module */
import { createProducer, type Producer } from "../../kafka/producer.ts";
import { silentLogger } from "../../logger.ts";
import { eventually, pause } from "../eventually.ts";
import { connect } from "../kafka/test_broker.ts";
import { tell, toldLines } from "./load_process.ts";
import { cpuSeconds, type Spread, spreadOf } from "./measure.ts";
import { VideoClient, type VideoSource } from "./video_client.ts";
import { FrameMaker, preciseNow, type Stamp } from "./video_frames.ts";

/** Who views what. */
export interface VideoJob {
  readonly bootstrap: string;
  readonly topic: string;
  /** In its path `{viewer}` is a name that no viewer had before, and `{time}` where it begins, of `recordedSeconds`. */
  readonly source: VideoSource;
  readonly viewers: number;
  /** Those that never read. */
  readonly stalled: number;
  readonly fps: number;
  readonly seconds: number;
  readonly frameBytes: number;
  /** Length of a recording, which `record` writes. */
  readonly recordedSeconds: number;
}

/** Outcome of `feed` and `replay`. Delays in ms: from the sending to the receipt, or behind the pace of the recording. */
export interface Viewed {
  /** Frames that all viewers were to get. */
  readonly expected: number;
  readonly delivered: number;
  /** Frames that came before one that is older, or twice. */
  readonly disordered: number;
  readonly delay: Spread;
  readonly bytes: number;
  readonly seconds: number;
  /** CPU of the load itself, seconds. */
  readonly loadCpu: number;
}

const patienceMs = 3_000, openAtOnce = 50;

const job: VideoJob = JSON.parse(Deno.args[0]!);
await using kafka = connect(job.bootstrap);
await using producer = createProducer(kafka, { log: silentLogger });
const maker = new FrameMaker(job.frameBytes);
const readers: Reader[] = [];
const stalled: VideoClient[] = [];
let sent = 0, recordedFrom = 0;

/** A viewer that takes what comes. */
class Reader {
  next = 0;
  delivered = 0;
  disordered = 0;
  readonly delays: number[] = [];
  client!: VideoClient;
  /** By how much the first frame of a replay is newer than its time. */
  #lag: number | undefined;

  see({ number, sentAt }: Stamp): void {
    const delay = preciseNow() - sentAt;
    if (number < this.next) this.disordered++;
    this.next = number + 1;
    this.delivered++;
    if (job.recordedSeconds > 0) this.#lag ??= delay;
    this.delays.push(delay - (this.#lag ?? 0));
  }

  forget(): void {
    this.delivered = this.disordered = this.delays.length = 0;
  }
}

const steps: Readonly<Record<string, () => Promise<unknown>>> = { record, open, feed, replay };
tell({});
for await (const step of toldLines()) tell(await steps[step]!());
Deno.exit(0); // viewers' sockets are still open

/** Writes a recording that ends now: one frame after the other, as a camera does, since frames that leave together are read together. */
async function record(): Promise<object> {
  const { topic, fps, recordedSeconds } = job;
  recordedFrom = Date.now() - recordedSeconds * 1_000;
  for (let number = 0; number < fps * recordedSeconds; number++) {
    const timestamp = recordedFrom + Math.round(number * 1_000 / fps);
    await producer.send(topic, { value: maker.make({ number, sentAt: timestamp }), timestamp });
  }
  return {};
}

/** Opens all viewers; of live ones each has been shown something then. */
async function open(): Promise<object> {
  const { viewers, recordedSeconds } = job;
  for (let at = 0; at < viewers; at += openAtOnce) {
    const some = Array.from({ length: Math.min(openAtOnce, viewers - at) }, (_, i) => openReader(at + i));
    await Promise.all(some);
  }
  for (let n = 0; n < job.stalled; n++) stalled.push(await VideoClient.open(sourceOf(viewers + n), () => {}));
  if (recordedSeconds > 0) return {};
  await eventually("every viewer to be shown a frame", async () => {
    await sendFrame(producer, sent++);
    await pause(100);
    return readers.every(({ delivered }) => delivered > 0);
  }, 30_000);
  await pause(200);
  return {};
}

async function openReader(n: number): Promise<void> {
  const reader = new Reader();
  reader.client = await VideoClient.open(sourceOf(n), (stamp) => reader.see(stamp));
  void reader.client.read();
  readers.push(reader);
}

function sourceOf(n: number): VideoSource {
  const { source, viewers, seconds, recordedSeconds } = job;
  // Each is to have enough before it.
  const begin = recordedFrom + Math.floor(n / viewers * Math.max(0, recordedSeconds - seconds) * 1_000);
  return {
    ...source,
    path: source.path.replace("{viewer}", `bench-${Deno.pid}-${n}`).replace("{time}", String(begin)),
  };
}

/** Sends frames at their rate; what is on the way still arrives, and who needs longer did not keep up. */
async function feed(): Promise<Viewed> {
  const { fps, seconds } = job, count = fps * seconds;
  return await viewed(count, async (began) => {
    for (let n = 0; n < count; n++) {
      await pause(Math.max(0, began + n * 1_000 / fps - performance.now()));
      void sendFrame(producer, sent++);
    }
    await producer.flush();
    const until = performance.now() + patienceMs;
    while (readers.some(({ next }) => next < sent) && performance.now() < until) await pause(5);
  });
}

/** Looks on while a recording is replayed. */
async function replay(): Promise<Viewed> {
  const { fps, seconds } = job;
  return await viewed(fps * seconds, () => pause(seconds * 1_000));
}

async function viewed(frames: number, work: (began: number) => Promise<void>): Promise<Viewed> {
  const bytes = () => readers.reduce((sum, { client }) => sum + client.bytes, 0);
  const before = bytes(), cpu = cpuSeconds(Deno.pid), began = performance.now();
  for (const reader of readers) reader.forget();
  await work(began);
  const sum = (of: (reader: Reader) => number) => readers.reduce((all, reader) => all + of(reader), 0);
  return {
    expected: frames * readers.length,
    delivered: sum(({ delivered }) => delivered),
    disordered: sum(({ disordered }) => disordered),
    delay: spreadOf(readers.flatMap(({ delays }) => delays)),
    bytes: bytes() - before,
    seconds: (performance.now() - began) / 1_000,
    loadCpu: cpuSeconds(Deno.pid) - cpu,
  };
}

async function sendFrame(to: Producer, number: number): Promise<void> {
  const sentAt = preciseNow(), timestamp = Math.floor(sentAt);
  const headers = { "content-type": "image/jpeg", "captured-at": String(timestamp) };
  await to.send(job.topic, { key: job.topic, value: maker.make({ number, sentAt }), timestamp, headers });
}
