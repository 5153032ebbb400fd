import { assert, assertEquals, assertGreater, assertLess, assertRejects } from "@std/assert";
import { ByteReader } from "../../commands/byte_reader.ts";
import { CommandError } from "../../commands/run.ts";
import type { VideoFrame } from "../../commands/video.ts";
import { type AviHeader, AviVideo, isAvi, readAviHeader } from "../../commands/video_avi.ts";
import { aviOf, chunk, list, text } from "../avi.ts";
import { joined, numberedJpeg, numberOf } from "../jpegs.ts";
import { Random } from "../random.ts";

const shape = { width: 64, height: 48, fps: 25 };
const jpegs = Array.from({ length: 5 }, (_, n) => numberedJpeg(n));

interface Read {
  readonly header: AviHeader;
  readonly frames: readonly VideoFrame[];
  /** The error after the frames, or null. */
  readonly error: Error | null;
}

/** Reads an AVI that comes in pieces of `piece` bytes.
 * @throws {CommandError} for its header */
async function read(
  bytes: Uint8Array,
  { piece = 65_536, fps }: { piece?: number; fps?: number } = {},
): Promise<Read> {
  let at = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at += piece));
    },
  });
  await using reader = new ByteReader(stream);
  const header = await readAviHeader(reader, "x.avi");
  const video = new AviVideo(reader, header, { shown: "x.avi", ...(fps === undefined ? {} : { fps }) });
  const frames: VideoFrame[] = [];
  try {
    for await (const frame of video.frames()) frames.push(frame);
    return { header, frames, error: null };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { header, frames, error };
  }
}

/** Index and number of each frame. */
function places({ frames }: Read): (readonly [number, number | null])[] {
  return frames.map(({ index, jpeg }) => [index, numberOf(jpeg)] as const);
}

const inOrder = jpegs.map((_, n) => [n, n] as const);

Deno.test("AviVideo reads the frames and their rate, wherever the file is cut into pieces", async () => {
  for (const piece of [1, 7, 100, 65_536]) {
    const found = await read(aviOf(jpegs, shape), { piece });
    const { stream, fps, isMotionJpeg } = found.header;
    assertEquals({ stream, fps, isMotionJpeg }, { stream: 0, fps: 25, isMotionJpeg: true });
    assertEquals([places(found), found.error], [inOrder, null]);
    assertEquals(found.frames.map(({ jpeg }) => jpeg), jpegs);
  }
  assert(isAvi(aviOf([], shape)));
  assert(!isAvi(jpegs[0]!) && !isAvi(text("RIFF____WAVE")));
});

Deno.test("readAviHeader() takes the rate of the stream, else that of the file, else 25", async () => {
  const avi = aviOf(jpegs, { ...shape, fps: [30_000, 1001] });
  assertEquals((await read(avi)).header.fps, 30_000 / 1001);
  const strh = at(avi, "strh") + 8, avih = at(avi, "avih") + 8;
  const patched = (...places: readonly number[]) => {
    const bytes = avi.slice();
    for (const place of places) new DataView(bytes.buffer).setUint32(place, 0, true);
    return bytes;
  };
  const scale = strh + 20, rate = strh + 24;
  assertLess(Math.abs((await read(patched(scale, rate))).header.fps - 30_000 / 1001), 0.001);
  assertLess(Math.abs((await read(patched(scale))).header.fps - 30_000 / 1001), 0.001);
  assertEquals((await read(patched(scale, rate, avih))).header.fps, 25);
});

/** Where a chunk begins. */
function at(bytes: Uint8Array, name: string): number {
  return new TextDecoder("latin1").decode(bytes).indexOf(name);
}

Deno.test("AviVideo leaves out the index of pictures that stay", async () => {
  const nothing = new Uint8Array();
  const found = await read(aviOf([jpegs[0]!, nothing, nothing, jpegs[1]!, nothing, jpegs[2]!], shape));
  assertEquals(places(found), [[0, 0], [3, 1], [5, 2]]);
});

Deno.test("AviVideo thins out to at most so many frames a second, and never makes more of them", async () => {
  const second = Array.from({ length: 50 }, (_, n) => numberedJpeg(n));
  const found = await read(aviOf(second, shape), { fps: 10 });
  assertEquals(places(found).slice(0, 5), [[0, 0], [1, 3], [2, 5], [3, 8], [4, 10]]);
  assertEquals(found.frames.length, 20);
  assertEquals((await read(aviOf(second, shape), { fps: 60 })).frames.length, 50);
});

