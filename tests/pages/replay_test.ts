/** The replay of the map page: recorded tracks whose every fix is known, on a clock that the test moves. @module */
import { assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { palette, seriesOf } from "../../static/shared/series.js";
import { eventually } from "../eventually.ts";
import { requires } from "../requirements.ts";
import { type PageOptions, TestBrowser } from "./browser.ts";
import {
  becomes,
  hasAttribute,
  hasParameter,
  hasValue,
  isAccessible,
  isAsWideAs,
  isAt,
  isEnabled,
  isSeen,
  says,
  saysPart,
} from "./expect.ts";
import { ScriptedService } from "./scripted_service.ts";

const names = (page: Page) => page.locator("#names [role=option]:visible .name-text").allTextContents();

/** Ten minutes ago, when the recording begins: in each step anew, as a replay goes back for fifteen. */
let begin = tenMinutesAgo();
function tenMinutesAgo(): number {
  return Math.floor(Date.now() / 1000) * 1000 - 600_000;
}
const utc = (seconds: number) =>
  new Date(begin + seconds * 1000).toISOString().replace("T", " ").replace("Z", " UTC");

/** The bus reports every 10 s and is silent from 200 s to 300 s; the tram begins at 400 s. */
function recorded(service: ScriptedService): Response {
  const line = (name: string, lat: number, seconds: number[]) => ({
    name,
    line: seconds.map((s) => [13.38 + s / 10_000, lat]),
    times: seconds.map((s) => begin + s * 1000),
  });
  const every10 = (from: number, to: number) =>
    Array.from({ length: (to - from) / 10 + 1 }, (_, i) => from + i * 10);
  return service.tracksOf([
    line("Bus", 52.51, [...every10(0, 200), ...every10(300, 500)]),
    line("Tram", 52.52, every10(400, 480)),
  ]);
}

/** The time that is shown, in UTC. */
const shownTime = (page: Page) => page.locator("#replay-clock").getAttribute("title");

const showsTime = (page: Page, seconds: number) =>
  becomes("the time that is shown", () => shownTime(page), utc(seconds));
/** Waits until just these names are listed, in this order. */
const lists = (page: Page, wanted: readonly string[]) => becomes("the names", () => names(page), [...wanted]);

/** Colour of the heads' canvas in the middle of the map, as #rrggbb. */
function middle(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const canvas = [...document.querySelectorAll<HTMLCanvasElement>(".leaflet-overlay-pane .view-canvas")].at(
      -1,
    )!;
    // By a copy, as Chromium warns of canvases that are read from again and again.
    const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true })!;
    context.drawImage(await createImageBitmap(canvas, canvas.width / 2, canvas.height / 2, 1, 1), 0, 0);
    const { data } = context.getImageData(0, 0, 1, 1);
    return `#${[...data.slice(0, 3)].map((value) => value.toString(16).padStart(2, "0")).join("")}`;
  });
}

/** Has time stand still in the page; `page.clock.runFor` moves it. */
async function stopTime(page: Page): Promise<void> {
  let aheadMs = 500;
  await eventually("time to stand still", async () => {
    aheadMs = Math.min(4_000, aheadMs * 2); // further, if that moment had passed when the page was told of it
    await page.clock.pauseAt(await page.evaluate(() => Date.now()) + aheadMs);
    return true;
  });
}

