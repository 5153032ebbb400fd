/** What is chosen on the page of histograms: the time shown, one measurement alone, a bin, what is taken along. Scripted. @module */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually } from "../eventually.ts";
import { requires } from "../requirements.ts";
import { TestBrowser } from "./browser.ts";
import { becomes, hasCount, isAt, isChecked, isSeen, says, textOf } from "./expect.ts";
import { ScriptedHistograms } from "./scripted_histograms.ts";

const hourMs = 3_600_000;
const part = (page: Page, name: string, which: string) =>
  page.locator(`.card[aria-label="${name}"] [data-part="${which}"]`);

/** Of each name: one a second in the last five minutes, one a minute in the two hours before. */
function fill(service: ScriptedHistograms): void {
  const now = Date.now();
  for (const { spec } of service.counted.values()) {
    for (let s = 7_200; s > 0; s -= s > 300 ? 60 : 1) {
      service.measure(spec.name, spec.first + s % 7, now - s * 1_000);
    }
  }
}

/** The span that was asked for last of humidity, in ms. */
function asked(service: ScriptedHistograms): { from: number | null; to: number | null } {
  const url = service.asked.findLast(({ pathname }) => pathname === "/histograms/humidity/series")!;
  const at = (name: string) =>
    url.searchParams.has(name) ? Number(url.searchParams.get(name)!.slice(2)) : null;
  return { from: at("from"), to: at("to") };
}

async function drawn(page: Page): Promise<void> {
  await part(page, "humidity", "course").locator(".uplot").waitFor();
  await isSeen(page, part(page, "humidity", "cover"), false);
  await says(page, "#state", "Live");
}

/** The zoom that the address tells, in ms since the epoch; NaN for none. By the page itself, as `page.url()` is told of it later. */
async function zoomed(page: Page): Promise<{ from: number; to: number }> {
  const query = new URLSearchParams(await page.evaluate(() => location.search));
  return { from: Date.parse(query.get("from") ?? ""), to: Date.parse(query.get("to") ?? "") };
}

/** Whether a time was `lengthMs` ago at some moment since `sinceMs`, give or take the steps in which what is shown moves on. */
function wasAgo(at: number | null, lengthMs: number, sinceMs: number): boolean {
  return at !== null && at > sinceMs - lengthMs - 10_000 && at < Date.now() - lengthMs + 10_000;
}

/** Goes to the newest step of the course of humidity by key, until that reads as wanted. */
const readsNewest = (page: Page, wanted: RegExp) =>
  becomes("the newest step", async () => {
    await page.keyboard.press("End");
    return await textOf(page, part(page, "humidity", "course-text"));
  }, wanted);

/** Drags over part of the course of humidity. */
async function drag(page: Page, from: number, to: number): Promise<void> {
  const over = part(page, "humidity", "course").locator(".u-over");
  await over.hover(); // once it stands still
  const box = (await over.boundingBox())!;
  await page.mouse.move(box.x + box.width * from, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * to, box.y + 40, { steps: 4 });
  await page.mouse.up();
}

