/** The real service as a child process, as a user starts it, for tests that need its process: crashes, signals, clients.
 *
 * It listens on ports that were free and logs JSON; the line in which it says where it listens is what is waited
 * for. After {@linkcode Service.kill} or {@linkcode Service.terminate} the next {@linkcode Service.start} uses the same ports and the
 * same data folder, so clients come back by themselves. Left out: tests of one part, which open just that part.
 * @module */
import { freePort, Program } from "./programs.ts";

/** How the service is run. */
export interface ServiceOptions {
  /** Subcommand: the whole service, or the embedded broker alone. */
  readonly command?: "serve" | "broker";
  /** host:port of a Kafka; without it the service runs its embedded broker. */
  readonly kafkaBrokers?: string;
  /** Further settings, by the names of their environment variables. */
  readonly settings?: Readonly<Record<string, string>>;
}

const main = new URL("../main.ts", import.meta.url).pathname;

/** One service and its folder. Closing it kills the process and removes the folder. */
export class Service implements AsyncDisposable {
  #options: ServiceOptions;
  #folder: string;
  #program: Program | null = null;
  #newest: Program | null = null;
  #runs = 0;
  #port = freePort();
  #brokerPort = freePort();
  /** Seconds from starting the process to the line that says it listens, of the newest start. */
  startSeconds = NaN;

  private constructor(options: ServiceOptions, folder: string) {
    this.#options = options;
    this.#folder = folder;
  }

  /** Starts it with an empty data folder and waits until it listens.
   * @throws {Error} with what it logged when it does not within a minute */
  static async open(options: ServiceOptions = {}): Promise<Service> {
    const service = new Service(options, await Deno.makeTempDir({ prefix: "tailrace-service-" }));
    try {
      await service.start();
      return service;
    } catch (error) {
      await service[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** `http://127.0.0.1:port`, with nothing after it. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** host:port of the Kafka it works on: its own, or the one it was given. */
  get bootstrap(): string {
    return this.#options.kafkaBrokers ?? `127.0.0.1:${this.#brokerPort}`;
  }

  /** Process id of the newest start. */
  get pid(): number {
    return this.#running().pid;
  }

  /** The folder of its embedded broker. */
  get dataDir(): string {
    return `${this.#folder}/data`;
  }

  /** What the newest start has logged so far, also when it has ended. */
  log(): string {
    return this.#newest?.log() ?? "";
  }

  /** Starts it again, on the ports and with the data it had. */
  async start(): Promise<void> {
    if (this.#program) throw new Error("Cannot start the service as it is running");
    const { command = "serve", kafkaBrokers = "", settings } = this.#options;
    const env = {
      HOST: "127.0.0.1",
      PORT: String(this.#port),
      BROKER_HOST: "127.0.0.1",
      BROKER_PORT: String(this.#brokerPort),
      KAFKA_BROKERS: kafkaBrokers,
      DATA_DIR: this.dataDir,
      LOG_FORMAT: "json",
      RETENTION_MS: "-1", // records of years ago stay, unless a test is about their going
      ...settings,
    };
    const args = [
      "run",
      "--quiet",
      "--allow-net",
      "--allow-env",
      "--allow-read",
      "--allow-write",
      main,
      command,
    ];
    const started = performance.now();
    const logFile = `${this.#folder}/run-${++this.#runs}.log`;
    const program = Program.start(Deno.execPath(), args, { logFile, env });
    this.#program = this.#newest = program;
    try {
      const { port, brokerPort } = await program.printed(
        (log) => addresses(log, command, kafkaBrokers === ""),
        "the service to listen",
        60_000,
      );
      this.startSeconds = (performance.now() - started) / 1000;
      this.#port = port;
      this.#brokerPort = brokerPort;
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  /** Ends it with SIGKILL. */
  async kill(): Promise<void> {
    await this.#program?.kill();
    this.#program = null;
  }

  /** Ends it with SIGTERM (or another signal) and waits.
   * @returns its exit code and the seconds it took */
  async terminate(
    signal: Deno.Signal = "SIGTERM",
    timeoutMs = 60_000,
  ): Promise<{ code: number; seconds: number }> {
    const program = this.#running();
    const started = performance.now();
    const timer = setTimeout(() => program.signal("SIGKILL"), timeoutMs);
    program.signal(signal);
    const { code } = await program.wait();
    clearTimeout(timer);
    this.#program = null;
    return { code, seconds: (performance.now() - started) / 1000 };
  }

  /** Value of a metric without labels, or with exactly the labels given as they are printed; null when there is none. */
  async metric(name: string): Promise<number | null> {
    const response = await fetch(`${this.url}/metrics`);
    const line = (await response.text()).split("\n").find((each) => each.startsWith(`${name} `));
    return line === undefined ? null : Number(line.slice(name.length + 1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.#folder, { recursive: true });
  }

  #running(): Program {
    if (!this.#program) throw new Error("Cannot signal the service as it is not running");
    return this.#program;
  }
}

interface Addresses {
  readonly port: number;
  readonly brokerPort: number;
}

/** Ports in what the command says once it listens, or null while it has not said it all. */
function addresses(log: string, command: string, embedded: boolean): Addresses | null {
  const http = log.match(/http:\/\/127\.0\.0\.1:(\d+)/)?.[1];
  const broker = log.match(/Kafka at 127\.0\.0\.1:(\d+)/)?.[1];
  if (command === "serve" && http === undefined || embedded && broker === undefined) return null;
  return { port: Number(http ?? 0), brokerPort: Number(broker ?? 0) };
}
