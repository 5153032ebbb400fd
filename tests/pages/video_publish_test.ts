/** Publishing on the page of video, on the real service with its embedded broker, in Chromium. @module */
import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually } from "../eventually.ts";
import { numberedJpeg } from "../jpegs.ts";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";
import { fakeCamera, TestBrowser } from "./browser.ts";
import { isAccessible, isEnabled, says, textOf } from "./expect.ts";
import { videoSteps } from "./video_ground.ts";

/** Opens the panel that publishes, with a picture in it once `choose` has chosen a source. */
async function openPublish(page: Page, choose: () => Promise<void> = async () => {}): Promise<void> {
  await page.click("#publish-button");
  await choose();
  let said: unknown;
  await eventually(
    "a picture",
    async () => {
      said = [await textOf(page, "#publish-hint"), await textOf(page, "#publish-message")];
      return await page.isEnabled("#publish-start");
    },
    undefined,
    () => said,
  );
}

Deno.test({
  name: "publishing on /video of the real service, in Chromium",
  ignore: requires("chromium").ignore,
  fn: async (t) => {
    await using service = await Service.open();
    await using browser = await TestBrowser.launch(fakeCamera);
    const step = videoSteps(t, service, browser);

    await step("publishes from a camera, and shows it", async (page) => {
      await openPublish(page);
      await isAccessible(page);
      await page.fill("#publish-topic", "desk");
      await page.click("#publish-start");
      await says(page, "#topic-name", "desk");
      await eventually("stored frames", async () => Number(await textOf(page, "#publish-stored")) > 20);
      await says(page, "#state", "Live");
      await says(page, "#fact-size", /^640×\d+$/);
      await says(page, "#publish-rate", /^[\d.]+ fps$/);
      await says(page, "#publish-bytes", /^\d+ KB\/s$/);
      await page.click("#publish-start");
      await says(page, "#publish-start", "Start");
      await page.click("#publish-close");
      await page.waitForSelector("#publish", { state: "hidden" });
    });

    await step("publishes JPEGs as they are, in the order of their names", async (page) => {
      await page.click("#publish-button");
      await page.check("[name=source][value=file]", { force: true });
      await page.setInputFiles(
        "#file",
        [2, 10, 1].map((n) => ({
          name: `frame ${n}.jpg`,
          mimeType: "image/jpeg",
          buffer: Buffer.from(numberedJpeg(7_000 + n)),
        })),
      );
      await isEnabled(page, "#publish-start");
      await page.fill("#publish-topic", "scans");
      await page.selectOption("#publish-fps", "5");
      await page.click("#publish-start");
      await eventually("stored frames", async () => Number(await textOf(page, "#publish-stored")) >= 4);
      await page.click("#publish-start");
      for (const [offset, n] of [1, 2, 10, 1].entries()) {
        const after = offset === 0 ? "cursor=earliest" : `after=0:${offset - 1}`;
        const jpeg = await (await fetch(`${service.url}/video/scans/snapshot.jpg?${after}`)).bytes();
        assertEquals(jpeg, numberedJpeg(7_000 + n));
      }
    });

    await step("publishes a video that the browser plays", async (page) => {
      await page.click("#publish-button");
      await page.check("[name=source][value=file]", { force: true });
      await page.setInputFiles("#file", {
        name: "clip.webm",
        mimeType: "video/webm",
        buffer: Buffer.from(await recordClip(page)),
      });
      await isEnabled(page, "#publish-start");
      await page.fill("#publish-topic", "clip");
      await page.click("#publish-start");
      await eventually("stored frames", async () => Number(await textOf(page, "#publish-stored")) > 5);
      await says(page, "#fact-size", "160×90");
    });

    await step("a file that is no video: says so", async (page) => {
      await page.click("#publish-button");
      await page.check("[name=source][value=file]", { force: true });
      const buffer = Buffer.from("no video at all");
      await page.setInputFiles("#file", { name: "notes.mp4", mimeType: "video/mp4", buffer });
      await says(page, "#publish-message", /^This browser cannot play notes\.mp4/);
      await isEnabled(page, "#publish-start", false);
    });
  },
});

/** A short WebM of 160×90, made by the browser itself. */
async function recordClip(page: Page): Promise<Uint8Array> {
  const base64 = await page.evaluate(async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 160, height: 90 });
    const context = canvas.getContext("2d")!;
    const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: "video/webm" });
    const parts: Blob[] = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.start();
    for (let n = 0; n < 30; n++) {
      context.fillStyle = `hsl(${n * 12} 80% 50%)`;
      context.fillRect(0, 0, 160, 90);
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    await new Promise((resolve) => {
      recorder.onstop = resolve;
      recorder.stop();
    });
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  });
  return Uint8Array.fromBase64(base64);
}
