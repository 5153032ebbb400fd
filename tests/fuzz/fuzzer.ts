/** Sends frames, right and wrong ones, over many connections at once, and checks what comes back: answers in order, each
 * readable by the schema to its last byte, none with UNKNOWN_SERVER_ERROR. A refused frame ends its connection, as
 * the protocol wants it. @module */
import { readAnswer, type Value, type Values } from "../protocol/codec.ts";
import { schemas } from "../protocol/schema.ts";
import type { Random } from "../random.ts";
import { joined, mutated } from "./mutations.ts";
import { RequestMaker, type ServedApi } from "./random_requests.ts";

/** What the fuzzing did and found. */
export interface FuzzReport {
  /** Frames answered, refused, or rightly without an answer. */
  handled: number;
  /** Of those: answered. */
  answered: number;
  /** Connections that the broker closed. */
  closed: number;
  /** Connections that were given up, since an answer was being waited for (long polls, joins). */
  abandoned: number;
  /** Answers by API name. */
  readonly byApi: Map<string, number>;
  /** What must not be: one line each, with the frame in hex; the first ones only. */
  readonly problems: string[];
}

/** A frame on its way. */
interface SentFrame {
  readonly bytes: Uint8Array;
  readonly how: string;
  readonly key: number;
  readonly version: number;
  readonly correlationId: number;
}

/** How the fuzzing is done. */
export interface FuzzOptions {
  readonly port: number;
  readonly random: Random;
  readonly apis: readonly ServedApi[];
  readonly connections: number;
}

/** Frames of one connection before the next one is opened. */
const framesPerVolley = 8;
const volleysPerConnection = 6;
/** Silence after which a connection is given up, in milliseconds. */
const patienceMs = 150;
const asItShouldBe = "as it should be";
const maxProblems = 20;
const maxHexShown = 1500;
const PRODUCE = 0;

/** A fuzzer of one broker. */
export class Fuzzer {
  readonly report: FuzzReport = {
    handled: 0,
    answered: 0,
    closed: 0,
    abandoned: 0,
    byApi: new Map(),
    problems: [],
  };
  readonly #options: FuzzOptions;
  readonly #maker: RequestMaker;
  #correlationId = 0;
  #other: Uint8Array<ArrayBuffer>;

  constructor(options: FuzzOptions) {
    this.#options = options;
    this.#maker = new RequestMaker(options.random, options.apis);
    this.#other = this.#maker.next(0).frame;
  }

  /** Goes on until so many frames in all were handled, or the time is over.
   * @param untilMs by performance.now() */
  async run(frames: number, untilMs: number): Promise<void> {
    const lanes = Array.from({ length: this.#options.connections }, async () => {
      while (this.report.handled < frames && performance.now() < untilMs) await this.#connection();
    });
    await Promise.all(lanes);
  }

