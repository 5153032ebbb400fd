/** CRC-32C (Castagnoli), the checksum of record batches; slicing-by-8, eight table look-ups for eight bytes.
 * @see {@link https://www.rfc-editor.org/rfc/rfc3720#appendix-B.4} for the polynomial and test values @module */

/** Reflected polynomial 0x1EDC6F41. */
const POLYNOMIAL = 0x82f63b78;

/** Eight tables of 256: table k is the checksum of a byte followed by k zero bytes. */
const tables = makeTables();

/** The checksum of some bytes, as an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array): number {
  const t = tables;
  const length = bytes.byteLength;
  const aligned = length - (length % 8);
  let crc = -1;
  let i = 0;
  for (; i < aligned; i += 8) {
    const low = crc ^
      (at(bytes, i) | (at(bytes, i + 1) << 8) | (at(bytes, i + 2) << 16) | (at(bytes, i + 3) << 24));
    crc = word(t, 1792 + (low & 255)) ^ word(t, 1536 + ((low >>> 8) & 255)) ^
      word(t, 1280 + ((low >>> 16) & 255)) ^ word(t, 1024 + (low >>> 24)) ^
      word(t, 768 + at(bytes, i + 4)) ^ word(t, 512 + at(bytes, i + 5)) ^
      word(t, 256 + at(bytes, i + 6)) ^ word(t, at(bytes, i + 7));
  }
  for (; i < length; i++) crc = word(t, (crc ^ at(bytes, i)) & 255) ^ (crc >>> 8);
  return ~crc >>> 0;
}

function at(bytes: Uint8Array, index: number): number {
  return bytes[index] as number;
}

function word(table: Int32Array, index: number): number {
  return table[index] as number;
}

function makeTables(): Int32Array {
  const made = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL;
    made[byte] = crc;
  }
  for (let byte = 0; byte < 256; byte++) {
    let crc = word(made, byte);
    for (let table = 1; table < 8; table++) {
      crc = word(made, crc & 255) ^ (crc >>> 8);
      made[table * 256 + byte] = crc;
    }
  }
  return made;
}
