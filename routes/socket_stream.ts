/** One stream of a socket: a lane of its connection, how its events say whose they are, and how far its viewer has seen it.
 *
 * What a viewer has seen is what its client acknowledges, frame by frame; that place is kept for the next connection. It is the place of
 * this connection in all partitions: where the stream began, moved on by the acknowledgements. Left out: the other streams of the
 * connection and its end (socket_streams.ts), when a place is committed (viewer_positions.ts).
 * @module */
import { StreamError } from "../errors.ts";
import { unknownOffset } from "../kafka/cursor.ts";
import type { Asked } from "../kafka/start.ts";
import type { EndReason } from "../kafka/viewer.ts";
import { type Lane, laneEvents, type Lanes, laneWire } from "./lanes.ts";
import { newestFrames } from "./newest_frames.ts";
import type { ClientMessage } from "./socket_messages.ts";
import { eventText, jsonWire, withLabel } from "./socket_protocol.ts";
import { type AskedStream, followOptions, type StreamDeps } from "./streams.ts";
import { forStream } from "./video_feed.ts";
import type { ViewerSession } from "./viewer_positions.ts";

/** What a client may do to one stream. */
export type Steering = Extract<ClientMessage, { type: "pause" | "resume" | "seek" | "speed" | "ack" }>;

/** What a stream is called on its socket. */
export interface StreamName {
  /** Undefined for the socket's own. */
  readonly address: string | undefined;
  /** Of `tailrace.v1.frames` only; 0: the socket's own. */
  readonly number: number | undefined;
}

const earliest = { kind: "earliest" } as const;

/** A stream of a socket. */
export class SocketStream {
  readonly lane: Lane;
  readonly address: string | undefined;
  readonly #number: number | undefined;
  readonly #stream: AskedStream;
  /** The member that says whose an event is. */
  readonly #whose: string;
  #session: ViewerSession | undefined;
  /** Next offsets: after what was acknowledged, else where the stream began. */
  #seen: number[] = [];
  /** Next offsets: the farthest that it was sent, whatever place it has been at since. */
  #farthest: number[] = [];

  /** @param onEnd the server ends the stream; whatever it wrote before has left by then */
  constructor(
    lanes: Lanes,
    stream: AskedStream,
    { address, number }: StreamName,
    onEnd: (stream: SocketStream, reason: EndReason) => void,
  ) {
    this.#stream = stream;
    this.address = address;
    this.#number = number;
    this.#whose = `,"stream":${JSON.stringify(address)}`;
    const text = address === undefined ? jsonWire : laneWire;
    const wire = number === undefined ? text : stream.frames ?? text;
    this.lane = lanes.add(wire, (reason) => onEnd(this, reason));
  }

  get topic(): string {
    return this.#stream.topic;
  }

  /** Lets the hub feed it: from where its viewer left it, unless it was asked for from somewhere else. */
  open(deps: StreamDeps): void {
    const { topic, viewer, asked } = this.#stream;
    if (viewer !== undefined && this.#number !== undefined) {
      this.#session = deps.positions.open(viewer, topic);
    }
    const stream = { ...this.#stream, asked: { ...asked, ...this.#start(deps) } };
    // What is not known of the beginning stays as it was committed before.
    const onReady = () => void (this.#seen = [...this.lane.viewer!.positions]);
    this.lane.open(() => deps.hub.follow(topic, followOptions(stream, this.lane, onReady)));
  }

  /** Its connection has ended, or it has. */
  close(): void {
    this.#session?.close();
  }

  /** Does what its client asks for.
   * @throws {StreamError} `no-viewer`, `unknown-frame` */
  steer(message: Steering): void {
    const { lane } = this, { viewer } = lane;
    switch (message.type) {
      case "pause":
        lane.isPaused = true;
        return viewer?.pause();
      case "resume":
        lane.isPaused = false;
        return viewer?.resume();
      case "seek":
        this.#lookHowFar(); // what is on its way may still be acknowledged
        return viewer?.seek(message.start);
      case "speed":
        return viewer?.setSpeed(message.speed);
      case "ack":
        return this.#acknowledge(message.frame);
    }
  }

  /** A text of its lane's wire as the socket says it. */
  text(text: string): string {
    if (this.address === undefined) return text;
    if (this.lane.wire !== laneWire) return withLabel(text, (name) => this.#label(name));
    return laneEvents(text)
      .map(({ name, json, id }) => eventText(name, this.#label(name), json, id))
      .join("\n");
  }

  /** A frame of its lane's wire as the socket says it. */
  bytes(frame: Uint8Array): Uint8Array {
    return this.#number ? forStream(frame, this.#number) : frame;
  }

  /** Where it begins if it was not asked for from somewhere else. */
  #start({ hub }: StreamDeps): Partial<Asked> {
    const { beginsAt } = this.#stream;
    if (this.#number === undefined) return {};
    if (beginsAt === "newest") return { laterStart: newestFrames(hub.history, this.#stream) };
    if (beginsAt === undefined || !this.#session) return {};
    return { start: earliest, fallback: earliest, laterStart: this.#session.start };
  }

  #label(name: string): string {
    if (name === "bye") return "";
    return name === "ready" && this.#number !== undefined
      ? `${this.#whose},"number":${this.#number}`
      : this.#whose;
  }

  #acknowledge({ partition, offset }: { readonly partition: number; readonly offset: number }): void {
    if (!this.#session) {
      const detail = "Cannot keep a position: the stream has no viewer, or its frames do not come as bytes";
      throw new StreamError("no-viewer", 400, detail);
    }
    this.#lookHowFar();
    // A place beyond the log would be none to go on from.
    if (offset >= (this.#farthest[partition] ?? 0)) {
      const detail =
        `Cannot acknowledge ${partition}:${offset}: a frame that this connection was sent is wanted`;
      throw new StreamError("unknown-frame", 400, detail);
    }
    // Of partitions that were added since it began it says nothing.
    while (this.#seen.length <= partition) this.#seen.push(unknownOffset);
    this.#seen[partition] = offset + 1;
    this.#session.moved(this.#seen);
  }

  #lookHowFar(): void {
    const { viewer } = this.lane;
    viewer?.syncPositions();
    viewer?.positions.forEach((next, partition) =>
      this.#farthest[partition] = Math.max(this.#farthest[partition] ?? 0, next)
    );
  }
}