  async #connection(): Promise<void> {
    let conn: Deno.TcpConn;
    try {
      conn = await Deno.connect({ hostname: "127.0.0.1", port: this.#options.port });
    } catch (error) {
      return this.#problem(`cannot connect: ${error}`);
    }
    const reader = new AnswerReader(conn, (frame, sent) => this.#answered(frame, sent));
    try {
      for (let n = 0; n < volleysPerConnection; n++) {
        if (await this.#volley(conn, reader) === false) break;
      }
    } finally {
      reader.close();
    }
  }

  /** One volley; false when the connection is done. */
  async #volley(conn: Deno.TcpConn, reader: AnswerReader): Promise<boolean> {
    const { random } = this.#options;
    const pieces: Uint8Array[] = [];
    let isFramed = true;
    let isRight = true;
    const count = random.between(1, framesPerVolley);
    for (let n = 0; n < count && isFramed; n++) {
      const sent = this.#next();
      pieces.push(sent.bytes);
      isFramed = sent.isFramed;
      isRight &&= sent.how === asItShouldBe && sent.key !== PRODUCE; // a refused Produce with acks=0 closes, too
      if (isFramed) reader.expect(sent);
    }
    const whole = joined(...pieces);
    try {
      await this.#write(conn, whole);
    } catch {
      reader.closed = true; // the broker may close while it is being written to
    }
    const before = reader.answered;
    const end = await reader.settle(isFramed);
    this.report.answered += reader.answered - before;
    this.report.handled += reader.answered - before + reader.takeSilent();
    if (end === "closed") {
      this.report.closed++;
      this.report.handled++; // the frame that was refused
      const next = reader.next();
      if (isRight && next !== undefined) {
        this.#problem(`connection closed for a right frame of api ${next.key}`, next);
      }
    } else if (end === "silent") {
      this.report.abandoned++;
    }
    if (reader.problem !== undefined) this.#problem(reader.problem);
    return end === "answered" && isFramed;
  }

  /** A frame in one piece mostly, else in several. */
  async #write(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
    const { random } = this.#options;
    for (let sent = 0; sent < bytes.length;) {
      const to = random.between(1, 100) <= 85
        ? bytes.length
        : Math.min(bytes.length, sent + random.between(1, 50));
      sent += await conn.write(bytes.subarray(sent, to));
    }
  }

  #next(): SentFrame & { isFramed: boolean } {
    const { random } = this.#options;
    this.#correlationId = (this.#correlationId + 1) % 2 ** 31;
    const made = this.#maker.next(this.#correlationId);
    const frame = random.between(1, 100) <= 45
      ? { bytes: made.frame, how: asItShouldBe, isFramed: true }
      : mutated(made.frame, random, this.#other);
    this.#other = made.frame;
    const view = new DataView(frame.bytes.buffer);
    const has = (end: number) => frame.bytes.length >= end;
    return {
      ...frame,
      key: has(6) ? view.getInt16(4) : -1,
      version: has(8) ? view.getInt16(6) : -1,
      correlationId: has(12) ? view.getInt32(8) : -1,
    };
  }

  #answered(frame: Uint8Array, sent: SentFrame): void {
    const api = schemas.get(sent.key);
    const served = this.#options.apis.find(({ schema }) => schema.key === sent.key);
    if (api === undefined || served === undefined) {
      return this.#problem(`api ${sent.key} is not served and was answered`, sent);
    }
    const isServed = sent.version >= served.from && sent.version <= served.to;
    if (!isServed && sent.key !== 18) {
      return this.#problem(`${api.name} v${sent.version} is not served and was answered`, sent);
    }
    this.report.byApi.set(api.name, (this.report.byApi.get(api.name) ?? 0) + 1);
    let answer: Values;
    try {
      answer = readAnswer(api, isServed ? sent.version : 0, frame);
    } catch (error) {
      return this.#problem(`${api.name} v${sent.version}: ${(error as Error).message}`, sent);
    }
    // As Kafka, for records that cannot be decompressed; whatever is not meant also leaves a line in the broker's log.
    if (sent.key !== PRODUCE && hasServerError(answer)) {
      this.#problem(`${api.name} v${sent.version}: UNKNOWN_SERVER_ERROR`, sent);
    }
    this.#maker.learn(api, answer);
  }

  #problem(what: string, sent?: SentFrame): void {
    const { problems } = this.report;
    if (problems.length >= maxProblems || problems.some((known) => known.startsWith(what))) return;
    const frame = sent === undefined ? "" : ` (${sent.how}) ${sent.bytes.toHex().slice(0, maxHexShown)}`;
    problems.push(`${what}${frame}`);
  }
}

/** Whether any error code in an answer is UNKNOWN_SERVER_ERROR. */
function hasServerError(value: Value | undefined): boolean {
  if (Array.isArray(value)) return value.some(hasServerError);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return false;
  return Object.entries(value).some(([name, held]) =>
    typeof held === "object" ? hasServerError(held) : held === -1 && /errorCode$/i.test(name)
  );
}

/** Reads the answers of one connection and matches them to what was sent. */
class AnswerReader {
  answered = 0;
  problem: string | undefined;
  closed = false;
  readonly #conn: Deno.TcpConn;
  readonly #onAnswer: (frame: Uint8Array, sent: SentFrame) => void;
  readonly #expected: SentFrame[] = [];
  #buffer = new Uint8Array(16 * 1024);
  #end = 0;
  #silent = 0;
  readonly #silentOnes = new Map<number, SentFrame>();
  #progress = Promise.withResolvers<void>();
  #isFramed = true;

