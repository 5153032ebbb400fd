/** The states of the page of histograms that the real service cannot be brought into on demand, scripted. @module */
import { assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually } from "../eventually.ts";
import { requires } from "../requirements.ts";
import { TestBrowser } from "./browser.ts";
import { goesOn, hasCount, isAccessible, isSeen, says, saysPart } from "./expect.ts";
import { ScriptedHistograms } from "./scripted_histograms.ts";

const card = (name: string) => `.card[aria-label="${name}"]`;
const part = (name: string, which: string) => `${card(name)} [data-part="${which}"]`;

/** Waits for a state, and that its notice can be read by everyone. */
async function arrives(page: Page, word: string, title: RegExp): Promise<void> {
  await says(page, "#state", word);
  await says(page, "#notice-title", title);
  await isAccessible(page);
}

const isLive = (page: Page) => says(page, "#state", "Live");

/** A measurement of each name a second, the newest of them `agoMs` ago. */
function fill(service: ScriptedHistograms, seconds: number, agoMs = 0): void {
  const newest = Date.now() - agoMs;
  for (const { spec } of service.counted.values()) {
    for (let s = seconds - 1; s >= 0; s--) {
      service.measure(spec.name, spec.first + (s * 7) % (spec.last - spec.first + 1), newest - s * 1_000);
    }
  }
}

const away = () => Response.json({ title: "Kafka unavailable", status: 503 }, { status: 503 });

