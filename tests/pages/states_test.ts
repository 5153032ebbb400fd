/** The states of the map page that the real service cannot be brought into on demand, scripted. @module */
import { assert } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually } from "../eventually.ts";
import { requires } from "../requirements.ts";
import { staysBehind } from "./behind.ts";
import { TestBrowser } from "./browser.ts";
import { goesOn, hasTexts, hasValue, isAccessible, isSeen, says, saysPart } from "./expect.ts";
import { ScriptedService } from "./scripted_service.ts";

/** Waits for a state, and that its notice can be read by everyone. */
async function arrives(page: Page, word: string, title: RegExp): Promise<void> {
  await says(page, "#state", word);
  await says(page, "#notice-title", title);
  await isAccessible(page);
}

/** Five minutes of a way, ending now. */
function tracks(service: ScriptedService, names: readonly string[]): Response {
  const now = Date.now();
  return service.tracksOf(names.map((name, i) => ({
    name,
    line: Array.from({ length: 60 }, (_, k) => [13.38 + i * 0.01 + k * 0.0005, 52.51 + i * 0.004]),
    times: Array.from({ length: 60 }, (_, k) => now - (60 - k) * 5_000),
  })));
}

Deno.test({
  name: "the states of /geo, in Chromium",
  ignore: requires("chromium").ignore,
  fn: async (t) => {
    await using browser = await TestBrowser.launch();
    const step = (
      name: string,
      run: (
        service: ScriptedService,
        open: (use: (page: Page) => Promise<void>) => Promise<void>,
      ) => Promise<void>,
    ) =>
      t.step(name, async () => {
        await using service = new ScriptedService();
        service.tracks = () => tracks(service, ["Bus", "Tram"]);
        await run(service, (use) => browser.page(`${service.url}/geo`, use));
      });

    await step("loading: says what is waited for, then is live", async (service, open) => {
      const answer = Promise.withResolvers<Response>();
      service.tracks = () => answer.promise;
      await open(async (page) => {
        await arrives(page, "Loading", /^Loading earlier tracks$/);
        answer.resolve(tracks(service, ["Bus"]));
        await says(page, "#state", "Live");
        await isSeen(page, "#notice", false);
      });
    });

    await step("Kafka away: since when; and gone when it is back", async (service, open) => {
      await open(async (page) => {
        await page.waitForSelector("[data-stream=open]");
        service.tell("status", { kafka: "down" });
        await arrives(page, "Kafka away", /^Kafka is away since .*\d/);
        await says(page, ".status-kafka", /^Kafka away \d+ s$/);
        service.tell("status", { kafka: "up" });
        await says(page, "#state", "Live");
      });
    });

    await step("Kafka away while loading: tries again by itself, and says when", async (service, open) => {
      service.tracks = () => Response.json({ title: "Kafka unavailable", status: 503 }, { status: 503 });
      await open(async (page) => {
        await arrives(page, "Waiting", /^Kafka unavailable$/);
        await says(page, "#notice-detail", /Next try in \d+ s/);
        service.tracks = () => tracks(service, ["Bus"]);
        await says(page, "#state", "Live");
      });
    });

    await step(
      "gap: how many are missing and why, in the bar too, until it is dismissed",
      async (service, open) => {
        await open(async (page) => {
          await page.waitForSelector("[data-stream=open]");
          service.tell("gap", { partition: 0, from: 10, to: 1210, skipped: 1200, reason: "retention" });
          await arrives(page, "Gap", /^1,200 records are missing$/);
          await saysPart(page, "#notice-detail", "Kafka had removed them");
          await says(page, ".status-gaps", "1 gap");
          await page.click("#notice-action");
          await says(page, "#state", "Live");
        });
      },
    );

    await step("catching up: how far behind, in seconds and records", async (service, open) => {
      await open(async (page) => {
        await page.waitForSelector("[data-stream=open]");
        service.disconnect();
        const past = Date.now() - 120_000;
        for (let i = 0; i < 300; i++) {
          service.position({ name: "Bus", lat: 52.5 + i / 1e5, lon: 13.4, at: past + i * 100 });
        }
        await eventually("the stream again", () => service.viewers === 1);
        let streams = 0, openedAt = 0;
        const send = () => {
          if (streams !== service.opened.length) openedAt = Date.now(); // how far behind it is goes by when it came
          streams = service.opened.length;
          service.position({ name: "Bus", lat: 52.5, lon: 13.4, at: openedAt - 90_000 });
        };
        await staysBehind(page, service, send, async () => {
          await arrives(page, "Catching up", /^Catching up$/);
          await says(page, "#notice-detail", /^1 min behind, (\d,)?\d{3} records taken in\.$/);
        });
        await says(page, "#state", "Live");
      });
    });

    await step("reconnecting: counts down, and tries at once when told to", async (service, open) => {
      await open(async (page) => {
        await page.waitForSelector("[data-stream=open]");
        service.refuseStream = () => new Response("no", { status: 503 });
        service.disconnect();
        await arrives(page, "Reconnecting", /^The connection is lost$/);
        await page.waitForSelector("#notice-action:visible");
        service.refuseStream = null;
        await goesOn(page);
      });
    });

    await step("error: what happened, the request's id, and another try", async (service, open) => {
      service.tracks = () =>
        Response.json({ title: "Forbidden", status: 403, detail: "Not this topic" }, { status: 403 });
      await open(async (page) => {
        await arrives(page, "Error", /^Forbidden$/);
        await says(page, "#notice-detail", /^Not this topic · Request [\w-]+/);
        service.tracks = () => tracks(service, ["Bus"]);
        await page.click("#notice-action");
        await says(page, "#state", "Live");
      });
    });

    await step(
      "a log made anew: loads its tracks instead of mixing them with the old ones",
      async (service, open) => {
        await open(async (page) => {
          await saysPart(page, "#names", "Tram");
          await page.waitForSelector("[data-stream=open]");
          service.tracks = () => tracks(service, ["Ferry"]);
          service.resume = { resume: "reset", reason: "another cluster" };
          service.disconnect();
          await hasTexts(page.locator("#names [role=option]:visible .name-text"), ["Ferry"]);
        });
      },
    );

    await step("many names: few elements, and the last one by one key", async (service, open) => {
      service.tracks = () => tracks(service, Array.from({ length: 3_000 }, (_, i) => `vehicle ${i}`));
      await open(async (page) => {
        await saysPart(page, ".panel-title", "3,000");
        assert(await page.locator("#names [role=option]").count() < 40);
        await page.focus("#names");
        await page.keyboard.press("End");
        await page.keyboard.press("Enter");
        await says(page, "#followed-name", "vehicle 2999");
        await page.keyboard.press("b"); // letters go to the filter
        await hasValue(page, "#filter", "b");
        await page.fill("#filter", "e 77");
        await saysPart(page, ".panel-title", "11 of 3,000");
      });
    });
  },
});
