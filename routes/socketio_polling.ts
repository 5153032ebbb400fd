/** Engine.IO over HTTP: a GET waits until there is something to read, a POST brings what the client has written.
 *
 * A poll that has to wait is answered by a stream, whose `cancel` says that the client went away; so it is logged and timed when it
 * begins to be answered, like every stream. Left out: JSONP, compression (the runtime's), bytes, which no event here has, and reading
 * a body (socketio_engine.ts).
 * @see {@link https://socket.io/docs/v4/engine-io-protocol/#http-long-polling}
 * @module */
import { parser, Transport } from "engine.io";
import type { EngineRequest, Packet } from "./socketio_engine.ts";

/** Packets of one POST: each becomes some objects, however short it is. */
const maxPackets = 16_384;
/** How long a close waits for the poll that takes it along, ms. */
const closeTimeoutMs = 2_000;
const separator = "\x1e";

/** One session's polls. */
export class PollingTransport extends Transport {
  #poll: Poll | null = null;
  #isPosting = false;
  #closeWithNext: (() => void) | null = null;
  #closeTimer: ReturnType<typeof setTimeout> | undefined;

  override get name(): string {
    return "polling";
  }

  /** Takes a poll; its answer, or the stream that will be it, is left at the request. */
  override onRequest(request: EngineRequest): void {
    if (this.#poll) {
      this.onError("overlap from client");
      request.answer = new Response(null, { status: 400 });
      return;
    }
    const poll = this.#poll = new Poll(() => {
      if (this.#poll !== poll) return;
      this.#poll = null;
      this.writable = false;
      this.onError("poll connection closed prematurely");
    });
    this.writable = true;
    this.emit("ready");
    if (this.writable && this.#closeWithNext) this.send([{ type: "noop" }]);
    request.answer = poll.answer();
  }

  /** A POST has begun: there is one at a time, or the order of its packets would be lost.
   * @returns to be called at its end; null: another one is still under way, which ends the session */
  beginPost(): (() => void) | null {
    if (this.#isPosting) {
      this.onError("data request overlap from client");
      return null;
    }
    this.#isPosting = true;
    return () => void (this.#isPosting = false);
  }

  /** Takes the body of a POST. */
  receive(text: string): void {
    if (text.split(separator, maxPackets + 1).length > maxPackets) return this.onError("too many packets");
    for (const packet of parser.decodePayload(text)) {
      if (this.readyState !== "open") return;
      if (packet.type === "close") return this.onClose();
      if (typeof (packet.data ?? "") !== "string") return this.onError("bytes are not read here");
      this.onPacket(packet);
    }
  }

  override send(packets: Packet[]): void {
    this.writable = false;
    const closed = this.#closeWithNext;
    this.#closeWithNext = null;
    const sent: Packet[] = closed ? [...packets, { type: "close" }] : packets;
    closed?.();
    const poll = this.#poll;
    this.#poll = null;
    parser.encodePayload(sent, (text) => poll?.finish(text));
    this.emit("drain");
  }

  /** Without `fn` nobody can ask for this session any more: nothing is waited for. */
  override close(fn?: () => void): void {
    if (!fn) this.discard();
    super.close(fn);
  }

  override doClose(fn: () => void = () => {}): void {
    const closed = () => {
      clearTimeout(this.#closeTimer);
      fn();
      this.onClose();
    };
    if (this.discarded) return closed();
    if (this.writable) {
      this.send([{ type: "close" }]);
      return closed();
    }
    this.#closeWithNext = closed;
    this.#closeTimer = setTimeout(closed, closeTimeoutMs);
  }

  protected override onClose(): void {
    clearTimeout(this.#closeTimer);
    // A client that polls in vain comes back; one that is told of a close may take it for good.
    if (this.writable) this.send([{ type: "noop" }]);
    super.onClose();
  }
}

/** One GET. */
class Poll {
  #text: string | null = null;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  readonly #onGone: () => void;

  /** @param onGone the client went away before there was an answer */
  constructor(onGone: () => void) {
    this.#onGone = onGone;
  }

  answer(): Response {
    const headers = { "content-type": "text/plain; charset=UTF-8", "cache-control": "no-store" };
    if (this.#text !== null) return new Response(this.#text, { headers });
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      cancel: () => {
        this.#controller = null;
        this.#onGone();
      },
    });
    return new Response(body, { headers });
  }

  finish(text: string): void {
    this.#text = text;
    this.#controller?.enqueue(new TextEncoder().encode(text));
    // Writing to a client that is gone, which was not known yet, ends the stream at once.
    this.#controller?.close();
  }
}
