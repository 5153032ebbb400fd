/** Who watches: the id under which a viewer's position is kept, from the address or from a cookie.
 *
 * An id is a name and no secret: whoever knows it can move that viewer's position. New ones cannot be guessed. Left out: the positions
 * (viewer_positions.ts).
 * @module */
import { StreamError } from "../errors.ts";

/** The viewer of a request that may be given an id. */
export interface ViewerIdentity {
  /** Null: no position is kept. */
  readonly id: string | null;
  /** The value of `Set-Cookie` in the answer, null where the client has its id already, or is to have none. */
  readonly setCookie: string | null;
}

const wantedId = /^[A-Za-z0-9._-]{1,64}$/;
const cookieName = "viewer";
/** As long as browsers keep a cookie at most: 400 days, in seconds. */
const maxAge = 34_560_000;
const idBytes = 16;

/** The viewer that a request names; `?viewer=` wins over the cookie.
 * @returns null when it names none, or says by an empty `?viewer=` that no position is to be kept
 * @throws {StreamError} 400 `invalid-viewer`; a cookie that cannot be used is none */
export function namedViewer(query: URLSearchParams, headers: Headers): string | null {
  const asked = query.get("viewer");
  if (asked === null) return cookieViewer(headers);
  if (asked === "") return null;
  if (wantedId.test(asked)) return asked;
  throw new StreamError(
    "invalid-viewer",
    400,
    `Cannot use viewer=${asked.slice(0, 80)}: 1 to 64 of a-z, A-Z, 0-9, '.', '_' and '-' are wanted`,
  );
}

/** The viewer that a request names, else a new one with a cookie to come back by. The frame of a page of another site gets none: its
 * browser would not send the cookie back, and each look would leave a position behind.
 * @throws {StreamError} 400 `invalid-viewer` */
export function identifyViewer({ url, headers }: Pick<Request, "url" | "headers">): ViewerIdentity {
  const { searchParams: query, protocol } = new URL(url);
  const named = namedViewer(query, headers);
  if (named !== null || query.has("viewer")) return { id: named, setCookie: null };
  if (headers.get("sec-fetch-site") === "cross-site") return { id: null, setCookie: null };
  const id = newViewerId();
  const isSecure = protocol === "https:" || headers.get("x-forwarded-proto") === "https";
  return { id, setCookie: viewerCookie(id, isSecure) };
}

/** 128 random bits. */
function newViewerId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(idBytes));
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

function viewerCookie(id: string, isSecure: boolean): string {
  const cookie = `${cookieName}=${id}; Path=/video; Max-Age=${maxAge}; SameSite=Lax; HttpOnly`;
  return isSecure ? `${cookie}; Secure` : cookie;
}

/** Of several cookies with the name the first that can be used. */
function cookieViewer(headers: Headers): string | null {
  for (const pair of headers.get("cookie")?.split(";") ?? []) {
    const equals = pair.indexOf("="), value = pair.slice(equals + 1).trim();
    if (pair.slice(0, equals).trim() === cookieName && wantedId.test(value)) return value;
  }
  return null;
}
