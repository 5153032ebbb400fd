/** One client connection: frames in, requests run, answers out in the order of the requests.
 *
 * As in Kafka requests of a connection run one after the other, so each sees what the ones before it did; only
 * pipelined APIs (Produce) overlap, to share a commit. Everything is bounded: frame size, bytes and number of
 * requests that wait, the time half a frame, an unread answer, a TLS handshake or a login may take. Whatever breaks a
 * rule costs this connection and one log line. Who it is, is found out in sasl.ts; before that nothing else is served.
 * @see {@link https://kafka.apache.org/protocol#protocol_network} @module */

import { unsupportedApiVersions } from "./apis/18_api_versions.ts";
import {
  type Answer,
  type Api,
  type ApiRequest,
  apis,
  type BrokerState,
  CloseConnection,
  errorCodeOf,
  serves,
} from "./apis/mod.ts";
import { Deque } from "./deque.ts";
import { FrameBuffer } from "./frames.ts";
import { joinSmall } from "./pieces.ts";
import type { ConnectionLimits, SharedMemory } from "./limits.ts";
import type { RefusalKind, Refusals } from "./refusals.ts";
import type { RequestCounters } from "./request_counters.ts";
import { API_VERSIONS, readHeader } from "./request_header.ts";
import type { Authentication, Authenticator } from "./sasl.ts";
import { isGone, isLoopback, type Socket } from "./sockets.ts";
import { WireError, WireReader } from "./wire/reader.ts";
import { WireWriter } from "./wire/writer.ts";

/** A request on its way through: waiting, running, or answered and waiting for its turn to leave. */
interface Slot {
  readonly api: Api;
  readonly request: ApiRequest;
  readonly frame: Uint8Array<ArrayBuffer>;
  readonly bodyAt: number;
  readonly correlationId: number;
  answer: Uint8Array[] | undefined;
}

/** What the connections of a broker share. */
export interface ConnectionContext {
  readonly broker: BrokerState;
  readonly limits: ConnectionLimits;
  readonly counters: RequestCounters;
  readonly memory: SharedMemory;
  readonly refusals: Refusals;
  /** Asks who connects; undefined lets everybody in. */
  readonly authenticator: Authenticator | undefined;
}

/** Longest request before the login: a token of SASL, or ApiVersions. */
const EARLY_FRAME_BYTES = 32 * 1024;
const MIB = 1024 * 1024;
/** How long a piece of an answer is on its way before its client counts as one that does not read. */
const STALLED_MS = 5_000;
/** Looks at a user who is gone before the connection is cut: a file that is just being written may lack some. */
const REVOKED_LOOKS = 3;

/** Serves one socket from {@link run} until it is closed. */
export class Connection {
  readonly #conn: Socket;
  readonly #context: ConnectionContext;
  readonly #frames: FrameBuffer;
  readonly #client: Deno.NetAddr;
  readonly #authentication: Authentication | undefined;
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
  /** Since when what is being written is, when it must have left, and the bytes of all answers that have not. */
  #writeSinceMs = 0;
  #writeUntilMs = 0;
  #unsentBytes = 0;
  readonly #openedMs = performance.now();
  #isHandshaking: boolean;
  #revokedLooks = 0;
  /** Why the connection ends once its answers have left. */
  #lastWord: string | undefined;

  constructor(conn: Socket, context: ConnectionContext) {
    const { limits, authenticator } = context;
    this.#conn = conn;
    this.#context = context;
    this.#client = conn.remoteAddr;
    this.#isHandshaking = conn.handshake !== undefined;
    const isPrivate = this.#isHandshaking || isLoopback(this.#client.hostname);
    this.#authentication = authenticator?.begin(isPrivate, this.#gone.signal);
    this.#frames = new FrameBuffer(authenticator === undefined ? limits.maxFrameBytes : EARLY_FRAME_BYTES);
  }

  /** Whether every request is answered and every answer has left. */
  get isQuiet(): boolean {
    return this.#closed || (this.#waiting.length === 0 && this.#running.length === 0 && !this.#writing);
  }

