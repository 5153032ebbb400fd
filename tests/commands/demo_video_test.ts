import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { type Clip, playClip, readClip } from "../../commands/demo_video.ts";
import { readConfig } from "../../config.ts";
import { StreamError } from "../../errors.ts";
import { inspectJpeg } from "../../kafka/jpeg.ts";
import type { OutRecord, SendOptions } from "../../kafka/producer.ts";
import { createLogger } from "../../logger.ts";
import { JumpingClock } from "./jumping_clock.ts";

const config = { ...readConfig({}, new Map(), "client"), videoTopic: "cam" };

Deno.test("readClip() finds ten seconds of small pictures, no two the same", async () => {
  const { fps, jpegs } = await readClip();
  assertEquals([fps, jpegs.length], [10, 100]);
  for (const jpeg of jpegs) {
    assertEquals(inspectJpeg(jpeg), { width: 480, height: 270, isProgressive: false });
  }
  assertEquals(new Set(jpegs.map((jpeg) => jpeg.toBase64())).size, 100);
  assertLess(jpegs.reduce((sum, { length }) => sum + length, 0), 1_000_000);
});

interface Sent {
  readonly record: OutRecord;
  readonly options: SendOptions | undefined;
  readonly atMs: number;
}

/** Plays the clip for `seconds` of a jumping clock; gives what was sent and logged. */
async function play(
  seconds: number,
  send: (clock: JumpingClock, second: number) => Promise<void> = () => Promise.resolve(),
): Promise<{ sent: Sent[]; lines: string[]; clip: Clip }> {
  const startMs = Date.UTC(2024, 4, 1, 12, 0, 3, 70);
  const clock = new JumpingClock(startMs), stop = new AbortController();
  const sent: Sent[] = [], lines: string[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line).message);
  await playClip({
    config,
    clock,
    signal: stop.signal,
    log: createLogger({ level: "info", format: "json", write }),
    producer: {
      send: async (topic, record, options) => {
        assertEquals(topic, "cam");
        const second = (clock.now() - startMs) / 1000;
        if (second >= seconds) stop.abort();
        sent.push({ record, options, atMs: clock.now() });
        await send(clock, second);
        return { partition: 0, offset: 0 };
      },
    },
  });
  return { sent, lines, clip: await readClip() };
}

Deno.test("playClip() sends the frame that is due by the clock, round after round, ten a second", async () => {
  const { sent, clip } = await play(25);
  assertGreater(sent.length, 245);
  for (const [i, { record, options, atMs }] of sent.entries()) {
    const capturedAt = Date.UTC(2024, 4, 1, 12, 0, 3, 100) + i * 100;
    assertEquals([record.key, record.timestamp, atMs], ["cam", capturedAt, capturedAt]);
    assertEquals(record.headers, {
      "content-type": "image/jpeg",
      "captured-at": String(capturedAt),
      source: "demo",
    });
    assertEquals(record.value, clip.jpegs[capturedAt / 100 % 100]);
    assertEquals(options?.topicConfigs?.["retention.ms"], "3600000");
  }
});

Deno.test("playClip() lets nothing pile up while Kafka is away, and goes on with the frame that is due", async () => {
  let waiting = 0, most = 0;
  const { sent, lines } = await play(60, async (clock, second) => {
    if (second < 20 || second >= 40) return;
    most = Math.max(most, ++waiting);
    const timeoutMs = Math.min(10_000, (40 - second) * 1000);
    await clock.sleep(timeoutMs, new AbortController().signal);
    waiting--;
    throw new StreamError("kafka-unavailable", 503, "away");
  });
  assertEquals(most, 10);
  assertEquals(lines, ["demo video plays", "demo video waits for Kafka", "demo video goes on"]);
  for (const { record, atMs } of sent) assertEquals(record.timestamp, atMs);
});

Deno.test("playClip() does not make up for a long pause of the whole process", async () => {
  let paused = false;
  const { sent } = await play(3700, (clock, second) => {
    if (second > 5 && !paused) {
      paused = true;
      clock.pass(3_690_000);
    }
    return Promise.resolve();
  });
  assertLess(sent.length, 200);
  const jumps = sent.slice(1).map(({ record }, i) => record.timestamp! - sent[i]!.record.timestamp!);
  assert(jumps.filter((ms) => ms !== 100).length === 1, JSON.stringify(jumps));
});
