/** One client connection: frames in, requests run, answers out in the order of the requests.
 *
 * As in Kafka requests of a connection run one after the other, so each sees what the ones before it did; only
 * pipelined APIs (Produce) overlap, to share a commit. Everything is bounded: frame size, bytes and number of
 * requests that wait, the time half a frame or an unread answer may take. Whatever breaks a rule costs this
 * connection and one log line.
 * Left out: TLS and SASL.
 * @see {@link https://kafka.apache.org/protocol#protocol_network} @module */

import { unsupportedApiVersions } from "./apis/18_api_versions.ts";
import {
  type Answer,
  type Api,
  apiOf,
  type ApiRequest,
  apis,
  type BrokerState,
  CloseConnection,
  errorCodeOf,
  serves,
} from "./apis/mod.ts";
import { Deque } from "./deque.ts";
import { FrameBuffer } from "./frames.ts";
import type { RequestCounters } from "./request_counters.ts";
import { WireError, WireReader } from "./wire/reader.ts";
import { WireWriter } from "./wire/writer.ts";

/** What one connection may take. */
export interface ConnectionLimits {
  /** Largest request, in bytes. */
  readonly maxFrameBytes: number;
  /** Bytes of requests that wait for their answer, beyond which nothing more is read. */
  readonly maxUnansweredBytes: number;
  /** Requests that wait for their answer, beyond which nothing more is read. */
  readonly maxUnanswered: number;
  /** Time in which a frame that has begun must be whole, in milliseconds. */
  readonly halfFrameMs: number;
  /** Time in which a client must take an answer, in milliseconds. */
  readonly unreadAnswerMs: number;
  /** Time without a request after which a connection is closed, in milliseconds. */
  readonly idleMs: number;
}

/** A request on its way through: waiting, running, or answered and waiting for its turn to leave. */
interface Slot {
  readonly api: Api;
  readonly request: ApiRequest;
  readonly frame: Uint8Array<ArrayBuffer>;
  readonly bodyAt: number;
  readonly correlationId: number;
  answer: Uint8Array[] | undefined;
}

/** Memory that all connections take together for requests that are not whole or not answered yet, in bytes. */
export interface SharedMemory {
  held: number;
  readonly max: number;
}

/** What the connections of a broker share. */
export interface ConnectionContext {
  readonly broker: BrokerState;
  readonly limits: ConnectionLimits;
  readonly counters: RequestCounters;
  readonly memory: SharedMemory;
}

const API_VERSIONS = 18;

/** Serves one socket from {@link run} until it is closed. */
export class Connection {
  readonly #conn: Deno.TcpConn;
  readonly #context: ConnectionContext;
  readonly #frames: FrameBuffer;
  readonly #clientHost: string;
  readonly #gone = new AbortController();
  readonly #waiting = new Deque<Slot>();
  readonly #running = new Deque<Slot>();
  #unansweredBytes = 0;
  /** This connection's share of the memory of all. */
  #accounted = 0;
  #writing = false;
  #draining = false;
  #closed = false;
  #resumeReading: (() => void) | undefined;
  #lastReadMs = performance.now();
  #frameSinceMs = 0;
  #writeSinceMs = 0;

  constructor(conn: Deno.TcpConn, context: ConnectionContext) {
    this.#conn = conn;
    this.#context = context;
    this.#frames = new FrameBuffer(context.limits.maxFrameBytes);
    this.#clientHost = `/${(conn.remoteAddr as Deno.NetAddr).hostname}`;
  }

  /** Whether every request is answered and every answer has left. */
  get isQuiet(): boolean {
    return this.#closed || (this.#waiting.length === 0 && this.#running.length === 0 && !this.#writing);
  }

