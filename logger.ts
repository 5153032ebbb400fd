/** The program's one log: an event is one line on stderr, as text for a person or as JSON for a machine.
 *
 * Fields whose name says that they hold a secret are masked; an `Error` keeps its stack and its causes in its
 * field, so that it stays one line. Left out: files, rotation, sampling; whoever runs the service does that
 * with the stream.
 * @module */

/** From all to least. */
export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = typeof logLevels[number];

/** Fields of an event; names in camelCase, units in the name (`ms`, `bytes`). */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where events go. Messages are short, lower case, and the same each time: what differs goes into fields. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log that adds `fields` to each of its events. */
  child(fields: LogFields): Logger;
}

/** How a log is written. `write` gets one line with its line end; default: stderr. */
export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: "text" | "json";
  readonly write?: (line: string) => void;
  /** ms since the epoch; for tests. */
  readonly now?: () => number;
}

/** Makes a log. It never throws: a field that cannot be written is replaced by the reason. */
export function createLogger(options: LoggerOptions): Logger {
  const { level, format, write = writeStderr, now = Date.now } = options;
  const least = logLevels.indexOf(level);
  const render = format === "json" ? jsonLine : textLine;
  const make = (bound: LogFields): Logger => {
    const at = (eventLevel: LogLevel) => {
      if (logLevels.indexOf(eventLevel) < least) return () => {};
      return (message: string, fields?: LogFields) =>
        write(render(now(), eventLevel, message, fields === undefined ? bound : { ...bound, ...fields }));
    };
    return {
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      child: (fields) => make({ ...bound, ...fields }),
    };
  };
  return make({});
}

/** A log that drops everything. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};

function jsonLine(atMs: number, level: LogLevel, message: string, fields: LogFields): string {
  const event: Record<string, unknown> = { time: new Date(atMs).toISOString(), level, message };
  for (const [name, value] of Object.entries(fields)) {
    // A field never replaces what every event has.
    if (value !== undefined) event[name in event ? `${name}_` : name] = plain(name, value);
  }
  return JSON.stringify(event) + "\n";
}

function textLine(atMs: number, level: LogLevel, message: string, fields: LogFields): string {
  let line = `${new Date(atMs).toISOString()} ${level.toUpperCase().padEnd(5)} ${oneLine(message)}`;
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const shown = plain(name, value);
    line += ` ${name}=${typeof shown === "string" ? quoted(shown) : JSON.stringify(shown)}`;
  }
  return line + "\n";
}

const secretName = /password|secret|token|authorization|cookie/i;

/** A value that JSON can hold whatever it was, with secrets masked. */
function plain(name: string, value: unknown, depth = 0): unknown {
  if (secretName.test(name) && value !== null && value !== undefined) return "***";
  switch (typeof value) {
    case "bigint":
    case "symbol":
    case "function":
      return String(value);
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "object":
      break;
    default:
      return value;
  }
  if (value === null) return null;
  if (depth > 5) return "…";
  try {
    if (value instanceof Error) return plainError(value, depth);
    if (value instanceof Date) return value.toISOString();
    if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
    if (Array.isArray(value)) return value.map((item) => plain("", item, depth + 1));
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, plain(key, item, depth + 1)]),
    );
  } catch (error) {
    return `cannot be logged: ${error}`;
  }
}

function plainError(error: Error, depth: number): unknown {
  return {
    name: error.name,
    message: error.message,
    stack: error.stack,
    ...("code" in error ? { code: plain("code", error.code, depth + 1) } : {}),
    ...(error.cause === undefined ? {} : { cause: plain("cause", error.cause, depth + 1) }),
  };
}

/** As it is when a reader of `name=value` pairs cannot misread it, else in quotes. */
function quoted(text: string): string {
  return /^[^\s"=\p{Cc}]+$/u.test(text) ? text : JSON.stringify(text);
}

/** Keeps a message from starting a line of its own. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ");
}

const encoder = new TextEncoder();

/** Writes all of it now, so that the last line before the end of the process is not lost. */
function writeStderr(line: string): void {
  const bytes = encoder.encode(line);
  try {
    for (let done = 0; done < bytes.length;) done += Deno.stderr.writeSync(bytes.subarray(done));
  } catch {
    // Nobody reads stderr any more; the service goes on.
  }
}
