/** What requests for windows say of them: which videos, and which lengths.
 *
 * Left out: what is done with it (aggregations.ts, aggregation_events.ts, aggregation_socket.ts).
 * @module */
import { StreamError } from "../errors.ts";
import { idRule, isVideoId, type WindowSize } from "../kafka/windows.ts";

/** Videos that one request names. */
const maxIds = 100;

/** Reads `id=`, which may repeat; or several with commas between, where `%2C` is a comma of an id.
 * @param search of the request's address, as it was sent
 * @returns each id once
 * @throws {StreamError} 400 `invalid-video`, `too-many-videos` */
export function readIds(search: string): string[] {
  const raw = search.replace(/^\?/, "").split("&").filter((pair) => pair.startsWith("id="));
  return knownIds(raw.flatMap((pair) => pair.slice("id=".length).split(",").map(decode)));
}

/** Checks ids that a client sent.
 * @returns each once
 * @throws {StreamError} 400 `invalid-video`, `too-many-videos` */
export function knownIds(found: readonly unknown[]): string[] {
  const ids = [...new Set(found.map(readId))];
  if (ids.length <= maxIds) return ids;
  const detail = `Cannot follow ${ids.length} videos at once: at most ${maxIds} are followed`;
  throw new StreamError("too-many-videos", 400, detail);
}

/** The refusal of what is no id: 400 `invalid-video`. */
export function invalidVideo(found: unknown): StreamError {
  const text = typeof found === "string" && found.length > 80 ? `${found.slice(0, 80)}…` : found;
  const shown = (JSON.stringify(text) ?? "nothing").slice(0, 500);
  return new StreamError(
    "invalid-video",
    400,
    `Cannot use ${shown} as the id of a video: ${idRule} are wanted`,
  );
}

/** Reads `size=`, which may repeat, or hold several with commas between; without it all there are.
 * @returns ascending
 * @throws {StreamError} 400 `invalid-size` */
export function readSizes(query: URLSearchParams, sizes: readonly WindowSize[]): WindowSize[] {
  const names = query.getAll("size").flatMap((text) => text.split(","));
  const unknown = names.find((name) => !sizes.some((size) => size.name === name));
  if (unknown !== undefined) {
    throw new StreamError("invalid-size", 400, `Cannot use size=${unknown.slice(0, 80)}: ${wanted(sizes)}`);
  }
  return sizes.filter(({ name }) => names.length === 0 || names.includes(name));
}

/** A length by its name in a path.
 * @throws {StreamError} 404 `unknown-size` */
export function sizeOf(name: string, sizes: readonly WindowSize[]): WindowSize {
  const size = sizes.find((one) => one.name === name);
  if (size) return size;
  const found = sizes.length === 0 ? "" : ` of ${JSON.stringify(name.slice(0, 80))}`;
  throw new StreamError("unknown-size", 404, `Cannot find windows${found}: ${wanted(sizes)}`);
}

/** Reads a whole number from `least` to `most`.
 * @throws {StreamError} 400 `invalid-<name>` */
export function readCount(
  query: URLSearchParams,
  name: "limit" | "windows",
  { least, most, fallback }: { readonly least: number; readonly most: number; readonly fallback: number },
): number {
  const text = query.get(name);
  if (text === null) return fallback;
  const number = /^\d{1,9}$/.test(text) ? Number(text) : -1;
  if (number >= least && number <= most) return number;
  const detail = `Cannot use ${name}=${text.slice(0, 80)}: a number from ${least} to ${most} is wanted`;
  throw new StreamError(`invalid-${name}`, 400, detail);
}

function readId(found: unknown): string {
  if (typeof found === "string" && isVideoId(found)) return found;
  throw invalidVideo(found);
}

/** @throws {StreamError} 400 `invalid-video` for what cannot be decoded */
function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw invalidVideo(text);
  }
}

function wanted(sizes: readonly WindowSize[]): string {
  if (sizes.length === 0) return "nothing is counted here, as WINDOWS is none";
  return `${sizes.map(({ name }) => name).join(", ")} are counted here`;
}
