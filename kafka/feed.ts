/** What viewers see of records: a feed turns a record into data, a wire turns data into text for one kind of connection.
 *
 * Both are values made once per program, so that a record's data and text can be kept beside it and shared by all viewers of
 * the same kind.
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

/** What an event is written as; bytes leave in a write of their own. */
export type Written = string | Uint8Array;

/** How events are written. */
export interface Wire {
  readonly slot: number;
  /** One event; null when this wire does not carry such events.
   * @param json an object, on one line; @param id the place after it, null where none is carried */
  event(name: string, json: string, id: string | null): string | null;
  /** How a record is written on a wire of bytes, which carries no id with it; without it a record is an event as any other.
   * @param data what the feed shows of it */
  readonly record?: (record: KafkaRecord, data: object) => Uint8Array;
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
const maxWires = 12;
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

/** Makes a wire whose records are bytes, and which writes one event at a time; once, at module level. */
export function defineBinaryWire(record: NonNullable<Wire["record"]>, event: Wire["event"]): Wire {
  return { ...defineWire(null, event), record };
}

/** A record with what feeds and wires have made of it so far. */
export class SharedRecord {
  readonly #shown: (Shown<object> | null | undefined)[] = [];
  readonly #events: (Written | null | undefined)[] = [];

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

  /** The record's event with its own id, null when there is none; made once for all viewers. */
  event<T extends object>(feed: Feed<T>, wire: Wire): Written | null {
    const slot = feed.slot * maxWires + wire.slot;
    let event = this.#events[slot];
    if (event === undefined) {
      const shown = this.shown(feed);
      event = shown && eventOf(this.record, shown, { feed, wire, id: this.id });
      this.#events[slot] = event;
    }
    return event;
  }
}

/** A record as a wire writes it, null when the wire does not carry it.
 * @param how.id the place after it; wires of bytes carry none */
export function eventOf<T extends object>(
  record: KafkaRecord,
  { data, json }: Shown<T>,
  { feed, wire, id }: { readonly feed: Feed<T>; readonly wire: Wire; readonly id: string | null },
): Written | null {
  return wire.record ? wire.record(record, data) : wire.event(feed.name, json, id);
}
