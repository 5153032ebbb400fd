import { assertEquals, assertRejects } from "@std/assert";
import {
  replay,
  type ReplayOptions,
  type SendOutcome,
  tracksWithoutTimes,
} from "../../commands/geo_replay.ts";
import type { Track } from "../../commands/geo_tracks.ts";
import { JumpingClock } from "./jumping_clock.ts";

const track = (name: string, ...times: (number | null)[]): Track => ({
  name,
  points: times.map((atMs, i) => ({ lat: i + 1, lon: 0, atMs })),
});

/** Replays on a jumping clock; gives `name lat @ms` for each send. */
async function sends(
  options: Pick<ReplayOptions, "tracks" | "pace"> & {
    loop?: boolean;
    stopAfter?: number;
    outcome?: (count: number, clock: JumpingClock) => SendOutcome | Promise<SendOutcome>;
  },
): Promise<string[]> {
  const clock = new JumpingClock();
  const stop = new AbortController();
  const sent: string[] = [];
  await replay({
    tracks: options.tracks,
    pace: options.pace,
    loop: options.loop ?? false,
    signal: stop.signal,
    clock,
    send: async (name, { lat }) => {
      sent.push(`${name} ${lat} @${clock.now()}`);
      if (sent.length === options.stopAfter) stop.abort();
      return await options.outcome?.(sent.length, clock) ?? "sent";
    },
  });
  return sent;
}

Deno.test("replay() sends all tracks at once, each position an interval after the one before", async () => {
  const tracks = [track("a", null, null, null), track("b", null, null)];
  const sent = await sends({ tracks, pace: { intervalMs: 100 } });
  assertEquals(sent, ["a 1 @0", "b 1 @0", "a 2 @100", "b 2 @100", "a 3 @200"]);
});

Deno.test("replay() keeps the tracks' own times and their distance to each other, faster by speed", async () => {
  const tracks = [track("a", 5000, 6000, 9000), track("b", 7000, 6500)];
  assertEquals(await sends({ tracks, pace: { speed: 1 } }), [
    "a 1 @0",
    "a 2 @1000",
    "b 1 @2000",
    "b 2 @2000",
    "a 3 @4000",
  ]);
  const fast = await sends({ tracks: [tracks[0]!], pace: { speed: 10 } });
  assertEquals(fast, ["a 1 @0", "a 2 @100", "a 3 @400"]);
});

Deno.test("replay() begins again with loop, until it is told to stop", async () => {
  const tracks = [track("a", null, null), track("b", null)];
  const sent = await sends({ tracks, pace: { intervalMs: 100 }, loop: true, stopAfter: 6 });
  assertEquals(sent, ["a 1 @0", "b 1 @0", "a 2 @100", "b 1 @200", "a 1 @200", "a 2 @300"].toSorted(byTime));
});

Deno.test("replay() sends a position again that could not be sent, and leaves one out that is to be skipped", async () => {
  const outcomes: SendOutcome[] = ["retry", "retry", "sent", "skip", "sent"];
  const sent = await sends({
    tracks: [track("a", null, null, null)],
    pace: { intervalMs: 100 },
    outcome: (count) => outcomes[count - 1]!,
  });
  // Two seconds late, it goes on from there instead of hurrying.
  assertEquals(sent, ["a 1 @0", "a 1 @1000", "a 1 @2000", "a 2 @2000", "a 3 @2100"]);
});

Deno.test("replay() makes up for a small delay", async () => {
  const sent = await sends({
    tracks: [track("a", null, null, null)],
    pace: { intervalMs: 100 },
    outcome: (count, clock) => {
      if (count === 1) clock.pass(150);
      return "sent";
    },
  });
  assertEquals(sent, ["a 1 @0", "a 2 @150", "a 3 @200"]);
});

Deno.test("replay() ends all tracks when a send fails for good", async () => {
  const count = { sends: 0 };
  await assertRejects(
    () =>
      sends({
        tracks: [track("a", null, null), track("b", null, null, null, null)],
        pace: { intervalMs: 100 },
        outcome: (n) => {
          count.sends = n;
          return n === 3 ? Promise.reject(new Error("forbidden")) : "sent";
        },
      }),
    Error,
    "forbidden",
  );
  assertEquals(count.sends <= 4, true);
});

Deno.test("tracksWithoutTimes() names tracks with a point that has none", () => {
  assertEquals(tracksWithoutTimes([track("a", 1, 2), track("b", 1, null), track("c", null)]), ["b", "c"]);
});

function byTime(a: string, b: string): number {
  return Number(a.split("@")[1]) - Number(b.split("@")[1]);
}
