/** Frames of one publisher on their way into a video topic: each is a record, and only a few may wait for Kafka at once.
 *
 * Left out: where frames come from (frame_body.ts, video_publish.ts), batches and their retries (kafka/producer.ts).
 * @module */
import type { Config } from "../config.ts";
import { StreamError } from "../errors.ts";
import type { Producer, RecordPlace } from "../kafka/producer.ts";
import type { TopicViews } from "../kafka/topic_views.ts";
import { frameRecord, videoTopicConfigs } from "../kafka/topics.ts";
import type { Metrics } from "../metrics.ts";

/** What a sender works with. */
export interface FrameSenderDeps {
  readonly producer: Pick<Producer, "send">;
  /** Tells what a topic takes that refuses a frame. */
  readonly topicViews: Pick<TopicViews, "topic">;
  readonly metrics: Pick<Metrics, "posts" | "postSeconds">;
  readonly config: Pick<Config, "maxFrameBytes" | "videoRetentionMs" | "videoRetentionBytes">;
}

/** What all frames of a publisher have in common. */
export interface Publication {
  readonly topic: string;
  /** The stream's: frames of one name are in one partition, in their order. */
  readonly name: string;
  /** Where the frames come from, in the publisher's words. */
  readonly source: string;
}

/** A picture that was looked at. */
export interface CapturedJpeg {
  readonly jpeg: Uint8Array;
  /** ms since the epoch. */
  readonly capturedAt: number;
}

/** Frames and bytes that may wait for Kafka's acknowledgement; a frame that is larger waits alone. */
export const maxUnstoredFrames = 16, maxUnstoredBytes = 8 * 1024 * 1024;
/** What a batch of one frame has besides the picture, its name and its source, at most. */
const batchOverheadBytes = 256;

/** Sends frames, in the order of the calls. */
export class FrameSender {
  readonly #deps: FrameSenderDeps;
  readonly #publication: Publication;
  readonly #topicConfigs: Readonly<Record<string, string>>;
  #unstoredFrames = 0;
  #unstoredBytes = 0;
  #storedFrames = 0;
  #storedBytes = 0;
  /** Called when one of them has an outcome. */
  #wake = () => {};

  constructor(deps: FrameSenderDeps, publication: Publication) {
    this.#deps = deps;
    this.#publication = publication;
    this.#topicConfigs = videoTopicConfigs(deps.config);
  }

  /** What Kafka has acknowledged. */
  get stored(): { readonly frames: number; readonly bytes: number } {
    return { frames: this.#storedFrames, bytes: this.#storedBytes };
  }

  /** Whether a frame of this length may be sent now; when none waits, any may. */
  hasRoom(bytes: number): boolean {
    return this.#unstoredFrames === 0 ||
      this.#unstoredFrames < maxUnstoredFrames && this.#unstoredBytes + bytes <= maxUnstoredBytes;
  }

  /** Resolves when a frame of this length may be sent; for one caller at a time. */
  async room(bytes: number): Promise<void> {
    while (!this.hasRoom(bytes)) await this.#outcome();
  }

  /** Resolves when Kafka has acknowledged the frame.
   * @param patience times as long as a record may wait usually
   * @throws {StreamError} as `Producer.send`; 413 `frame-too-large` where the topic takes less than this service */
  async send({ jpeg, capturedAt }: CapturedJpeg, patience = 1): Promise<RecordPlace> {
    const { producer, metrics } = this.#deps, { topic, name, source } = this.#publication;
    const began = performance.now();
    this.#unstoredFrames++;
    this.#unstoredBytes += jpeg.length;
    try {
      const record = frameRecord({ name, jpeg, capturedAt, source });
      const place = await producer.send(topic, record, { topicConfigs: this.#topicConfigs, patience });
      this.#storedFrames++;
      this.#storedBytes += jpeg.length;
      metrics.posts(topic, "acknowledged", 1);
      metrics.postSeconds((performance.now() - began) / 1000);
      return place;
    } catch (error) {
      metrics.posts(topic, "failed", 1);
      throw await this.#told(error);
    } finally {
      this.#unstoredFrames--;
      this.#unstoredBytes -= jpeg.length;
      this.#wake();
    }
  }

  #outcome(): Promise<void> {
    return new Promise((wake) => this.#wake = wake);
  }

  /** A topic may take less than this service does: whoever has to make its frames smaller wants to know the number. */
  async #told(error: unknown): Promise<unknown> {
    if (!(error instanceof StreamError) || error.code !== "record-too-large") return error;
    const { topic, name, source } = this.#publication;
    const view = await this.#deps.topicViews.topic(topic).catch(() => null);
    const limit = Number(view?.config?.["max.message.bytes"]?.value ?? NaN);
    if (Number.isNaN(limit)) return error;
    // Up to three bytes for each UTF-16 unit.
    const maxFrameBytes = Math.max(0, limit - batchOverheadBytes - 3 * (name.length + source.length));
    const detail = `${error.message}: frames of at most ${maxFrameBytes} bytes are taken there`;
    return new StreamError("frame-too-large", 413, detail, { members: { maxFrameBytes }, cause: error });
  }
}
