/** How far a replay is: a line that is written over on a terminal, else a plain line now and then. @module */
import type { CommandRun } from "./run.ts";

const terminalEveryMs = 250;
const plainEveryMs = 10_000;

/** Shows a line until it is disposed. */
export class Progress implements Disposable {
  readonly #run: Pick<CommandRun, "out" | "isTerminal">;
  readonly #describe: (seconds: number) => string;
  readonly #startedMs = performance.now();
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param describe makes the line; it is given the seconds since the start */
  constructor(run: Pick<CommandRun, "out" | "isTerminal">, describe: (seconds: number) => string) {
    this.#run = run;
    this.#describe = describe;
    const everyMs = run.isTerminal ? terminalEveryMs : plainEveryMs;
    this.#timer = setInterval(() => this.#show(run.isTerminal ? "" : "\n"), everyMs);
  }

  /** Shows the last counts on a line of their own, also when the replay ends in an error. */
  [Symbol.dispose](): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#show("\n");
  }

  #show(end: string): void {
    const seconds = Math.max(0.001, (performance.now() - this.#startedMs) / 1000);
    this.#run.out(`${this.#run.isTerminal ? "\r\x1b[2K" : ""}${this.#describe(seconds)}${end}`);
  }
}
