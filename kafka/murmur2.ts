/** The hash by which Java's clients choose the partition of a key. The client library's own takes ten times as long, as it counts with
 * objects. Left out: what is done with it (connection.ts).
 * @see {@link https://github.com/apache/kafka/blob/trunk/clients/src/main/java/org/apache/kafka/common/utils/Utils.java} for `murmur2`
 * @module */

const seed = 0x9747b28c, mixer = 0x5bd1e995;

/** @returns a signed 32-bit number */
export function murmur2(key: Uint8Array): number {
  const { length } = key, whole = length & ~3;
  let hash = seed ^ length;
  for (let i = 0; i < whole; i += 4) {
    let four = key[i]! | key[i + 1]! << 8 | key[i + 2]! << 16 | key[i + 3]! << 24;
    four = Math.imul(four, mixer);
    four = Math.imul(four ^ four >>> 24, mixer);
    hash = Math.imul(hash, mixer) ^ four;
  }
  const left = length - whole;
  if (left > 0) {
    for (let i = 0; i < left; i++) hash ^= key[whole + i]! << 8 * i;
    hash = Math.imul(hash, mixer);
  }
  hash = Math.imul(hash ^ hash >>> 13, mixer);
  return hash ^ hash >>> 15;
}
