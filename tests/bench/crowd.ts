/** Many viewers of one topic, some of which read slowly or not at all: the load's side of it. @module */
import { Feeder } from "./feeder.ts";
import { tell, toldLines } from "./load_process.ts";
import { type Spread, spreadOf } from "./measure.ts";
import { Lines, Offsets, RawViewer } from "./viewer.ts";

export interface CrowdJob {
  readonly kind: "crowd";
  readonly port: number;
  readonly bootstrap: string;
  /** `both`: every other one. */
  readonly transport: "websocket" | "sse" | "both";
  /** Those that read all that comes. */
  readonly viewers: number;
  /** Those that never read. */
  readonly stalled: number;
  /** Whether there is one more, which reads 10 KB/s. */
  readonly slow: boolean;
  readonly recordsPerSecond: number;
  readonly seconds: number;
}

/** Outcome of `feed`. */
export interface Fed extends Spread {
  readonly records: number;
  /** Viewers that had the last record within some seconds after it. */
  readonly served: number;
  /** Viewers that were disconnected. */
  readonly cut: number;
}

/** Outcome of `hurry`: what the slow one has read when it no longer is. */
export interface Hurried {
  readonly atEnd: number;
  readonly records: number;
  readonly breaks: number;
  readonly reconnects: number;
  readonly seconds: number;
}

const sampleEvery = 50, slowBytes = 1_000, slowPauseMs = 100, patienceMs = 5_000;
const openAtOnce = 100, tailBytes = 600;

/** Steps: `open`, `feed`, `hurry`. */
export async function runCrowd(job: CrowdJob): Promise<void> {
  using feeder = await Feeder.connect(job.bootstrap);
  const topic = `crowd-${crypto.randomUUID().slice(0, 8)}`;
  await feeder.makeTopics([topic], 1);
  const crowd = new Crowd(job, topic, feeder);
  tell({});
  for await (const step of toldLines()) {
    if (step === "open") tell(await crowd.open());
    if (step === "feed") tell(await crowd.feed());
    if (step === "hurry") tell(await crowd.hurry());
  }
}

class Crowd {
  readonly #job: CrowdJob;
  readonly #topic: string;
  readonly #feeder: Feeder;
  readonly #readers: { readonly viewer: RawViewer; tail: Uint8Array<ArrayBuffer> }[] = [];
  readonly #delays: number[] = [];
  #feeding = false;
  #slow: SlowViewer | undefined;

  constructor(job: CrowdJob, topic: string, feeder: Feeder) {
    this.#job = job;
    this.#topic = topic;
    this.#feeder = feeder;
  }

