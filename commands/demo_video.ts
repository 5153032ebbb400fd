/** The demo's video: a drawn clip that goes round, as one viewer after the other would see it had it never stopped: which frame is due is
 * told by the clock. With a second's worth of frames unacknowledged, the next ones are left out.
 * @module */
import { frameRecord, videoTopicConfigs } from "../kafka/topics.ts";
import { Absence } from "./absence.ts";
import { ByteReader } from "./byte_reader.ts";
import type { DemoOptions } from "./demo.ts";
import { AviVideo, readAviHeader } from "./video_avi.ts";

/** Part of the program, also of the single binary. */
const clipFile = new URL("../static/video/demo.avi", import.meta.url);
/** A pause of the whole process that is longer than this is not made up for. */
const maxLateMs = 1000;

/** A clip as it is played round after round. */
export interface Clip {
  readonly fps: number;
  readonly jpegs: readonly Uint8Array[];
}

/** Reads the clip that comes with the program.
 * @throws {CommandError} when it is not there as it should be */
export async function readClip(file: URL = clipFile): Promise<Clip> {
  const { readable } = await Deno.open(file);
  await using reader = new ByteReader(readable);
  const video = new AviVideo(reader, await readAviHeader(reader, "the demo clip"), {
    shown: "the demo clip",
  });
  const jpegs: Uint8Array[] = [];
  for await (const { jpeg } of video.frames()) jpegs.push(jpeg);
  return { fps: video.fps, jpegs };
}

/** Plays the clip round after round. */
export async function playClip(
  { producer, config, log, signal, clock }: Required<DemoOptions>,
): Promise<void> {
  const topic = config.videoTopic, topicConfigs = videoTopicConfigs(config);
  const clip = await readClip().catch((error) => log.error("demo video left out", { error }));
  if (!clip) return;
  const { fps, jpegs } = clip;
  const waiting = new Set<Promise<void>>();
  const absence = new Absence("demo video", topic, log);
  const send = async (jpeg: Uint8Array, capturedAt: number): Promise<void> => {
    try {
      await producer.send(topic, frameRecord({ name: topic, jpeg, capturedAt, source: "demo" }), {
        topicConfigs,
      });
      absence.end();
    } catch (error) {
      absence.begin((error as Error).message);
    }
  };
  log.info("demo video plays", { topic, fps, frames: jpegs.length });
  const frameMs = 1000 / fps;
  for (let n = Math.ceil(clock.now() / frameMs);; n = nextFrame(n, clock.now(), frameMs)) {
    await clock.sleep(Math.max(0, n * frameMs - clock.now()), signal);
    if (signal.aborted) break;
    if (waiting.size >= fps) continue;
    const sent = send(jpegs[n % jpegs.length]!, Math.round(n * frameMs)).finally(() => waiting.delete(sent));
    waiting.add(sent);
  }
  await Promise.all(waiting);
}

/** The one after `n`, or one that is due after a long pause. */
function nextFrame(n: number, nowMs: number, frameMs: number): number {
  return Math.max(n + 1, Math.ceil((nowMs - maxLateMs) / frameMs));
}
