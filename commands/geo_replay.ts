/** Moves tracks along in time: each track on its own, all at once, one position after the other.
 *
 * Left out: reading tracks (geo_tracks.ts) and where positions go (publish_geo.ts).
 * @module */
import { type Clock, systemClock } from "./clock.ts";
import type { Track, TrackPoint } from "./geo_tracks.ts";

/** What became of one send: `retry` sends the same position again, `skip` leaves it out. */
export type SendOutcome = "sent" | "retry" | "skip";

/** How to replay. */
export interface ReplayOptions {
  readonly tracks: readonly Track[];
  /** `intervalMs` between two positions of a track; or the tracks' own times, `speed` times as fast. */
  readonly pace: { readonly intervalMs: number } | { readonly speed: number };
  readonly loop: boolean;
  /** Resolves when the position is stored, or is known not to be; rejects to end the replay. */
  readonly send: (name: string, point: TrackPoint) => Promise<SendOutcome>;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** Wait before a position that could not be sent is sent again, in ms. */
export const retryDelayMs = 1000;
/** A track that is later than this goes on from now, instead of making up for it in one rush. */
const maxLateMs = 1000;
/** Pause between two rounds of a loop by the tracks' own times. */
const roundPauseMs = 1000;

/** Sends every position when it is due; resolves at the end of all tracks or when `signal` aborts.
 * @throws whatever `send` rejects with, after the other tracks ended too */
export async function replay(options: ReplayOptions): Promise<void> {
  const { tracks, pace, loop, send, clock = systemClock } = options;
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const offsets = "speed" in pace ? ownOffsets(tracks, pace.speed) : evenOffsets(tracks, pace.intervalMs);
  const roundMs = loop ? roundLength(offsets, pace) : 0;
  const startedMs = clock.now();
  const move = async (track: Track, due: readonly number[]): Promise<void> => {
    let lateMs = 0;
    for (let round = 0; !signal.aborted && (round === 0 || loop); round++) {
      for (const [i, point] of track.points.entries()) {
        const dueMs = startedMs + round * roundMs + (due[i] ?? 0) + lateMs;
        const waitMs = dueMs - clock.now();
        if (waitMs > 0) await clock.sleep(waitMs, signal);
        else if (-waitMs > maxLateMs) lateMs -= waitMs;
        while (!signal.aborted && await send(track.name, point) === "retry") {
          await clock.sleep(retryDelayMs, signal);
        }
        if (signal.aborted) return;
      }
    }
  };
  const ends = await Promise.allSettled(tracks.map(async (track, i) => {
    try {
      await move(track, offsets[i]!);
    } catch (error) {
      failed.abort();
      throw error;
    }
  }));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}

/** Names of the tracks that cannot be replayed by their own times. */
export function tracksWithoutTimes(tracks: readonly Track[]): string[] {
  return tracks.filter(({ points }) => points.some((point) => point.atMs === null)).map(({ name }) => name);
}

function evenOffsets(tracks: readonly Track[], intervalMs: number): number[][] {
  return tracks.map(({ points }) => points.map((_, i) => i * intervalMs));
}

/** Tracks keep their distance in time to each other; a time that goes back counts as the one before. */
function ownOffsets(tracks: readonly Track[], speed: number): number[][] {
  const firstMs = tracks.reduce(
    (least, { points }) => Math.min(least, points[0]?.atMs ?? Infinity),
    Infinity,
  );
  return tracks.map(({ points }) => {
    let latestMs = firstMs;
    return points.map(({ atMs }) => {
      latestMs = Math.max(latestMs, atMs ?? latestMs);
      return (latestMs - firstMs) / speed;
    });
  });
}

function roundLength(offsets: readonly number[][], pace: ReplayOptions["pace"]): number {
  const last = offsets.reduce((most, due) => Math.max(most, due.at(-1) ?? 0), 0);
  return last + ("intervalMs" in pace ? pace.intervalMs : roundPauseMs);
}
