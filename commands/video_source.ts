/** Opens a video. Its first bytes tell what it is: JPEGs one after the other and Motion JPEG in AVI (video_avi.ts) are read as they
 * are, and so is a folder of JPEGs (video_folder.ts); everything else goes through ffmpeg (video_ffmpeg.ts). @module */
import { JpegSplitter } from "../kafka/jpeg_stream.ts";
import { ByteReader } from "./byte_reader.ts";
import { CommandError } from "./run.ts";
import { defaultFps, maxReadBytes, refuseQuality } from "./video.ts";
import type { Video, VideoFrame, VideoOptions } from "./video.ts";
import { AviVideo, isAvi, readAviHeader } from "./video_avi.ts";
import { FfmpegVideo } from "./video_ffmpeg.ts";
import { FolderVideo } from "./video_folder.ts";
import type { VideoPlace } from "./video_place.ts";

/** What cannot go back to the pictures finds none in an MP4 that tells behind them where they are. */
const mp4Hint =
  " (an MP4 can be read from stdin if its index comes first, as -movflags +faststart makes it: name the file instead)";

/** Opens it and reads as much as tells what it is.
 * @throws {CommandError} when it cannot be read
 * @throws {UsageError} for options that it cannot follow */
export async function openVideo(place: VideoPlace, options: VideoOptions): Promise<Video> {
  const { kind, shown, text } = place;
  if (kind === "live" || kind === "url") return await FfmpegVideo.open({ place }, options);
  if (kind === "stdin") return await openStream(place, options.stdin ?? Deno.stdin.readable, options);
  try {
    if ((await Deno.stat(text)).isDirectory) return await FolderVideo.open(text, options);
    return await openStream(place, (await Deno.open(text)).readable, options);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const found = error instanceof Deno.errors.NotFound ? "no such file" : (error as Error).message;
    throw new CommandError(`Cannot read ${shown}: found ${found}, wanted a video or a folder of JPEGs`);
  }
}

async function openStream(
  place: VideoPlace,
  stream: ReadableStream<Uint8Array>,
  options: VideoOptions,
): Promise<Video> {
  const { kind, shown } = place;
  await using opened = new AsyncDisposableStack();
  const reader = opened.use(new ByteReader(stream, options.signal));
  const head = await reader.peek(12);
  if (head.length === 0) throw new CommandError(`Cannot read ${shown}: found nothing in it, wanted a video`);
  let video: Video | undefined;
  if (head[0] === 0xff && head[1] === 0xd8) {
    refuseQuality(options, shown);
    video = new JpegsVideo(reader, shown, options.fps ?? (kind === "stdin" ? null : defaultFps));
  } else if (isAvi(head) && options.quality === undefined) {
    const header = await readAviHeader(reader, shown);
    if (header.isMotionJpeg) video = new AviVideo(reader, header, { shown, ...options });
  }
  if (video) {
    opened.move();
    return video;
  }
  // What is left of stdin is ffmpeg's, a file is opened by itself, so that it can look for what it needs.
  if (kind !== "stdin") return await FfmpegVideo.open({ place }, options);
  const input = { place, stdin: reader, ...(isMp4(head) && { hint: mp4Hint }) };
  const ffmpeg = await FfmpegVideo.open(input, options);
  opened.move();
  return ffmpeg;
}

/** MP4 and its kin begin with a box `ftyp`, behind its length. */
function isMp4(head: Uint8Array): boolean {
  return new TextDecoder().decode(head.subarray(4, 8)) === "ftyp";
}

/** JPEGs without anything between them: `.mjpeg` files, cameras that write to stdout. */
class JpegsVideo implements Video {
  readonly #reader: ByteReader;
  readonly #shown: string;

  constructor(reader: ByteReader, shown: string, readonly fps: number | null) {
    this.#reader = reader;
    this.#shown = shown;
  }

  async *frames(): AsyncGenerator<VideoFrame, void> {
    const splitter = new JpegSplitter({ maxFrameBytes: maxReadBytes });
    let index = 0;
    try {
      for await (const piece of this.#reader.rest()) {
        for (const jpeg of splitter.push(piece)) yield { index: index++, jpeg };
      }
      splitter.end();
    } catch (error) {
      throw new CommandError(`Cannot read ${this.#shown} after frame ${index}: ${(error as Error).message}`);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#reader[Symbol.asyncDispose]();
  }
}
