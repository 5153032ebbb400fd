/** The pages on the real service with its embedded broker: what a person does with them, in Chromium. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually } from "../eventually.ts";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";
import { type PageOptions, TestBrowser } from "./browser.ts";
import {
  becomes,
  hasAttribute,
  hasParameter,
  hasValue,
  isAccessible,
  isAsWideAs,
  isAt,
  isSeen,
  says,
  saysPart,
  textOf,
} from "./expect.ts";

async function post(
  service: Service,
  positions: readonly { name: string; lat: number; lon: number }[],
  topic = "geostream",
) {
  const response = await fetch(`${service.url}/producer/${topic}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(positions),
  });
  assertEquals(response.status, 200, await response.text());
}

const names = (page: Page) => page.locator("#names [role=option]:visible .name-text").allTextContents();

/** Waits until just these names are listed, in this order. */
const lists = (page: Page, wanted: readonly string[]) => becomes("the names", () => names(page), [...wanted]);
const all = ["Bus 9", "Bus 10", "Kurier 5", "Tram 1"];

/** Pixels that something was drawn on, of the canvas with the trails or the one with the heads. */
function painted(page: Page, canvas: "trails" | "heads"): Promise<number> {
  return page.evaluate(async (canvas) => {
    const both = document.querySelectorAll<HTMLCanvasElement>(".leaflet-overlay-pane .view-canvas");
    const element = both[canvas === "trails" ? 0 : 1]!, { width, height } = element;
    // By a copy, as Chromium warns of canvases that are read from again and again.
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
    context.drawImage(await createImageBitmap(element), 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    let count = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i]! > 0) count++;
    return count;
  }, canvas);
}

/** Records that the page has received, from the details of its status. */
async function received(page: Page): Promise<number> {
  return Number((await textOf(page, "[data-fact=records]")).match(/^[\d,]+/)?.[0].replaceAll(",", "") ?? NaN);
}