  /** Reads until the client or a broken rule ends the connection; never throws. */
  async run(): Promise<void> {
    try {
      this.#conn.setNoDelay(true);
      while (!this.#closed && await this.#readSome()) {
        for (let frame = this.#frames.next(); frame !== undefined; frame = this.#frames.next()) {
          this.#accept(frame);
        }
        this.#start();
        if (!this.#isFull()) continue;
        await new Promise<void>((resolve) => this.#resumeReading = resolve);
        this.#frameSinceMs = performance.now(); // the pause was ours, not the sender's
      }
      this.close();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Closes it when it is too slow or idle; asked from time to time. */
  checkTimes(nowMs: number): void {
    const { halfFrameMs, unreadAnswerMs, idleMs } = this.#context.limits;
    if (this.#writing) {
      if (nowMs - this.#writeSinceMs > unreadAnswerMs) this.#end("the client does not read its answers");
    } else if (this.#frames.isMidFrame && !this.#isFull()) {
      if (nowMs - this.#frameSinceMs > halfFrameMs) this.#end("a request did not arrive whole in time");
    } else if (this.isQuiet && nowMs - this.#lastReadMs > idleMs) {
      this.#context.broker.logger.debug("idle connection closed", { client: this.#clientHost });
      this.close();
    }
  }

  /** Takes no further requests; those that came are still answered. */
  drain(): void {
    this.#draining = true;
  }

  /** Closes the socket; whoever waits for this client stops. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#account();
    this.#gone.abort();
    this.#waiting.clear();
    this.#resumeReading?.();
    try {
      this.#conn.close();
    } catch { /* closed by a failed read or write already */ }
  }

  /** One read; false at the end of the stream. */
  async #readSome(): Promise<boolean> {
    const room = this.#frames.room();
    this.#account();
    const { held, max } = this.#context.memory;
    if (held > max && this.#accounted > 0) {
      this.#end("too much memory is taken by requests of all connections");
      return false;
    }
    const wasMidFrame = this.#frames.isMidFrame;
    const read = await this.#conn.read(room);
    if (read === null) return false;
    this.#lastReadMs = performance.now();
    if (!wasMidFrame) this.#frameSinceMs = this.#lastReadMs;
    this.#context.counters.bytesIn += read;
    this.#frames.filled(read);
    return true;
  }

  /** Brings its share of the memory up to date. */
  #account(): void {
    const bytes = this.#closed ? 0 : this.#frames.extraBytes + this.#unansweredBytes;
    this.#context.memory.held += bytes - this.#accounted;
    this.#accounted = bytes;
  }

  #isFull(): boolean {
    const { maxUnansweredBytes, maxUnanswered } = this.#context.limits;
    return !this.#closed && (this.#unansweredBytes > maxUnansweredBytes ||
      this.#waiting.length + this.#running.length >= maxUnanswered);
  }

  /** Reads the header of a request and queues it. */
  #accept(frame: Uint8Array<ArrayBuffer>): void {
    if (this.#draining || this.#closed) return;
    this.#frameSinceMs = this.#lastReadMs; // a next frame that has begun came with this read
    const header = new WireReader(frame, false);
    const key = header.int16();
    const version = header.int16();
    const correlationId = header.int32();
    const api = apiOf(key);
    const isUnknownApiVersions = key === API_VERSIONS && api !== undefined && !serves(api, version);
    if (api === undefined || (!serves(api, version) && !isUnknownApiVersions)) {
      throw new CloseConnection(`Cannot serve api ${key} version ${version}`);
    }
    const clientId = header.oldNullableString();
    const flexible = version >= api.flexibleFrom && !isUnknownApiVersions;
    let bodyAt = frame.byteLength - header.remaining;
    if (flexible) {
      const tagged = new WireReader(frame.subarray(bodyAt), true);
      tagged.tags();
      bodyAt = frame.byteLength - tagged.remaining;
    }
    const request: ApiRequest = {
      version,
      body: new WireReader(frame.subarray(bodyAt), flexible),
      clientId,
      clientHost: this.#clientHost,
      signal: this.#gone.signal,
      broker: this.#context.broker,
    };
    this.#waiting.push({ api, request, frame, bodyAt, correlationId, answer: undefined });
    this.#unansweredBytes += frame.byteLength;
    this.#account();
  }

  /** Starts what may run now: the next request when nothing runs, or a pipelined one behind its like. */
  #start(): void {
    for (let next = this.#waiting.at(0); next !== undefined; next = this.#waiting.at(0)) {
      const newest = this.#running.at(this.#running.length - 1);
      const isFree = newest === undefined ? !this.#writing : newest.api.pipelined && next.api.pipelined;
      if (!isFree) return;
      this.#waiting.shift();
      this.#running.push(next);
      this.#runOne(next);
    }
  }

