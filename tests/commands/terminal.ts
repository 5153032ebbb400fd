/** A real terminal with a program in it: terminal.py makes it, and what it shows is worked out here.
 *
 * Knows what this program writes, and fails for anything else: lines, places, erasing, the other screen, colours. Left out: terminals as
 * a whole. @see {@link https://invisible-island.net/xterm/ctlseqs/ctlseqs.html} @module */
import { eventually } from "../eventually.ts";
import { testPython } from "../requirements.ts";

const main = new URL("../../main.ts", import.meta.url).pathname;
const script = new URL("terminal.py", import.meta.url).pathname;
const kept = ["PATH", "HOME", "DENO_DIR", "TMPDIR", "XDG_CACHE_HOME"];

/** `tailrace ARGS…` in a terminal. */
export class Terminal implements AsyncDisposable {
  /** All that was written to it. */
  written = "";
  #columns: number;
  #lines: number;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<void>;

  constructor(
    columns: number,
    lines: number,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ) {
    this.#columns = columns;
    this.#lines = lines;
    const passed = kept.flatMap((name) => {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [[name, value] as const];
    });
    const command = [Deno.execPath(), "run", "--quiet", "--no-prompt", "-A", main, ...args];
    this.#child = new Deno.Command(testPython(), {
      args: [script, String(columns), String(lines), ...command],
      clearEnv: true,
      env: { ...Object.fromEntries(passed), TERM: "xterm-256color", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#reading = this.#read();
  }

  /** Pulls at the window. */
  async resize(columns: number, lines: number): Promise<void> {
    this.#columns = columns;
    this.#lines = lines;
    this.written = "";
    await this.#tell(`size ${columns} ${lines}`);
  }

  async type(keys: string): Promise<void> {
    await this.#tell(`keys ${new TextEncoder().encode(keys).toHex()}`);
  }

  /** Waits until a line that is shown holds a text; gives the lines. A picture comes in pieces, so what its last line says is to be waited for. */
  async shows(text: string): Promise<string[]> {
    const found = () => {
      const { shown } = this.screen();
      return shown.some((line) => line.includes(text)) && shown;
    };
    return await eventually(`${text} in the terminal`, found, 60_000, () => this.written.slice(-2_000));
  }

  /** @returns the exit code */
  async ended(): Promise<number> {
    await this.#reading;
    return (await this.#child.status).code;
  }

  /** What it shows, in the size that it has now, after all that was written since then. */
  screen(): { readonly shown: string[]; readonly isOther: boolean; readonly hasCursor: boolean } {
    let grid = this.#empty(), row = 0, column = 0, isOther = false, hasCursor = true;
    const erase = (line: number, from: number) => grid[line]!.fill(" ", from);
    // deno-lint-ignore no-control-regex
    const whole = this.written.replace(/\x1b(\[[?\d;]*)?$/, ""); // the rest of a sequence may be on its way
    // deno-lint-ignore no-control-regex
    for (const [part] of whole.matchAll(/\x1b\[[?\d;]*[A-Za-z]|[^]/gu)) {
      if (part === "\r") column = 0;
      else if (part === "\n") row++;
      else if (part === "\x1b[H") row = column = 0;
      else if (part === "\x1b[K") erase(row, column);
      else if (part === "\x1b[J") {
        for (let line = row; line < this.#lines; line++) erase(line, line === row ? column : 0);
      } else if (part === "\x1b[?1049h" || part === "\x1b[?1049l") {
        isOther = part.endsWith("h");
        grid = this.#empty();
        row = column = 0;
      } else if (part === "\x1b[?25h" || part === "\x1b[?25l") hasCursor = part.endsWith("h");
      else if (/^.\[(\d*m|\?2026[hl])$/.test(part)) continue;
      else if (part < " ") throw new Error(`Cannot show ${JSON.stringify(part)}`);
      else {
        if (column >= this.#columns) {
          throw new Error(`A line goes beyond column ${this.#columns}: ${grid[row]!.join("")}`);
        }
        grid[row]![column++] = part;
      }
      if (row >= this.#lines) throw new Error(`The screen of ${this.#lines} lines scrolls`);
    }
    return { shown: grid.map((line) => line.join("").trimEnd()), isOther, hasCursor };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.abort().catch(() => {});
    try {
      this.#child.kill("SIGKILL"); // the program's terminal goes with it, which ends the program
    } catch {
      // it has ended
    }
    await this.#reading;
    await this.#child.status;
  }

  #empty(): string[][] {
    return Array.from({ length: this.#lines }, () => new Array<string>(this.#columns).fill(" "));
  }

  async #tell(line: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${line}\n`));
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of this.#child.stdout) this.written += decoder.decode(bytes, { stream: true });
  }
}
