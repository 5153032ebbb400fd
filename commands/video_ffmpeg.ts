/** Whatever ffmpeg can read, as JPEGs: a child process that writes Motion JPEG in AVI to its stdout.
 *
 * AVI says the rate in its header, the length of each frame before it, and by empty chunks for how long a picture stays. Nothing is read
 * ahead: ffmpeg waits when its output is not taken. Left out: what ffmpeg does about cameras that fall silent.
 * @see {@link https://ffmpeg.org/ffmpeg.html}
 * @module */
import { ByteReader } from "./byte_reader.ts";
import { CommandError } from "./run.ts";
import { AviVideo, readAviHeader } from "./video_avi.ts";
import type { VideoPlace } from "./video_place.ts";
import type { Video, VideoFrame, VideoOptions } from "./video.ts";

/** What ffmpeg reads. */
export interface FfmpegInput {
  readonly place: VideoPlace;
  /** The rest of stdin, when that is the place; the video then owns it. */
  readonly stdin?: ByteReader;
  /** What is told besides where ffmpeg finds no pictures. */
  readonly hint?: string;
}

const defaultQuality = 5;
/** Rate under which the frames of a camera are handed over; they are due when they come. */
const liveFps = 25;
/** Of what ffmpeg says: so many lines are kept, and so many characters shown. */
const maxLines = 8, maxShown = 400;

/** ffmpeg's arguments.
 * @see {@link https://ffmpeg.org/ffmpeg-filters.html#fps-1} for `source_fps` */
export function ffmpegArgs(
  { kind, text }: VideoPlace,
  { fps, quality = defaultQuality, loop = false }: Pick<VideoOptions, "fps" | "quality" | "loop">,
): string[] {
  const isLive = kind === "live";
  const input = kind === "stdin" ? "pipe:0" : kind === "path" || text.startsWith("/") ? `file:${text}` : text;
  const filters = [
    ...(fps === undefined ? [] : [`fps='if(gt(source_fps,0),min(${fps},source_fps),${fps})'`]),
    // One after the other, whatever times they bear: a camera's are not to be relied on.
    ...(isLive ? [`setpts=N/${liveFps}/TB`] : []),
  ];
  return [
    ...["-nostdin", "-v", "repeat+error"],
    ...(/^rtsps?:/i.test(text) ? ["-rtsp_transport", "tcp"] : []),
    ...(isLive ? ["-fflags", "nobuffer"] : []),
    ...(loop && kind === "path" ? ["-stream_loop", "-1"] : []),
    ...["-i", input, "-an", "-sn", "-dn"],
    ...(filters.length > 0 ? ["-vf", filters.join(",")] : []),
    ...(isLive ? ["-r", String(liveFps)] : []),
    ...["-c:v", "mjpeg", "-q:v", String(quality), "-pix_fmt", "yuvj420p"],
    ...["-flush_packets", "1", "-f", "avi", "pipe:1"],
  ];
}

/** A running ffmpeg; disposing it ends the process. */
export class FfmpegVideo implements Video {
  readonly fps: number | null;
  readonly #process: FfmpegProcess;
  readonly #avi: AviVideo;

  private constructor(process: FfmpegProcess, avi: AviVideo, isLive: boolean) {
    this.fps = isLive ? null : avi.fps;
    this.#process = process;
    this.#avi = avi;
  }

  /** Starts it and waits for the header of its output.
   * @throws {CommandError} without ffmpeg, or with what it says against the input */
  static async open(input: FfmpegInput, options: VideoOptions): Promise<FfmpegVideo> {
    const { place } = input;
    await using opened = new AsyncDisposableStack();
    const process = opened.use(FfmpegProcess.start(input, options));
    const { stdout } = process;
    if ((await stdout.peek(12)).length < 12) {
      throw await process.failure(`found no pictures in it${input.hint ?? ""}`);
    }
    const avi = new AviVideo(stdout, await readAviHeader(stdout, `${place.shown} through ffmpeg`), {
      shown: `${place.shown} through ffmpeg`,
    });
    opened.move();
    return new FfmpegVideo(process, avi, place.kind === "live");
  }

