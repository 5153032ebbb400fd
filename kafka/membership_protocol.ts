/** What members of a consumer group say of themselves and are told, as bytes: Kafka's ConsumerProtocol, so that Kafka's own tools show
 * topics and partitions.
 *     subscription, version 2 => version:INT16 [topic:STRING] user_data:BYTES [topic:STRING [partition:INT32]] generation_id:INT32
 *     assignment, version 0   => version:INT16 [topic:STRING [partition:INT32]] user_data:BYTES
 * Newer versions only append fields, which are not read. Left out: user data; who sends them (membership.ts).
 * @see {@link https://github.com/apache/kafka/tree/trunk/clients/src/main/resources/common/message ConsumerProtocol*.json}
 * @module */
import { Buffer } from "node:buffer";

/** Partitions by topic. */
export type Partitions = ReadonlyMap<string, readonly number[]>;

/** What a member wants, and what it had last: `owned` was assigned to it in `generation`, −1 when it does not say. */
export interface Subscription {
  readonly topics: readonly string[];
  readonly owned: Partitions;
  readonly generation: number;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function encodeSubscription({ topics, owned, generation }: Subscription): Buffer {
  const parts = [int16(2), array(topics, text), noData, encodePartitions(owned), int32(generation)];
  return Buffer.concat(parts);
}

/** @throws {RangeError | TypeError} for bytes that are none */
export function decodeSubscription(bytes: Uint8Array): Subscription {
  const fields = new Fields(bytes);
  const version = fields.int16();
  const topics = fields.array(() => fields.text());
  fields.skipData();
  const owned = version >= 1 ? fields.partitions() : new Map<string, number[]>();
  return { topics, owned, generation: version >= 2 ? fields.int32() : -1 };
}

export function encodeAssignment(partitions: Partitions): Buffer {
  return Buffer.concat([int16(0), encodePartitions(partitions), noData]);
}

/** No bytes at all are an assignment of nothing: a leader may leave a member out.
 * @throws {RangeError | TypeError} for bytes that are none */
export function decodeAssignment(bytes: Uint8Array): Partitions {
  if (bytes.length === 0) return new Map();
  const fields = new Fields(bytes);
  fields.int16(); // version
  return fields.partitions();
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([int16(bytes.length), bytes]);
}

function array<T>(items: readonly T[], encode: (item: T) => Buffer): Buffer {
  return Buffer.concat([int32(items.length), ...items.map(encode)]);
}

const noData = int32(0);

function encodePartitions(partitions: Partitions): Buffer {
  return array([...partitions], ([topic, numbers]) => Buffer.concat([text(topic), array(numbers, int32)]));
}

/** A cursor over fields; reads beyond the end throw. */
class Fields {
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  int16(): number {
    return this.#view.getInt16(this.#skip(2));
  }

  int32(): number {
    return this.#view.getInt32(this.#skip(4));
  }

  text(): string {
    const length = this.int16();
    const at = this.#skip(length);
    return utf8.decode(new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, length));
  }

  array<T>(item: () => T): T[] {
    const items: T[] = [];
    for (let left = this.int32(); left > 0; left--) items.push(item());
    return items;
  }

  partitions(): Map<string, number[]> {
    return new Map(this.array(() => [this.text(), this.array(() => this.int32())] as const));
  }

  /** Bytes with a length in front, −1 for none. */
  skipData(): void {
    this.#skip(Math.max(0, this.int32()));
  }

  #skip(bytes: number): number {
    const at = this.#at;
    if (bytes < 0 || bytes > this.#view.byteLength - at) {
      throw new RangeError(`Cannot read ${bytes} bytes of a member: ${this.#view.byteLength - at} are left`);
    }
    this.#at += bytes;
    return at;
  }
}
