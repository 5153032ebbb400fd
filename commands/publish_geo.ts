/** `tailrace publish geo FILE…`: replays tracks of GeoJSON and GPX files as positions, each record as `POST
 * /producer/{topic}` would write it.
 *
 * Left out: what a file may hold (geo_tracks.ts) and when a position is due (geo_replay.ts).
 * @module */
import type { Config } from "../config.ts";
import { StreamError } from "../errors.ts";
import { createProducer, type Producer } from "../kafka/producer.ts";
import { newPosition, positionRecord } from "../kafka/topics.ts";
import { Absence } from "./absence.ts";
import { systemClock } from "./clock.ts";
import { replay, type ReplayOptions, type SendOutcome, tracksWithoutTimes } from "./geo_replay.ts";
import { distinct, readTracks, type Track, TrackFileError, type TrackPoint } from "./geo_tracks.ts";
import { Progress } from "./progress.ts";
import { abortable, CommandError, type CommandRun, connectKafka } from "./run.ts";

/** How to replay the files. */
export interface PublishOptions {
  readonly pace: ReplayOptions["pace"];
  readonly loop: boolean;
  /** Instead of the names in the files. */
  readonly name?: string;
  /** Where `-` reads from; default stdin. */
  readonly stdin?: ReadableStream<Uint8Array>;
}

/** Longest file that is read. */
export const maxFileBytes = 64 * 1024 * 1024;

/** Publishes the positions of all files until they are through, or until `run.signal` aborts.
 * @throws {CommandError} a file that cannot be replayed, Kafka out of reach at the start, positions that were
 * not acknowledged */
export async function publishGeo(
  config: Config,
  files: readonly string[],
  options: PublishOptions,
  run: CommandRun,
): Promise<void> {
  const tracks = await abortable(loadTracks(files, options), run.signal);
  await using kafka = await connectKafka(config, run);
  await using producer = createProducer(kafka, { log: run.log });
  const counts: Counts = { sent: 0, failed: 0, retried: 0 };
  using _progress = new Progress(run, (seconds) => describe(counts, seconds));
  const send = sender(producer, config.geoTopic, counts, run);
  await replay({ tracks, pace: options.pace, loop: options.loop, send, signal: run.signal });
  if (counts.failed > 0 && !run.signal.aborted) {
    throw new CommandError(`${counts.failed} positions were not acknowledged`);
  }
}

/** What became of the positions: acknowledged by Kafka; sent with an unknown outcome; sent again as Kafka was away. */
interface Counts {
  sent: number;
  failed: number;
  retried: number;
}

function describe({ sent, failed, retried }: Counts, seconds: number): string {
  const again = retried > 0 ? ` · ${retried} sent again` : "";
  return `${sent} positions · ${(sent / seconds).toFixed(1)}/s · ${failed} failures${again}`;
}

/** Reads all files before the first position goes out, so that a bad one among them is known at once. */
async function loadTracks(files: readonly string[], options: PublishOptions): Promise<Track[]> {
  const tracks: Track[] = [];
  for (const file of files) {
    const fileName = file === "-" ? "stdin" : file;
    try {
      const text = await readText(file, fileName, options.stdin ?? Deno.stdin.readable);
      for (const track of readTracks(text, fileName)) tracks.push(track);
    } catch (error) {
      if (error instanceof TrackFileError) throw new CommandError(error.message);
      throw error;
    }
  }
  const { name } = options;
  const named = distinct(name === undefined ? tracks : tracks.map((track) => ({ ...track, name })));
  const timeless = "speed" in options.pace ? tracksWithoutTimes(named) : [];
  if (timeless.length > 0) {
    throw new CommandError(
      `Cannot replay ${timeless[0]} by its own times: found points without one, wanted --interval instead`,
    );
  }
  return named;
}

async function readText(file: string, fileName: string, stdin: ReadableStream<Uint8Array>): Promise<string> {
  const refuse = (found: string, wanted: string) =>
    new CommandError(`Cannot read ${fileName}: found ${found}, wanted ${wanted}`);
  let bytes: Uint8Array;
  try {
    const stream = file === "-" ? stdin : (await Deno.open(file)).readable;
    bytes = await readBounded(stream, maxFileBytes);
  } catch (error) {
    if (error instanceof RangeError) throw refuse(`more than ${maxFileBytes} bytes`, "a smaller file");
    if (error instanceof Deno.errors.NotFound) throw refuse("no such file", "GeoJSON or GPX");
    throw refuse(error instanceof Error ? error.message : String(error), "a readable file");
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw refuse("bytes that are not UTF-8", "GeoJSON or GPX");
  }
}

/** @throws {RangeError} when there is more than `maxBytes` */
async function readBounded(stream: ReadableStream<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > maxBytes) throw new RangeError(`More than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** Sends positions and counts them. While Kafka is away a position is sent again until it is stored; one of
 * which nobody knows whether it is stored is not, as it would be there twice. */
function sender(
  producer: Producer,
  topic: string,
  counts: Counts,
  run: CommandRun,
): (name: string, point: TrackPoint) => Promise<SendOutcome> {
  const absence = new Absence("publish", topic, run.log);
  return async (name, { lat, lon }) => {
    const position = newPosition({ name, lat, lon }, systemClock.now());
    try {
      await producer.send(topic, positionRecord(position));
      absence.end();
      counts.sent++;
      return "sent";
    } catch (error) {
      if (!(error instanceof StreamError) || error.status !== 503) {
        throw new CommandError(`Cannot publish to ${topic}: ${(error as Error).message}`, { cause: error });
      }
      const isUnknown = error.code === "outcome-unknown";
      if (isUnknown) counts.failed++;
      else counts.retried++;
      absence.begin(error.message);
      return isUnknown ? "skip" : "retry";
    }
  };
}
