/** The page of histograms on the real service with its embedded broker: what a person sees of what is counted, in Chromium.
 *
 * Left out: what the service cannot be brought to on demand (histograms_states_test.ts), what is chosen (histograms_view_test.ts). @module */
import { assertEquals, assertMatch } from "@std/assert";
import type { Page } from "playwright-core";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";
import { TestBrowser } from "./browser.ts";
import { becomes, isAccessible, isSeen, says, saysPart, textOf } from "./expect.ts";

const card = (name: string) => `.card[aria-label="${name}"]`;

/** The number that a card shows under a name. */
const fact = (page: Page, measurement: string, name: string) =>
  page.locator(`${card(measurement)} .fact-list div`).filter({ hasText: name }).locator("dd");
const shows = (page: Page, measurement: string, name: string, value: string) =>
  says(page, fact(page, measurement, name), value);

async function post(service: Service, path: string, body: unknown): Promise<void> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(service.url + path, { method: "POST", headers, body: JSON.stringify(body) });
  assertEquals(response.status, 201, await response.text());
}

const measure = (service: Service, values: readonly number[]) =>
  post(service, "/histograms/temperature/measurements", values.map((measurement) => ({ measurement })));

Deno.test({
  name: "/histograms on the real service, in Chromium",
  ignore: requires("chromium").ignore,
  fn: async (t) => {
    await using service = await Service.open();
    await using browser = await TestBrowser.launch();
    const step = (name: string, path: string, run: (page: Page, complaints: string[]) => Promise<void>) =>
      t.step(name, () => browser.page(service.url + path, run));

    await step("nothing yet, then a test record by a click", "/histograms", async (page, complaints) => {
      await page.waitForSelector("#empty:visible");
      await page.click(`${card("humidity")} .button-main`);
      await shows(page, "humidity", "Count", "1");
      await page.waitForSelector(`${card("humidity")} .uplot`);
      await isAccessible(page);
      assertEquals(complaints, []);
    });

    await step(
      "counts what is posted, and what is no measurement, while it looks",
      "/histograms",
      async (page, complaints) => {
        await says(page, "#state", "Live");
        await measure(service, [-30, 0, 0.5, 1, 24, 24.5]);
        await shows(page, "temperature", "Count", "6");
        await post(service, "/topics/temperature/records", {
          records: [{ value: "nothing" }, { value: { measurement: "7", measurement_time: "2026-01-01" } }],
        });
        await shows(page, "temperature", "Wrong", "2");
        await says(page, `${card("temperature")} [data-part="wrong"]`, /^Not counted: 1 .+, 1 .+$/);
        for (
          const [name, value] of [["Below", "1"], ["Above", "1"], ["Least", "−30"], [
            "Greatest",
            "24.5",
          ]] as const
        ) {
          await shows(page, "temperature", name, value);
        }
        await shows(page, "temperature", "Mean", "3.33");
        await saysPart(page, ".status", "Kafka embedded");
        assertEquals(complaints, []);
      },
    );

    await step(
      "the course holds what is kept, and its rows are there as CSV",
      "/histograms/temperature?range=1h",
      async (page) => {
        await page.locator(`${card("temperature")} [data-part="course"]`).focus();
        await page.waitForSelector(`${card("temperature")} [data-part="course"] .uplot`);
        await isSeen(page, `${card("temperature")} [data-part="cover"]`, false);
        await becomes("the newest step", async () => {
          await page.keyboard.press("End");
          return await textOf(page, '[data-part="course-text"]');
        }, /: (mean .+ of \d, .+ to .+|[\d.−]+)$/);
        const [download] = await Promise.all([
          page.waitForEvent("download"),
          page.click('[data-part="csv"]'),
        ]);
        const lines = (await Deno.readTextFile((await download.path())!)).trim().split(/\r?\n/);
        assertEquals(lines.length, 7, lines.join("\n"));
        assertMatch(lines[0]!, /^date,value\b/);
      },
    );

    await step(
      "the service is killed and comes back: nothing is lost or doubled",
      "/histograms",
      async (page) => {
        await shows(page, "temperature", "Count", "6");
        await service.kill();
        await says(page, "#state", "Reconnecting");
        await service.start();
        await measure(service, Array.from({ length: 100 }, (_, i) => i % 20));
        await shows(page, "temperature", "Count", "106");
        await shows(page, "temperature", "Wrong", "2");
        await says(page, "#state", "Live");
        await isSeen(page, `${card("temperature")} .uplot`);
      },
    );
  },
});
