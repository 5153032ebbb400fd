/** From a frame's capture to the browser's `drawImage`: prints how long that takes, asserts nothing.
 *
 *     deno run -A tests/pages/video_latency.ts [frames per second] [seconds] [bytes of a frame] [address]
 *
 * One page of Chromium sends frames over `WS /video/{topic}/publish`, with the time at which each was ready, to the real service with
 * its embedded broker (or the one at an address), and another one shows them live. Each frame is on disk in Kafka before it comes
 * back. Left out: a camera's own delay, and that of a screen.
 * @module */
import type { Page } from "playwright-core";
import { eventually } from "../eventually.ts";
import { numberedJpeg } from "../jpegs.ts";
import { Service } from "../service.ts";
import { TestBrowser } from "./browser.ts";
import { type DrawnFrame, drawnFrames, noteDrawn } from "./video_picture.ts";

/** A load of frames. */
export interface FrameLoad {
  readonly fps: number;
  readonly seconds: number;
  /** Length of each JPEG. */
  readonly bytes: number;
}

/** What became of it. */
export interface Latency {
  readonly sent: number;
  readonly drawn: number;
  /** Milliseconds from capture to `drawImage`. */
  readonly p50: number;
  readonly p99: number;
  readonly most: number;
}

/** Sends frames to a topic from one page while another one shows them live.
 * @param url of the service, with nothing after it
 * @returns what the page drew; frames of the first second are left out, as everything is still cold then */
export async function measureLatency(
  browser: TestBrowser,
  url: string,
  { fps, seconds, bytes }: FrameLoad,
): Promise<Latency> {
  const topic = `latency-${Date.now()}`;
  let drawn: DrawnFrame[] = [];
  await browser.page(`${url}/version`, async (sender) => {
    const jpeg = numberedJpeg(1, { width: 640, height: 360, bytes }).toBase64();
    const page = await sender.context().newPage();
    await noteDrawn(page);
    await send(sender, { topic, jpeg, fps, count: 1 });
    await page.goto(`${url}/video/${topic}?live=1`);
    await eventually("the first frame", async () => (await drawnFrames(page)).length > 0);
    await send(sender, { topic, jpeg, fps, count: fps * (seconds + 1) });
    drawn = (await drawnFrames(page)).filter(({ isStill, offset }) => !isStill && offset > fps);
  });
  const delays = drawn.map(({ capturedAt, drawnAt }) => drawnAt - capturedAt).sort((a, b) => a - b);
  const quantile = (q: number) => delays[Math.min(delays.length - 1, Math.floor(delays.length * q))] ?? NaN;
  return {
    sent: fps * seconds,
    drawn: delays.length,
    p50: quantile(0.5),
    p99: quantile(0.99),
    most: quantile(1),
  };
}

/** Has a page send frames by schedule, and wait a second for those on their way. */
async function send(
  page: Page,
  load: { readonly topic: string; readonly jpeg: string; readonly fps: number; readonly count: number },
): Promise<void> {
  await page.evaluate(async ({ topic, jpeg, fps, count }) => {
    const bytes = Uint8Array.from(atob(jpeg), (letter) => letter.charCodeAt(0));
    const message = new Uint8Array(32 + bytes.length), view = new DataView(message.buffer);
    message.set([0x54, 0x52, 1, 0]);
    view.setUint32(28, bytes.length);
    message.set(bytes, 32);
    const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
    const socket = new WebSocket(`${location.origin.replace("http", "ws")}/video/${topic}/publish`);
    await new Promise((resolve) => socket.onopen = resolve);
    const startMs = performance.now();
    for (let n = 0; n < count; n++) {
      await pause(Math.max(0, startMs + n * 1000 / fps - performance.now()));
      view.setBigInt64(16, BigInt(Date.now()));
      socket.send(message);
    }
    await pause(1_000);
    socket.close();
  }, load);
}

if (import.meta.main) {
  const [fps = 25, seconds = 20, bytes = 40_000] = Deno.args.slice(0, 3).map(Number);
  const address = Deno.args[3];
  await using service = address ? null : await Service.open();
  await using browser = await TestBrowser.launch();
  const load = { fps, seconds, bytes };
  const { sent, drawn, p50, p99, most } = await measureLatency(browser, address ?? service!.url, load);
  console.log(`${fps} frames/s of ${bytes} bytes for ${seconds} s: ${drawn} of ${sent} drawn`);
  console.log(`capture to drawImage: p50 ${p50} ms, p99 ${p99} ms, longest ${most} ms`);
}
