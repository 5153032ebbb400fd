/** What a record of the topic of clicks says: an id that was clicked and when, or why it is no click.
 *
 * Other programs write to this topic too, so anything may be in there; nothing of it is an error here. Left out: what becomes of clicks
 * (fold.ts).
 * @see isVideoId in ../../windows.ts for what a client may post, which is the same @module */
import { maxIdBytes } from "../../windows.ts";

/** Why a record is no click: no value; longer than an id may be; no UTF-8; characters that are not shown; no time that is one; in a batch
 * that cannot be read. */
export type WrongClick = "empty" | "too-long" | "not-utf8" | "control" | "no-time" | "unreadable";

/** No id. */
export interface NotAnId {
  readonly wrong: WrongClick;
}

interface KnownId {
  readonly bytes: Uint8Array;
  readonly id: string;
}

/** The last moment that `Date` knows, ms since the epoch. */
export const maxTimeMs = 8.64e15;
const slotCount = 1 << 14;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const empty: NotAnId = { wrong: "empty" }, tooLong: NotAnId = { wrong: "too-long" };
const notUtf8: NotAnId = { wrong: "not-utf8" }, control: NotAnId = { wrong: "control" };

/** Whether a record's timestamp, ms since the epoch, is one: Kafka has −1 for none. */
export function isClickTime(timestamp: number): boolean {
  return timestamp >= 0 && timestamp <= maxTimeMs;
}

/** Reads ids. Most of them come again and again, and comparing bytes is much faster than decoding them, so some are kept: one in each of
 * 16,384 slots, the last one that fell there, so that nothing that is written to the topic makes it slow or large. */
export class ClickIds {
  readonly #slots: (KnownId | undefined)[] = new Array(slotCount).fill(undefined);

  /** @param value of a record; it is not kept */
  read(value: Uint8Array | null): string | NotAnId {
    if (value === null || value.length === 0) return empty;
    if (value.length > maxIdBytes) return tooLong;
    let hash = 0x811c9dc5; // FNV-1a
    for (let i = 0; i < value.length; i++) hash = Math.imul(hash ^ value[i]!, 0x01000193);
    const slot = (hash ^ hash >>> 16) & (slotCount - 1), known = this.#slots[slot];
    if (known !== undefined && isSame(known.bytes, value)) return known.id;
    const id = decode(value);
    if (typeof id === "string") this.#slots[slot] = { bytes: value.slice(), id };
    return id;
  }
}

function decode(bytes: Uint8Array): string | NotAnId {
  try {
    const id = decoder.decode(bytes);
    return /\p{Cc}/u.test(id) ? control : id;
  } catch {
    return notUtf8;
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
