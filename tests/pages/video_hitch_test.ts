/** The page of video where frames cannot be drawn for a while, in Chromium: what it leaves out, and what it says of that. @module */
import { assert, assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually } from "../eventually.ts";
import { numberedJpeg } from "../jpegs.ts";
import { requires } from "../requirements.ts";
import { multipart } from "../routes/frames.ts";
import { Service } from "../service.ts";
import { TestBrowser } from "./browser.ts";
import { drawnFrames, noteDrawn } from "./video_picture.ts";

const fps = 5, stored = 600;

/** Stores frames that end a minute ago. */
async function store(service: Service, topic: string): Promise<void> {
  const jpegs = Array.from({ length: stored }, (_, n) => numberedJpeg(n));
  const first = Date.now() / 1000 - 60 - stored / fps;
  const response = await fetch(`${service.url}/video/${topic}/frames`, {
    method: "POST",
    headers: { "content-type": "multipart/x-mixed-replace; boundary=cam" },
    body: multipart(jpegs, { headers: (n) => `X-Timestamp: ${(first + n / fps).toFixed(3)}\r\n` }),
  });
  assertEquals((await response.json()).frames, stored);
}

/** A page that decodes pictures only while it is let. */
class SlowPage {
  /** Messages of bytes that came over its sockets. */
  frames = 0;
  /** Messages of text that the page sent. */
  readonly sent: string[] = [];
  readonly #page: Page;

  private constructor(page: Page) {
    this.#page = page;
    page.on("websocket", (socket) => {
      socket.on("framereceived", ({ payload }) => void (this.frames += typeof payload === "string" ? 0 : 1));
      socket.on("framesent", ({ payload }) => void this.sent.push(String(payload)));
    });
  }

  static async of(page: Page): Promise<SlowPage> {
    const slow = new SlowPage(page);
    await noteDrawn(page);
    await page.addInitScript(() => {
      const { createImageBitmap: decode } = globalThis;
      let opened = Promise.resolve(), open = () => {};
      Object.assign(globalThis, {
        createImageBitmap: async (blob: Blob) => {
          await opened;
          return decode(blob);
        },
        letDecode: (isLet: boolean) => {
          open();
          if (!isLet) opened = new Promise((resolve) => open = resolve);
        },
      });
    });
    return slow;
  }

  async drawn(): Promise<number[]> {
    return (await drawnFrames(this.#page)).map(({ offset }) => offset);
  }

  /** Lets it decode again when it has been sent so many frames, and `meanwhile` is done. */
  async stall(frames: number, meanwhile: () => Promise<unknown> = async () => {}): Promise<void> {
    await this.#let(false);
    const wanted = this.frames + frames;
    await eventually(`${frames} frames that cannot be drawn`, () => this.frames >= wanted);
    await meanwhile();
    await this.#let(true);
  }

  #let(isLet: boolean): Promise<void> {
    return this.#page.evaluate((isLet) => {
      (globalThis as unknown as { letDecode: (isLet: boolean) => void }).letDecode(isLet);
    }, isLet);
  }
}

Deno.test({
  name: "/video when frames cannot be drawn for a while, in Chromium",
  ignore: requires("chromium").ignore,
  fn: async (t) => {
    await using service = await Service.open();
    await using browser = await TestBrowser.launch();
    await Promise.all(["one", "two"].map((topic) => store(service, topic)));
    const step = (name: string, run: (page: Page, slow: SlowPage) => Promise<void>) =>
      t.step(name, () =>
        browser.page(`${service.url}/version`, async (page, complaints) => {
          await run(page, await SlowPage.of(page));
          assertEquals(complaints, []);
        }));
    const leftOut = (page: Page) => page.isVisible("#fact-left-out");

    await step("a recording goes on with nothing left out", async (page, slow) => {
      await page.goto(`${service.url}/video/one`);
      await eventually("some frames", async () => (await slow.drawn()).length > 2);
      await slow.stall(10);
      const { length } = await slow.drawn();
      await eventually("all of them", async () => (await slow.drawn()).length > length + 15);
      const drawn = await slow.drawn();
      assertEquals(drawn, drawn.map((_, n) => n));
      assertEquals(await leftOut(page), false);
    });

    await step("another speed holds from the frame that is shown on", async (page, slow) => {
      await page.goto(`${service.url}/video/one?speed=4`);
      await eventually("a frame", async () => (await slow.drawn()).length > 0);
      await slow.stall(10, async () => {
        await page.selectOption("#speed", "1");
        await eventually("a way back", () => slow.sent.some((text) => text.includes('"seek"')));
      });
      const { length } = await slow.drawn();
      await eventually("more of them", async () => (await slow.drawn()).length > length + 5);
      const drawn = await slow.drawn();
      assertEquals(drawn, drawn.map((_, n) => drawn[0]! + n));
    });

    await step(
      "what is more than may wait is left out and counted, for this stream only",
      async (page, slow) => {
        await page.goto(`${service.url}/video/one?speed=4`);
        await eventually("a frame", async () => (await slow.drawn()).length > 0);
        await slow.stall(100);
        await eventually("that it is told", () => leftOut(page));
        const drawn = await slow.drawn();
        assertEquals(drawn, drawn.toSorted((a, b) => a - b));
        await page.selectOption("#speed", "1");
        await page.click(".streams a:has-text('two')");
        await eventually("the other stream", async () => await page.textContent("#topic-name") === "two");
        await eventually("its frames", async () => (await page.textContent("#fact-frame"))?.startsWith("0:"));
        assert(!await leftOut(page), "nothing of this one was left out");
      },
    );
  },
});
