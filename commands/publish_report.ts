/** What a publisher of many small records tells: lines that it left out, how far it is, and what became of all.
 *
 * Left out: sending them (record_sender.ts).
 * @module */
import type { Logger } from "../logger.ts";
import type { RecordSender } from "./record_sender.ts";
import { CommandError, type CommandRun } from "./run.ts";

/** A line of a file that cannot be published, and why. */
export interface BadLine {
  readonly line: number;
  readonly reason: string;
}

/** How far a publisher is. */
export interface Published {
  readonly sender: Pick<RecordSender, "stored" | "unknown" | "isAway">;
  readonly bad: BadLines;
  readonly seconds: number;
}

/** Bad lines that are told one by one. */
const maxToldLines = 5;

/** Lines that hold nothing: counted, the first few told. */
export class BadLines {
  count = 0;
  first: BadLine | undefined;
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  add(bad: BadLine): void {
    this.first ??= bad;
    if (++this.count <= maxToldLines) this.#log.warn("line left out", { line: bad.line, reason: bad.reason });
  }

  /** Empty when there are none. */
  get summary(): string {
    const { count, first } = this;
    if (!first) return "";
    const what = count === 1 ? "1 line" : `${count} lines`;
    return `; left out: ${what} (${count === 1 ? "" : "the first: "}line ${first.line}: ${first.reason})`;
  }
}

/** A line of progress.
 * @param what is published, in singular */
export function describe(what: string, { sender, bad, seconds }: Published): string {
  return [
    counted(what, sender.stored),
    `${(sender.stored / seconds).toFixed(1)}/s`,
    ...(bad.count > 0 ? [`${bad.count} lines left out`] : []),
    ...(sender.isAway ? ["waits for Kafka"] : []),
  ].join(" · ");
}

/** Says what was published and what was not.
 * @throws {CommandError} when that was nothing, or when nobody knows */
export function tell(
  what: string,
  { sender: { stored, unknown }, bad, seconds, topics, run }: Published & {
    readonly topics: readonly string[];
    readonly run: Pick<CommandRun, "out" | "signal">;
  },
): void {
  const where = topics.join(", ");
  if (stored === 0 && unknown === 0 && !run.signal.aborted) {
    throw new CommandError(`Nothing was published to ${where}${bad.summary || `: found no ${what}s`}`);
  }
  run.out(`Published ${counted(what, stored)} to ${where} in ${seconds.toFixed(1)} s${bad.summary}\n`);
  if (unknown > 0) {
    throw new CommandError(`${counted(what, unknown)} may not be stored: Kafka did not answer`);
  }
}

function counted(what: string, n: number): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}
