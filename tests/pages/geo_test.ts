/** The pages on the real service with its embedded broker: what a person does with them, in Chromium. @module */
import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually } from "../eventually.ts";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";
import { seriousFindings } from "./accessibility.ts";
import { type PageOptions, TestBrowser } from "./browser.ts";

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
const text = async (page: Page, selector: string) =>
  (await page.textContent(selector))?.replace(/\s+/g, " ").trim() ?? "";

/** Pixels that something was drawn on, of the canvas with the trails or the one with the heads. */
function painted(page: Page, canvas: "trails" | "heads"): Promise<number> {
  return page.evaluate((canvas) => {
    const both = document.querySelectorAll<HTMLCanvasElement>(".leaflet-overlay-pane .view-canvas");
    const element = both[canvas === "trails" ? 0 : 1]!;
    const { data } = element.getContext("2d")!.getImageData(0, 0, element.width, element.height);
    let count = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i]! > 0) count++;
    return count;
  }, canvas);
}

/** Records that the page has received, from the details of its status. */
async function received(page: Page): Promise<number> {
  return Number((await text(page, "[data-fact=records]")).match(/^[\d,]+/)?.[0].replaceAll(",", "") ?? NaN);
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
        assertStringIncludes(await text(page, "#empty-command code"), `${service.url}/producer/first.steps`);
        assertEquals(await seriousFindings(page), []);
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
        await eventually("the names", async () => (await names(page)).join() === "Bus 9,Bus 10,Tram 1");
        await eventually("the trails", async () => await painted(page, "trails") > 500);
        assertEquals(await text(page, "#state"), "Live");
        await post(service, [{ name: "Kurier 5", lat: 52.52, lon: 13.42 }]);
        await eventually("the new name", async () => (await names(page)).includes("Kurier 5"));
        await eventually("the delay", async () => /\d/.test(await text(page, ".status-delay b")));
        assertMatch(await text(page, ".status"), /^Kafka embedded/);
        assertEquals(await seriousFindings(page), []);
      },
    );

    await step(
      "/geo follows by keyboard alone, tells it in the address, and lets go with Escape",
      "/geo",
      async (page) => {
        await eventually("the names", async () => (await names(page)).length === 4);
        for (let presses = 0; await page.evaluate(() => document.activeElement?.id) !== "names"; presses++) {
          assert(presses < 15, "Tab does not come to the list");
          await page.keyboard.press("Tab");
        }
        await page.keyboard.press("End");
        await page.keyboard.press("Enter");
        await eventually("the card", async () => await text(page, "#followed-name") === "Tram 1");
        assertEquals(new URL(page.url()).searchParams.get("follow"), "Tram 1");
        await eventually(
          "the selection",
          () => page.locator("[aria-selected=true]:visible .name-text").textContent(),
        );
        const before = await text(page, "#followed-position");
        await post(service, [{ name: "Tram 1", lat: 52.55, lon: 13.45 }]);
        await eventually("its new place", async () => await text(page, "#followed-position") !== before);
        assertStringIncludes(await text(page, "#followed-position"), "52.55000° N, 13.45000° E");
        assertEquals(await seriousFindings(page), []);
        await page.keyboard.press("Escape");
        await page.waitForSelector("#followed", { state: "hidden" });
        assertEquals(new URL(page.url()).search, "");
      },
    );

    await step(
      "/geo shows what a link says: topic, followed, trail, filter",
      "/geo?follow=Bus+10&trail=1h&q=bus",
      async (page) => {
        await eventually("the followed", async () => await text(page, "#followed-name") === "Bus 10");
        assertEquals(await names(page), ["Bus 9", "Bus 10"]);
        assertEquals(await page.inputValue("#trail"), "1h");
        assertStringIncludes(await text(page, ".panel-title"), "2 of 4 names");
        await page.fill("#filter", "nobody");
        await eventually("the answer", async () => (await text(page, "#no-names")).includes("nobody"));
        await page.fill("#filter", "");
        await eventually("all names", async () => (await names(page)).length === 4);
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
      await eventually("the names", async () => (await names(page)).length === 4);
      assertEquals(
        await page.getAttribute("#replay-clock", "title"),
        newest.replace("T", " ").replace("Z", " UTC"),
      );
      await eventually("the trails", async () => await painted(page, "trails") > 500);
      await page.keyboard.press("Escape");
      await eventually("live", async () => await text(page, "#state") === "Live");
    }, { reducedMotion: "reduce" });

    await step("a paused map goes on where it was", "/geo", async (page) => {
      await eventually("the names", async () => (await names(page)).length === 4);
      await page.click("#pause");
      await eventually("the pause", async () => await text(page, "#state") === "Paused");
      await post(
        service,
        Array.from({ length: 25 }, (_, i) => ({ name: "Late", lat: 52.5, lon: 13.4 + i / 1000 })),
      );
      await page.click("#notice-action");
      await eventually("the name", async () => (await names(page)).includes("Late"));
      await page.evaluate(() => document.getElementById("details")?.showPopover());
      await eventually("every record", async () => await received(page) === 25);
    });

    await t.step(
      "/geo loses nothing and doubles nothing over a service that is killed and comes back",
      () =>
        browser.page(`${service.url}/geo`, async (page) => {
          await eventually("the names", async () => (await names(page)).length === 5);
          await page.evaluate(() => document.getElementById("details")?.showPopover());
          await post(
            service,
            Array.from({ length: 10 }, (_, i) => ({ name: "Ferry", lat: 52.5, lon: 13.4 + i / 1000 })),
          );
          await eventually("the first records", async () => await received(page) === 10);
          await service.kill();
          await eventually("the notice", async () => (await text(page, "#state")) === "Reconnecting");
          await service.start();
          await post(
            service,
            Array.from({ length: 15 }, (_, i) => ({ name: "Barge", lat: 52.49, lon: 13.4 + i / 1000 })),
          );
          await eventually("the new name", async () => (await names(page)).includes("Barge"), 30_000);
          await eventually(
            "every record",
            async () => await received(page) === 25,
            5_000,
            () => received(page),
          );
          await eventually("all is well", async () => (await text(page, "#state")) === "Live");
        }),
    );

    await step("the theme's switch is remembered", "/geo", async (page) => {
      const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const before = await background();
      await page.click(".theme");
      assertNotEquals(await background(), before);
      const chosen = await background();
      await page.reload();
      assertEquals(await background(), chosen);
    }, { colorScheme: "light" });

    await step(
      "on a phone the list is a sheet, out of the Tab order while it is closed",
      "/geo",
      async (page) => {
        await eventually("the names", async () => (await text(page, "#sheet")).includes("names"));
        assertEquals(await page.locator("#filter").isVisible(), false);
        assertEquals(await page.evaluate(() => document.documentElement.scrollWidth), 360);
        await page.click("#sheet");
        await page.locator("#names [role=option]").first().click();
        await eventually("the card", async () => await text(page, "#followed-name") !== "");
        assertEquals(await seriousFindings(page), []);
      },
      { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, colorScheme: "dark" },
    );

    await step("/ shows what runs, the newest records and lines to copy", "/", async (page) => {
      await eventually("the service", async () => await text(page, "#kafka") === "embedded broker");
      assertEquals(await text(page, "#brokers"), service.bootstrap);
      await eventually("the stream", async () => await text(page, "#tail-state") === "Live");
      await post(service, [{ name: "Tram 1", lat: 52.5, lon: 13.4 }]);
      await eventually("the record", async () => await text(page, "#tail tr:first-child .name") === "Tram 1");
      assertEquals(await text(page, "#tail tr:first-child td:nth-child(3)"), "52.50000, 13.40000");
      await eventually("itself among the viewers", async () => await text(page, "#viewers-sse") === "1");
      await page.locator(".ways .copy").first().click();
      await eventually("the copy", async () => await text(page, ".ways .copy") === "Copied");
      const copied = await page.evaluate(() => navigator.clipboard.readText());
      assertStringIncludes(copied, `${service.url}/producer/geostream`);
      assertEquals(await seriousFindings(page), []);
    }, { permissions: ["clipboard-read", "clipboard-write"] });

    await step(
      "/ in the dark and on a phone has no serious findings and does not scroll sideways",
      "/",
      async (page) => {
        await eventually("the service", async () => await text(page, "#kafka") === "embedded broker");
        assertEquals(await page.evaluate(() => document.documentElement.scrollWidth), 360);
        await page.click(".status");
        await page.waitForSelector("#details:popover-open");
        assertEquals(await seriousFindings(page), []);
      },
      { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, colorScheme: "dark" },
    );
  },
});
