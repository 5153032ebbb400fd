/** The page of likes on the real service with its embedded broker: what a person sees of what is counted, in Chromium.
 *
 * Windows are short, so that some end while the test looks. Left out: what the service cannot be brought to on demand
 * (aggregations_states_test.ts). @module */
import { assert, assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";
import { TestBrowser } from "./browser.ts";
import { becomes, isAccessible, says, saysPart } from "./expect.ts";

const id = "93f98662", title = "Stream processing made simple";
/** A length of minutes of which no window begins or ends while the test runs, however slow the machine is. */
const longMinutes = Array.from({ length: 300 }, (_, i) => 60 + i).find((minutes) => {
  const passedMs = Date.now() % (minutes * 60_000);
  return passedMs > 300_000 && minutes * 60_000 - passedMs > 1_800_000;
});
const settings = {
  WINDOWS: `2s,${longMinutes}m`,
  GRACE_MS: "500",
  VIDEOS: `${id}=${title},69e7266c=Counting`,
};
const card = `.card[aria-label="${title}"]`;
/** A cell of the video's card: 1 is the row of 2 s, 2 the long one. */
const cell = (row: number, part: string) => `${card} tbody tr:nth-child(${row}) [data-part="${part}"]`;

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
      await says(page, cell(2, "now"), "3");
      await says(page, "#counted", "3 counted");
      await isAccessible(page);
      assertEquals(complaints, []);
    });

    await step(
      "a window becomes final, and what comes later is late",
      `/aggregations/${id}`,
      async (page, complaints) => {
        const size = page.locator(".size").first(), all = size.locator("[data-part='all']");
        const finals = async () =>
          (await size.locator("tbody tr").allInnerTexts()).map((row) =>
            Number(/\s(\d+)\s+\S+\s+final$/.exec(row)?.[1] ?? 0)
          );
        await becomes("final likes", async () => {
          // The newest eight windows are of sixteen seconds, and the step before may have taken longer.
          if (await all.isVisible() && await all.getAttribute("aria-expanded") !== "true") await all.click();
          return (await finals()).reduce((sum, count) => sum + count, 0);
        }, 3);
        await post(service, "/topics/video_clicks_ingestion/records", {
          records: [{ value: id, timestamp: Date.now() - 60_000 }],
        });
        await says(page, ".size [data-part='late']", "1 late");
        await says(page, ".size:nth-child(2) [data-part='now']", "4");
        await says(page, ".ways code", /^curl -X POST http:.+\/videos\/93f98662\/likes$/);
        await isAccessible(page);
        assertEquals(complaints, []);
      },
    );

    await step(
      "the service is killed and comes back: nothing is lost or doubled",
      "/aggregations",
      async (page) => {
        await says(page, cell(2, "now"), "4");
        await service.kill();
        await says(page, "#state", "Reconnecting");
        await page.click(`${card} .like`);
        await saysPart(page, `${card} .refusal`, "does not answer");
        await says(page, cell(2, "now"), "4");
        await service.start();
        for (let i = 0; i < 16; i++) await post(service, `/videos/${id}/likes`);
        await says(page, cell(2, "now"), "20");
        await says(page, "#state", "Live");
      },
    );
  },
});
