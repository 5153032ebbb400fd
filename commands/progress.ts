/** How far a replay is: a line that is written over on a terminal, else a plain line now and then. @module */
import type { CommandRun } from "./run.ts";

const terminalEveryMs = 250;
const plainEveryMs = 10_000;

/** Counts positions and shows the counts until it is disposed. */
export class Progress implements Disposable {
  /** Acknowledged by Kafka. */
  sent = 0;
  /** Sent with an unknown outcome. */
  failed = 0;
  /** Sent again as Kafka was away. */
  retried = 0;
  readonly #run: Pick<CommandRun, "out" | "isTerminal">;
  readonly #startedMs = performance.now();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(run: Pick<CommandRun, "out" | "isTerminal">) {
    this.#run = run;
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
    const rate = (this.sent / seconds).toFixed(1);
    const again = this.retried > 0 ? ` · ${this.retried} sent again` : "";
    const line = `${this.sent} positions · ${rate}/s · ${this.failed} failures${again}`;
    this.#run.out(`${this.#run.isTerminal ? "\r\x1b[2K" : ""}${line}${end}`);
  }
}
