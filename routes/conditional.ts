/** Conditional requests: whether the client has already what it asks for.
 *
 * Left out: `If-Match`, `If-Range` and the others, which are for what can be changed or had in parts.
 * @see {@link https://www.rfc-editor.org/rfc/rfc9110#name-preconditions}
 * @module */

/** What an answer can be told by. */
export interface Validators {
  /** Quoted, and strong. */
  readonly etag: string;
  /** ms since the epoch. */
  readonly lastModified?: number;
}

/** Whether 304 is the answer. `If-None-Match` wins over `If-Modified-Since`; its tags are compared weakly, since a proxy that compresses
 * may have made ours weak. */
export function isNotModified(headers: Headers, { etag, lastModified }: Validators): boolean {
  const tags = headers.get("if-none-match");
  if (tags !== null) {
    return tags.trim() === "*" ||
      tags.match(/(?:W\/)?"[^"]*"/g)?.some((tag) => opaque(tag) === etag) === true;
  }
  const since = Date.parse(headers.get("if-modified-since") ?? "");
  if (lastModified === undefined || Number.isNaN(since)) return false;
  return Math.floor(lastModified / 1000) <= Math.floor(since / 1000);
}

function opaque(tag: string): string {
  return tag.replace(/^W\//, "");
}