  #runOne(slot: Slot): void {
    const { api, request } = slot;
    const out = this.#answerWriter(slot);
    try {
      if (!serves(api, request.version)) {
        unsupportedApiVersions(apis, out);
        return this.#answered(slot, out, undefined);
      }
      const answer = api.handle(request, out);
      if (!(answer instanceof Promise)) return this.#answered(slot, out, answer);
      answer.then(
        (done) => this.#answered(slot, out, done),
        (error) => this.#failed(slot, error),
      );
    } catch (error) {
      this.#failed(slot, error);
    }
  }

  /** A writer with the length (filled in later) and the header of the answer written. */
  #answerWriter({ api, request, correlationId }: Slot): WireWriter {
    const isServed = serves(api, request.version);
    const flexible = isServed && request.version >= api.flexibleFrom;
    const out = new WireWriter(flexible);
    out.int32(0);
    out.int32(correlationId);
    // The header of an ApiVersions answer never has tagged fields: who gets it may not know what is spoken here.
    if (flexible && api.key !== API_VERSIONS) out.tags();
    return out;
  }

  /** What a handler threw: answered in the API's own words, or the end of the connection. */
  #failed(slot: Slot, error: unknown): void {
    if (this.#closed) return;
    const { api, request, frame, bodyAt } = slot;
    if (error instanceof WireError || error instanceof CloseConnection || api.fail === undefined) {
      this.#fail(error, api.name);
      return;
    }
    const { logger } = request.broker;
    logger.error("cannot answer a request", { api: api.name, client: this.#clientHost, error });
    const out = this.#answerWriter(slot);
    try {
      const body = new WireReader(frame.subarray(bodyAt), request.body.flexible);
      api.fail({ ...request, body }, out, errorCodeOf(error));
      this.#answered(slot, out, undefined, errorCodeOf(error));
    } catch (second) {
      this.#fail(second, api.name);
    }
  }

  #answered(slot: Slot, out: WireWriter, answer: Answer, errorCode = out.firstError): void {
    if (this.#closed) return;
    this.#context.counters.count(slot.api.name, errorCode);
    slot.answer = answer === "none" ? [] : out.chunks(true);
    void this.#send();
  }

  /** Sends the answers that are ready, oldest first, several in one write. Runs once at a time. */
  async #send(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    try {
      for (let ready = this.#takeReady(); ready.length > 0; ready = this.#takeReady()) {
        for (const piece of joinSmall(ready)) await this.#write(piece);
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#writing = false;
    if (this.#closed) return;
    this.#start();
    if (!this.#isFull()) {
      this.#resumeReading?.();
      this.#resumeReading = undefined;
    }
  }

  #takeReady(): Uint8Array[] {
    const ready: Uint8Array[] = [];
    for (let slot = this.#running.at(0); slot?.answer !== undefined; slot = this.#running.at(0)) {
      this.#running.shift();
      this.#unansweredBytes -= slot.frame.byteLength;
      ready.push(...slot.answer);
    }
    this.#account();
    return ready;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.byteLength && !this.#closed;) {
      this.#writeSinceMs = performance.now();
      sent += await this.#conn.write(bytes.subarray(sent));
    }
    this.#context.counters.bytesOut += bytes.byteLength;
  }

  #end(reason: string): void {
    if (this.#closed) return;
    this.#context.broker.logger.warn("connection closed", { client: this.#clientHost, reason });
    this.close();
  }

  /** Closes for an error: a broken rule gets its line, a client that went away does not. */
  #fail(error: unknown, api?: string): void {
    if (this.#closed) return;
    if (error instanceof WireError || error instanceof CloseConnection) {
      this.#end(api === undefined ? error.message : `${api}: ${error.message}`);
      return;
    }
    if (isGone(error)) this.#context.broker.logger.debug("connection lost", { client: this.#clientHost });
    else this.#context.broker.logger.error("connection failed", { client: this.#clientHost, api, error });
    this.close();
  }
}

/** Joins neighbouring small pieces: several pipelined answers leave in one system call. */
function joinSmall(pieces: Uint8Array[]): Uint8Array[] {
  if (pieces.length < 2) return pieces;
  const out: Uint8Array[] = [];
  let from = 0;
  let bytes = 0;
  const flush = (to: number): void => {
    const run = pieces.slice(from, to);
    if (run.length === 1) out.push(run[0] as Uint8Array);
    else if (run.length > 1) out.push(join(run, bytes));
    from = to;
    bytes = 0;
  };
  for (const [i, piece] of pieces.entries()) {
    if (bytes > 0 && bytes + piece.byteLength > JOINED_BYTES) flush(i);
    bytes += piece.byteLength;
  }
  flush(pieces.length);
  return out;
}

/** Up to this size copying is cheaper than another system call. */
const JOINED_BYTES = 64 * 1024;

function join(pieces: Uint8Array[], bytes: number): Uint8Array {
  const joined = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.byteLength;
  }
  return joined;
}

function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.NotConnected;
}
