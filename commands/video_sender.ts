/** Frames on their way into a topic: a bounded number of them waits for Kafka, and all that does not go there is counted.
 *
 * The producer keeps their order and sends again what was not stored, for as long as Kafka is away. Meanwhile a file waits; of a
 * camera frames are dropped. Left out: when a frame is due (video_schedule.ts).
 * @module */
import { StreamError } from "../errors.ts";
import { inspectJpeg, NotAJpeg } from "../kafka/jpeg.ts";
import type { Producer } from "../kafka/producer.ts";
import { frameRecord } from "../kafka/topics.ts";
import type { Logger } from "../logger.ts";
import { Absence } from "./absence.ts";
import { CommandError } from "./run.ts";

/** Where frames go. */
export interface SenderOptions {
  readonly producer: Pick<Producer, "send">;
  readonly topic: string;
  /** Key of the records: the stream's name. */
  readonly name: string;
  /** What the records say of where they come from. */
  readonly source: string;
  readonly maxFrameBytes: number;
  /** Set for the topic if it has to be made. */
  readonly topicConfigs: Readonly<Record<string, string>>;
  /** Whether a frame is dropped when there is no room for it, instead of waited with. */
  readonly isLive: boolean;
  readonly log: Logger;
  /** Ends waiting. */
  readonly signal: AbortSignal;
}

/** What may wait for Kafka's answer. */
const maxWaitingFrames = 64, maxWaitingBytes = 8 * 1024 * 1024;
/** How long Kafka may take before it is said to be away. */
const awayAfterMs = 2000;

/** Sends and counts. */
export class VideoSender {
  /** Acknowledged by Kafka; bytes of their JPEGs. */
  readonly stored = { frames: 0, bytes: 0 };
  /** Left out as they are above the limit; bytes of the largest of them. */
  readonly tooLarge = { frames: 0, largest: 0 };
  /** Left out as they are no JPEGs; why the first of them is none. */
  readonly noJpegs = { frames: 0, reason: "" };
  /** Not sent, as Kafka was away and the next one came. */
  dropped = 0;
  /** Sent, but not known to be stored. */
  unknown = 0;
  readonly #options: SenderOptions;
  readonly #absence: Absence;
  #waiting = { frames: 0, bytes: 0 };
  #changed = Promise.withResolvers<void>();
  #failure: CommandError | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#absence = new Absence("publish", options.topic, options.log);
    options.signal.addEventListener("abort", () => this.#change(), { once: true });
  }

  /** Whether Kafka keeps frames waiting. */
  get isAway(): boolean {
    return this.#absence.isAway;
  }

  /** Sends a frame; resolves when it is on its way, or left out.
   * @param atMs its time, ms since the epoch
   * @throws {CommandError} when Kafka refused one before it for good */
  async send(jpeg: Uint8Array, atMs: number): Promise<void> {
    if (this.#failure) throw this.#failure;
    const { maxFrameBytes, isLive, signal } = this.#options;
    if (jpeg.length > maxFrameBytes) return this.#leaveOut(jpeg.length);
    if (!this.#isJpeg(jpeg)) return;
    if (isLive && !this.#hasRoom(jpeg)) {
      this.dropped++;
      return this.#tellAway();
    }
    const timer = setTimeout(() => this.#tellAway(), awayAfterMs);
    while (!this.#hasRoom(jpeg) && !signal.aborted && !this.#failure) await this.#changed.promise;
    clearTimeout(timer);
    if (!signal.aborted && !this.#failure) this.#start(jpeg, atMs);
  }

  /** Resolves when nothing waits any more.
   * @throws {CommandError} when Kafka refused a frame for good */
  async settled(): Promise<void> {
    const timer = setTimeout(() => this.#tellAway(), awayAfterMs);
    while (this.#waiting.frames > 0) await this.#changed.promise;
    clearTimeout(timer);
    if (this.#failure) throw this.#failure;
  }

  #start(jpeg: Uint8Array, atMs: number): void {
    const { producer, topic, name, source, topicConfigs } = this.#options;
    const record = frameRecord({ name, jpeg, capturedAt: atMs, source });
    this.#wait(1, jpeg.length);
    producer.send(topic, record, { topicConfigs }).then(
      () => this.#stored(jpeg.length),
      (error) => this.#failed(error, jpeg.length),
    ).finally(() => this.#wait(-1, -jpeg.length));
  }

  #stored(bytes: number): void {
    this.stored.frames++;
    this.stored.bytes += bytes;
    this.#absence.end();
  }

  #failed(error: unknown, bytes: number): void {
    const code = error instanceof StreamError ? error.code : "";
    if (code === "record-too-large") return this.#leaveOut(bytes);
    // The others come when the producer is closed while Kafka is away.
    if (["outcome-unknown", "kafka-unavailable", "draining"].includes(code)) {
      this.unknown++;
      return;
    }
    const { topic } = this.#options;
    this.#failure ??= new CommandError(`Cannot publish to ${topic}: ${(error as Error).message}`, {
      cause: error,
    });
  }

  #leaveOut(bytes: number): void {
    this.tooLarge.frames++;
    this.tooLarge.largest = Math.max(this.tooLarge.largest, bytes);
  }

  #isJpeg(jpeg: Uint8Array): boolean {
    try {
      inspectJpeg(jpeg);
      return true;
    } catch (error) {
      if (!(error instanceof NotAJpeg)) throw error;
      if (this.noJpegs.frames++ === 0) this.noJpegs.reason = error.message;
      return false;
    }
  }

  #hasRoom(jpeg: Uint8Array): boolean {
    const { frames, bytes } = this.#waiting;
    return frames === 0 || frames < maxWaitingFrames && bytes + jpeg.length <= maxWaitingBytes;
  }

  #wait(frames: number, bytes: number): void {
    this.#waiting.frames += frames;
    this.#waiting.bytes += bytes;
    this.#change();
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  #tellAway(): void {
    this.#absence.begin(`${this.#waiting.frames} frames wait for an answer`);
  }
}