  async *frames(): AsyncGenerator<VideoFrame, void> {
    let count = 0, cause: unknown;
    try {
      for await (const frame of this.#avi.frames()) {
        count++;
        yield frame;
      }
    } catch (error) {
      cause = error;
      this.#process.kill();
    }
    const { success, words } = await this.#process.end();
    if (this.#process.isKilled || !cause && success && (words === "" || this.fps === null)) return;
    throw await this.#process.failure(`it breaks off after frame ${count}`, cause);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}

/** The child process, its stdin fed and its stderr drained. */
class FfmpegProcess implements AsyncDisposable {
  readonly stdout: ByteReader;
  /** Ends it, if it has not ended. */
  readonly kill = (): void => {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
  };
  readonly #child: Deno.ChildProcess;
  readonly #place: VideoPlace;
  readonly #stdin: ByteReader | undefined;
  readonly #words: Promise<string>;
  readonly #fed: Promise<void>;
  readonly #signal: AbortSignal;

  private constructor(child: Deno.ChildProcess, { place, stdin }: FfmpegInput, signal: AbortSignal) {
    this.stdout = new ByteReader(child.stdout, signal);
    this.#child = child;
    this.#place = place;
    this.#stdin = stdin;
    this.#words = lastWords(child.stderr);
    this.#fed = stdin ? feed(stdin, child.stdin) : Promise.resolve();
    this.#signal = signal;
    signal.addEventListener("abort", this.kill);
  }

  /** @throws {CommandError} when there is no ffmpeg that may be run */
  static start(input: FfmpegInput, options: VideoOptions): FfmpegProcess {
    options.signal.throwIfAborted();
    try {
      const child = new Deno.Command("ffmpeg", {
        args: ffmpegArgs(input.place, options),
        stdin: input.stdin ? "piped" : "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      return new FfmpegProcess(child, input, options.signal);
    } catch (error) {
      const found = error instanceof Deno.errors.NotFound
        ? "no ffmpeg on the PATH"
        : error instanceof Deno.errors.NotCapable
        ? "ffmpeg not allowed (--allow-run=ffmpeg)"
        : (error as Error).message;
      const without = "without it: Motion JPEG (.avi, .mjpeg), a folder of JPEGs";
      throw new CommandError(
        `Cannot read ${input.place.shown}: found ${found}, wanted it for this; ${without}`,
      );
    }
  }

  /** Whether it was ended from here. */
  get isKilled(): boolean {
    return this.#signal.aborted;
  }

  /** Waits for its end.
   * @returns `words`: what it said on stderr, on one line */
  async end(): Promise<{ success: boolean; words: string }> {
    const [{ success }, words] = await Promise.all([this.#child.status, this.#words]);
    return { success, words: this.#shown(words) };
  }

  /** ffmpeg repeats what it was told to read: a password, perhaps. */
  #shown(words: string): string {
    const { text, shown } = this.#place;
    return words.replaceAll(`file:${text}`, shown).replaceAll(text, shown);
  }

  /** @param found what this side noticed */
  async failure(found: string, cause?: unknown): Promise<CommandError> {
    const { words } = await this.end();
    const said = /does not contain any stream/.test(words) ? "" : words && `; ffmpeg says: ${words}`;
    return new CommandError(`Cannot read ${this.#place.shown}: ${found}${said}`, { cause });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal.removeEventListener("abort", this.kill);
    this.kill();
    await this.#stdin?.[Symbol.asyncDispose]();
    await Promise.all([this.stdout[Symbol.asyncDispose](), this.#fed, this.end()]);
  }
}

/** Hands stdin on. That ffmpeg takes no more is no failure here: its end tells. */
async function feed(from: ByteReader, to: WritableStream<Uint8Array>): Promise<void> {
  const writer = to.getWriter();
  try {
    for await (const piece of from.rest()) await writer.write(piece);
    await writer.close();
  } catch {
    await writer.abort().catch(() => {});
  }
}

/** Reads stderr to its end and gives the last lines that differ, without the addresses of ffmpeg's parts. */
async function lastWords(stderr: ReadableStream<Uint8Array>): Promise<string> {
  let lines: string[] = [], rest = "";
  const decoder = new TextDecoder();
  for await (const piece of stderr) {
    const text = rest + decoder.decode(piece, { stream: true });
    const found = text.split(/[\r\n]+/);
    rest = found.pop()!.slice(0, maxShown);
    lines = [...lines, ...found].slice(-maxLines);
  }
  const said = [...lines, rest].map((line) => line.replace(/^(\[[^\]]* @ 0x[0-9a-f]+\] )+/, "").trim());
  const words = [...new Set(said.filter((line) => line !== ""))].slice(-3).join("; ");
  return words.length > maxShown ? `${words.slice(0, maxShown)}…` : words;
}
