import { assertEquals, assertThrows } from "@std/assert";
import { FrameBuffer } from "../../../kafka/broker/frames.ts";
import { WireError } from "../../../kafka/broker/wire/reader.ts";

/** Frames of these lengths, each filled with its index. */
function framesOf(lengths: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + 4 + length, 0));
  let at = 0;
  for (const [i, length] of lengths.entries()) {
    new DataView(bytes.buffer).setInt32(at, length);
    bytes.fill(i + 1, at + 4, at + 4 + length);
    at += 4 + length;
  }
  return bytes;
}

/** Feeds bytes in pieces of the given sizes, over and over; returns all frames. */
function cut(buffer: FrameBuffer, bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 0, turn = 0; at < bytes.byteLength; turn++) {
    const room = buffer.room();
    const size = Math.min(sizes[turn % sizes.length] ?? 1, room.byteLength, bytes.byteLength - at);
    room.set(bytes.subarray(at, at + size));
    buffer.filled(size);
    at += size;
    for (let frame = buffer.next(); frame !== undefined; frame = buffer.next()) frames.push(frame);
  }
  return frames;
}

for (
  const [name, sizes] of [
    ["whole", [10_000_000]],
    ["byte by byte", [1]],
    ["in odd pieces", [3, 1, 70_000, 2, 65_535]],
  ] as const
) {
  Deno.test(`FrameBuffer gives the same frames when bytes arrive ${name}, and keeps them true`, () => {
    const lengths = [0, 1, 10, 60_000, 5_000, 65_536, 4, 300_000, 0, 65_532, 7, 1_000_000, 12];
    const buffer = new FrameBuffer(1_000_000);
    const frames = cut(buffer, framesOf(lengths), sizes);
    assertEquals(frames.map((frame) => frame.byteLength), lengths);
    for (const [i, frame] of frames.entries()) {
      assertEquals(frame.every((byte) => byte === i + 1), true, `frame ${i} was overwritten`);
    }
    assertEquals(buffer.isMidFrame, false);
  });
}

Deno.test("FrameBuffer.next() refuses lengths below 0 and beyond the limit", () => {
  for (const length of ["ffffffff", "80000000", "000003e9", "7fffffff"]) {
    const buffer = new FrameBuffer(1000);
    buffer.room().set(Uint8Array.fromHex(length));
    buffer.filled(4);
    assertThrows(() => buffer.next(), WireError, "allowed are 0..1000");
  }
});

Deno.test("FrameBuffer grows with what has come, not with what a length claims", () => {
  const buffer = new FrameBuffer(100_000_000);
  buffer.room().set(Uint8Array.fromHex("05f5e100"));
  buffer.filled(4);
  assertEquals(buffer.next(), undefined);
  assertEquals(buffer.room().byteLength <= 64 * 1024, true);
  let came = 4;
  while (came < 1_000_000) {
    const { byteLength } = buffer.room();
    buffer.filled(byteLength);
    came += byteLength;
    assertEquals(buffer.next(), undefined);
    assertEquals(buffer.extraBytes <= came * 4, true);
  }
  assertEquals(buffer.isMidFrame, true);
});
