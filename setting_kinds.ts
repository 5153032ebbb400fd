/** The kinds of settings that the table in settings.ts is made of: what may be given, and how it is read.
 *
 * Left out: where a value comes from, and rules between settings, which are in config.ts.
 * @module */

/** A setting that cannot be used: its message is one line for the terminal, the exit code 2. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** What sort of thing a setting is about; a subcommand takes the flags of the groups it uses. */
export type SettingGroup =
  | "listen"
  | "http"
  | "kafka"
  | "broker"
  | "access"
  | "alone"
  | "store"
  | "topic"
  | "pages"
  | "log"
  | "run";

/** One row of the table. `parse` gives undefined for what is not allowed. */
export interface Setting<T = unknown> {
  readonly group: SettingGroup;
  readonly help: string;
  readonly unit?: string;
  /** As text, the way it would be given. */
  readonly fallback: string | (() => string);
  /** Completes "allowed: …" and the placeholder in `--help`. */
  readonly allowed: string;
  readonly parse: (text: string) => T | undefined;
  readonly secret?: true;
  /** Given without a value: `--name` and `--no-name`. */
  readonly isSwitch?: true;
}

/** What a row adds to its kind. */
export type Row = Pick<Setting, "group" | "help" | "fallback"> & { unit?: string; secret?: true };
/** A row that may be empty, which is its default and means "none". */
export type OptionalRow = Omit<Row, "fallback"> & { fallback?: Setting["fallback"] };

/** A whole number in `min..max`; with `unlimited`, also -1. */
export function integer(min: number, max: number, row: Row & { unlimited?: true }): Setting<number> {
  const { unlimited, ...rest } = row;
  return {
    ...rest,
    allowed: `an integer in ${min}..${max}${unlimited ? ", or -1 for no limit" : ""}`,
    parse: (text) => {
      const value = /^-?\d{1,16}$/.test(text) ? Number(text) : NaN;
      return (value >= min && value <= max) || (unlimited && value === -1) ? value : undefined;
    },
  };
}

/** One of some words, in any case; `""` among them means "none". */
export function oneOf<const T extends string>(values: readonly T[], row: Row): Setting<T> {
  return {
    ...row,
    allowed: values.filter((value) => value !== "").join(" | "),
    parse: (text) => values.find((value) => value === text.toLowerCase()),
  };
}

/** On or off; off unless the row says otherwise. */
export function toggle(row: OptionalRow): Setting<boolean> {
  return {
    fallback: "false",
    ...row,
    isSwitch: true,
    allowed: "true | false",
    parse: (text) =>
      /^(true|1|yes|on)$/i.test(text) ? true : /^(false|0|no|off)$/i.test(text) ? false : undefined,
  };
}

/** Text that passes `isAllowed`; without a fallback it may be empty. */
export function text(
  allowed: string,
  isAllowed: (text: string) => boolean,
  row: OptionalRow,
): Setting<string> {
  const mayBeEmpty = row.fallback === undefined;
  const parse = (found: string) => (mayBeEmpty && found === "") || isAllowed(found) ? found : undefined;
  return { fallback: "", ...row, allowed, parse };
}

/** Items between commas, each of which passes `isAllowed`; may be empty. */
export function list(
  allowed: string,
  isAllowed: (item: string) => boolean,
  row: OptionalRow,
): Setting<string[]> {
  return {
    fallback: "",
    ...row,
    allowed,
    parse: (found) => {
      const items = found.split(",").map((item) => item.trim()).filter((item) => item !== "");
      return items.every(isAllowed) ? items : undefined;
    },
  };
}

/** Whether it can be a host name or an address; whether there is one shows when it is used. */
export const isHost = (found: string) => /^[A-Za-z0-9._:-]{1,253}$/.test(found);
/** Whether it holds no control character. */
export const isOneLine = (found: string) => !/\p{Cc}/u.test(found);

/** Whether it stands for every address of a machine: good for listening, not for connecting. */
export const isWildcard = (host: string) => /^(0(\.0){0,3}|[0:]*::[0:]*)$/.test(host);
/** Whether it can be the name or address of a machine. */
export const isReachableHost = (found: string) => isHost(found) && !isWildcard(found);
/** Whether it can be a path; whether there is a file shows when it is used. */
export const isPath = (found: string) => found !== "" && isOneLine(found);

/** `host:port` with a port in 1..65535; an IPv6 address in brackets. */
export function isHostAndPort(item: string): boolean {
  const match = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(item);
  return match !== null && Number(match[2]) >= 1 && Number(match[2]) <= 65535;
}

/** An origin exactly as a browser sends it, or `*`. */
export function isOrigin(item: string): boolean {
  return item === "*" || (/^https?:/.test(item) && URL.canParse(item) && new URL(item).origin === item);
}

/** Whether a file is there and may be read now. */
export function isReadableFile(path: string): boolean {
  try {
    Deno.openSync(path).close();
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** The origin of a tile URL for a content security policy (`https://*.tile.example`), or null when it is no
 * tile URL. */
export function tileOrigin(template: string): string | null {
  if (!["{z}", "{x}", "{y}"].every((part) => template.includes(part))) return null;
  const match = /^(https?):\/\/((?:\{s\}\.)?[A-Za-z0-9.-]+(?::\d{1,5})?)\//.exec(template);
  return match && !/[\s;,'"]/.test(template) ? `${match[1]}://${match[2]!.replace("{s}", "*")}` : null;
}

/** Pairs of a name found and the known one that it is one letter off; short names are left alone, as they are
 * near to anything. */
export function nearMisses(
  found: Iterable<string>,
  known: readonly string[],
): [found: string, meant: string][] {
  const pairs: [string, string][] = [];
  for (const name of found) {
    if (name.length < 8 || known.includes(name)) continue;
    const meant = known.find((other) => other.length >= 8 && isOneLetterOff(name, other));
    if (meant !== undefined) pairs.push([name, meant]);
  }
  return pairs;
}

/** Whether one insertion, deletion or replacement turns one into the other. */
function isOneLetterOff(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start++;
  let end = 0;
  const most = Math.min(a.length, b.length) - start;
  while (end < most && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  return Math.max(a.length, b.length) - start - end <= 1;
}
