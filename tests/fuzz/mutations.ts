/** What goes wrong with frames on their way: bits, lengths, whole pieces, and bytes that were never Kafka's. @module */
import type { Random } from "../random.ts";

/** A frame, its length in front, and whether that length still says where the next one begins. */
export interface MutatedFrame {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly how: string;
  readonly isFramed: boolean;
}

type Payload = Uint8Array<ArrayBuffer>;
type Mutation = (payload: Payload, random: Random, other: Payload) => Payload;

/** Of the payload; the length in front is made right afterwards. */
const mutations: Readonly<Record<string, Mutation>> = {
  bits(payload, random) {
    const bytes = payload.slice();
    for (let n = random.between(1, 8); n > 0; n--) bytes[at(bytes, random)]! ^= 1 << random.between(0, 7);
    return bytes;
  },
  truncated: (payload, random) => payload.slice(0, random.between(0, payload.length)),
  int16: (payload, random) => overwritten(payload, random, ["0000", "ffff", "7fff", "8000"]),
  int32: (payload, random) =>
    overwritten(payload, random, ["00000000", "ffffffff", "7fffffff", "80000000", "00ffffff"]),
  varint: (payload, random) =>
    overwritten(payload, random, ["00", "ffffffff0f", "ffffffffff01", "8080808000", "feffffff07"]),
  spliced(payload, random, other) {
    return joined(payload.subarray(0, at(payload, random)), other.subarray(at(other, random)));
  },
  doubled(payload, random) {
    const from = at(payload, random);
    const to = random.between(from, Math.min(payload.length, from + 40));
    return joined(payload.subarray(0, to), payload.subarray(from));
  },
  inserted(payload, random) {
    const where = at(payload, random);
    return joined(payload.subarray(0, where), noise(random, random.between(1, 40)), payload.subarray(where));
  },
  removed(payload, random) {
    const from = at(payload, random);
    return joined(payload.subarray(0, from), payload.subarray(random.between(from, payload.length)));
  },
  version(payload, random) {
    const bytes = payload.slice();
    if (bytes.length >= 4) new DataView(bytes.buffer).setInt16(2, random.between(-1, 20));
    return bytes;
  },
  key(payload, random) {
    const bytes = payload.slice();
    if (bytes.length >= 2) new DataView(bytes.buffer).setInt16(0, random.between(-1, 100));
    return bytes;
  },
  appended: (payload, random) => joined(payload, noise(random, random.between(1, 100))),
  garbage: (payload, random) => joined(payload.subarray(0, Math.min(4, payload.length)), noise(random, 60)),
};
const names = Object.keys(mutations);

/** Of the frame as a whole: whoever reads it loses the next one. */
const unframed: readonly ((frame: Payload, random: Random) => Payload)[] = [
  (frame, random) => lengthSet(frame, random.between(-2, 40)),
  (frame, random) => lengthSet(frame, frame.length - 4 + random.between(-8, 8)),
  (frame) => lengthSet(frame, 2 ** 31 - 1),
  (frame) => lengthSet(frame, 16 * 1024 * 1024),
  () => new TextEncoder().encode("GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"),
  () => Uint8Array.fromHex("16030100c8010000c40303" + "ab".repeat(180)), // the first bytes of a TLS client
  (_, random) => noise(random, random.between(1, 500)),
];

/** Mutates a frame in one to three ways.
 * @param other another frame, for splices */
export function mutated(frame: Payload, random: Random, other: Payload): MutatedFrame {
  if (random.between(1, 100) <= 5) {
    const n = random.between(0, unframed.length - 1);
    return { bytes: unframed[n]!(frame, random), how: `unframed ${n}`, isFramed: false };
  }
  let payload = frame.subarray(4) as Payload;
  const how: string[] = [];
  for (let n = random.between(1, 10) <= 8 ? 1 : random.between(2, 3); n > 0; n--) {
    const name = names[random.between(0, names.length - 1)]!;
    payload = mutations[name]!(payload, random, other.subarray(4) as Payload);
    how.push(name);
  }
  const length = new Uint8Array(4);
  new DataView(length.buffer).setInt32(0, payload.length);
  return { bytes: joined(length, payload), how: how.join("+"), isFramed: true };
}

function at(bytes: Payload, random: Random): number {
  return bytes.length === 0 ? 0 : random.between(0, bytes.length - 1);
}

function overwritten(payload: Payload, random: Random, values: readonly string[]): Payload {
  const value = Uint8Array.fromHex(values[random.between(0, values.length - 1)]!);
  if (payload.length < value.length) return payload;
  const bytes = payload.slice();
  bytes.set(value, random.between(0, payload.length - value.length));
  return bytes;
}

function lengthSet(frame: Payload, length: number): Payload {
  const bytes = frame.slice();
  new DataView(bytes.buffer).setInt32(0, length);
  return bytes;
}

function noise(random: Random, length: number): Payload {
  return Uint8Array.from({ length }, () => random.between(0, 255));
}

/** One after the other, in one array. */
export function joined(...pieces: readonly Uint8Array[]): Payload {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let end = 0;
  for (const piece of pieces) {
    bytes.set(piece, end);
    end += piece.length;
  }
  return bytes;
}