Deno.test({
  name: "the pages on the real service, in Chromium",
  ignore: requires("chromium").ignore,
  fn: async (t) => {
    await using service = await Service.open();
    await using browser = await TestBrowser.launch();
    const step = (name: string, path: string, run: (page: Page) => Promise<void>, options?: PageOptions) =>
      t.step(name, () =>
        browser.page(service.url + path, async (page, complaints) => {
          await run(page);
          assertEquals(complaints, []);
        }, options));

    await step(
      "/geo of an empty topic says how to fill it, and its button does",
      "/geo?topic=first.steps",
      async (page) => {
        await page.waitForSelector("#empty:visible");
        await saysPart(page, "#empty-command code", `${service.url}/producer/first.steps`);
        await isAccessible(page);
        await page.click("#send-test");
        await page.waitForSelector("#empty", { state: "hidden" });
        await eventually("the name", async () => (await names(page)).includes("test"));
        await eventually("its mark", async () => await painted(page, "heads") > 50);
      },
    );

    await post(
      service,
      Array.from({ length: 40 }, (_, i) => ({ name: "Tram 1", lat: 52.5 + i / 2000, lon: 13.4 + i / 1500 })),
    );
    await post(
      service,
      Array.from({ length: 40 }, (_, i) => ({ name: "Bus 10", lat: 52.53 - i / 2000, lon: 13.4 + i / 900 })),
    );
    await post(service, [{ name: "Bus 9", lat: 52.51, lon: 13.41 }]);

    await step(
      "/geo draws earlier tracks at once, lists names as people sort them, and goes on live",
      "/geo",
      async (page) => {
        await lists(page, ["Bus 9", "Bus 10", "Tram 1"]);
        await eventually("the trails", async () => await painted(page, "trails") > 500);
        await says(page, "#state", "Live");
        await post(service, [{ name: "Kurier 5", lat: 52.52, lon: 13.42 }]);
        await eventually("the new name", async () => (await names(page)).includes("Kurier 5"));
        await eventually("the delay", async () => {
          await post(service, [{ name: "Kurier 5", lat: 52.52, lon: 13.42 }]); // it is that of the last five seconds
          return /\d/.test(await textOf(page, ".status-delay b"));
        });
        await says(page, ".status", /^Kafka embedded/);
        await isAccessible(page);
      },
    );

    await step(
      "/geo follows by keyboard alone, tells it in the address, and lets go with Escape",
      "/geo",
      async (page) => {
        await lists(page, all);
        for (let presses = 0; await page.evaluate(() => document.activeElement?.id) !== "names"; presses++) {
          assert(presses < 15, "Tab does not come to the list");
          await page.keyboard.press("Tab");
        }
        await page.keyboard.press("End");
        await page.keyboard.press("Enter");
        await says(page, "#followed-name", "Tram 1");
        await hasParameter(page, "follow", "Tram 1");
        await eventually(
          "the selection",
          () => page.locator("[aria-selected=true]:visible .name-text").textContent(),
        );
        await says(page, "#followed-position", /° N/);
        await post(service, [{ name: "Tram 1", lat: 52.55, lon: 13.45 }]);
        await saysPart(page, "#followed-position", "52.55000° N, 13.45000° E");
        await isAccessible(page);
        await page.keyboard.press("Escape");
        await page.waitForSelector("#followed", { state: "hidden" });
        await isAt(page, "/geo", "");
      },
    );

    await step(
      "/geo shows what a link says: topic, followed, trail, filter",
      "/geo?follow=Bus+10&trail=1h&q=bus",
      async (page) => {
        await says(page, "#followed-name", "Bus 10");
        await lists(page, ["Bus 9", "Bus 10"]);
        await hasValue(page, "#trail", "1h");
        await saysPart(page, ".panel-title", "2 of 4 names");
        await page.fill("#filter", "nobody");
        await saysPart(page, "#no-names", "nobody");
        await page.fill("#filter", "");
        await lists(page, all);
      },
    );

    await step("/geo replays what Kafka has kept, up to the newest record", "/geo", async (page) => {
      const response = await fetch(`${service.url}/geo/geostream/tracks?since=earliest`);
      const { features } = await response.json() as { features: { properties: { last: number } }[] };
      const newest = new Date(Math.max(...features.map(({ properties }) => properties.last))).toISOString();
      await page.click("#replay");
      await page.selectOption("#replay-span", "all");
      await page.waitForSelector("#replay-slider:enabled");
      await page.focus("#replay-slider");
      await page.keyboard.press("End");
      await lists(page, all);
      await hasAttribute(page, "#replay-clock", "title", newest.replace("T", " ").replace("Z", " UTC"));
      await eventually("the trails", async () => await painted(page, "trails") > 500);
      await page.keyboard.press("Escape");
      await says(page, "#state", "Live");
    }, { reducedMotion: "reduce" });

    await step("a paused map goes on where it was", "/geo", async (page) => {
      await lists(page, all);
      await page.click("#pause");
      await says(page, "#state", "Paused");
      await post(
        service,
        Array.from({ length: 25 }, (_, i) => ({ name: "Late", lat: 52.5, lon: 13.4 + i / 1000 })),
      );
      await page.click("#notice-action");
      await eventually("the name", async () => (await names(page)).includes("Late"));
      await page.evaluate(() => document.getElementById("details")?.showPopover());
      await becomes("every record", () => received(page), 25);
    });

    await t.step(
      "/geo loses nothing and doubles nothing over a service that is killed and comes back",
      () =>
        browser.page(`${service.url}/geo`, async (page) => {
          await lists(page, ["Bus 9", "Bus 10", "Kurier 5", "Late", "Tram 1"]);
          await page.evaluate(() => document.getElementById("details")?.showPopover());
          await post(
            service,
            Array.from({ length: 10 }, (_, i) => ({ name: "Ferry", lat: 52.5, lon: 13.4 + i / 1000 })),
          );
          await becomes("the first records", () => received(page), 10);
          await service.kill();
          await says(page, "#state", "Reconnecting");
          await service.start();
          await post(
            service,
            Array.from({ length: 15 }, (_, i) => ({ name: "Barge", lat: 52.49, lon: 13.4 + i / 1000 })),
          );
          await eventually("the new name", async () => (await names(page)).includes("Barge"));
          await becomes("every record", () => received(page), 25);
          await says(page, "#state", "Live");
        }),
    );

    await step("the theme's switch is remembered", "/geo", async (page) => {
      const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const before = await background();
      await page.click(".theme");
      await eventually("another colour", async () => await background() !== before);
      const chosen = await background();
      await page.reload();
      await becomes("the colour that was chosen", background, chosen);
    }, { colorScheme: "light" });

    await step(
      "on a phone the list is a sheet, out of the Tab order while it is closed",
      "/geo",
      async (page) => {
        await saysPart(page, "#sheet", "names");
        await isSeen(page, page.locator("#filter"), false);
        await isAsWideAs(page, 360);
        await page.click("#sheet");
        await page.locator("#names [role=option]").first().click();
        await says(page, "#followed-name", /./);
        await isAccessible(page);
      },
      { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, colorScheme: "dark" },
    );

    await step("/ shows what runs, the newest records and lines to copy", "/", async (page) => {
      await says(page, "#kafka", "embedded broker");
      await says(page, "#brokers", service.bootstrap);
      await says(page, "#tail-state", "Live");
      await post(service, [{ name: "Tram 1", lat: 52.5, lon: 13.4 }]);
      await says(page, "#tail tr:first-child .name", "Tram 1");
      await says(page, "#tail tr:first-child td:nth-child(3)", "52.50000, 13.40000");
      await says(page, "#viewers-sse", "1");
      await page.locator(".ways .copy").first().click();
      await page.waitForSelector(".ways .copy:text-is('Copied')"); // asked within the page, as it says so for a moment only
      const copied = await page.evaluate(() => navigator.clipboard.readText());
      assertStringIncludes(copied, `${service.url}/producer/geostream`);
      await isAccessible(page);
    }, { permissions: ["clipboard-read", "clipboard-write"] });

    await step(
      "/ in the dark and on a phone has no serious findings and does not scroll sideways",
      "/",
      async (page) => {
        await says(page, "#kafka", "embedded broker");
        await isAsWideAs(page, 360);
        await page.click(".status");
        await page.waitForSelector("#details:popover-open");
        await isAccessible(page);
      },
      { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, colorScheme: "dark" },
    );
  },
});
