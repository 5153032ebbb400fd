/** The page of likes on the real service with its embedded broker: what a person sees of what is counted, in Chromium.
 *
 * Windows are short, so that some end while the test looks. Left out: what the service cannot be brought to on demand
 * (aggregations_states_test.ts). @module */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually } from "../eventually.ts";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";
import { seriousFindings } from "./accessibility.ts";
import { TestBrowser } from "./browser.ts";

const id = "93f98662", title = "Stream processing made simple";
/** A length of minutes of which no window begins or ends while the test runs. */
const longMinutes = [120, 109].find((minutes) => {
  const passedMs = Date.now() % (minutes * 60_000);
  return passedMs > 120_000 && minutes * 60_000 - passedMs > 120_000;
});
const settings = {
  WINDOWS: `2s,${longMinutes}m`,
  GRACE_MS: "500",
  VIDEOS: `${id}=${title},69e7266c=Counting`,
};
const card = `.card[aria-label="${title}"]`;
const text = async (page: Page, selector: string) =>
  (await page.locator(selector).first().textContent())?.replace(/\s+/g, " ").trim() ?? "";
/** A cell of the video's card: 1 is the row of 2 s, 2 the long one. */
const cell = (page: Page, row: number, part: string) =>
  text(page, `${card} tbody tr:nth-child(${row}) [data-part="${part}"]`);
const shows = (page: Page, row: number, part: string, wanted: string) =>
  eventually(`${part} ${wanted}`, async () => await cell(page, row, part) === wanted, 20_000);

async function post(service: Service, path: string, body?: unknown): Promise<void> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(service.url + path, { method: "POST", headers, body: JSON.stringify(body) });
  assert(response.ok, await response.text());
}

Deno.test({
  name: "/aggregations on the real service, in Chromium",
  ignore: requires("chromium").ignore,
  fn: async (t) => {
    await using service = await Service.open({ settings });
    await using browser = await TestBrowser.launch();
    const step = (name: string, path: string, run: (page: Page, complaints: string[]) => Promise<void>) =>
      t.step(name, () => browser.page(service.url + path, run));

    await step("nothing yet, then likes by clicks", "/aggregations", async (page, complaints) => {
      await page.waitForSelector("#empty:visible");
      for (let i = 0; i < 3; i++) await page.click(`${card} .like`);
      await shows(page, 2, "now", "3");
      await eventually("all", async () => await text(page, "#counted") === "3 counted", 20_000);
      assertEquals(await seriousFindings(page), []);
      assertEquals(complaints, []);
    });

    await step(
      "a window becomes final, and what comes later is late",
      `/aggregations/${id}`,
      async (page, complaints) => {
        const rows = page.locator(".size").first().locator("tbody tr");
        const finals = async () =>
          (await rows.allInnerTexts()).flatMap((row) =>
            /\s(\d+)\s+(\S+)\s+final$/.exec(row)?.slice(1, 3) ?? []
          );
        await eventually("all three", async () => {
          const counts = (await finals()).filter((_, i) => i % 2 === 0);
          return counts.reduce((sum, count) => sum + Number(count), 0) === 3;
        }, 20_000);
        await post(service, "/topics/video_clicks_ingestion/records", {
          records: [{ value: id, timestamp: Date.now() - 60_000 }],
        });
        await eventually(
          "late",
          async () => await text(page, ".size [data-part='late']") === "1 late",
          20_000,
        );
        assertEquals(await text(page, ".size:nth-child(2) [data-part='now']"), "4");
        assertMatch(await text(page, ".ways code"), /^curl -X POST http:.+\/videos\/93f98662\/likes$/);
        assertEquals(await seriousFindings(page), []);
        assertEquals(complaints, []);
      },
    );

    await step(
      "the service is killed and comes back: nothing is lost or doubled",
      "/aggregations",
      async (page) => {
        await shows(page, 2, "now", "4");
        await service.kill();
        await eventually("away", async () => await text(page, "#state") === "Reconnecting");
        await page.click(`${card} .like`);
        await eventually(
          "why",
          async () => (await text(page, `${card} .refusal`)).includes("does not answer"),
        );
        assertEquals(await cell(page, 2, "now"), "4");
        await service.start();
        for (let i = 0; i < 16; i++) await post(service, `/videos/${id}/likes`);
        await shows(page, 2, "now", "20");
        await eventually("live", async () => await text(page, "#state") === "Live", 20_000);
      },
    );
  },
});
