/** Bodies that are JSON, and what is wrong with them, field by field.
 *
 * Left out: the schemas (kafka/topics.ts, the routes of features).
 * @module */
import type { Context } from "hono";
import type { z } from "zod";
import { type FieldError, StreamError } from "../errors.ts";

/** Errors of fields that one answer names. */
export const maxFieldErrors = 100;

/** The body as JSON.
 * @throws {StreamError} 422 `invalid-json`: no JSON is as wrong as the wrong JSON */
export async function readJson(c: Context, parse: (text: string) => unknown = JSON.parse): Promise<unknown> {
  const text = await c.req.text();
  try {
    return parse(text);
  } catch (error) {
    const detail = (error as Error).message;
    throw new StreamError("invalid-json", 422, `Cannot read the body as JSON: ${detail}`, {
      errors: [{ pointer: "", detail }],
    });
  }
}

/** One entry for each wrong field, the first thing that is wrong with it; a field that nobody knows is an error of that field.
 * @param prefix where in the body the fields are */
export function fieldErrors(
  issues: readonly z.core.$ZodIssue[],
  prefix: readonly PropertyKey[] = [],
): FieldError[] {
  const details = new Map<string, string>();
  const add = (path: readonly PropertyKey[], detail: string) => {
    const at = pointer([...prefix, ...path]);
    if (!details.has(at)) details.set(at, detail);
  };
  for (const issue of issues) {
    if (issue.code !== "unrecognized_keys") add(issue.path, issue.message);
    else for (const key of issue.keys) add([...issue.path, key], "no such field is known");
  }
  return [...details].map(([pointer, detail]) => ({ pointer, detail }));
}

/** Refuses a body whose fields are wrong; does nothing when none is.
 * @param what is not taken, such as `the position`
 * @throws {StreamError} 422 with an entry for each, up to so many as one answer names */
export function refuseFields(code: string, what: string, errors: readonly FieldError[]): void {
  if (errors.length === 0) return;
  const detail = `Cannot take ${what}: ${
    errors.length === 1 ? "1 field is" : `${errors.length} fields are`
  } wrong`;
  throw new StreamError(code, 422, detail, { errors: errors.slice(0, maxFieldErrors) });
}

/** A JSON pointer (RFC 6901). */
function pointer(path: readonly PropertyKey[]): string {
  return path.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