Deno.test({
  name: "the states of /histograms, in Chromium",
  ignore: requires("chromium").ignore,
  fn: async (t) => {
    await using browser = await TestBrowser.launch();
    const step = (
      name: string,
      run: (page: Page, service: ScriptedHistograms, complaints: string[]) => Promise<void>,
      prepare: (service: ScriptedHistograms) => void = (service) => fill(service, 200),
      path = "/histograms",
    ) =>
      t.step(name, async () => {
        await using service = new ScriptedHistograms();
        prepare(service);
        await browser.page(
          service.url + path,
          (page, complaints) => run(page, service, complaints),
          { permissions: ["clipboard-read", "clipboard-write"] },
        );
      });

    await step(
      "live: every number of a histogram as it comes, without a complaint",
      async (page, service, complaints) => {
        await isLive(page);
        await hasCount(page.locator(".uplot canvas"), 6);
        service.measure("temperature", -30);
        service.measure("temperature", 24.5);
        service.measure("temperature", 3, Date.now() - 60_000, "late");
        service.wrong("temperature", "not-a-number", 12);
        service.wrong("temperature", "json", 3);
        service.publish("temperature");
        await says(page, part("temperature", "value"), "3");
        for (const fact of ["Count203", "Below1", "Above1", "Late1", "Wrong15", "Least−30"]) {
          await saysPart(page, `${card("temperature")} .fact-list`, fact);
        }
        await says(page, part("temperature", "wrong"), "Not counted: 12 not a number, 3 no JSON");
        await isAccessible(page);
        assertEquals(complaints, []);
      },
    );

    await step("loading: says so, then is live", async (page, service) => {
      await says(page, "#waiting-text", "Loading the histograms");
      await says(page, "#state", "Loading");
      service.refuseData = null;
      answer?.();
      await isLive(page);
    }, (service) => {
      fill(service, 10);
      const answered = Promise.withResolvers<void>();
      answer = answered.resolve;
      service.refuseData = async () => {
        await answered.promise;
        return away();
      };
    });

    await step("nothing yet: the line that measures, and a test record by a click", async (page) => {
      await page.waitForSelector("#empty:visible");
      await says(page, "#empty-command code", "tailrace publish measurements");
      await saysPart(page, `${card("pressure")} .copy-line code`, "/histograms/pressure/measurements");
      await isAccessible(page);
      await page.click(`${card("pressure")} .button-main`);
      await isSeen(page, `${card("pressure")} .uplot`);
      await saysPart(page, `${card("pressure")} .fact-list`, "Count1");
      await isSeen(page, "#empty", false);
      await isSeen(page, `${card("humidity")} .button-main`);
    }, () => {});

    await step("paused: stands still, and goes on with all that came", async (page, service) => {
      await isLive(page);
      await page.click("#pause");
      await arrives(page, "Paused", /^Paused at/);
      await says(page, part("humidity", "state"), "Paused");
      await eventually("nobody", () => service.viewers === 0);
      for (let i = 0; i < 5; i++) service.measure("humidity", 41.25);
      await saysPart(page, `${card("humidity")} .fact-list`, "Count200");
      await page.click("#notice-action");
      await saysPart(page, `${card("humidity")} .fact-list`, "Count205");
      await says(page, part("humidity", "value"), "41.25");
      await isLive(page);
    });

    await step(
      "catching up: how many records are to go, and up to when it is counted",
      async (page, service) => {
        await arrives(page, "Catching up", /^Counting what came before: temperature$/);
        await says(page, "#notice-detail", /^184,223 records to go\. Counted up to .+, 1 h ago\.$/);
        await says(page, part("temperature", "state"), "184.2K behind");
        service.setStatus("temperature", {});
        await isLive(page);
      },
      (service) => {
        fill(service, 10, 3_700_000);
        service.setStatus("temperature", {
          state: "catching-up",
          behind: 184_223,
          since: Date.now() - 60_000,
        });
      },
    );

    await step("a locked file: who waits, since when and why; the others go on", async (page, service) => {
      await arrives(page, "Waiting", /^humidity waits since/);
      await saysPart(page, "#notice-detail", "The file is locked by another program.");
      await says(page, part("humidity", "state"), "Waiting");
      await says(page, part("pressure", "state"), "Live");
      service.setStatus("humidity", {});
      await isLive(page);
    }, (service) => {
      fill(service, 10);
      const reason = "the file is locked by another program";
      service.setStatus("humidity", { state: "waiting", reason, since: Date.now() - 60_000 });
    });

    await step("a course that cannot be read: says why, and comes by itself", async (page, service) => {
      await saysPart(page, part("pressure", "cover-text"), "Measurements unavailable");
      await isAccessible(page);
      service.refuseSeries = null;
      await isSeen(page, `${card("pressure")} [data-part="cover"]`, false);
    }, (service) => {
      fill(service, 20);
      service.refuseSeries = () =>
        Response.json({ title: "Measurements unavailable", status: 503 }, { status: 503 });
    });

    await step("one that failed: since when and why", async (page) => {
      await arrives(page, "Error", /^pressure is not counted since/);
      await says(page, part("pressure", "doing"), "The file is of a newer version.");
    }, (service) => {
      fill(service, 10);
      service.setStatus("pressure", {
        state: "failed",
        reason: "the file is of a newer version",
        since: 1_000,
      });
    });

    await step("gap: how many were never counted and why, until it is dismissed", async (page, service) => {
      await isLive(page);
      service.missed("pressure", 1_200);
      service.publish("pressure");
      await arrives(page, "Gap", /^1,200 records were never counted$/);
      await says(page, part("pressure", "wrong"), "Not counted: 1,200 removed before they were counted");
      await page.click("#notice-action");
      await isLive(page);
    });

    await step("Kafka away: since when, on each card; and gone when it is back", async (page, service) => {
      await isLive(page);
      service.tell("status", { kafka: "down" });
      await arrives(page, "Kafka away", /^Kafka is away since .*\d/);
      await says(page, part("humidity", "state"), "Not live");
      service.tell("status", { kafka: "up" });
      await isLive(page);
    });

    await step(
      "the service away when it is opened: says so, tries again by itself",
      async (page, service) => {
        await arrives(page, "Waiting", /^Kafka unavailable$/);
        await says(page, "#notice-detail", /^(Next try in \d+ s|Trying now)\.$/);
        service.refuseData = null;
        await isLive(page);
      },
      (service) => {
        fill(service, 10);
        service.refuseData = away;
      },
    );

    await step(
      "a lost connection: counts down, tries at once when told to, and misses nothing",
      async (page, service) => {
        await isLive(page);
        service.refuseStream = away;
        service.disconnect();
        await arrives(page, "Reconnecting", /^The connection is lost$/);
        await page.waitForSelector("#notice-action:visible");
        service.measure("humidity", 77.5);
        service.refuseStream = null;
        await goesOn(page);
        await says(page, part("humidity", "value"), "77.5");
      },
    );

    await step("no permission: what happened, the request's id, and another try", async (page, service) => {
      await arrives(page, "Error", /^Forbidden$/);
      await says(page, "#notice-detail", /^Not these measurements · Request [\w-]+/);
      service.refuseData = null;
      await page.click("#notice-action");
      await isLive(page);
    }, (service) => {
      fill(service, 10);
      const detail = "Not these measurements";
      service.refuseData = () => Response.json({ title: "Forbidden", status: 403, detail }, { status: 403 });
    });

    await step(
      "an unknown measurement: which there are, and the way to them",
      async (page) => {
        await arrives(page, "Error", /^There is no measurement wind$/);
        await says(page, "#notice-detail", "Counted here: humidity, temperature, pressure.");
        await page.click("#back");
        await isLive(page);
        await hasCount(page.locator(".card"), 3);
      },
      (service) => fill(service, 10),
      "/histograms/wind",
    );
  },
});

/** Lets the step of loading go on. */
let answer: (() => void) | null = null;