Deno.test({
  name: "what is chosen on /histograms, in Chromium",
  ignore: requires("chromium").ignore,
  fn: async (t) => {
    await using browser = await TestBrowser.launch();
    /** When the page of the step was opened, ms since the epoch. */
    let openedAt = 0;
    const step = (
      name: string,
      run: (page: Page, service: ScriptedHistograms) => Promise<void>,
      path = "/histograms",
    ) =>
      t.step(name, async () => {
        await using service = new ScriptedHistograms();
        fill(service);
        openedAt = Date.now();
        await browser.page(service.url + path, async (page, complaints) => {
          await drawn(page);
          await run(page, service);
          assertEquals(complaints, []);
        });
      });

    await step(
      "a range asks for its time, stands in the address, and goes back with it",
      async (page, service) => {
        const { from, to } = asked(service);
        assert(to === null && wasAgo(from, 300_000, openedAt), `${from} ${to}`);
        await page.check("[value='1h']");
        await eventually(
          "an hour",
          () => wasAgo(asked(service).from, hourMs, openedAt),
          undefined,
          () => asked(service),
        );
        await isAt(page, "/histograms", "?range=1h");
        await page.keyboard.press("ArrowRight");
        await page.keyboard.press("ArrowRight");
        await eventually("all", () => asked(service).from === null);
        await isAt(page, "/histograms", "?range=all");
        await page.goBack();
        await page.goBack();
        await isChecked(page, "[value='1h']");
        await page.goBack();
        await isChecked(page, "[value='5m']");
      },
    );

    await step(
      "a drag zooms all, for who opens the link too; a double click resets",
      async (page, service) => {
        await drag(page, 0.4, 0.6);
        await page.waitForSelector("#reset:visible");
        const { from, to } = await zoomed(page);
        assert(Math.abs(to - from - 60_000) < 3_000, `${to - from} ms`);
        await becomes("the span asked for", () => asked(service), { from, to });
        await page.reload();
        await page.waitForSelector("#reset:visible");
        await drawn(page);
        await becomes("the span asked for", () => asked(service), { from, to });
        await part(page, "pressure", "course").locator(".u-over").dblclick();
        await isSeen(page, "#reset", false);
        await isAt(page, "/histograms", "");
        await isChecked(page, "[value='5m']");
      },
    );

    await t.step("a finger zooms along a course, and scrolls the page across it", async () => {
      await using service = new ScriptedHistograms();
      fill(service);
      await browser.page(`${service.url}/histograms`, async (page, complaints) => {
        await drawn(page);
        const over = part(page, "humidity", "course").locator(".u-over");
        await over.scrollIntoViewIfNeeded();
        const box = (await over.boundingBox())!;
        const devtools = await page.context().newCDPSession(page);
        const touch = (type: "touchStart" | "touchMove" | "touchEnd", x?: number) =>
          devtools.send("Input.dispatchTouchEvent", {
            type,
            touchPoints: x === undefined ? [] : [{ x: box.x + box.width * x, y: box.y + 40 }],
          });
        await touch("touchStart", 0.4);
        for (const x of [0.45, 0.5, 0.55, 0.6]) await touch("touchMove", x);
        await touch("touchEnd");
        await page.waitForSelector("#reset:visible");
        const { from, to } = await zoomed(page), lengthMs = to - from;
        assert(lengthMs > 40_000 && lengthMs < 70_000, `${lengthMs} ms`);
        assertEquals(await over.evaluate((element) => getComputedStyle(element).touchAction), "pan-y");
        assertEquals(complaints, []);
      }, { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
    });

    await step("keys zoom, move and read a course, and read bins", async (page) => {
      await part(page, "humidity", "course").focus();
      await readsNewest(page, /^\d+:\d\d:\d\d.*: \d+$/);
      await eventually(
        "the same for who does not see",
        async () =>
          await textOf(page, "#chart-live") === await textOf(page, part(page, "humidity", "course-text")),
      );
      await page.keyboard.press("Escape");
      await page.keyboard.press("+");
      const { from, to } = await zoomed(page);
      assert(Math.abs(to - from - 150_000) < 2_000, `${to - from} ms`);
      await page.keyboard.press("PageUp");
      const { from: earlier } = await zoomed(page);
      assert(Math.abs(from - earlier - 75_000) < 2);
      await page.keyboard.press("-");
      await page.keyboard.press("Escape");
      await isSeen(page, "#reset", false);
      await part(page, "humidity", "bars").focus();
      await page.keyboard.press("Home");
      await says(page, part(page, "humidity", "bars-text"), /^40 to 41\.95: \d+, \d+%$/);
      await page.keyboard.press("ArrowRight");
      await says(page, "#chart-live", /^41\.95 to 43\.9: \d+, \d+%$/);
    });

    await step("one alone by its name, and all again", async (page) => {
      await part(page, "temperature", "name").click();
      await hasCount(page.locator(".card"), 1);
      await isAt(page, "/histograms/temperature");
      await says(page, "h1", "temperature");
      await page.goBack();
      await hasCount(page.locator(".card"), 3);
      await isAt(page, "/histograms");
    });

    await step("CSV of the time that is shown; both charts as a picture", async (page, service) => {
      await page.check("[value='1h']");
      const [rows] = await Promise.all([
        page.waitForEvent("download"),
        part(page, "humidity", "csv").click(),
      ]);
      const url = new URL(rows.url());
      assertEquals([url.pathname, url.searchParams.get("format")], [
        "/histograms/humidity/measurements",
        "csv",
      ]);
      const from = url.searchParams.get("from");
      assert(wasAgo(Number(from?.slice(2)), hourMs, openedAt), `${from}`);
      const [picture] = await Promise.all([
        page.waitForEvent("download"),
        part(page, "humidity", "png").click(),
      ]);
      assertMatch(picture.suggestedFilename(), /^humidity_\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.png$/);
      const bytes = await Deno.readFile((await picture.path())!);
      const view = new DataView(bytes.buffer);
      assertEquals(view.getUint32(0), 0x89504e47);
      assert(view.getUint32(16) > 800 && view.getUint32(20) > 200, "its size");
      assert(service.asked.length > 0);
    });

    await step("a measurement that comes is drawn in the course at once", async (page, service) => {
      service.refuseSeries = () => new Promise(() => {}); // it is not asked for
      service.measure("humidity", 79);
      service.publish("humidity");
      await says(page, part(page, "humidity", "value"), "79");
      await part(page, "humidity", "course").focus();
      await readsNewest(page, / 79$/);
    });
  },
});
