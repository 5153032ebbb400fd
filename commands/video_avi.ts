/** Motion JPEG in AVI: the header, and the chunks of one video stream in the order they lie in.
 *
 * Chunks are walked by their own lengths; those of the lists around them and the index are not needed, so a file that was written
 * to a pipe or never finished can be read, and so can the further pieces of big files (OpenDML). An empty chunk means that the
 * picture before stays. Left out: sound, other codecs, and the second field of interlaced pictures.
 * @see {@link https://learn.microsoft.com/en-us/windows/win32/directshow/avi-riff-file-reference}
 * @module */
import type { ByteReader } from "./byte_reader.ts";
import { CommandError } from "./run.ts";
import { defaultFps, maxReadBytes } from "./video.ts";
import type { Video, VideoFrame } from "./video.ts";

/** What the header says of the first video stream. */
export interface AviHeader {
  /** Frames a second. */
  readonly fps: number;
  readonly isMotionJpeg: boolean;
  /** Its number among the streams. */
  readonly stream: number;
  /** Where the list of frames begins. */
  readonly movieAt: number;
}

/** Longest header; what programs fill it up with is some kilobytes. */
const maxHeaderBytes = 1024 * 1024;
const maxFps = 1000;
const motionJpeg = /^(mjpg|jpeg|avrn|ljpg|dmb1)$/i;
const latin1 = new TextDecoder("latin1");

/** Whether a file begins as an AVI; 12 bytes tell. */
export function isAvi(head: Uint8Array): boolean {
  return nameAt(head, 0) === "RIFF" && nameAt(head, 8) === "AVI ";
}

/** Reads the header; the reader stays at the beginning.
 * @param shown the file in messages
 * @throws {CommandError} without a video stream, or when it breaks off */
export async function readAviHeader(reader: ByteReader, shown: string): Promise<AviHeader> {
  const refuse = (found: string) => new CommandError(`Cannot read ${shown}: found an AVI ${found}`);
  let streams = 0, frameMicroseconds = 0, isVideo = false;
  let video: { readonly stream: number; readonly rate: number; codec: string } | undefined;
  for (let at = 12;;) {
    if (at + 64 > maxHeaderBytes) throw refuse(`whose header is longer than ${maxHeaderBytes} bytes`);
    const chunk = (await reader.peek(at + 64)).subarray(at);
    if (chunk.length < 12) throw refuse("that breaks off in its header");
    const name = nameAt(chunk, 0), list = name === "LIST" ? nameAt(chunk, 8) : "";
    if (list === "movi") {
      if (!video) throw refuse("without a video stream");
      const { stream, rate, codec } = video;
      const fps = [rate, 1e6 / frameMicroseconds].find((one) => one > 0 && one <= maxFps) ?? defaultFps;
      return { fps, isMotionJpeg: motionJpeg.test(codec), stream, movieAt: at };
    }
    const data = chunk.subarray(8, 8 + uint32(chunk, 4));
    if (name === "avih") frameMicroseconds = uint32(data, 0);
    if (name === "strh") {
      isVideo = nameAt(data, 0) === "vids" && !video;
      if (isVideo) {
        video = { stream: streams, rate: uint32(data, 24) / uint32(data, 20), codec: nameAt(data, 4) };
      }
      streams++;
    }
    // What the format says is what is in the chunks; the stream's header only names who wrote them.
    if (name === "strf" && isVideo && video && data.length >= 20) video.codec = nameAt(data, 16);
    at += list === "hdrl" || list === "strl" ? 12 : paddedLength(chunk);
  }
}

/** The frames of an AVI, at most `fps` of them a second. */
export class AviVideo implements Video {
  readonly fps: number;
  readonly #reader: ByteReader;
  readonly #header: AviHeader;
  readonly #shown: string;

  constructor(
    reader: ByteReader,
    header: AviHeader,
    { shown, fps = Infinity }: { readonly shown: string; readonly fps?: number },
  ) {
    this.fps = Math.min(fps, header.fps);
    this.#reader = reader;
    this.#header = header;
    this.#shown = shown;
  }

  async *frames(): AsyncGenerator<VideoFrame, void> {
    const share = this.fps / this.#header.fps;
    let last = -1;
    for await (const { index, jpeg } of this.#all()) {
      const thinned = Math.floor(index * share + 1e-9);
      if (thinned > last) yield { index: last = thinned, jpeg };
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#reader[Symbol.asyncDispose]();
  }

  async *#all(): AsyncGenerator<VideoFrame, void> {
    const reader = this.#reader, stream = String(this.#header.stream).padStart(2, "0");
    const broken = (found: string) =>
      new CommandError(`Cannot read ${this.#shown} to its end: found ${found}`);
    await reader.skip(this.#header.movieAt + 12);
    for (let index = 0;;) {
      const chunk = await reader.peek(8), name = nameAt(chunk, 0), length = uint32(chunk, 4);
      if (chunk.length === 0 || /^\0*$/.test(name)) return;
      if (chunk.length < 8) throw broken(`its end behind frame ${index}`);
      if (!/^[ -~]{4}$/.test(name)) throw broken(`${chunk.toHex()} behind frame ${index}, wanted a chunk`);
      if (name === "LIST" || name === "RIFF") await reader.skip(await innerLength(reader));
      else if (name !== `${stream}dc` && name !== `${stream}db`) await reader.skip(paddedLength(chunk));
      else {
        if (length > maxReadBytes) {
          throw broken(`frame ${index} with ${length} bytes, wanted at most ${maxReadBytes}`);
        }
        await reader.skip(8);
        const jpeg = await reader.take(length);
        if (jpeg.length < length) throw broken(`its end within frame ${index}`);
        await reader.skip(length % 2);
        if (length > 0) yield { index, jpeg };
        index++;
      }
    }
  }
}

/** Bytes up to where to go on from a list: within it when there may be frames, else behind it. */
async function innerLength(reader: ByteReader): Promise<number> {
  const list = await reader.peek(12);
  return ["AVIX", "movi", "rec "].includes(nameAt(list, 8)) ? 12 : paddedLength(list);
}

/** Bytes of a chunk with its name and length. */
function paddedLength(chunk: Uint8Array): number {
  const length = uint32(chunk, 4);
  return 8 + length + length % 2;
}

function nameAt(bytes: Uint8Array, at: number): string {
  return latin1.decode(bytes.subarray(at, at + 4));
}

/** An unsigned number, little-endian; 0 behind the end. */
function uint32(bytes: Uint8Array, at: number): number {
  return bytes.length < at + 4 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
}
