/** What a video is to whoever publishes it: JPEGs, and when each is due. Left out: pace (video_schedule.ts), and whether a frame is a
 * JPEG that a browser shows (video_sender.ts). @module */
import { UsageError } from "./run.ts";

/** One picture; due `index` / fps seconds after the first. Numbers go up; those of pictures that stay longer are left out. */
export interface VideoFrame {
  readonly index: number;
  readonly jpeg: Uint8Array;
}

/** A video that is open; it is gone through once. */
export interface Video extends AsyncDisposable {
  /** Frames a second; null: a frame is due when it comes. */
  readonly fps: number | null;
  /** @throws {CommandError} for what cannot be read, after the frames before it */
  frames(): AsyncGenerator<VideoFrame, void>;
}

/** How to read it. */
export interface VideoOptions {
  /** Frames a second: at most so many of a video that has a rate, so many of JPEGs that have none. */
  readonly fps?: number;
  /** 2 (best) to 31, of JPEGs that ffmpeg makes. */
  readonly quality?: number;
  /** Whether a video that can begin again by itself does so at its end; others are opened again. */
  readonly loop?: boolean;
  /** What `-` reads; default stdin. */
  readonly stdin?: ReadableStream<Uint8Array>;
  /** Ends the video. */
  readonly signal: AbortSignal;
}

/** Longest frame that is read, in bytes; beyond it a length is taken for rubbish. */
export const maxReadBytes = 64 * 1024 * 1024;
/** Of JPEGs without a rate. */
export const defaultFps = 25;

/** @throws {UsageError} when JPEGs should be made anew that are published as they are */
export function refuseQuality({ quality }: VideoOptions, shown: string): void {
  if (quality === undefined) return;
  throw new UsageError(`Cannot use --quality: found JPEGs in ${shown}, which are published as they are`);
}