Deno.test("AviVideo passes over sound, indexes, padding and lists, and goes on in the pieces of OpenDML", async () => {
  const [first, ...rest] = jpegs.map((jpeg) => chunk("01dc", jpeg));
  const video = aviOf([], shape), streams = video.subarray(at(video, "LIST"), at(video, "movi") - 8);
  const sound = list(
    "strl",
    chunk("strh", text("auds"), new Uint8Array(52)),
    chunk("strf", new Uint8Array(18)),
  );
  const header = joined(
    streams.subarray(0, at(streams, "strl") - 8),
    sound,
    streams.subarray(at(streams, "strl") - 8),
  );
  const file = joined(
    chunk(
      "RIFF",
      text("AVI "),
      chunk("JUNK", new Uint8Array(5000)),
      header,
      list("INFO", chunk("ISFT", text("odd"))),
      list(
        "movi",
        chunk("00wb", new Uint8Array(3)),
        list("rec ", first!, chunk("00wb", new Uint8Array(4))),
        chunk("ix01", new Uint8Array(24)),
        ...rest.slice(0, 2),
      ),
      chunk("idx1", new Uint8Array(160)),
    ),
    chunk("RIFF", text("AVIX"), list("movi", ...rest.slice(2))),
    new Uint8Array(13),
  );
  const found = await read(file);
  assertEquals(found.header.stream, 1);
  assertEquals([places(found), found.error], [inOrder, null]);
});

Deno.test("AviVideo reads what was never finished: sizes of lists that are zero or without end", async () => {
  for (const size of [0, 0xffffffff]) {
    const bytes = aviOf(jpegs, shape), view = new DataView(bytes.buffer);
    view.setUint32(4, size, true);
    view.setUint32(at(bytes, "movi") - 4, size, true);
    assertEquals(places(await read(bytes)), inOrder);
  }
});

Deno.test("AviVideo gives the frames before the place where a file breaks off, and says so", async () => {
  const bytes = aviOf(jpegs, shape);
  const cut = await read(bytes.subarray(0, bytes.length - 100));
  assertEquals([places(cut), cut.error?.message], [
    inOrder.slice(0, 4),
    "Cannot read x.avi to its end: found its end within frame 4",
  ]);
  const last = bytes.length - chunk("00dc", jpegs[4]!).length;
  const odd = await read(bytes.subarray(0, last + 5));
  assertEquals(odd.error?.message, "Cannot read x.avi to its end: found its end behind frame 4");
  const rubbish = await read(joined(bytes.subarray(0, last), [0xff, 0xfe, 1, 2, 3, 4, 5, 6, 7, 8]));
  assertEquals(
    rubbish.error?.message,
    "Cannot read x.avi to its end: found fffe010203040506 behind frame 4, wanted a chunk",
  );
  new DataView(bytes.buffer).setUint32(last + 4, 0x7fffffff, true);
  assertEquals(
    (await read(bytes)).error?.message,
    "Cannot read x.avi to its end: found frame 4 with 2147483647 bytes, wanted at most 67108864",
  );
});

Deno.test("readAviHeader() refuses headers without video, cut ones and endless ones", async () => {
  const bytes = aviOf(jpegs, shape);
  const noVideo = bytes.slice();
  noVideo.set(text("auds"), at(bytes, "vids"));
  const endless = joined(bytes.subarray(0, 12), chunk("JUNK", new Uint8Array(2_000_000)));
  const cases: [bytes: Uint8Array, says: string][] = [
    [noVideo, "Cannot read x.avi: found an AVI without a video stream"],
    [bytes.subarray(0, 100), "Cannot read x.avi: found an AVI that breaks off in its header"],
    [bytes.subarray(0, 12), "Cannot read x.avi: found an AVI that breaks off in its header"],
    [endless, "Cannot read x.avi: found an AVI whose header is longer than 1048576 bytes"],
  ];
  for (const [file, says] of cases) await assertRejects(() => read(file), CommandError, says);
  assertEquals((await read(aviOf([], { ...shape, codec: "XVID" }))).header.isMotionJpeg, false);
});

Deno.test("AviVideo survives any bytes: it ends, with few frames or an error that says what was found", async () => {
  const random = new Random("AVI fuzz");
  const good = aviOf(jpegs, shape);
  const sizes = [0, 1, 7, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff8];
  const outcomes = { header: 0, broken: 0, whole: 0 };
  const startedMs = performance.now();
  for (let run = 0; run < 3000; run++) {
    const bytes = good.slice(0, random.between(0, 4) === 0 ? random.between(0, good.length) : good.length);
    const view = new DataView(bytes.buffer);
    for (let n = random.between(1, 6); n > 0 && bytes.length > 4; n--) {
      const place = random.between(
        0,
        Math.min(bytes.length - 4, random.between(0, 1) ? 400 : bytes.length - 4),
      );
      if (random.between(0, 1)) view.setUint32(place, sizes[random.between(0, sizes.length - 1)]!, true);
      else bytes[place] = random.between(0, 255);
    }
    try {
      const { frames, error } = await read(bytes, { piece: random.between(1, 3000) });
      assertLess(frames.length, 100);
      outcomes[error ? "broken" : "whole"]++;
    } catch (error) {
      assert(error instanceof CommandError, String((error as Error).stack));
      outcomes.header++;
    }
  }
  for (const count of Object.values(outcomes)) assertGreater(count, 100, JSON.stringify(outcomes));
  assertLess(performance.now() - startedMs, 60_000);
});
