/** A driver as the suite holds it: a process around one client library, asked over its standard input and output.
 *
 * Every question has an end in time; what the driver logged is part of each error that is not the library's own. Left out: what
 * may be asked, which is in driver_protocol.ts, and how each driver is started (conformance_clients.ts). @module */
import { TextLineStream } from "./lines.ts";
import { DriverError, type Feature, type Op, type Ops } from "./driver_protocol.ts";

export { DriverError } from "./driver_protocol.ts";

/** How a driver is run: the bootstrap address goes after `args`. */
export interface DriverCommand {
  readonly program: string;
  readonly args: readonly string[];
}

interface Pending {
  readonly op: string;
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** Time for one question, unless it is told, in milliseconds: a rebalance or a transaction's timeout may be part of it. */
const askMs = 90_000;
/** Time from the end of its input to the end of a driver, in milliseconds. */
const endMs = 60_000;

/** One driver process. */
export class Driver implements AsyncDisposable {
  readonly name: string;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #pending = new Map<number, Pending>();
  readonly #reading: Promise<void>;
  #features = new Set<Feature>();
  #version = "";
  #stderr = "";
  #asked = 0;
  #closed: Promise<void> | null = null;
  #onUnload = () => this.#kill();

  private constructor(name: string, child: Deno.ChildProcess) {
    this.name = name;
    this.#child = child;
    this.#input = child.stdin.getWriter();
    this.#reading = Promise.all([this.#answers(), this.#log()]).then(() => undefined);
    globalThis.addEventListener("unload", this.#onUnload); // a run that is broken off leaves nothing behind
  }

  /** Starts a driver and asks what it can do.
   * @throws {Error} with what it logged, when it does not say hello within two minutes */
  static async start(name: string, command: DriverCommand, bootstrap: string): Promise<Driver> {
    const child = new Deno.Command(command.program, {
      args: [...command.args, bootstrap],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const driver = new Driver(name, child);
    try {
      const { features, version } = await driver.ask("hello", {}, 120_000);
      driver.#features = new Set(features);
      driver.#version = version;
      return driver;
    } catch (error) {
      driver.#kill();
      await driver.#reading;
      await child.status;
      globalThis.removeEventListener("unload", driver.#onUnload);
      throw error;
    }
  }

  get version(): string {
    return this.#version;
  }

  get features(): ReadonlySet<Feature> {
    return this.#features;
  }

  has(...features: readonly Feature[]): boolean {
    return features.every((feature) => this.#features.has(feature));
  }

  /** What it logged last. */
  get log(): string {
    return this.#stderr;
  }

  /** Asks for one operation.
   * @throws {DriverError} what the library said
   * @throws {Error} when there is no answer within `timeoutMs`, or the driver ended */
  async ask<O extends Op>(op: O, args: Ops[O][0], timeoutMs = askMs): Promise<Ops[O][1]> {
    const id = ++this.#asked;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending.set(id, { op, resolve, reject });
    const timer = setTimeout(() => {
      reject(this.#broken(`gave no answer to ${op} within ${timeoutMs} ms`));
    }, timeoutMs);
    try {
      const line = new TextEncoder().encode(`${JSON.stringify({ id, op, ...args })}\n`);
      this.#input.write(line).catch((error) => reject(this.#broken(`takes no questions: ${error}`)));
      return await promise as Ops[O][1];
    } finally {
      clearTimeout(timer);
      this.#pending.delete(id);
    }
  }

  /** Asks, and gives the error that the library told.
   * @throws {Error} when it told none */
  async refused<O extends Op>(op: O, args: Ops[O][0]): Promise<DriverError> {
    try {
      const answer = await this.ask(op, args);
      throw new Error(`${this.name} was to refuse ${op}: found ${JSON.stringify(answer).slice(0, 500)}`);
    } catch (error) {
      if (error instanceof DriverError) return error;
      throw error;
    }
  }

  /** Ends its input and waits for its end.
   * @throws {Error} when it does not end by itself, or not well */
  close(): Promise<void> {
    return this.#closed ??= this.#end();
  }

  /** Ends it as a crash would. */
  kill(): Promise<void> {
    return this.#closed ??= (async () => {
      this.#kill();
      await this.#child.status;
      await this.#reading;
      await this.#input.close().catch(() => {}); // nobody reads it any more
      globalThis.removeEventListener("unload", this.#onUnload);
    })();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #end(): Promise<void> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#kill();
    }, endMs);
    await this.#input.close().catch(() => {}); // it is gone already: its code tells
    const { code } = await this.#child.status;
    clearTimeout(timer);
    await this.#reading;
    globalThis.removeEventListener("unload", this.#onUnload);
    if (late) throw this.#broken(`had not ended ${endMs} ms after its input`);
    if (code !== 0) throw this.#broken(`ended with code ${code}`);
  }

  async #answers(): Promise<void> {
    for await (const line of this.#child.stdout.pipeThrough(new TextLineStream())) {
      if (line.trim() === "") continue;
      try {
        this.#answer(JSON.parse(line));
      } catch {
        this.#stderr += `no answer but printed: ${line}\n`;
      }
    }
    for (const pending of this.#pending.values()) {
      pending.reject(this.#broken(`ended before it answered ${pending.op}`));
    }
  }

  #answer(answer: { id: number; ok?: unknown; error?: { code: number | null; message: string } }): void {
    const pending = this.#pending.get(answer.id);
    if (!pending) return; // it came too late
    const { error } = answer;
    if (!error) return pending.resolve(answer.ok ?? {});
    const code = error.code === null ? "" : ` (error ${error.code})`;
    pending.reject(new DriverError(`${this.name}: ${pending.op}${code}: ${error.message}`, error.code));
  }

  async #log(): Promise<void> {
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.#stderr = (this.#stderr + text).slice(-64 * 1024);
    }
  }

  #broken(what: string): Error {
    return new Error(`The driver of ${this.name} ${what}; it logged:\n${this.#stderr.slice(-3000)}`);
  }

  #kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // it has ended already
    }
  }
}
