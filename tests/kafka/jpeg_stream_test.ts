import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import { NotAJpeg } from "../../kafka/jpeg.ts";
import { FrameTooLarge, JpegSplitter } from "../../kafka/jpeg_stream.ts";
import { joined, jpegFixture, numberedJpeg } from "../jpegs.ts";
import { Random } from "../random.ts";

const maxFrameBytes = 100_000;
const fixtures = (["baseline", "progressive", "exif_thumbnail", "restart_markers"] as const).map(jpegFixture);

/** What comes of a stream that is cut into pieces of these lengths, the last one repeated. */
function split(stream: Uint8Array, lengths: readonly number[], limit = maxFrameBytes): Uint8Array[] {
  const splitter = new JpegSplitter({ maxFrameBytes: limit }), frames: Uint8Array[] = [];
  for (let at = 0, n = 0; at < stream.length; n++) {
    const length = lengths[Math.min(n, lengths.length - 1)]!;
    frames.push(...splitter.push(stream.subarray(at, at + length)));
    at += length;
  }
  splitter.end();
  return frames;
}

/** Frames that came before the error, and its message. */
function splitUntilWrong(stream: Uint8Array, limit = maxFrameBytes) {
  const splitter = new JpegSplitter({ maxFrameBytes: limit }), frames: Uint8Array[] = [];
  try {
    for (const frame of splitter.push(stream)) frames.push(frame);
    splitter.end();
  } catch (error) {
    assert(error instanceof NotAJpeg || error instanceof FrameTooLarge, String(error));
    return { frames, message: error.message };
  }
  return { frames, message: null };
}

Deno.test("JpegSplitter cuts frames of all kinds apart, wherever the stream is cut into pieces", () => {
  const frames = [...fixtures, numberedJpeg(1), ...fixtures, numberedJpeg(2, { bytes: 70_000 })];
  const stream = joined(...frames);
  for (const length of [1, 2, 3, 7, 64, 1_000, 65_536, stream.length]) {
    assertEquals(split(stream, [length]), frames, `pieces of ${length}`);
  }
  const random = new Random("JpegSplitter");
  for (let n = 0; n < 200; n++) {
    const lengths = Array.from({ length: 400 }, () => random.between(1, [3, 300, 3_000][n % 3]!));
    assertEquals(split(stream, lengths), frames, `pieces of ${lengths}`);
  }
});

Deno.test("JpegSplitter leaves out zeros, line ends and fill bytes between two frames", () => {
  const [a, b] = [numberedJpeg(1), numberedJpeg(2)];
  const padding = [[0], Array(5_000).fill(0), [0x0d, 0x0a], [0xff], [0xff, 0xff, 0xff], [
    0,
    0x0a,
    0xff,
    0xff,
  ]];
  for (const between of padding) {
    const stream = joined(between, a, between, b, between);
    for (const length of [1, 2, 5, stream.length]) {
      assertEquals(split(stream, [length]), [a, b], `${between}`);
    }
  }
});

Deno.test("JpegSplitter takes padding behind every frame, however many there are", () => {
  const padded = joined(numberedJpeg(1), new Uint8Array(5_000)), stream = joined(...Array(100).fill(padded));
  assertEquals(split(stream, [10_000]).length, 100);
});

Deno.test("JpegSplitter takes fill bytes before markers and a number of lines behind the scan", () => {
  const filled = joined(
    [0xff, 0xd8, 0xff, 0xff, 0xff, 0xc0, 0, 11, 8, 0, 0, 0, 64, 1, 1, 0x11, 0],
    [0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 1, 0xff, 0x00, 0xd9, 0xff, 0xff, 0xd0, 2, 0xff, 0xff, 0xff],
    [0xdc, 0, 4, 0, 48, 0xff, 0xff, 0xd9],
  );
  for (const length of [1, 2, 3, filled.length]) assertEquals(split(filled, [length]), [filled]);
});

Deno.test("JpegSplitter yields frames in memory of their own, as soon as their last byte is there", () => {
  const frame = numberedJpeg(5), splitter = new JpegSplitter({ maxFrameBytes });
  assertEquals([...splitter.push(frame.subarray(0, -1))], []);
  const [found] = [...splitter.push(frame.subarray(-1))];
  assertEquals(found, frame);
  assertEquals(found!.buffer.byteLength, frame.length);
});