  /** Reads until the client or a broken rule ends the connection; never throws. */
  async run(): Promise<void> {
    try {
      await this.#prepare();
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
    const { halfFrameMs, setUpMs, idleMs } = this.#context.limits;
    if (this.isEarly) {
      if (nowMs - this.#openedMs > setUpMs) {
        const what = this.#isHandshaking ? "the TLS handshake" : "the login";
        this.#end(this.#isHandshaking ? "tls" : "sasl", `${what} was not done in ${setUpMs} ms`);
      }
    } else if (this.#isRevoked()) {
      this.#end("sasl", `user ${JSON.stringify(this.#authentication?.user)} was removed`);
    } else if (this.#writing) {
      if (nowMs > this.#writeUntilMs) this.#end("slow", "the client does not read its answers");
    } else if (this.#frames.isMidFrame && !this.#isFull()) {
      if (nowMs - this.#frameSinceMs > halfFrameMs) {
        this.#end("slow", "a request did not arrive whole in time");
      }
    } else if (this.isQuiet && nowMs - this.#lastReadMs > idleMs) {
      this.#context.broker.logger.debug("idle connection closed", { client: this.#address });
      this.close();
    }
  }

  /** Bytes of answers that have not left. */
  get unsentBytes(): number {
    return this.#closed ? 0 : this.#unsentBytes;
  }

  /** Whether its TLS handshake or its login is not done. */
  get isEarly(): boolean {
    return this.#isHandshaking ||
      (this.#authentication !== undefined && this.#authentication.user === undefined);
  }

  /** Whether the client has taken nothing whole for some time. */
  isStalled(nowMs: number): boolean {
    return this.#writing && nowMs - this.#writeSinceMs > STALLED_MS;
  }

  /** Ends it for the good of the others. */
  giveUp(reason: string): void {
    this.#end("limit", reason);
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

  /** What comes before the first request. */
  async #prepare(): Promise<void> {
    this.#conn.setNoDelay?.();
    await this.#conn.handshake?.();
    this.#isHandshaking = false;
  }

  #isRevoked(): boolean {
    this.#revokedLooks = this.#authentication?.isRevoked ? this.#revokedLooks + 1 : 0;
    return this.#revokedLooks >= REVOKED_LOOKS;
  }

  get #address(): string {
    return `${this.#client.hostname}:${this.#client.port}`;
  }

  /** One read; false at the end of the stream. */
  async #readSome(): Promise<boolean> {
    const room = this.#frames.room();
    this.#account();
    const { held, max } = this.#context.memory;
    if (held > max && this.#accounted > 0) {
      this.#end("limit", "too much memory is taken by requests of all connections");
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
    if (this.#draining || this.#closed || this.#lastWord !== undefined) return;
    this.#frameSinceMs = this.#lastReadMs; // a next frame that has begun came with this read
    const { api, version, correlationId, clientId, flexible, bodyAt } = readHeader(frame);
    const request: ApiRequest = {
      version,
      body: new WireReader(frame.subarray(bodyAt), flexible),
      clientId,
      clientHost: `/${this.#client.hostname}`,
      signal: this.#gone.signal,
      broker: this.#context.broker,
      authentication: this.#authentication,
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
    const refusal = this.#authentication?.refusalOf(api.key);
    if (refusal !== undefined) return this.#end("sasl", `${api.name}: ${refusal}`);
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
    logger.error("cannot answer a request", { api: api.name, client: this.#address, error });
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
    this.#unsentBytes += answer === "none" ? 0 : out.size;
    if (typeof answer === "object") this.#lastWord = answer.refusal;
    if (this.#authentication?.user !== undefined) {
      this.#frames.maxFrameBytes = this.#context.limits.maxFrameBytes;
    }
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
    if (this.#lastWord !== undefined) return this.#end("sasl", this.#lastWord);
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
    const allowedMs = this.#context.limits.unreadAnswerMs * (1 + bytes.byteLength / MIB);
    this.#writeSinceMs = performance.now();
    this.#writeUntilMs = this.#writeSinceMs + allowedMs;
    for (let sent = 0; sent < bytes.byteLength && !this.#closed;) {
      sent += await this.#conn.write(bytes.subarray(sent));
    }
    this.#unsentBytes -= bytes.byteLength;
    this.#context.counters.bytesOut += bytes.byteLength;
  }

  #end(kind: RefusalKind, reason: string): void {
    if (this.#closed) return;
    this.#context.refusals.add(kind, this.#address, reason);
    this.close();
  }

  /** Closes for an error: a broken rule gets its line, a client that went away does not. */
  #fail(error: unknown, api?: string): void {
    if (this.#closed) return;
    if (error instanceof WireError || error instanceof CloseConnection) {
      this.#end("protocol", api === undefined ? error.message : `${api}: ${error.message}`);
      return;
    }
    const { logger } = this.#context.broker;
    if (isGone(error)) logger.debug("connection lost", { client: this.#address });
    else if (error instanceof Deno.errors.InvalidData) this.#end("tls", `TLS failed: ${error.message}`);
    else logger.error("connection failed", { client: this.#address, api, error });
    this.close();
  }
}
