/** The page of video with frames in its topic: what the tests of it on the real service begin with. Left out: what is done with it then.
 * @module */
import { assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually } from "../eventually.ts";
import { numberedJpeg } from "../jpegs.ts";
import { multipart } from "../routes/frames.ts";
import type { Service } from "../service.ts";
import type { PageOptions, TestBrowser } from "./browser.ts";
import { noteDrawn, shownNumber } from "./video_picture.ts";

/** Of the frames that are stored. */
export const fps = 10;

/** Stores frames `from` … `from + count − 1` of which the newest is `agoMs` old, ten a second. */
export async function store(
  service: Service,
  topic: string,
  count: number,
  agoMs: number,
  from = 0,
): Promise<void> {
  const newest = Date.now() - agoMs;
  const jpegs = Array.from({ length: count }, (_, n) => numberedJpeg(from + n));
  const time = (n: number) => ((newest - (count - 1 - n) * 1000 / fps) / 1000).toFixed(3);
  const response = await fetch(`${service.url}/video/${topic}/frames`, {
    method: "POST",
    headers: { "content-type": "multipart/x-mixed-replace; boundary=cam" },
    body: multipart(jpegs, {
      headers: (n) => `Content-Length: ${jpegs[n]!.length}\r\nX-Timestamp: ${time(n)}\r\n`,
    }),
  });
  const { frames } = await response.json();
  assertEquals(frames, count);
}

/** The number of the frame that is shown, −1 for none. */
export const number = async (page: Page) => await shownNumber(page) ?? -1;
/** Waits until a frame with at least that number is shown. */
export const reaches = (page: Page, n: number) =>
  eventually(`frame ${n}`, async () => await number(page) >= n);

/** How a step is run. */
export type VideoStepOptions = PageOptions & {
  /** In its topic, the newest of them a minute old; default 300. */
  readonly frames?: number;
};

/** Makes what runs steps, each with a topic of its own. */
export function videoSteps(t: Deno.TestContext, service: Service, browser: TestBrowser) {
  let topics = 0;
  return (
    name: string,
    run: (page: Page, topic: string) => Promise<void>,
    { frames = 300, ...options }: VideoStepOptions = {},
  ) =>
    t.step(name, async () => {
      const topic = `cam-${topics++}`;
      await store(service, topic, frames, 60_000);
      await browser.page(`${service.url}/version`, async (page, complaints) => {
        await noteDrawn(page);
        await page.goto(`${service.url}/video/${topic}`);
        await reaches(page, 0);
        await run(page, topic);
        assertEquals(complaints, []);
      }, { permissions: ["camera"], ...options });
    });
}
