/** `tailrace broker` as a process on a port and a folder that stay the same, so that it can die and come back.
 *
 * Unlike tests/service.ts it is ready when it answers a request, asked every few milliseconds: crash tests start it a
 * thousand times and measure each start. @module */
import { pause } from "../eventually.ts";
import { freePort, Program } from "../programs.ts";
import { ProtocolClient } from "../protocol/client.ts";

/** How it is run. */
export interface BrokerProcessOptions {
  /** Holds `data/` and the log files; belongs to the caller. */
  readonly folder: string;
  readonly sync: "full" | "normal";
  /** Further variables of its environment. */
  readonly env?: Readonly<Record<string, string>>;
}

const main = new URL("../../main.ts", import.meta.url).pathname;
const startMs = 60_000;

/** One broker; disposing of it kills it. */
export class BrokerProcess implements AsyncDisposable {
  /** Of those that nobody is given who asks for any: while the broker is down, its clients must neither meet another one there nor, as
   * happens to whoever connects often to a dead port of the machine's own range, themselves. */
  readonly port = freePort();
  /** Seconds from starting the process to its first answer, of each start. */
  readonly starts: number[] = [];
  readonly #options: BrokerProcessOptions;
  #program: Program | null = null;

  private constructor(options: BrokerProcessOptions) {
    this.#options = options;
  }

  static async open(options: BrokerProcessOptions): Promise<BrokerProcess> {
    const broker = new BrokerProcess(options);
    await broker.start();
    return broker;
  }

  get dataDir(): string {
    return `${this.#options.folder}/data`;
  }

  get pid(): number {
    if (this.#program === null) throw new Error("Cannot tell the process as the broker is not running");
    return this.#program.pid;
  }

  /** Everything it has logged, over all starts. */
  log(): string {
    return this.#program?.log() ?? Deno.readTextFileSync(`${this.#options.folder}/broker.log`);
  }

  /** Starts it and waits for its first answer.
   * @throws {Error} with the end of its log if it ends or says nothing for a minute */
  async start(): Promise<void> {
    const env = {
      HOST: "127.0.0.1",
      PORT: "0",
      BROKER_HOST: "127.0.0.1",
      BROKER_PORT: String(this.port),
      BROKER_SYNC: this.#options.sync,
      DATA_DIR: this.dataDir,
      RETENTION_MS: "-1",
      LOG_FORMAT: "json",
      LOG_LEVEL: "warn",
      ...this.#options.env,
    };
    const permissions = ["--allow-net", "--allow-env", "--allow-read", "--allow-write"];
    const began = performance.now();
    this.#program = Program.start(Deno.execPath(), ["run", "--quiet", ...permissions, main, "broker"], {
      logFile: `${this.#options.folder}/broker.log`,
      env,
    });
    while (!await answers(this.port)) {
      if (this.#program.ended !== null || performance.now() - began > startMs) {
        const end = this.log().slice(-3000);
        await this.kill();
        throw new Error(`The broker does not answer: ${end}`);
      }
      await pause(3);
    }
    this.starts.push((performance.now() - began) / 1000);
  }

  /** Ends it with SIGKILL. */
  async kill(): Promise<void> {
    await this.#program?.kill();
    this.#program = null;
  }

  /** Ends it with SIGTERM.
   * @returns its exit code */
  async stop(): Promise<number | undefined> {
    const status = await this.#program?.stop();
    this.#program = null;
    return status?.code;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

/** Least, median and most of some seconds, as a text. */
export function spread(seconds: readonly number[]): string {
  const sorted = seconds.toSorted((a, b) => a - b);
  const shown = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)].map((each) =>
    (each ?? NaN).toFixed(2)
  );
  return `${shown.join(" / ")} s (least / median / most)`;
}

async function answers(port: number): Promise<boolean> {
  try {
    using client = await ProtocolClient.connect(port);
    await client.ask(18, 0, {});
    return true;
  } catch {
    return false;
  }
}
