/** The replay of the map page: recorded tracks whose every fix is known, on a clock that the test moves. @module */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Page } from "playwright-core";
import { palette, seriesOf } from "../../static/shared/series.js";
import { eventually } from "../eventually.ts";
import { requires } from "../requirements.ts";
import { seriousFindings } from "./accessibility.ts";
import { type PageOptions, TestBrowser } from "./browser.ts";
import { ScriptedService } from "./scripted_service.ts";

const text = async (page: Page, id: string) => (await page.locator(`#${id}`).textContent())?.trim() ?? "";
const names = (page: Page) => page.locator("#names [role=option]:visible .name-text").allTextContents();

/** Ten minutes ago, when the recording begins. */
const begin = Math.floor(Date.now() / 1000) * 1000 - 600_000;
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

async function showsTime(page: Page, seconds: number): Promise<void> {
  await eventually(
    `${utc(seconds)}`,
    async () => await shownTime(page) === utc(seconds),
    5_000,
    () => shownTime(page),
  );
}

/** Colour of the heads' canvas in the middle of the map, as #rrggbb. */
function middle(page: Page): Promise<string> {
  return page.evaluate(() => {
    const canvas = [...document.querySelectorAll<HTMLCanvasElement>(".leaflet-overlay-pane .view-canvas")].at(
      -1,
    )!;
    const { data } = canvas.getContext("2d")!.getImageData(canvas.width / 2, canvas.height / 2, 1, 1);
    return `#${[...data.slice(0, 3)].map((value) => value.toString(16).padStart(2, "0")).join("")}`;
  });
}

/** Has time stand still in the page; `page.clock.runFor` moves it. */
async function stopTime(page: Page): Promise<void> {
  await page.clock.pauseAt(await page.evaluate(() => Date.now()) + 1_000);
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
      });

    await step(
      "a link shows its moment, as does a reload: who had reported, where, and how long ago",
      `?follow=Bus&replay=t.${begin + 205_000}&speed=5`,
      async (page, service) => {
        const isAsLinked = async () => {
          await showsTime(page, 205);
          await eventually("the card", async () => await text(page, "followed-name") === "Bus");
          assertEquals(await names(page), ["Bus"]);
          assertMatch(await text(page, "state"), /^Replay \d/);
          assertEquals(await text(page, "followed-position"), "52.51000° N, 13.40000° E");
          assertMatch(await text(page, "followed-seen"), /, 5 s ago$/);
          assertEquals(await page.inputValue("#replay-slider"), "205000");
          assertEquals(await page.inputValue("#replay-speed"), "5");
          assertEquals(await page.getAttribute("#replay-play", "aria-label"), "Play");
          assertEquals(
            new URL(page.url()).search,
            `?follow=Bus&replay=t.${begin + 205_000}&speed=5`,
          );
          const color = palette(false)[seriesOf("Bus").color];
          await eventually("its mark in the middle", async () => await middle(page) === color);
        };
        await isAsLinked();
        assertEquals(await seriousFindings(page), []);
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
        await eventually(
          "the records",
          async () => (await page.textContent("[data-fact=records]"))?.[0] === "2",
        );
        await page.keyboard.press("Escape"); // closes the details only
        assertEquals(await names(page), ["Bus"]);
        await showsTime(page, 10);
        await stopTime(page);
        await page.keyboard.press("Escape");
        assertEquals(await text(page, "state"), "Live");
        assertEquals(await names(page), ["Bus", "Ferry", "Tram"]);
        assertEquals(new URL(page.url()).search, "");
        await page.locator("#names [role=option]").first().click();
        assertEquals(await text(page, "followed-position"), "52.60000° N, 13.50000° E");
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
        assertEquals(await names(page), ["Bus", "Tram"]);
        assertEquals(new URL(page.url()).search, `?replay=t.${begin + 420_000}&speed=60`);
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
        assertEquals(await page.getAttribute("#replay-play", "aria-label"), "Play");
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
          assertEquals(await focused(), `replay-${id}`);
          await page.keyboard.press("Tab");
        }
        await stopTime(page);
        await page.focus("#replay-play");
        await page.keyboard.press("Space");
        const time = await shownTime(page);
        await page.fill("#filter", "ab");
        await page.keyboard.press("ArrowLeft");
        await page.keyboard.press("Space");
        assertEquals(await page.inputValue("#filter"), "a b");
        assertEquals(await shownTime(page), time);
        assertEquals(await page.getAttribute("#replay", "aria-pressed"), "true");
        await page.click("#replay-live");
        assertEquals(await page.isVisible("#replay-bar"), false);
        assertEquals(await focused(), "replay");
      },
    );

    await step(
      "says what is loaded, that there is nothing, and what was left out",
      "",
      async (page, service) => {
        const answer = Promise.withResolvers<Response>();
        service.tracks = () => answer.promise;
        await page.click("#replay");
        await eventually(
          "loading",
          async () => await text(page, "replay-message") === "Loading the last 15 minutes …",
        );
        assertEquals(await text(page, "state"), "Replay");
        answer.resolve(service.tracksOf([]));
        await eventually(
          "nothing",
          async () => (await text(page, "replay-message")).startsWith("No positions in"),
        );
        assertEquals(await page.isDisabled("#replay-slider"), true);
        assertEquals(await seriousFindings(page), []);
        service.tracks = async () => Response.json({ ...await recorded(service).json(), truncated: true });
        await page.selectOption("#replay-span", "all");
        await eventually(
          "what is left out",
          async () => (await text(page, "replay-message")).includes("left out"),
        );
        await showsTime(page, 0);
        assertStringIncludes(new URL(page.url()).search, "span=all");
        assertEquals(await seriousFindings(page), []);
      },
    );

    await t.step("an error says what happened, and another try goes on where it was", async () => {
      await using service = new ScriptedService();
      service.tracks = () => Response.json({ title: "Kafka unavailable", status: 503 }, { status: 503 });
      await browser.page(`${service.url}/geo?replay=t.${begin + 100_000}&speed=5`, async (page) => {
        await page.waitForSelector("#replay-retry:visible");
        assertEquals(await text(page, "replay-message"), "Kafka unavailable");
        assertEquals(await seriousFindings(page), []);
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
        assertEquals(await page.getAttribute("#replay-play", "aria-label"), "Play");
        const [bar, sheet] = [
          await page.locator("#replay-bar").boundingBox(),
          await page.locator("#panel").boundingBox(),
        ];
        assert(bar && sheet && bar.y + bar.height <= sheet.y + 1);
        assertEquals(await page.evaluate(() => document.documentElement.scrollWidth), 360);
        assertEquals(await seriousFindings(page), []);
        await page.locator("#replay-live").click();
        await eventually("live", async () => await text(page, "state") === "Live");
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
