/** The page of video on the real service with its embedded broker: what a person does with it, in Chromium. @module */
import { Buffer } from "node:buffer";
import { assert, assertEquals, assertGreater, assertLess, assertMatch } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually, pause } from "../eventually.ts";
import { numberedJpeg } from "../jpegs.ts";
import { requires } from "../requirements.ts";
import { multipart } from "../routes/frames.ts";
import { Service } from "../service.ts";
import { seriousFindings } from "./accessibility.ts";
import { fakeCamera, type PageOptions, TestBrowser } from "./browser.ts";
import { drawnFrames, noteDrawn, shownNumber } from "./video_picture.ts";

const fps = 10;

/** Stores frames `from` … `from + count − 1` of which the newest is `agoMs` old, ten a second. */
async function store(service: Service, topic: string, count: number, agoMs: number, from = 0): Promise<void> {
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

const text = async (page: Page, selector: string) =>
  (await page.textContent(selector))?.replace(/\s+/g, " ").trim() ?? "";
const query = (page: Page) => new URL(page.url()).searchParams;
const number = async (page: Page) => await shownNumber(page) ?? -1;
const reaches = (page: Page, n: number) => eventually(`frame ${n}`, async () => await number(page) >= n);
const shows = (page: Page, n: number) =>
  eventually(`exactly frame ${n}`, async () => await number(page) === n, 5_000);
/** Opens the panel that publishes, with a picture in it once `choose` has chosen a source. */
async function openPublish(page: Page, choose: () => Promise<void> = async () => {}): Promise<void> {
  await page.click("#publish-button");
  await choose();
  let said: unknown;
  await eventually(
    "a picture",
    async () => {
      said = [await text(page, "#publish-hint"), await text(page, "#publish-message")];
      return await page.isEnabled("#publish-start");
    },
    20_000,
    () => said,
  );
}

/** Stops, and tells at which frame. */
async function pauseAt(page: Page): Promise<number> {
  await page.keyboard.press(" ");
  await eventually("the pause", async () => await text(page, "#state") === "Paused");
  return await number(page);
}

Deno.test({
  name: "/video on the real service, in Chromium",
  ignore: requires("chromium").ignore,
  fn: async (t) => {
    await using service = await Service.open();
    await using browser = await TestBrowser.launch(fakeCamera);
    let topics = 0;
    /** Each step has a topic of its own, with 300 frames in it that end a minute ago. */
    const step = (name: string, run: (page: Page, topic: string) => Promise<void>, options?: PageOptions) =>
      t.step(name, async () => {
        const topic = `cam-${topics++}`;
        await store(service, topic, 300, 60_000);
        await browser.page(`${service.url}/version`, async (page, complaints) => {
          await noteDrawn(page);
          await page.goto(`${service.url}/video/${topic}`);
          await reaches(page, 0);
          await run(page, topic);
          assertEquals(complaints, []);
        }, { permissions: ["camera"], ...options });
      });

    await step("plays from the beginning, each frame in its order, at its pace", async (page, topic) => {
      assertEquals(await text(page, "#topic-name"), topic);
      await eventually("forty frames", async () => (await drawnFrames(page)).length > 40);
      const drawn = await drawnFrames(page);
      assertEquals(drawn.map(({ offset }) => offset), drawn.map((_, n) => n));
      const [first, last] = [drawn[5]!, drawn.at(-1)!];
      const slower = (last.drawnAt - first.drawnAt) / (last.capturedAt - first.capturedAt);
      assert(slower > 0.8 && slower < 1.5, `${slower} times as slow as it happened`);
      assertEquals(await text(page, "#state"), "Replay");
      assertEquals(await text(page, "#fact-size"), "64×48");
      assertMatch(await text(page, "#fact-rate"), /^\d+(\.\d)? fps$/);
      assertMatch(await text(page, "#fact-delay"), /^1 min$/);
      assertEquals(await seriousFindings(page), []);
    });

    await step("goes on at the next frame after a reload, and says so", async (page) => {
      await reaches(page, 20);
      await page.reload();
      await eventually("frames again", async () => await number(page) > 20);
      await page.waitForSelector("#left-off:visible");
      assertMatch(await text(page, "#left-off-text"), /^Goes on where you left it: .*\d/);
      const offsets = (await drawnFrames(page)).map(({ offset }) => offset);
      assertEquals(offsets, offsets.map((_, n) => n), "not one twice, not one left out");
      await page.click("#left-off-restart");
      await eventually("the beginning", async () => await number(page) < 10);
    });

    await step("closed and opened again it goes on, with nothing left out", async (page, topic) => {
      await reaches(page, 25);
      const before = (await drawnFrames(page)).at(-1)!.offset;
      await page.close();
      const again = await page.context().newPage();
      await noteDrawn(again);
      await again.goto(`${service.url}/video/${topic}`);
      await eventually("a frame", async () => (await drawnFrames(again)).length > 0);
      const { offset } = (await drawnFrames(again))[0]!;
      // A browser that is killed has told its place a second ago at the latest.
      assert(offset > before - 2 * fps && offset <= before + 3, `${offset} after ${before}`);
    });

    await step("stands, steps by frame both ways, and plays on from exactly there", async (page) => {
      await reaches(page, 15);
      const n = await pauseAt(page);
      assertEquals(await text(page, "#fact-frame"), `0:${n}`);
      await page.keyboard.press(".");
      await shows(page, n + 1);
      await page.keyboard.press(",");
      await shows(page, n);
      await page.keyboard.press(",");
      await shows(page, n - 1);
      assertEquals(await text(page, "#fact-frame"), `0:${n - 1}`);
      const { length } = await drawnFrames(page);
      await page.click("#play");
      await eventually("it to go on", async () => (await drawnFrames(page)).length > length + 5);
      const after = (await drawnFrames(page)).slice(length);
      assertEquals(after.map(({ offset }) => offset), after.map((_, k) => n + k));
    });

    await step("a pause keeps each frame that was under way", async (page) => {
      for (let k = 0; k < 6; k++) {
        await reaches(page, await number(page) + 3);
        await pauseAt(page);
        await page.keyboard.press("k");
        await eventually("it to go on", async () => await text(page, "#state") !== "Paused");
      }
      const offsets = (await drawnFrames(page)).map(({ offset }) => offset);
      assertEquals(offsets, offsets.map((_, n) => n));
    });

    await step("a page that nobody sees stands, and goes on where it was", async (page) => {
      await reaches(page, 5);
      const hide = (isHidden: boolean) =>
        page.evaluate((isHidden) => {
          Object.defineProperty(document, "hidden", { configurable: true, get: () => isHidden });
          document.dispatchEvent(new Event("visibilitychange"));
        }, isHidden);
      for (let k = 0; k < 3; k++) {
        await hide(true);
        const { length } = await drawnFrames(page);
        await pause(700);
        assertLess((await drawnFrames(page)).length, length + 3);
        await hide(false);
        await reaches(page, await number(page) + 3);
      }
      const offsets = (await drawnFrames(page)).map(({ offset }) => offset);
      assertEquals(offsets, offsets.map((_, n) => n));
    });

    await step("seeks by the bar and by keys; a picture shows what is there", async (page) => {
      const bar = (await page.locator("#slider").boundingBox())!;
      const middle = bar.x + bar.width / 2;
      await page.mouse.move(middle, bar.y + bar.height / 2);
      await page.waitForSelector("#preview-picture:visible");
      await page.mouse.down();
      await page.mouse.up();
      await eventually("the middle", async () => Math.abs(await number(page) - 150) < 12);
      await page.mouse.move(0, 0);
      assertEquals(await page.isVisible("#preview"), false);
      const n = await pauseAt(page);
      await page.keyboard.press("ArrowRight");
      await shows(page, n + 5 * fps);
      await page.keyboard.press("ArrowLeft");
      await shows(page, n);
      await page.keyboard.press("Home");
      await shows(page, 0);
      await page.keyboard.press(",");
      await eventually("the oldest", async () => /oldest frame/.test(await text(page, "#notice-title")));
    });

    await step("the address of a moment shows the frame of that moment", async (page) => {
      await reaches(page, 10);
      const n = await pauseAt(page);
      assertGreater(Number(query(page).get("at")), 0);
      await page.reload();
      await shows(page, n);
      assertEquals(await text(page, "#state"), "Paused");
      await page.keyboard.press(" ");
      await reaches(page, n + 1);
      assertEquals(query(page).get("at"), null);
    });

    await step("plays eight times as fast, and a quarter", async (page) => {
      for (let k = 0; k < 3; k++) await page.keyboard.press("ArrowUp");
      assertEquals(await page.inputValue("#speed"), "8");
      assertEquals(query(page).get("speed"), "8");
      const from = await number(page);
      const startMs = performance.now();
      await reaches(page, from + 80);
      assertLess(performance.now() - startMs, 4_000);
      await eventually("its word", async () => await text(page, "#state") === "Replay · 8×");
      await page.selectOption("#speed", "0.25");
      await eventually("its word", async () => await text(page, "#state") === "Replay · ¼×");
      await eventually("slow frames", async () => {
        const [first, , , last] = (await drawnFrames(page)).slice(-4);
        return last!.drawnAt - first!.drawnAt > 3 * 4 * 1000 / fps * 0.8;
      });
    });

    await step("live shows the newest as it comes, with its delay", async (page, topic) => {
      await page.keyboard.press("l");
      await shows(page, 299);
      assertEquals(query(page).get("live"), "1");
      for (let n = 300; n < 320; n++) {
        await store(service, topic, 1, 0, n);
        await eventually(`frame ${n}`, async () => await number(page) === n);
      }
      assertEquals(await text(page, "#state"), "Live");
      await eventually("the delay", async () => /^\d+ ms$/.test(await text(page, "#fact-delay")));
      assertEquals(await page.getAttribute("#live-button", "aria-pressed"), "true");
      await pauseAt(page);
      await store(service, topic, 3, 0, 320);
      await page.keyboard.press(" ");
      await reaches(page, 320); // from where it was stopped, no longer live
      await reaches(page, 322);
    });

    await step("a seek to the end of a stream that runs goes live", async (page, topic) => {
      let n = 300;
      const timer = setInterval(() => void store(service, topic, 1, 0, n++), 200);
      try {
        await eventually("the end to move", async () => {
          const bar = (await page.locator("#slider").boundingBox())!;
          await page.mouse.click(bar.x + bar.width - 3, bar.y + bar.height / 2);
          return await text(page, "#state") === "Live";
        });
        assertEquals(query(page).get("live"), "1");
      } finally {
        clearInterval(timer);
      }
    });

    await step("tells its keys, and fills the screen", async (page) => {
      await page.keyboard.press("?");
      await page.waitForSelector("#help[open]");
      assertEquals(await seriousFindings(page), []);
      await page.keyboard.press("Escape");
      await page.keyboard.press("f");
      await eventually("full screen", () => page.evaluate(() => document.fullscreenElement?.id === "stage"));
      await page.keyboard.press("f");
      await eventually("the page", () => page.evaluate(() => document.fullscreenElement === null));
    });

    await step("the details have the line for an <img>, and it plays", async (page, topic) => {
      await page.click(".status");
      const lines = await page.locator("#details code").allTextContents();
      assert(lines.includes(`<img src="${service.url}/video/${topic}/mjpeg">`), lines.join("\n"));
      assert(lines.includes(`curl -O ${service.url}/video/${topic}/snapshot.jpg`));
      const width = () =>
        page.evaluate((src) => {
          const image = document.querySelector<HTMLImageElement>("#tried") ??
            Object.assign(new Image(), { id: "tried", src });
          document.body.append(image);
          return image.naturalWidth;
        }, `/video/${topic}/mjpeg`);
      await eventually("the picture", async () => await width() === 64);
    });

    await step("publishes from a camera, and shows it", async (page) => {
      await openPublish(page);
      assertEquals(await seriousFindings(page), []);
      await page.fill("#publish-topic", "desk");
      await page.click("#publish-start");
      await eventually("it to be shown", async () => await text(page, "#topic-name") === "desk");
      await eventually("stored frames", async () => Number(await text(page, "#publish-stored")) > 20, 20_000);
      await eventually("live", async () => await text(page, "#state") === "Live");
      await eventually("its size", async () => /^640×\d+$/.test(await text(page, "#fact-size")));
      assertMatch(await text(page, "#publish-rate"), /^[\d.]+ fps$/);
      assertMatch(await text(page, "#publish-bytes"), /^\d+ KB\/s$/);
      await page.click("#publish-start");
      assertEquals(await text(page, "#publish-start"), "Start");
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
      await eventually("a picture", () => page.isEnabled("#publish-start"));
      await page.fill("#publish-topic", "scans");
      await page.selectOption("#publish-fps", "5");
      await page.click("#publish-start");
      await eventually("stored frames", async () => Number(await text(page, "#publish-stored")) >= 4);
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
      await eventually("a picture", () => page.isEnabled("#publish-start"));
      await page.fill("#publish-topic", "clip");
      await page.click("#publish-start");
      await eventually("stored frames", async () => Number(await text(page, "#publish-stored")) > 5);
      await eventually("its size", async () => await text(page, "#fact-size") === "160×90");
    });

    await step("a file that is no video: says so", async (page) => {
      await page.click("#publish-button");
      await page.check("[name=source][value=file]", { force: true });
      const buffer = Buffer.from("no video at all");
      await page.setInputFiles("#file", { name: "notes.mp4", mimeType: "video/mp4", buffer });
      await eventually(
        "the message",
        async () => /^This browser cannot play notes\.mp4/.test(await text(page, "#publish-message")),
      );
      assertEquals(await page.isEnabled("#publish-start"), false);
    });

    await step("a wall of the streams there are; and back", async (page, topic) => {
      await page.keyboard.press("w");
      await eventually("tiles", async () => await page.locator(".tile").count() > 4);
      assert(query(page).get("wall")?.startsWith(topic));
      await eventually("a picture", async () => await shownNumber(page, ".tile canvas") === 299);
      await store(service, topic, 1, 0, 4242);
      await eventually("the new one", async () => await shownNumber(page, ".tile canvas") === 4242);
      assertEquals(await seriousFindings(page), []);
      await page.click(".tile");
      await eventually("one alone", async () => await text(page, "#topic-name") === topic);
      await page.goBack();
      await page.waitForSelector(".tile");
    });

    await step("on a phone, in the dark: the picture, its controls, the list", async (page) => {
      await reaches(page, 2);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assertEquals(width, 360);
      assertEquals(await seriousFindings(page), []);
      await page.tap("#screen");
      await eventually("the pause", async () => await text(page, "#state") === "Paused");
    }, { viewport: { width: 360, height: 740 }, colorScheme: "dark", isMobile: true, hasTouch: true });
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
