/** The one error class that callers branch on, and the one way an error becomes an HTTP answer.
 *
 * Wrong arguments inside the program are built-in errors (`RangeError`, `TypeError`). Left out: errors of the
 * command line, which commands/cli.ts prints as one line, and what is sent on an open stream, which
 * routes/sse.ts and routes/websocket.ts write.
 * @see {@link https://www.rfc-editor.org/rfc/rfc9457} for `application/problem+json`
 * @module */
import type { Logger } from "./logger.ts";

/** One wrong place in a request: `pointer` is a JSON pointer into the body (`/0/lat`) or a parameter's name. */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

/** What a problem answer may carry besides its code, status and message. */
export interface StreamErrorOptions {
  readonly errors?: readonly FieldError[];
  /** Headers of the answer, such as `Allow` or `Retry-After`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Members of its own, as RFC 9457 allows for each type of problem (3.2). */
  readonly members?: Readonly<Record<string, string | number>>;
  readonly cause?: unknown;
}

/** A failure that the client may be told.
 *
 * `code` is stable and documented, lower case with dashes (`unknown-topic`); `status` the HTTP status; the
 * message goes out as the `detail`, so it holds no secret. */
export class StreamError extends Error {
  override readonly name = "StreamError";
  readonly code: string;
  readonly status: number;
  readonly errors: readonly FieldError[] | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly members: Readonly<Record<string, string | number>>;

  constructor(code: string, status: number, message: string, options: StreamErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = status;
    this.errors = options.errors;
    this.headers = options.headers ?? {};
    this.members = options.members ?? {};
  }
}

/** Where a failure happened. `instance` is the path that was asked for. */
export interface ProblemContext {
  readonly instance?: string;
  readonly requestId: string;
  readonly log: Logger;
}

/** Renders any thrown value as `application/problem+json`.
 *
 * A `StreamError` is told as it is; one with a status of 500 or more is also logged with its cause. Anything
 * else is answered by 500 `internal`, which tells the client nothing but the request id, and is logged whole.
 * @returns members `type`, `title`, `status`, `detail`, `code`, `instance`, `requestId` and, for wrong
 * fields, `errors`, and those of its own */
export function problemResponse(error: unknown, context: ProblemContext): Response {
  const told = error instanceof StreamError
    ? error
    : new StreamError("internal", 500, "The request failed here; the log has more under its request id");
  const fields = { requestId: context.requestId, path: context.instance, code: told.code };
  if (told !== error) context.log.error("request failed", { ...fields, error });
  else if (told.status >= 500) {
    context.log.warn("request refused", { ...fields, detail: told.message, error: told.cause });
  }
  const common = {
    type: `/problems/${told.code}`,
    title: titleOf(told.code),
    status: told.status,
    detail: told.message,
    code: told.code,
    ...(context.instance === undefined ? {} : { instance: context.instance }),
    requestId: context.requestId,
    ...(told.errors === undefined ? {} : { errors: told.errors }),
  };
  // The common members come first, and none of a problem's own hides them.
  const body = { ...common, ...told.members, ...common };
  return new Response(JSON.stringify(body), {
    status: told.status,
    headers: { "cache-control": "no-store", ...told.headers, "content-type": "application/problem+json" },
  });
}

/** The same summary for every problem of one type, as RFC 9457 asks: `unknown-topic` → `Unknown topic`. */
function titleOf(code: string): string {
  const words = code.replaceAll("-", " ").replace(/\b(jpeg|json)\b/g, (word) => word.toUpperCase())
    .replace("captured at", "captured-at");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