  constructor(conn: Deno.TcpConn, onAnswer: (frame: Uint8Array, sent: SentFrame) => void) {
    this.#conn = conn;
    this.#onAnswer = onAnswer;
    void this.#run();
  }

  expect(sent: SentFrame): void {
    this.#expected.push(sent);
  }

  /** The oldest frame without an answer, when it must be this one that the connection was closed for. */
  next(): SentFrame | undefined {
    return this.#silentOnes.size === 0 ? this.#expected[0] : undefined; // acks=0 may fail late
  }

  /** Frames without an answer that needed none (Produce with acks=0), since it was last asked. */
  takeSilent(): number {
    const silent = this.#silent;
    this.#silent = 0;
    return silent;
  }

  /** Waits until all is answered, the broker closes, or nothing happens for a while.
   * @param isFramed false when the last frame broke the stream: then only the end can be waited for */
  async settle(isFramed: boolean): Promise<"answered" | "closed" | "silent"> {
    this.#isFramed = isFramed;
    while (true) {
      if (this.closed) return "closed";
      if (isFramed && this.#expected.length === 0) return "answered";
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<"late">((resolve) => timer = setTimeout(resolve, patienceMs, "late"));
      const first = await Promise.race([this.#progress.promise, late]);
      clearTimeout(timer);
      if (first !== "late" || this.closed) continue;
      if (!isFramed || this.#expected.some(({ key }) => key !== PRODUCE)) return "silent";
      for (const sent of this.#expected.splice(0)) this.#isSilent(sent); // acks=0, as it seems
      return "answered";
    }
  }

  close(): void {
    try {
      this.#conn.close();
    } catch { /* closed already */ }
  }

  async #run(): Promise<void> {
    try {
      while (true) {
        const read = await this.#conn.read(this.#buffer.subarray(this.#end));
        if (read === null) break;
        this.#end += read;
        this.#take();
        this.#advance();
      }
    } catch { /* reset: frames that were still on their way */ }
    this.closed = true;
    this.#advance();
  }

  #advance(): void {
    this.#progress.resolve();
    this.#progress = Promise.withResolvers<void>();
  }

  #take(): void {
    let from = 0;
    const view = new DataView(this.#buffer.buffer);
    let wanted = 4;
    while (this.#end - from >= 4) {
      wanted = 4 + view.getInt32(from);
      if (this.#end - from < wanted) break;
      this.#match(this.#buffer.slice(from + 4, from + wanted));
      from += wanted;
      wanted = 4;
    }
    if (from === 0 && wanted <= this.#buffer.length) return;
    const next = wanted > this.#buffer.length ? new Uint8Array(wanted) : this.#buffer;
    next.set(this.#buffer.subarray(from, this.#end));
    this.#buffer = next;
    this.#end -= from;
  }

  /** A Produce request without an answer up to now; on a busy machine it may still come. */
  #isSilent(sent: SentFrame): void {
    this.#silent++;
    this.#silentOnes.set(sent.correlationId, sent);
  }

  #match(frame: Uint8Array): void {
    const correlationId = new DataView(frame.buffer, frame.byteOffset).getInt32(0);
    const late = this.#silentOnes.get(correlationId);
    if (late !== undefined && this.#expected[0]?.correlationId !== correlationId) {
      this.#silentOnes.delete(correlationId);
      return this.#onAnswer(frame, late); // counted already
    }
    while (this.#expected.length > 0) {
      const sent = this.#expected.shift()!;
      if (sent.correlationId === correlationId) {
        this.answered++;
        return this.#onAnswer(frame, sent);
      }
      if (sent.key !== PRODUCE) {
        this.problem = `answer ${correlationId} came where ${sent.correlationId} (api ${sent.key}) was next`;
        return;
      }
      this.#isSilent(sent);
    }
    if (this.#isFramed) this.problem = `answer ${correlationId} came and nothing was asked`;
  }
}
