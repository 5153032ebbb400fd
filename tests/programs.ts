/** Other programs as tests use them: finding one, starting one, keeping what it prints.
 *
 * A started program writes to a file, not to a pipe: nothing has to be read while it runs, so one that serves several
 * tests leaves no open operation in any of them, and what it said is still there after a SIGKILL. Left out: Windows
 * (the redirection is the shell's).
 * @module */
import { eventually } from "./eventually.ts";

/** Where tests keep what they fetched: $XDG_CACHE_HOME/tailrace-tests, or ~/.cache/tailrace-tests. */
export function testCache(): string {
  const base = Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME") ?? "."}/.cache`;
  return `${base}/tailrace-tests`;
}

/** Full path of the first of `programs` that is an executable file on the PATH, or null. */
export function onPath(...programs: readonly string[]): string | null {
  for (const program of programs) {
    for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
      try {
        const path = `${folder}/${program}`;
        const { isFile, mode } = Deno.statSync(path);
        if (isFile && (mode === null || (mode & 0o111) !== 0)) return path;
      } catch {
        // not in this folder
      }
    }
  }
  return null;
}

/** What a program that ran to its end said. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How {@linkcode run} runs a program. */
export interface RunOptions {
  readonly args: readonly string[];
  /** Written to its standard input, which is then closed. */
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  /** After so many milliseconds it is killed and the run fails (120 000). */
  readonly timeoutMs?: number;
}

/** Runs a program to its end.
 * @throws {Error} when it ends with another code than 0 or takes too long, with what it printed */
export async function run(program: string, options: RunOptions): Promise<Finished> {
  const timeoutMs = options.timeoutMs ?? 120_000;
  const child = new Deno.Command(program, {
    args: [...options.args],
    env: { ...options.env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    kill(child, "SIGKILL");
  }, timeoutMs);
  try {
    const [output] = await Promise.all([child.output(), feed(child.stdin, options.stdin)]);
    const decoder = new TextDecoder();
    const finished = {
      code: output.code,
      stdout: decoder.decode(output.stdout),
      stderr: decoder.decode(output.stderr),
    };
    if (late || !output.success) {
      const end = late ? `was killed after ${timeoutMs} ms` : `ended with code ${output.code}`;
      const said = `${finished.stdout.slice(-2000)}\n${finished.stderr.slice(-4000)}`;
      throw new Error(`${program} ${options.args.join(" ")} ${end}:\n${said}`);
    }
    return finished;
  } finally {
    clearTimeout(timer);
  }
}

/** A program that goes on running beside the tests. */
export class Program implements AsyncDisposable {
  #child: Deno.ChildProcess;
  #ended: Deno.CommandStatus | null = null;
  #onUnload = () => kill(this.#child, "SIGKILL");
  /** The file that everything it prints is appended to. */
  readonly logFile: string;

  private constructor(child: Deno.ChildProcess, logFile: string) {
    this.#child = child;
    this.logFile = logFile;
    child.status.then((status) => this.#ended = status);
    // A test run that is broken off must not leave a server behind.
    globalThis.addEventListener("unload", this.#onUnload);
  }

  /** Starts `program`; what it prints goes to the end of `logFile`. */
  static start(
    program: string,
    args: readonly string[],
    options: { logFile: string; env?: Readonly<Record<string, string>>; cwd?: string },
  ): Program {
    const child = new Deno.Command("sh", {
      args: ["-c", 'log=$1; shift; exec "$@" >>"$log" 2>&1', "sh", options.logFile, program, ...args],
      env: { ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    return new Program(child, options.logFile);
  }

  /** Process id: the shell has replaced itself with the program. */
  get pid(): number {
    return this.#child.pid;
  }

  /** How it ended, or null while it runs. */
  get ended(): Deno.CommandStatus | null {
    return this.#ended;
  }

  /** Everything it has printed so far, of earlier runs with the same file too. */
  log(): string {
    try {
      return Deno.readTextFileSync(this.logFile);
    } catch {
      return "";
    }
  }

  /** Waits until `find` finds something in what it printed.
   * @throws {Error} with the end of the log when the program ends or `timeoutMs` pass first */
  async printed<T>(find: (log: string) => T | null | undefined, what: string, timeoutMs: number): Promise<T> {
    const found = await eventually(
      what,
      () => {
        const value = find(this.log());
        if (value !== null && value !== undefined) return { value };
        return this.#ended ? { value: null } : undefined;
      },
      timeoutMs,
      () => this.log().slice(-3000),
    );
    if (found.value !== null) return found.value;
    throw new Error(
      `Program ended with code ${this.#ended?.code} before ${what}:\n${this.log().slice(-3000)}`,
    );
  }

  /** Sends a signal; nothing happens when it has ended. */
  signal(signal: Deno.Signal): void {
    kill(this.#child, signal);
  }

  /** Resolves when it has ended. */
  async wait(): Promise<Deno.CommandStatus> {
    const status = await this.#child.status;
    globalThis.removeEventListener("unload", this.#onUnload);
    return status;
  }

  /** Ends it with SIGTERM, and with SIGKILL when it is still there after `timeoutMs`. */
  async stop(timeoutMs = 60_000): Promise<Deno.CommandStatus> {
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), timeoutMs);
    try {
      return await this.wait();
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends it with SIGKILL. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.wait();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

/** Ports that were given to somebody, who may be down for a moment. In the environment, as test files run in one process, in isolates of
 * their own. */
const givenPorts = "TAILRACE_TEST_PORTS";

/** A port of 127.0.0.1 that nobody listens on, below those that the system gives to connections (32768 on, by default): one of these
 * could be a connection's before the program that is to listen there has started. */
export function freePort(): number {
  while (true) {
    const port = 15_000 + Math.floor(Math.random() * 17_000), given = Deno.env.get(givenPorts) ?? ",";
    if (given.includes(`,${port},`)) continue;
    try {
      using _listener = Deno.listen({ hostname: "127.0.0.1", port });
      Deno.env.set(givenPorts, `${given}${port},`);
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // it has ended already
  }
}

async function feed(
  stdin: WritableStream<Uint8Array>,
  input: string | Uint8Array | undefined,
): Promise<void> {
  const writer = stdin.getWriter();
  try {
    if (input !== undefined) {
      await writer.write(typeof input === "string" ? new TextEncoder().encode(input) : input);
    }
    await writer.close();
  } catch {
    // A program may end before it has read everything; its code and its output tell.
  }
}
