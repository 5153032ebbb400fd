/** The page of video on the real service with its embedded broker: what a person does with it, in Chromium. Left out: publishing
 * (video_publish_test.ts). @module */
import { assert, assertEquals, assertLess } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually, pause } from "../eventually.ts";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";
import { fakeCamera, TestBrowser } from "./browser.ts";
import {
  becomes,
  hasAttribute,
  hasParameter,
  hasValue,
  isAccessible,
  isAsWideAs,
  isSeen,
  says,
  textOf,
} from "./expect.ts";
import { fps, number, reaches, store, videoSteps } from "./video_ground.ts";
import { drawnFrames, noteDrawn, shownNumber } from "./video_picture.ts";

/** Waits until just this frame is shown. */
const shows = (page: Page, n: number) => becomes("the frame that is shown", () => number(page), n);
/** Stops, and tells at which frame. */
async function pauseAt(page: Page): Promise<number> {
  await page.keyboard.press(" ");
  await says(page, "#state", "Paused");
  return await eventually("one frame", async () => {
    const n = await number(page);
    return await textOf(page, "#fact-frame") === `0:${n}` ? { n } : null;
  }).then(({ n }) => n);
}

Deno.test({
  name: "/video on the real service, in Chromium",
  ignore: requires("chromium").ignore,
  fn: async (t) => {
    await using service = await Service.open();
    await using browser = await TestBrowser.launch(fakeCamera);
    const step = videoSteps(t, service, browser);

    await step("plays from the beginning, each frame in its order, at its pace", async (page, topic) => {
      await says(page, "#topic-name", topic);
      // What a busy machine delays is made good for, so the pace is right in the long run.
      let slower = NaN;
      await eventually(
        "its pace",
        async () => {
          const drawn = await drawnFrames(page), first = drawn[5], last = drawn.at(-1);
          if (!first || !last || drawn.length <= 40) return false;
          slower = (last.drawnAt - first.drawnAt) / (last.capturedAt - first.capturedAt);
          return slower > 0.8 && slower < 1.5;
        },
        undefined,
        () => `${slower} times as slow as it happened`,
      );
      const offsets = (await drawnFrames(page)).map(({ offset }) => offset);
      assertEquals(offsets, offsets.map((_, n) => n));
      await says(page, "#state", "Replay");
      await says(page, "#fact-size", "64×48");
      await says(page, "#fact-rate", /^\d+(\.\d)? fps$/);
      await says(page, "#fact-delay", /^[12] min$/);
      await isAccessible(page);
    });

    await step("goes on at the next frame after a reload, and says so", async (page) => {
      await reaches(page, 20);
      await page.reload();
      await page.waitForSelector("#left-off:visible");
      await says(page, "#left-off-text", /^Goes on where you left it: .*\d/);
      await eventually("frames again", async () => await number(page) > 20);
      const offsets = (await drawnFrames(page)).map(({ offset }) => offset);
      assertEquals(offsets, offsets.map((_, n) => n), "not one twice, not one left out");
      await page.reload(); // as the note is there for some seconds only
      await page.click("#left-off-restart");
      const isFromBeginning = async () =>
        (await drawnFrames(page)).slice(offsets.length).some(({ offset }) => offset === 0);
      await eventually("the beginning", isFromBeginning);
    });

    await step("closed and opened again it goes on, with nothing left out", async (page, topic) => {
      await reaches(page, 25);
      await page.evaluate(() =>
        document.addEventListener("drawn", ({ target, detail }: Event & { detail?: unknown }) => {
          const { offset } = detail as { offset: number };
          if ((target as Element).id === "screen") localStorage.setItem("last drawn", `${offset}`);
        }, { capture: true })
      );
      await reaches(page, await number(page) + 3);
      await page.close();
      const again = await page.context().newPage();
      await noteDrawn(again);
      await again.goto(`${service.url}/video/${topic}`);
      await eventually("a frame", async () => (await drawnFrames(again)).length > 0);
      const { offset } = (await drawnFrames(again))[0]!;
      const before = Number(await again.evaluate(() => localStorage.getItem("last drawn")));
      // A browser that is killed has told its place a second ago at the latest.
      assert(offset > before - 2 * fps && offset <= before + 3, `${offset} after ${before}`);
    });

    await step("stands, steps by frame both ways, and plays on from exactly there", async (page) => {
      await reaches(page, 15);
      const n = await pauseAt(page);
      await says(page, "#fact-frame", `0:${n}`);
      await page.keyboard.press(".");
      await shows(page, n + 1);
      await page.keyboard.press(",");
      await shows(page, n);
      await page.keyboard.press(",");
      await shows(page, n - 1);
      await says(page, "#fact-frame", `0:${n - 1}`);
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
        await eventually("it to go on", async () => await textOf(page, "#state") !== "Paused");
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
      const { length } = await drawnFrames(page);
      await page.mouse.down();
      await page.mouse.up();
      await eventually(
        "the middle",
        async () => (await drawnFrames(page)).slice(length).some(({ offset }) => Math.abs(offset - 150) < 12),
      );
      const n = await pauseAt(page);
      await page.mouse.move(0, 0);
      await isSeen(page, "#preview", false);
      await page.keyboard.press("ArrowRight");
      await shows(page, n + 5 * fps);
      await page.keyboard.press("ArrowLeft");
      await shows(page, n);
      await page.keyboard.press("Home");
      await shows(page, 0);
      await page.keyboard.press(",");
      await says(page, "#notice-title", /oldest frame/);
    });

    await step("the address of a moment shows the frame of that moment", async (page) => {
      await reaches(page, 10);
      const n = await pauseAt(page);
      await hasParameter(page, "at", /^[1-9]\d*$/);
      await page.reload();
      await shows(page, n);
      await says(page, "#state", "Paused");
      await page.keyboard.press(" ");
      await reaches(page, n + 1);
      await hasParameter(page, "at", null);
    });

    await step("plays eight times as fast, and a quarter", async (page) => {
      for (let k = 0; k < 3; k++) await page.keyboard.press("ArrowUp");
      await hasValue(page, "#speed", "8");
      await hasParameter(page, "speed", "8");
      await says(page, "#state", "Replay · 8×");
      await eventually("forty frames in less than half their time", async () => {
        const drawn = await drawnFrames(page);
        return drawn.some((first, i) => {
          const last = drawn[i + 40] ?? first;
          return last.capturedAt - first.capturedAt > 2 * (last.drawnAt - first.drawnAt);
        });
      });
      await page.selectOption("#speed", "0.25");
      await says(page, "#state", "Replay · ¼×");
      await eventually("slow frames", async () => {
        const [first, , , last] = (await drawnFrames(page)).slice(-4);
        return last!.drawnAt - first!.drawnAt > 3 * 4 * 1000 / fps * 0.8;
      });
    }, { frames: 2_400 });

    await step("live shows the newest as it comes, with its delay", async (page, topic) => {
      await page.keyboard.press("l");
      await shows(page, 299);
      await hasParameter(page, "live", "1");
      let n = 300;
      for (; n < 320; n++) {
        await store(service, topic, 1, 0, n);
        await shows(page, n);
      }
      await eventually("live, with its delay", async () => {
        await store(service, topic, 1, 0, n++); // one that came late on a busy machine says seconds
        return await textOf(page, "#state") === "Live" && /^\d+ ms$/.test(await textOf(page, "#fact-delay"));
      });
      await hasAttribute(page, "#live-button", "aria-pressed", "true");
      await shows(page, n - 1);
      await pauseAt(page);
      await store(service, topic, 3, 0, n);
      await page.keyboard.press(" ");
      await reaches(page, n); // from where it was stopped, no longer live
      await reaches(page, n + 2);
    });

    await step("a seek to the end of a stream that runs goes live", async (page, topic) => {
      let n = 300;
      await eventually("the end to move", async () => {
        for (let k = 0; k < 3; k++) {
          await store(service, topic, 1, 0, n++);
          await pause(200);
        }
        const bar = (await page.locator("#slider").boundingBox())!;
        await page.mouse.click(bar.x + bar.width - 3, bar.y + bar.height / 2);
        return await textOf(page, "#state") === "Live";
      });
      await hasParameter(page, "live", "1");
    });

    await step("tells its keys, and fills the screen", async (page) => {
      await page.keyboard.press("?");
      await page.waitForSelector("#help[open]");
      await isAccessible(page);
      await page.keyboard.press("Escape");
      await page.keyboard.press("f");
      await eventually("full screen", () => page.evaluate(() => document.fullscreenElement?.id === "stage"));
      await page.keyboard.press("f");
      await eventually("the page", () => page.evaluate(() => document.fullscreenElement === null));
    });

    await step("the details have the line for an <img>, and it plays", async (page, topic) => {
      await page.click(".status");
      for (
        const line of [
          `<img src="${service.url}/video/${topic}/mjpeg">`,
          `curl -O ${service.url}/video/${topic}/snapshot.jpg`,
        ]
      ) {
        await eventually(
          line,
          async () => (await page.locator("#details code").allTextContents()).includes(line),
        );
      }
      const width = () =>
        page.evaluate((src) => {
          const image = document.querySelector<HTMLImageElement>("#tried") ??
            Object.assign(new Image(), { id: "tried", src });
          document.body.append(image);
          return image.naturalWidth;
        }, `/video/${topic}/mjpeg`);
      await eventually("the picture", async () => await width() === 64);
    });

    await step("a wall of the streams there are; and back", async (page, topic) => {
      await page.keyboard.press("w");
      await eventually("tiles", async () => await page.locator(".tile").count() > 4);
      await hasParameter(page, "wall", new RegExp(`^${topic}`));
      await becomes("the picture", () => shownNumber(page, ".tile canvas"), 299);
      await store(service, topic, 1, 0, 4242);
      await becomes("the picture", () => shownNumber(page, ".tile canvas"), 4242);
      await isAccessible(page);
      await page.click(".tile");
      await says(page, "#topic-name", topic);
      await page.goBack();
      await page.waitForSelector(".tile");
    });

    await step("on a phone, in the dark: the picture, its controls, the list", async (page) => {
      await reaches(page, 2);
      await isAsWideAs(page, 360);
      await isAccessible(page);
      await page.tap("#screen");
      await says(page, "#state", "Paused");
    }, { viewport: { width: 360, height: 740 }, colorScheme: "dark", isMobile: true, hasTouch: true });
  },
});