  async open(): Promise<object> {
    const { viewers, stalled, slow } = this.#job;
    for (let at = 0; at < viewers; at += openAtOnce) {
      const some = Array.from({ length: Math.min(openAtOnce, viewers - at) }, (_, i) => this.#reader(at + i));
      await Promise.all(some);
    }
    for (let n = 0; n < stalled; n++) await this.#viewer(n);
    if (slow) {
      const { port } = this.#job;
      this.#slow = new SlowViewer({ port, transport: this.#transport(0), topic: this.#topic });
    }
    return {};
  }

  async feed(): Promise<Fed> {
    const { recordsPerSecond, seconds } = this.#job;
    this.#feeding = true;
    await this.#feeder.steadily(this.#topic, recordsPerSecond, AbortSignal.timeout(seconds * 1000));
    this.#feeding = false;
    const last = this.#feeder.written - 1;
    const until = performance.now() + patienceMs;
    let served = 0;
    do {
      await new Promise((resolve) => setTimeout(resolve, 50));
      served = this.#readers.filter(({ tail }) => offsetIn(tail) === last).length;
    } while (served < this.#readers.length && performance.now() < until);
    const cut = this.#readers.filter(({ viewer }) => viewer.isClosed).length;
    return { ...spreadOf(this.#delays.splice(0)), records: last + 1, served, cut };
  }

  async hurry(): Promise<Hurried> {
    return await this.#slow!.hurry(this.#feeder.written - 1);
  }

  #transport(n: number): "websocket" | "sse" {
    const { transport } = this.#job;
    return transport === "both" ? n % 2 === 0 ? "websocket" : "sse" : transport;
  }

  #viewer(n: number): Promise<RawViewer> {
    const { port } = this.#job;
    return RawViewer.open({ port, transport: this.#transport(n), topic: this.#topic, cursor: "latest" });
  }

  /** Resolves when its first event is there. */
  async #reader(n: number): Promise<void> {
    const viewer = await this.#viewer(n);
    const reader = { viewer, tail: new Uint8Array(0) };
    this.#readers.push(reader);
    const { promise, resolve } = Promise.withResolvers<void>();
    const lines = n % sampleEvery === 0 ? new Lines() : undefined;
    const decoder = new TextDecoder();
    let opening: string | null = "";
    const buffer = new Uint8Array(this.#job.recordsPerSecond > 0 ? 256 * 1024 : 2 * 1024);
    viewer.read(buffer, (bytes) => {
      if (opening !== null) {
        opening += decoder.decode(bytes);
        if (opening.includes('"resume"')) {
          opening = null;
          resolve();
        }
      }
      reader.tail = endOf(reader.tail, bytes);
      if (!lines || !this.#feeding) return;
      const now = Date.now();
      for (const [, at] of lines.take(bytes).matchAll(/"at":(\d+)/g)) this.#delays.push(now - Number(at));
    });
    await promise;
  }
}

/** The last bytes of a stream, enough for one record: the newest read may be a ping, or a part of one. */
function endOf(tail: Uint8Array, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  if (bytes.length >= tailBytes) return new Uint8Array(bytes.subarray(-tailBytes));
  const joined = new Uint8Array(tail.length + bytes.length);
  joined.set(tail);
  joined.set(bytes, tail.length);
  return joined.slice(-tailBytes);
}

/** Newest offset in the end of what was read. */
function offsetIn(tail: Uint8Array): number {
  const text = new TextDecoder().decode(tail);
  return Number(/^.*"offset":(\d+)/s.exec(text)?.[1] ?? -1);
}

/** Reads 10 KB/s until it is told to hurry; when it is cut it comes back where it was. */
class SlowViewer {
  readonly #options: { port: number; transport: "websocket" | "sse"; topic: string };
  readonly #offsets = new Offsets();
  #hurry = false;
  #connections = 0;
  #id: string | undefined;

  constructor(options: { port: number; transport: "websocket" | "sse"; topic: string }) {
    this.#options = options;
    this.#read();
  }

  async hurry(last: number): Promise<Hurried> {
    const atEnd = this.#offsets.next;
    const began = performance.now();
    this.#hurry = true;
    while (this.#offsets.next <= last && performance.now() - began < 60_000) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const { next, first, breaks } = this.#offsets;
    const seconds = (performance.now() - began) / 1000;
    return { atEnd, records: next - (first ?? 0), breaks, reconnects: this.#connections - 1, seconds };
  }

  async #read(): Promise<void> {
    for (;;) {
      this.#connections++;
      this.#offsets.reconnected();
      const cursor = this.#id ?? "latest";
      const viewer = await RawViewer.open({ ...this.#options, cursor });
      const lines = new Lines();
      const buffer = new Uint8Array(slowBytes);
      const pause = () =>
        this.#hurry ? undefined : new Promise((resolve) => setTimeout(resolve, slowPauseMs));
      await viewer.read(buffer, (bytes) => {
        const text = lines.take(bytes);
        this.#offsets.take(bytes);
        for (const [, id] of text.matchAll(/(?:\nid: |"cursor":")(v1\.[^\s"]+)/g)) this.#id = id;
      }, pause);
    }
  }
}
