/** The real command line as a child process, run to its end. @module */

/** What a run left behind. */
export interface CliRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run it. `env`: nothing else of the environment is passed on, so that the machine's settings do not
 * count. */
export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input; without it, it is empty. */
  readonly stdin?: string | Uint8Array<ArrayBuffer>;
}

const main = new URL("../../main.ts", import.meta.url).pathname;
const permissions = ["--allow-net", "--allow-env", "--allow-read", "--allow-write", "--allow-run=ffmpeg"];
const kept = ["PATH", "HOME", "DENO_DIR", "TMPDIR", "XDG_CACHE_HOME"];

/** Starts `tailrace ARGS…` with the permissions of the single binary. */
export function startCli(args: readonly string[], options: CliOptions = {}): Deno.ChildProcess {
  const passed = kept.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", ...permissions, main, ...args],
    clearEnv: true,
    env: { ...Object.fromEntries(passed), NO_COLOR: "1", ...options.env },
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs `tailrace ARGS…` to its end. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const child = startCli(args, options);
  const write = async () => {
    if (options.stdin === undefined) return;
    const { stdin } = options;
    const writer = child.stdin.getWriter();
    try {
      await writer.write(typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin);
      await writer.close();
    } catch {
      // A program may end before it has read everything; its code and its output tell.
    }
  };
  const [output] = await Promise.all([child.output(), write()]);
  const decoder = new TextDecoder();
  return {
    code: output.code,
    stdout: decoder.decode(output.stdout),
    stderr: decoder.decode(output.stderr),
  };
}
