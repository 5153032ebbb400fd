/** A folder of JPEGs as a video, in the order in which people number files: 2.jpg before 10.jpg. Left out: folders within it.
 * @module */
import { CommandError } from "./run.ts";
import { defaultFps, maxReadBytes, refuseQuality } from "./video.ts";
import type { Video, VideoFrame, VideoOptions } from "./video.ts";

/** Reads one file at a time. */
export class FolderVideo implements Video {
  readonly #files: readonly string[];

  private constructor(files: readonly string[], readonly fps: number) {
    this.#files = files;
  }

  /** @throws {CommandError} for a folder without JPEGs */
  static async open(folder: string, options: VideoOptions): Promise<FolderVideo> {
    refuseQuality(options, folder);
    const names: string[] = [];
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      if (!isDirectory && /\.jpe?g$/i.test(name)) names.push(name);
    }
    if (names.length === 0) {
      throw new CommandError(`Cannot read ${folder}: found a folder without .jpg files, wanted some`);
    }
    const { compare } = new Intl.Collator("en", { numeric: true });
    const files = names.sort(compare).map((name) => `${folder.replace(/\/+$/, "")}/${name}`);
    return new FolderVideo(files, options.fps ?? defaultFps);
  }

  async *frames(): AsyncGenerator<VideoFrame, void> {
    for (const [index, file] of this.#files.entries()) yield { index, jpeg: await readFrame(file) };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

async function readFrame(file: string): Promise<Uint8Array> {
  try {
    const { size } = await Deno.stat(file);
    if (size <= maxReadBytes) return await Deno.readFile(file);
    throw new RangeError(`${size} bytes, wanted at most ${maxReadBytes}`);
  } catch (error) {
    throw new CommandError(`Cannot read ${file}: found ${(error as Error).message}`);
  }
}
