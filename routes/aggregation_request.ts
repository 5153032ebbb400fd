/** What a stream of windows reads from its request: which videos, which lengths, and where each of them goes on.
 *
 * With one length the place is an id of its topic; with several it is that of `/streams`, the ids of the lengths, ascending. Left out:
 * what becomes of it (aggregation_stream.ts).
 * @module */
import { StreamError } from "../errors.ts";
import { parseCursor } from "../kafka/cursor.ts";
import type { WindowSize } from "../kafka/windows.ts";
import { type FinishedEvent, windowFeed } from "./aggregation_feed.ts";
import { readIds, readSizes, sizeOf } from "./aggregation_query.ts";
import { composeId, readComposedId } from "./multiplex.ts";
import { type AskedStream, isOver, readAsked } from "./streams.ts";

/** The finished windows of one length as a request asks for them. */
export interface AskedSize {
  readonly size: WindowSize;
  readonly stream: AskedStream<FinishedEvent>;
  /** The place that the client came back with, empty when it has none. */
  readonly id: string;
  /** Whether it was told its end. */
  readonly isOver: boolean;
}

/** A stream of windows as a request asks for it. */
export interface AskedWindows {
  /** None: the finished windows of all videos. */
  readonly ids: readonly string[];
  /** Ascending. */
  readonly sizes: readonly AskedSize[];
}

/** Reads `id=`, `size=`, `cursor=` and what every stream reads, and `Last-Event-ID`, which wins over the cursor.
 * @throws {StreamError} 400 `invalid-video`, `too-many-videos`, `invalid-size`, `invalid-cursor` and others of `readAsked`; 404
 *   `unknown-size` when nothing is counted here */
export function readWindows(url: URL, sizes: readonly WindowSize[], lastEventId?: string): AskedWindows {
  const { search, searchParams: query } = url, ids = readIds(search), wanted = readSizes(query, sizes);
  if (wanted.length === 0) sizeOf("any length", sizes);
  const cursor = query.get("cursor");
  const places = readPlaces(lastEventId, wanted.length), begins = readBeginnings(cursor, wanted.length);
  return {
    ids,
    sizes: wanted.map((size, i) => {
      const own = new URLSearchParams(query), begin = begins?.[i];
      if (begin !== undefined) own.set("cursor", begin || "latest");
      // A place that is none of so many lengths is told as one that cannot be read.
      const id = places === null ? "?" : places[i]!;
      const asked = readAsked(own, id || undefined);
      const reset = places === null &&
        { reset: { requested: lastEventId!.slice(0, 200), reason: "malformed" } };
      const stream = { topic: size.topic, feed: windowFeed, asked: { ...asked, ...reset } };
      return { size, stream, id: asked.reset ? "" : id || begin || "", isOver: isOver(stream, id) };
    }),
  };
}

/** The place in all lengths. */
export function placeOf(ids: readonly string[]): string {
  return ids.length === 1 ? ids[0]! : composeId(ids);
}

/** The places in `count` lengths, null for what is no such place. */
function readPlaces(text: string | undefined, count: number): readonly string[] | null {
  if (!text) return Array(count).fill("");
  return count === 1 ? [text] : readComposedId(text, count);
}

/** Where each length is asked to begin; null: where `cursor=` says, if it does.
 * @throws {StreamError} 400 `invalid-cursor` */
function readBeginnings(cursor: string | null, count: number): readonly string[] | null {
  if (cursor === null || count === 1 || !isPlace(cursor)) return null;
  const places = readComposedId(cursor, count);
  if (places) return places;
  const detail = `Cannot go on from ${cursor.slice(0, 80)}: an id of ${count} lengths (m1.…) is wanted`;
  throw new StreamError("invalid-cursor", 400, detail);
}

/** Whether a cursor is an id, of one length or of several. */
function isPlace(cursor: string): boolean {
  if (cursor.startsWith("m1.")) return true;
  try {
    return parseCursor(cursor).kind === "id";
  } catch {
    return false;
  }
}
