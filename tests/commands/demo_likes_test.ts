import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { likeVideos } from "../../commands/demo_likes.ts";
import { type Config, readConfig } from "../../config.ts";
import { StreamError } from "../../errors.ts";
import { clicksTopicConfigs } from "../../kafka/windows.ts";
import { createLogger } from "../../logger.ts";
import { Random } from "../random.ts";
import { JumpingClock } from "./jumping_clock.ts";

const usual = readConfig({}, new Map(), "client");
const startMs = Date.UTC(2026, 4, 1, 12);

interface Like {
  readonly video: string;
  /** Since the start. */
  readonly second: number;
}

/** Likes for `seconds` of a jumping clock; gives what was sent and logged. */
async function run(
  seconds: number,
  config: Config = usual,
  send: (clock: JumpingClock, like: Like) => Promise<void> = () => Promise.resolve(),
): Promise<{ likes: Like[]; lines: string[] }> {
  const clock = new JumpingClock(startMs), stop = new AbortController(), random = new Random(null, 5);
  const likes: Like[] = [], lines: string[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line).message);
  clock.sleep(seconds * 1000, stop.signal).then(() => stop.abort());
  await likeVideos({
    config,
    clock,
    signal: stop.signal,
    log: createLogger({ level: "info", format: "json", write }),
    producer: {
      send: async (topic, { key, value, timestamp }, options) => {
        assertEquals([topic, key, timestamp], ["video_clicks_ingestion", null, clock.now()]);
        assertEquals(options?.topicConfigs, clicksTopicConfigs);
        const like = { video: value as string, second: (clock.now() - startMs) / 1000 };
        likes.push(like);
        await send(clock, like);
        return { partition: 0, offset: 0 };
      },
    },
  }, () => random.between(0, 2 ** 24 - 1) / 2 ** 24);
  stop.abort();
  return { likes, lines };
}

/** Lengths of the steps between times. */
function steps(seconds: readonly number[]): number[] {
  return seconds.slice(1).map((second, i) => second - seconds[i]!);
}

Deno.test("likeVideos() likes the first two videos every 20 s, and the others some ten times a second", async () => {
  const { likes } = await run(420);
  const of = (id: string) => likes.filter(({ video }) => video === id).map(({ second }) => second);
  const [first, second, ...others] = usual.videos.map(({ id }) => of(id)) as [number[], number[], number[]];
  for (const seconds of [first, second]) assertEquals(new Set(steps(seconds)), new Set([20]));
  assert(first[0] === 0 && second[0]! > 0 && second[0]! < 20);
  const lively = others.flat().length / 420;
  assert(lively > 8 && lively < 12, `${lively} a second`);
  const minutes = others.map((seconds) =>
    Array.from({ length: 7 }, (_, i) => seconds.filter((at) => Math.floor(at / 60) === i).length)
  );
  for (const counts of minutes) assertGreater(Math.max(...counts), 2 * Math.min(...counts));
});

Deno.test("likeVideos() has somebody lively among few videos, and likes nothing where nothing is counted", async () => {
  const one = { ...usual, videos: usual.videos.slice(0, 1) };
  assertGreater((await run(20, one)).likes.length, 50);
  for (const config of [{ ...usual, videos: [] }, readConfig({}, new Map([["WINDOWS", "none"]]), "client")]) {
    assertEquals(await run(20, config), { likes: [], lines: [] });
  }
});

Deno.test("likeVideos() leaves out what is due while Kafka is away, and goes on with the present", async () => {
  const waiting = new Map<string, number>();
  let most = 0;
  const { likes, lines } = await run(120, usual, async (clock, { video, second }) => {
    if (second < 20 || second >= 60) return;
    waiting.set(video, (waiting.get(video) ?? 0) + 1);
    most = Math.max(most, ...waiting.values());
    await clock.sleep((60 - second) * 1000, new AbortController().signal);
    waiting.set(video, 0);
    throw new StreamError("kafka-unavailable", 503, "away");
  });
  assertEquals(most, 1, "one of each video");
  assertEquals(lines, ["demo likes are given", "demo likes waits for Kafka", "demo likes goes on"]);
  assertLess(likes.filter(({ second }) => second >= 20 && second < 61).length, 40);
});

Deno.test("likeVideos() does not make up for a long pause of the whole process", async () => {
  let paused = false;
  const { likes } = await run(3930, usual, (clock, { second }) => {
    if (second > 5 && !paused) clock.pass(3_900_000);
    paused ||= second > 5;
    return Promise.resolve();
  });
  assertLess(likes.length, 400);
});