Deno.test({
  name: "the replay on /geo, in Chromium",
  ignore: requires("chromium").ignore,
  fn: async (t) => {
    await using browser = await TestBrowser.launch();
    const step = (
      name: string,
      query: string,
      run: (page: Page, service: ScriptedService) => Promise<void>,
      options: PageOptions = {},
    ) =>
      t.step(name, async () => {
        await using service = new ScriptedService();
        service.tracks = () => recorded(service);
        await browser.page("about:blank", async (page, complaints) => {
          await page.clock.install({ time: Date.now() });
          await page.goto(`${service.url}/geo${query}`);
          await page.waitForSelector("[data-stream=open]");
          await run(page, service);
          assertEquals(complaints, []);
        }, { colorScheme: "light", ...options });
        begin = tenMinutesAgo();
      });

    await step(
      "a link shows its moment, as does a reload: who had reported, where, and how long ago",
      `?follow=Bus&replay=t.${begin + 205_000}&speed=5`,
      async (page, service) => {
        const isAsLinked = async () => {
          await showsTime(page, 205);
          await says(page, "#followed-name", "Bus");
          await lists(page, ["Bus"]);
          await says(page, "#state", /^Replay \d/);
          await says(page, "#followed-position", "52.51000° N, 13.40000° E");
          await says(page, "#followed-seen", /, 5 s ago$/);
          await hasValue(page, "#replay-slider", "205000");
          await hasValue(page, "#replay-speed", "5");
          await hasAttribute(page, "#replay-play", "aria-label", "Play");
          await isAt(page, "/geo", `?follow=Bus&replay=t.${begin + 205_000}&speed=5`);
          const color = palette(false)[seriesOf("Bus").color];
          await becomes("its mark in the middle", () => middle(page), color);
        };
        await isAsLinked();
        await isAccessible(page);
        service.position({ name: "Ferry", lat: 52.5, lon: 13.4 });
        await page.reload();
        await isAsLinked();
      },
    );

    await step(
      "the live stream goes on unseen, and is there at once when the replay ends",
      `?replay=t.${begin + 10_000}&speed=20`,
      async (page, service) => {
        await showsTime(page, 10);
        service.position({ name: "Ferry", lat: 52.5, lon: 13.4 });
        service.position({ name: "Bus", lat: 52.6, lon: 13.5 });
        await page.evaluate(() => document.getElementById("details")?.showPopover());
        await says(page, "[data-fact=records]", /^2 /);
        await page.keyboard.press("Escape"); // closes the details only
        await lists(page, ["Bus"]);
        await showsTime(page, 10);
        await stopTime(page);
        await page.keyboard.press("Escape");
        await says(page, "#state", "Live");
        await lists(page, ["Bus", "Ferry", "Tram"]);
        await isAt(page, "/geo", "");
        await page.locator("#names [role=option]").first().click();
        await says(page, "#followed-position", "52.60000° N, 13.50000° E");
        assertEquals(service.opened.length, 1); // the same connection all along
      },
    );

    await step(
      "plays at its speed, stops at the end, begins anew; and keys do the same",
      `?replay=t.${begin}&speed=20`,
      async (page) => {
        await showsTime(page, 0);
        await stopTime(page);
        await page.keyboard.press("Space");
        await page.clock.runFor(3_000);
        await page.keyboard.press("Space");
        await showsTime(page, 60);
        await page.clock.runFor(3_000);
        await showsTime(page, 60);
        await page.selectOption("#replay-speed", "60");
        await page.click("#replay-play");
        await page.clock.runFor(6_000);
        await page.click("#replay-play");
        await showsTime(page, 420);
        await lists(page, ["Bus", "Tram"]);
        await isAt(page, "/geo", `?replay=t.${begin + 420_000}&speed=60`);
        await page.keyboard.press("ArrowRight");
        await page.keyboard.press("ArrowRight");
        await page.keyboard.press("ArrowLeft");
        await showsTime(page, 430);
        await page.focus("#map");
        await page.keyboard.press("ArrowLeft");
        await showsTime(page, 420);
        await page.keyboard.press("Space");
        await page.clock.runFor(2_000); // 80 s are left
        await showsTime(page, 500);
        await hasAttribute(page, "#replay-play", "aria-label", "Play");
        await page.focus("#replay-slider");
        await page.keyboard.press("Home");
        await showsTime(page, 0);
        await page.keyboard.press("End");
        await showsTime(page, 500);
        await page.keyboard.press("Space");
        await showsTime(page, 0);
        await page.clock.runFor(500);
        await page.keyboard.press("Space");
        await showsTime(page, 30);
      },
    );

    await step(
      "Replay begins to play, every control is a Tab away, and a text field keeps its keys",
      "",
      async (page) => {
        await page.click("#replay");
        await page.waitForSelector("#replay-play.is-playing");
        const focused = () => page.evaluate(() => document.activeElement?.id);
        for (const id of ["play", "slider", "span", "speed", "live"]) {
          await becomes("the focus", focused, `replay-${id}`);
          await page.keyboard.press("Tab");
        }
        await stopTime(page);
        await page.focus("#replay-play");
        await page.keyboard.press("Space");
        const time = await shownTime(page);
        await page.fill("#filter", "ab");
        await page.keyboard.press("ArrowLeft");
        await page.keyboard.press("Space");
        await hasValue(page, "#filter", "a b");
        await becomes("the time that is shown", () => shownTime(page), time);
        await hasAttribute(page, "#replay", "aria-pressed", "true");
        await page.click("#replay-live");
        await isSeen(page, "#replay-bar", false);
        await becomes("the focus", focused, "replay");
      },
    );

    await step(
      "says what is loaded, that there is nothing, and what was left out",
      "",
      async (page, service) => {
        const answer = Promise.withResolvers<Response>();
        service.tracks = () => answer.promise;
        await page.click("#replay");
        await says(page, "#replay-message", "Loading the last 15 minutes …");
        await says(page, "#state", "Replay");
        answer.resolve(service.tracksOf([]));
        await says(page, "#replay-message", /^No positions in/);
        await isEnabled(page, "#replay-slider", false);
        await isAccessible(page);
        service.tracks = async () => Response.json({ ...await recorded(service).json(), truncated: true });
        await page.selectOption("#replay-span", "all");
        await saysPart(page, "#replay-message", "left out");
        await showsTime(page, 0);
        await hasParameter(page, "span", "all");
        await isAccessible(page);
      },
    );

    await t.step("an error says what happened, and another try goes on where it was", async () => {
      await using service = new ScriptedService();
      service.tracks = () => Response.json({ title: "Kafka unavailable", status: 503 }, { status: 503 });
      await browser.page(`${service.url}/geo?replay=t.${begin + 100_000}&speed=5`, async (page) => {
        await page.waitForSelector("#replay-retry:visible");
        await says(page, "#replay-message", "Kafka unavailable");
        await isAccessible(page);
        service.tracks = () => recorded(service);
        await page.click("#replay-retry");
        await showsTime(page, 100);
      });
    });

    await step(
      "on a phone and in the dark the bar stands above the sheet, and nobody who wants no motion sees any",
      "",
      async (page) => {
        await page.click("#replay");
        await showsTime(page, 0);
        await hasAttribute(page, "#replay-play", "aria-label", "Play");
        await eventually("the bar above the sheet", async () => {
          const bar = await page.locator("#replay-bar").boundingBox();
          const sheet = await page.locator("#panel").boundingBox();
          return bar && sheet && bar.y + bar.height <= sheet.y + 1;
        });
        await isAsWideAs(page, 360);
        await isAccessible(page);
        await page.locator("#replay-live").click();
        await says(page, "#state", "Live");
      },
      {
        viewport: { width: 360, height: 740 },
        isMobile: true,
        hasTouch: true,
        colorScheme: "dark",
        reducedMotion: "reduce",
      },
    );
  },
});
