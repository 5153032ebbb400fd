/** Frames of a benchmark: the header of a real JPEG, a stamp that says which frame it is and when it was sent, and data of no picture that
 * walks as a JPEG's does. @module */
import { markers } from "../../kafka/jpeg.ts";
import { joined, jpegFixture } from "../jpegs.ts";

/** What a frame says of itself; ms since the epoch. */
export interface Stamp {
  readonly number: number;
  readonly sentAt: number;
}

/** Bytes from the beginning of a frame that hold its stamp: a comment right behind the first marker. */
export const stampedBytes = 18;
const commentAt = 2, numberAt = 6, timeAt = 10;
const chunkBytes = 65_536;

/** Makes frames of one size. */
export class FrameMaker {
  readonly #template: Uint8Array<ArrayBuffer>;

  /** @param bytes of each frame */
  constructor(bytes: number) {
    const header = jpegHeader(jpegFixture("baseline"));
    const front = joined(
      [0xff, markers.soi, 0xff, 0xfe, 0, stampedBytes - commentAt - 2],
      new Uint8Array(12),
      header,
    );
    this.#template = joined(front, entropy(bytes - front.length - 2), [0xff, markers.eoi]);
  }

  make({ number, sentAt }: Stamp): Uint8Array<ArrayBuffer> {
    const frame = this.#template.slice(), view = new DataView(frame.buffer);
    view.setUint32(numberAt, number);
    view.setFloat64(timeAt, sentAt);
    return frame;
  }
}

/** Reads the stamp from the beginning of a frame. */
export function stampOf(bytes: Uint8Array): Stamp {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return { number: view.getUint32(numberAt), sentAt: view.getFloat64(timeAt) };
}

/** Now, to less than a millisecond, in every process of this machine. */
export function preciseNow(): number {
  return performance.timeOrigin + performance.now();
}

/** What stands between the first marker and the data of the first scan. */
function jpegHeader(jpeg: Uint8Array): Uint8Array {
  for (let at = 2;;) {
    const marker = jpeg[at + 1]!;
    at += 2 + (jpeg[at + 2]! << 8 | jpeg[at + 3]!);
    if (marker === markers.sos) return jpeg.subarray(2, at);
  }
}

/** Bytes of chance without FF, which would have to be stuffed. */
function entropy(bytes: number): Uint8Array {
  const data = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += chunkBytes) crypto.getRandomValues(data.subarray(at, at + chunkBytes));
  return data.map((byte) => byte === 0xff ? 0x7f : byte);
}
