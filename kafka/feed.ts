/** What viewers see of records: a feed turns a record into data, a wire turns data into text for one kind of connection.
 *
 * Both are values made once per program, so that a record's data and text can be kept beside it and shared by all viewers of
 * the same kind. Left out: binary wires.
 * @module */
import type { KafkaRecord } from "./fetch_response.ts";

/** How records of a topic are shown. `name` is the event's name. */
export interface Feed<T extends object> {
  readonly name: string;
  readonly slot: number;
  /** The data of a record, or null when it is not for this feed (then it is passed over). Never throws. */
  decode(record: KafkaRecord, topic: string): T | null;
  /** The data as JSON: an object, on one line. */
  encode(data: T): string;
}

/** How events are written. */
export interface Wire {
  readonly slot: number;
  /** One event; null when this wire does not carry such events.
   * @param json an object, on one line; @param id the place after it, null where none is carried */
  event(name: string, json: string, id: string | null): string | null;
  /** Between two events of one write; null: one event a write. */
  readonly separator: string | null;
}

/** Which records a viewer is shown. */
export type Picker<T extends object> = (data: T, record: KafkaRecord) => boolean;

/** A record as one feed shows it. */
export interface Shown<T extends object> {
  readonly data: T;
  readonly json: string;
}

/** Wires that there may be; a text is kept under feed × wire. */
const maxWires = 8;
let feeds = 0, wires = 0;

/** Makes a feed; once, at module level. */
export function defineFeed<T extends object>(
  name: string,
  decode: (record: KafkaRecord, topic: string) => T | null,
  encode: (data: T) => string = JSON.stringify,
): Feed<T> {
  return { name, slot: feeds++, decode, encode };
}

/** Makes a wire; once, at module level. */
export function defineWire(separator: string | null, event: Wire["event"]): Wire {
  if (wires === maxWires) throw new RangeError(`Cannot define a wire as there are ${maxWires} already`);
  return { slot: wires++, separator, event };
}

/** A record with what feeds and wires have made of it so far. */
export class SharedRecord {
  readonly #shown: (Shown<object> | null | undefined)[] = [];
  readonly #texts: (string | null | undefined)[] = [];

  /** @param id the place after the record, null where ids are left out
   * @param onPassedOver called once for each feed that does not show the record */
  constructor(
    readonly topic: string,
    readonly record: KafkaRecord,
    readonly id: string | null,
    readonly onPassedOver: () => void = () => {},
  ) {}

  /** The record's data in a feed, null when the feed passes it over. */
  shown<T extends object>(feed: Feed<T>): Shown<T> | null {
    let shown = this.#shown[feed.slot];
    if (shown === undefined) {
      const data = feed.decode(this.record, this.topic);
      shown = data && { data, json: feed.encode(data as T) };
      if (!shown) this.onPassedOver();
      this.#shown[feed.slot] = shown;
    }
    return shown as Shown<T> | null;
  }

  /** The record's data in a feed, null also when `pick` leaves it out. */
  picked<T extends object>(feed: Feed<T>, pick: Picker<T> | undefined): Shown<T> | null {
    const shown = this.shown(feed);
    return shown && (!pick || pick(shown.data, this.record)) ? shown : null;
  }

  /** The record's event with its own id, null when there is none. */
  text<T extends object>(feed: Feed<T>, wire: Wire): string | null {
    const slot = feed.slot * maxWires + wire.slot;
    let text = this.#texts[slot];
    if (text === undefined) {
      const shown = this.shown(feed);
      text = shown && wire.event(feed.name, shown.json, this.id);
      this.#texts[slot] = text;
    }
    return text;
  }
}
