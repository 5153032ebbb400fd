/** A lean Kafka client of one connection for tests that crash brokers and fuzz them: requests as plain objects, pipelined,
 * answers in order. It reconnects nowhere and retries nothing; whoever uses it decides that.
 * Left out: TLS, SASL, more than one node. @module */
import { readAnswer, requestFrame, type Values } from "./codec.ts";
import { type ApiSchema, schemaOf } from "./schema.ts";

/** The connection broke, or the broker closed it: whatever had no answer has an unknown outcome. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

interface Pending {
  readonly api: ApiSchema;
  readonly version: number;
  readonly correlationId: number;
  resolve(answer: Values): void;
  reject(error: Error): void;
}

/** One connection. */
export class ProtocolClient implements Disposable {
  readonly #conn: Deno.TcpConn;
  readonly #clientId: string;
  readonly #pending: Pending[] = [];
  #writing: Promise<unknown> = Promise.resolve();
  #correlationId = 0;
  #lost: Error | undefined;

  private constructor(conn: Deno.TcpConn, clientId: string) {
    this.#conn = conn;
    this.#clientId = clientId;
    this.#conn.setNoDelay(true);
    void this.#read();
  }

  /** @throws {ConnectionLost} if nobody listens */
  static async connect(port: number, clientId = "tests"): Promise<ProtocolClient> {
    try {
      return new ProtocolClient(await Deno.connect({ hostname: "127.0.0.1", port }), clientId);
    } catch (error) {
      throw new ConnectionLost(`Cannot connect to port ${port}`, { cause: error });
    }
  }

  /** Sends a request and resolves with the body of its answer. Several may be on their way.
   * @throws {ConnectionLost} if the connection ends first
   * @throws {RangeError} if the answer is not what the schema says */
  ask(key: number, version: number, values: Values): Promise<Values> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    const api = schemaOf(key);
    const correlationId = ++this.#correlationId;
    const frame = requestFrame(api, version, correlationId, this.#clientId, values);
    const { promise, resolve, reject } = Promise.withResolvers<Values>();
    this.#pending.push({ api, version, correlationId, resolve, reject });
    this.#writing = this.#writing.then(() => this.#write(frame)).catch((error) => this.#end(error));
    return promise;
  }

  [Symbol.dispose](): void {
    this.#end(undefined);
  }

  async #write(frame: Uint8Array): Promise<void> {
    for (let sent = 0; sent < frame.byteLength;) sent += await this.#conn.write(frame.subarray(sent));
  }

  async #read(): Promise<void> {
    let buffer = new Uint8Array(64 * 1024);
    let end = 0;
    try {
      while (true) {
        const read = await this.#conn.read(buffer.subarray(end));
        if (read === null) break;
        end += read;
        let from = 0;
        while (end - from >= 4) {
          const length = new DataView(buffer.buffer, from).getInt32(0);
          if (end - from < 4 + length) break;
          this.#answered(buffer.slice(from + 4, from + 4 + length));
          from += 4 + length;
        }
        const wanted = end - from >= 4 ? 4 + new DataView(buffer.buffer, from).getInt32(0) : 4;
        const next = wanted > buffer.byteLength ? new Uint8Array(wanted) : buffer;
        next.set(buffer.subarray(from, end));
        buffer = next;
        end -= from;
      }
      this.#end(undefined);
    } catch (error) {
      this.#end(error);
    }
  }

  #answered(frame: Uint8Array): void {
    const pending = this.#pending.shift();
    const correlationId = new DataView(frame.buffer, frame.byteOffset).getInt32(0);
    if (pending?.correlationId !== correlationId) {
      throw new RangeError(`Expected answer ${pending?.correlationId}: found ${correlationId}`);
    }
    try {
      pending.resolve(readAnswer(pending.api, pending.version, frame));
    } catch (error) {
      pending.reject(
        new RangeError(`Cannot read the answer to ${pending.api.name} v${pending.version}`, {
          cause: error,
        }),
      );
    }
  }

  #end(cause: unknown): void {
    if (this.#lost !== undefined) return;
    this.#lost = new ConnectionLost("The connection ended", { cause });
    try {
      this.#conn.close();
    } catch { /* closed already */ }
    for (const { reject } of this.#pending.splice(0)) reject(this.#lost);
  }
}
