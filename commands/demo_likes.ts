/** The demo's likes: the first two videos get one every 20 s each, as the counter's own programs do it; the others share some ten a
 * second, at random, each more at one time and fewer at another. A video whose last like is not acknowledged yet leaves out the next.
 * @module */
import { clickRecord } from "../kafka/clicks.ts";
import { clicksTopicConfigs } from "../kafka/windows.ts";
import { Absence } from "./absence.ts";
import type { DemoOptions } from "./demo.ts";

const steadyVideos = 2, steadyMs = 20_000;
const likesPerSecond = 10;
/** A video's likes swell and ebb once in this time, by so large a part of their mean. */
const swellMs = 7 * 60_000, swell = 0.8;

/** Likes until the signal aborts; does nothing where nothing is counted or no video is known.
 * @param random in [0, 1), as `Math.random` */
export async function likeVideos(
  { producer, config, log, signal, clock }: Required<DemoOptions>,
  random: () => number = Math.random,
): Promise<void> {
  const { videos, windows: { clicksTopic, sizes } } = config;
  if (sizes.length === 0 || videos.length === 0) return;
  const absence = new Absence("demo likes", clicksTopic, log);
  const send = async (id: string): Promise<void> => {
    try {
      await producer.send(clicksTopic, clickRecord(id, clock.now()), { topicConfigs: clicksTopicConfigs });
      absence.end();
    } catch (error) {
      absence.begin((error as Error).message);
    }
  };
  const like = async (id: string, index: number): Promise<void> => {
    let waiting: Promise<void> | undefined;
    const pauseMs = pausesOf(index, videos.length, { random, now: () => clock.now() });
    // Those that are steady begin apart, the first one at once.
    let dueMs = clock.now() + index * steadyMs / videos.length;
    for (;;) {
      await clock.sleep(dueMs - clock.now(), signal);
      if (signal.aborted) break;
      waiting ??= send(id).finally(() => waiting = undefined);
      // After a pause of the whole process the likes of the pause are not made up for.
      dueMs = Math.max(dueMs + pauseMs(), clock.now());
    }
    await waiting;
  };
  log.info("demo likes are given", { topic: clicksTopic, videos: videos.length });
  await Promise.all(videos.map(({ id }, index) => like(id, index)));
}

/** Ms from one like of a video to its next; few videos are steady, lest none is lively. */
function pausesOf(
  index: number,
  count: number,
  { random, now }: { readonly random: () => number; readonly now: () => number },
): () => number {
  const steady = Math.min(steadyVideos, count - 1);
  if (index < steady) return () => steadyMs;
  const meanPerMs = likesPerSecond / (count - steady) / 1000, phase = index / count;
  return () => {
    const perMs = meanPerMs * (1 + swell * Math.sin(2 * Math.PI * (now() / swellMs + phase)));
    return -Math.log(1 - random()) / perMs;
  };
}
