/** What /histograms shows of measurements out of the ordinary: alone, very large. Scripted. @module */
import { assertEquals } from "@std/assert";
import { eventually } from "../eventually.ts";
import { requires } from "../requirements.ts";
import { TestBrowser } from "./browser.ts";
import { ScriptedHistograms } from "./scripted_histograms.ts";

const minuteMs = 60_000;

/** Pixels of a canvas in a colour (neither grey nor empty), between two places of its width from 0 to 1. */
function colouredPixels(canvas: HTMLCanvasElement | SVGElement, span: [number, number]): number {
  const { width, height } = canvas as HTMLCanvasElement;
  const context = (canvas as HTMLCanvasElement).getContext("2d")!;
  const [from, to] = span.map((part) => Math.round(part * width)) as [number, number];
  const { data } = context.getImageData(from, 0, to - from, height);
  let found = 0;
  for (let i = 0; i < data.length; i += 4) {
    const [r = 0, g = 0, b = 0, a = 0] = data.subarray(i, i + 4);
    if (a > 128 && Math.max(r, g, b) - Math.min(r, g, b) > 40) found++;
  }
  return found;
}

Deno.test({
  name: "a measurement that stands alone is a point in the course, in Chromium",
  ignore: requires("chromium").ignore,
  fn: async () => {
    await using service = new ScriptedHistograms();
    const now = Date.now();
    for (let at = now - 55 * minuteMs; at < now - 40 * minuteMs; at += 5_000) {
      service.measure("humidity", 60 + at % 3, at);
    }
    service.measure("humidity", 45, now - 10 * minuteMs);
    await using browser = await TestBrowser.launch();
    await browser.page(`${service.url}/histograms?range=1h`, async (page) => {
      const canvas = page.locator('.card[aria-label="humidity"] [data-part="course"] canvas');
      await canvas.waitFor();
      // A point of 4 px is a dozen of pixels; a line without a length leaves one or two.
      let found = 0;
      await eventually(
        "the point",
        async () => (found = await canvas.evaluate(colouredPixels, [0.7, 0.95] as [number, number])) >= 8,
        undefined,
        () => `found ${found} coloured pixels`,
      );
    });
  },
});

Deno.test({
  name: "large numbers are not cut off in a card, in Chromium",
  ignore: requires("chromium").ignore,
  fn: async () => {
    await using service = new ScriptedHistograms();
    for (const value of [-Number.MAX_VALUE, 1.23456e300]) service.measure("humidity", value);
    for (const value of [-12_345_678.25, 98_765_432]) service.measure("temperature", value);
    await using browser = await TestBrowser.launch();
    await browser.page(`${service.url}/histograms`, async (page) => {
      const measured = page.locator(".card .fact-list div:nth-child(odd) dd");
      await eventually("the numbers", async () => (await measured.allTextContents()).includes("−1.798E308"));
      const cut = await measured.evaluateAll((all) =>
        all.filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth).map((one) => one.textContent)
      );
      assertEquals(cut, []);
    });
  },
});
