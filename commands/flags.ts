/** How the values of flags are read that are no settings. Each refuses with a {@linkcode UsageError}. @module */
import { idRule, isVideoId } from "../kafka/windows.ts";
import { UsageError } from "./run.ts";

/** A reader of integers in `least..most`. */
export function wholeNumber(flag: string, least: number, most: number): (value: string) => number {
  return (value) => {
    const number = /^\d{1,12}$/.test(value) ? Number(value) : NaN;
    if (number >= least && number <= most) return number;
    throw new UsageError(
      `Cannot use ${flag}: found ${JSON.stringify(value)}, allowed: an integer in ${least}..${most}`,
    );
  };
}

/** A reader of numbers above 0, up to `most`. */
export function positiveNumber(flag: string, most = Number.MAX_VALUE): (value: string) => number {
  return (value) => {
    const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : NaN;
    if (number > 0 && number <= most) return number;
    const allowed = `a number above 0${most === Number.MAX_VALUE ? "" : `, at most ${most}`}`;
    throw new UsageError(`Cannot use ${flag}: found ${JSON.stringify(value)}, allowed: ${allowed}`);
  };
}

/** `name=value` of `--config`. */
export function pair(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new UsageError(`Cannot use --config: found ${JSON.stringify(text)}, allowed: name=value`);
}

/** What may stand between the columns of a CSV file: one character, or its name. */
export function delimiter(value: string): string {
  const found = { tab: "\t", "\\t": "\t", comma: ",", semicolon: ";" }[value] ?? value;
  if (/^[^"\w\r\n]$/.test(found)) return found;
  throw new UsageError(
    `Cannot use --delimiter: found ${
      JSON.stringify(value)
    }, allowed: one character that is no letter, digit or quote, or tab`,
  );
}

const units = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const isoTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?$/;

/** Reads ISO 8601, without a zone in that of this machine.
 * @returns ms since the epoch, null for what is no time since then */
export function readTime(text: string): number | null {
  const ms = isoTime.test(text) ? Date.parse(text) : NaN;
  return ms >= 0 ? ms : null;
}

/** A reader of times that are over: ISO 8601, without a zone in that of this machine; or so long ago, as `-10m`.
 * @returns of the reader: ms since the epoch */
export function pastTime(flag: string): (value: string) => number {
  return (value) => {
    const nowMs = Date.now(), ago = /^-(\d{1,6})([smhd])$/.exec(value);
    const ms = ago ? nowMs - Number(ago[1]) * units[ago[2] as keyof typeof units] : readTime(value);
    if (ms !== null && ms >= 0 && ms <= nowMs) return ms;
    const allowed = "a time that is over, such as 2026-01-31T12:00Z, or -10m (s, m, h, d)";
    throw new UsageError(`Cannot use ${flag}: found ${JSON.stringify(value)}, allowed: ${allowed}`);
  };
}

/** A reader of one line of text, not empty. */
export function lineOfText(flag: string, longest: number): (value: string) => string {
  return (value) => {
    if (value.length > 0 && value.length <= longest && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(value)) return value;
    const allowed = `1 to ${longest} characters without control characters`;
    throw new UsageError(`Cannot use ${flag}: found ${JSON.stringify(value)}, allowed: ${allowed}`);
  };
}

/** A reader of ids of videos, of a flag that may repeat: they add up. */
export function videoIds(flag: string): (value: string, before?: readonly string[]) => string[] {
  return (value, before = []) => {
    if (isVideoId(value)) return [...before, value];
    throw new UsageError(`Cannot use ${flag}: found ${JSON.stringify(value)}, allowed: ${idRule}`);
  };
}
