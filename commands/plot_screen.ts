/** Where a plot is shown: a terminal's own screen, which is as it was afterwards; or lines on stdout, where that is no terminal. @module */

/** Room for characters. */
export interface ScreenSize {
  readonly columns: number;
  readonly lines: number;
}

/** What the process has for it. */
export interface Screen {
  readonly isTerminal: boolean;
  /** Now; it changes as people pull at the window. */
  size(): ScreenSize;
  /** Resolves when all of it is out; rejects with `BrokenPipe` when nobody reads any more. */
  write(text: string): Promise<void>;
  /** Calls back whenever the size has changed, until it is disposed. */
  onResize(callback: () => void): Disposable;
}

/** What is assumed where nobody says it. */
const usualSize: ScreenSize = { columns: 80, lines: 24 };
const maxSize: ScreenSize = { columns: 1_000, lines: 500 };

const encoder = new TextEncoder();
// Left empty: some terminals that were made larger meanwhile would keep lines of it.
const open = "\x1b[?1049h\x1b[?25l", close = "\x1b[H\x1b[J\x1b[?25h\x1b[?1049l";
/** Around a picture, so that terminals which know it show all of it at once. */
const begin = "\x1b[?2026h\x1b[H", end = "\x1b[J\x1b[?2026l";

/** The screen of this process.
 * @param env COLUMNS and LINES count where there is no terminal that knows better */
export function processScreen(env: ReadonlyMap<string, string>): Screen {
  const isTerminal = Deno.stdout.isTerminal();
  return {
    isTerminal,
    size: () => (isTerminal ? consoleSize() : null) ?? sizeOf(env),
    write: async (text) => {
      const bytes = encoder.encode(text);
      for (let done = 0; done < bytes.length;) done += await Deno.stdout.write(bytes.subarray(done));
    },
    onResize(callback) {
      const signals: Deno.Signal[] = Deno.build.os === "windows" ? [] : ["SIGWINCH", "SIGCONT"];
      for (const signal of signals) Deno.addSignalListener(signal, callback);
      return {
        [Symbol.dispose]() {
          for (const signal of signals) Deno.removeSignalListener(signal, callback);
        },
      };
    },
  };
}

/** Null for a terminal that does not know its size. */
function consoleSize(): ScreenSize | null {
  try {
    const { columns, rows: lines } = Deno.consoleSize();
    return columns > 0 && lines > 0 ? { columns, lines } : null;
  } catch {
    return null;
  }
}

function sizeOf(env: ReadonlyMap<string, string>): ScreenSize {
  const read = (name: string, most: number) => {
    const value = Number(env.get(name)?.match(/^[1-9]\d{0,5}$/)?.[0] ?? 0);
    return Math.min(most, value);
  };
  return {
    columns: read("COLUMNS", maxSize.columns) || usualSize.columns,
    lines: read("LINES", maxSize.lines) || usualSize.lines,
  };
}

/** Pictures on a terminal of which each takes the place of the one before. */
export class Pictures implements AsyncDisposable {
  readonly #screen: Screen;
  #isOpen = false;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** Shows lines, none of which is longer than the screen is wide. */
  async show(lines: readonly string[]): Promise<void> {
    const first = this.#isOpen ? "" : open;
    this.#isOpen = true;
    await this.#screen.write(`${first}${begin}${lines.map((line) => `${line}\x1b[K`).join("\r\n")}${end}`);
  }

  /** Gives the terminal back what it showed before. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#screen.write(close).catch(() => {}); // a terminal that is gone shows nothing any more
  }
}