Deno.test("JpegSplitter yields what came before rubbish, then says what it found", () => {
  const good = numberedJpeg(1), cut = good.subarray(0, 150), text = new TextEncoder();
  const wrong: readonly (readonly [what: string, bytes: Uint8Array, message: string])[] = [
    ["text", text.encode("hello"), "Found 68 65 6C 6C, wanted a JPEG, which begins with FF D8"],
    ["an MP4", joined([0, 0, 0, 0x20], text.encode("ftypisom")), "Found 20 66 74 79, wanted a JPEG"],
    ["one that is cut, and the next", joined(cut, good), "wanted a marker of a frame that has begun"],
    ["one that is cut", cut, "breaks off after 150 bytes"],
    ["a stuffed byte before the scan", Uint8Array.of(0xff, 0xd8, 0xff, 0), "Found FF 00 at byte 2 of a JPEG"],
    ["no marker", Uint8Array.of(0xff, 0xd8, 0x12), "Found 12 at byte 2 of a JPEG, wanted a marker"],
    ["a length of 1", Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 1), "wanted the length of a segment"],
    ["padding", new Uint8Array(maxFrameBytes + 1), `Found ${maxFrameBytes + 1} bytes of padding`],
  ];
  for (const [what, bytes, message] of wrong) {
    const found = splitUntilWrong(joined(good, bytes));
    assertEquals(found.frames, [good], what);
    assert(found.message?.includes(message), `${what}: ${found.message}`);
  }
});

Deno.test("JpegSplitter refuses a frame as soon as it shows that it is too large", () => {
  const exact = numberedJpeg(1, { bytes: maxFrameBytes }),
    larger = numberedJpeg(1, { bytes: maxFrameBytes + 1 });
  assertEquals(split(joined(exact, exact), [1_000]).length, 2);
  assertThrows(() => split(larger, [1_000]), FrameTooLarge, `at most ${maxFrameBytes} are taken`);
  const splitter = new JpegSplitter({ maxFrameBytes: 1_000 });
  const announced = () => [...splitter.push(Uint8Array.of(0xff, 0xd8, 0xff, 0xe1, 0xff, 0xff))];
  assertThrows(announced, FrameTooLarge, "Found a frame of 65539 bytes or more");
});

Deno.test("JpegSplitter takes a picture of 12 MB byte by byte in time that grows with its length", () => {
  const scan = new Uint8Array(12_000_000).fill(0x55);
  for (let at = 0; at + 1 < scan.length; at += 200) scan.set([0xff, 0x00], at);
  const small = numberedJpeg(1), large = joined(small.subarray(0, -2), scan, small.subarray(-2));
  const began = performance.now();
  assertEquals(split(large, [1], large.length)[0]?.length, large.length);
  assertLess(performance.now() - began, 120_000); // copying it anew for each byte would take hours
});

Deno.test("JpegSplitter throws nothing but its own errors and ends, whatever it is given", () => {
  const random = new Random("JpegSplitter, wrong bytes"), stream = joined(...fixtures, ...fixtures);
  const interesting = [0x00, 0xff, 0xd8, 0xd9, 0xda, 0xd0, 0x01];
  for (let n = 0; n < 3_000; n++) {
    const from = random.between(0, stream.length), bytes = stream.slice(n % 2 === 0 ? 0 : from);
    for (let changes = random.between(1, 8); changes > 0 && bytes.length > 0; changes--) {
      const at = random.between(0, bytes.length - 1);
      bytes[at] = changes % 2 === 0 ? random.between(0, 255) : interesting[random.between(0, 6)]!;
    }
    const { frames } = splitUntilWrong(bytes);
    for (const frame of frames) assertEquals(splitUntilWrong(frame).frames, [frame]);
    const splitter = new JpegSplitter({ maxFrameBytes });
    assertEquals(countInPieces(splitter, bytes, random), frames.length, "as many in pieces as in one");
  }
});

function countInPieces(splitter: JpegSplitter, bytes: Uint8Array, random: Random): number {
  let frames = 0;
  try {
    for (let at = 0; at < bytes.length;) {
      const length = random.between(1, 500);
      for (const _ of splitter.push(bytes.subarray(at, at + length))) frames++;
      at += length;
    }
    splitter.end();
  } catch (error) {
    assert(error instanceof NotAJpeg || error instanceof FrameTooLarge, String(error));
  }
  return frames;
}
