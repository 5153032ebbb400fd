/** From a frame's capture to the browser's `drawImage`: prints how long that takes, asserts nothing.
 *
 *     deno run -A tests/pages/video_latency.ts [frames per second] [seconds] [bytes of a frame] [address]
 *
 * Frames are sent over `WS /video/{topic}/publish`, with the time at which they were ready to be sent, to the real service with its
 * embedded broker (or the one at an address); Chromium shows them live. Each frame goes to disk in Kafka before it comes back. Left
 * out: a camera's own delay, and that of a screen.
 * @module */
import type { Page } from "playwright-core";
import { eventually, pause } from "../eventually.ts";
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

const headerBytes = 32;

/** Sends frames to a topic while a page shows them live.
 * @param url of the service, with nothing after it
 * @returns what the page drew; frames of the first second are left out, as everything is still cold then */
export async function measureLatency(
  browser: TestBrowser,
  url: string,
  { fps, seconds, bytes }: FrameLoad,
): Promise<Latency> {
  const topic = `latency-${Date.now()}`;
  const jpegs = Array.from({ length: 32 }, (_, n) => numberedJpeg(n, { width: 640, height: 360, bytes }));
  let sent = 0, drawn: DrawnFrame[] = [];
  await browser.page(`${url}/version`, async (page: Page) => {
    await noteDrawn(page);
    const socket = new WebSocket(`${url.replace("http", "ws")}/video/${topic}/publish`);
    await new Promise((resolve) => socket.onopen = resolve);
    const send = () => socket.send(framed(jpegs[sent++ % jpegs.length]!, Date.now()));
    send();
    await page.goto(`${url}/video/${topic}?live=1`);
    await eventually("the first frame", async () => (await drawnFrames(page)).length > 0);
    const startMs = performance.now(), first = sent;
    while (sent - first < fps * seconds) {
      await pause(Math.max(0, startMs + (sent - first) * 1000 / fps - performance.now()));
      send();
    }
    await pause(1_000); // for those on their way
    drawn = (await drawnFrames(page)).filter(({ isStill, offset }) => !isStill && offset >= first + fps);
    socket.close();
    await new Promise((resolve) => socket.onclose = resolve);
    sent -= first + fps;
  });
  const delays = drawn.map(({ capturedAt, drawnAt }) => drawnAt - capturedAt).sort((a, b) => a - b);
  const quantile = (q: number) => delays[Math.min(delays.length - 1, Math.floor(delays.length * q))] ?? NaN;
  return { sent, drawn: delays.length, p50: quantile(0.5), p99: quantile(0.99), most: quantile(1) };
}

/** A frame with its time, as `WS publish` takes it. */
function framed(jpeg: Uint8Array, capturedAt: number): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(headerBytes + jpeg.length);
  const view = new DataView(message.buffer);
  message.set([0x54, 0x52, 1, 0]);
  view.setBigInt64(16, BigInt(capturedAt));
  view.setUint32(28, jpeg.length);
  message.set(jpeg, headerBytes);
  return message;
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
