// @ts-check
/** The newest records of a tail, in the order they came: bounded in number and size, and what leaves it is
 * counted.
 *
 * Each has a number, from 0 on, that stays its own. Left out: drawing.
 * @module */
/** @import { TopicRecord } from "./topics_api.js" */

/** @typedef {{ record: TopicRecord, size: number, isDrawn: boolean, time: string, key: string, text: string }}
 * Entry `time`, `key` and `text` are made when they are drawn first */

/** Kept records. */
export class RecordBuffer {
  /** Number of the oldest that is kept, and of the next one. */
  first = 0;
  end = 0;
  /** Of those that left, how many were never on the screen. */
  unseen = 0;
  #capacity;
  #maxSize;
  #size = 0;
  /** @type {(Entry | undefined)[]} */ #entries;

  /** @param {number} [capacity] records @param {number} [maxSize] characters of their data */
  constructor(capacity = 5_000, maxSize = 64 << 20) {
    this.#capacity = capacity;
    this.#maxSize = maxSize;
    this.#entries = new Array(capacity);
  }

  get length() {
    return this.end - this.first;
  }

  /** @param {TopicRecord} record @param {number} size */
  push(record, size) {
    if (this.length === this.#capacity) this.#drop();
    this.#entries[this.end++ % this.#capacity] = {
      record,
      size,
      isDrawn: false,
      time: "",
      key: "",
      text: "",
    };
    this.#size += size;
    while (this.#size > this.#maxSize && this.length > 1) this.#drop();
  }

  /** @param {number} number @returns {Entry | undefined} */
  at(number) {
    return number >= this.first && number < this.end ? this.#entries[number % this.#capacity] : undefined;
  }

  /** The number of a record that is kept, −1 if it is not. @param {string} place `partition:offset` */
  find(place) {
    for (let i = this.end - 1; i >= this.first; i--) {
      const entry = this.at(i);
      if (entry && placeOf(entry.record) === place) return i;
    }
    return -1;
  }

  clear() {
    this.#entries.fill(undefined);
    this.#size = 0;
    this.first = this.end = this.unseen = 0;
  }

  #drop() {
    const entry = this.at(this.first);
    if (!entry) return;
    this.#entries[this.first++ % this.#capacity] = undefined;
    this.#size -= entry.size;
    if (!entry.isDrawn) this.unseen++;
  }
}

/** @param {TopicRecord} record */
export const placeOf = ({ partition, offset }) => `${partition}:${offset}`;
