/** The states of the page of topics that the real service cannot be brought into on demand, scripted. @module */
import { assert } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually } from "../eventually.ts";
import { requires } from "../requirements.ts";
import { staysBehind } from "./behind.ts";
import { TestBrowser } from "./browser.ts";
import { becomes, isAccessible, isChecked, isSeen, says, saysPart, textOf } from "./expect.ts";
import { ScriptedService } from "./scripted_service.ts";

/** Waits for a state, and that its notice can be read by everyone. */
async function arrives(page: Page, word: string, title: RegExp): Promise<void> {
  await says(page, "#state", word);
  await says(page, "#notice-title", title);
  await isAccessible(page);
}

const isLive = (page: Page) => says(page, "#state", "Live");

function records(service: ScriptedService, count: number, timestamp = Date.now()): void {
  for (let i = 0; i < count; i++) {
    service.record({ key: `k${i}`, value: { i, vehicle: { speed: i } }, timestamp });
  }
}

Deno.test({
  name: "the states of /topics, in Chromium",
  ignore: requires("chromium").ignore,
  fn: async (t) => {
    await using browser = await TestBrowser.launch();
    const step = (
      name: string,
      run: (
        service: ScriptedService,
        open: (use: (page: Page) => Promise<void>, query?: string) => Promise<void>,
      ) => Promise<void>,
    ) =>
      t.step(name, async () => {
        await using service = new ScriptedService();
        await run(service, (use, query = "") => browser.page(`${service.url}/topics/orders${query}`, use));
      });

    await step("Kafka away, when it is opened: says so, tries again by itself", async (service, open) => {
      service.refuseTopics = () =>
        Response.json({ title: "Kafka unavailable", status: 503 }, { status: 503 });
      await open(async (page) => {
        await arrives(page, "Waiting", /^Kafka unavailable$/);
        await says(page, "#notice-detail", /^(Next try in \d+ s|Trying now)\.$/);
        await saysPart(page, "#no-topics", "Kafka unavailable");
        service.refuseTopics = null;
        await isLive(page);
      });
    });

    await step("Kafka away, later: since when; and gone when it is back", async (service, open) => {
      records(service, 90);
      await open(async (page) => {
        await isLive(page);
        service.tell("status", { kafka: "down" });
        await arrives(page, "Kafka away", /^Kafka is away since .*\d/);
        service.tell("status", { kafka: "up" });
        await isLive(page);
        await eventually(
          "the list to have grown by the notice",
          () => page.$eval("#records", (box) => box.scrollTop + box.clientHeight > box.scrollHeight - 6),
        );
        await isChecked(page, "#follow");
        await isSeen(page, "#to-end", false);
      });
    });

    await step(
      "catching up: how far behind, in seconds and records; and past it by a click",
      async (service, open) => {
        service.recordsAhead = 250_000;
        records(service, 50);
        await open(async (page) => {
          await staysBehind(page, service, () => records(service, 1, Date.now() - 120_000), async () => {
            await arrives(page, "Catching up", /^Catching up$/);
            await says(
              page,
              "#notice-detail",
              /^2 min behind, (249|250),\d{3} records to go; [\d,]+ taken in\.$/,
            );
            await page.click("#notice-action");
            await eventually(
              "the newest",
              () => service.opened.some((query) => query.get("cursor") === "latest"),
            );
          });
        }, "?cursor=earliest&follow=1");
      },
    );

    await step("gap: how many are missing and why, until it is dismissed", async (service, open) => {
      await open(async (page) => {
        await isLive(page);
        service.tell("gap", { partition: 0, from: 10, to: 1210, skipped: 1200, reason: "retention" });
        await arrives(page, "Gap", /^1,200 records are missing$/);
        await page.click("#notice-action");
        await isLive(page);
      });
    });

    await step("paused: goes on where it was", async (service, open) => {
      await open(async (page) => {
        await isLive(page);
        await page.click("#pause");
        await arrives(page, "Paused", /^Paused at/);
        await eventually("nobody", () => service.viewers === 0);
        records(service, 5);
        await page.click("#notice-action");
        await says(page, "#count-text", /^5 received/);
      });
    });

    await step("an unknown topic: the line that makes it, and another try", async (service, open) => {
      service.refuseTopics = () =>
        Response.json({ title: "Unknown topic", status: 404, code: "unknown-topic" }, { status: 404 });
      await open(async (page) => {
        await page.waitForSelector("#empty:visible");
        await says(page, "#empty-title", "There is no topic orders");
        await says(page, page.locator("#empty-command code"), "tailrace topics create orders");
        await isAccessible(page);
        service.refuseTopics = null;
        await page.click("#empty-other");
        await isLive(page);
      });
    });

    await step("error: what happened, the request's id, and another try", async (service, open) => {
      service.refuseTopics = () =>
        Response.json({ title: "Forbidden", status: 403, detail: "Not this topic" }, { status: 403 });
      await open(async (page) => {
        await arrives(page, "Error", /^Forbidden$/);
        await says(page, "#notice-detail", /^Not this topic · Request [\w-]+/);
        service.refuseTopics = null;
        await page.click("#notice-action");
        await isLive(page);
      });
    });

    await step(
      "keeps the newest five thousand, few of them as elements, and counts the others",
      async (service, open) => {
        await open(async (page) => {
          await isLive(page);
          records(service, 12_000);
          await says(page, "#count-text", /^12,000 received/);
          await says(page, "#count-text", /newest 5,000 kept · [\d,]+ passed undrawn$/);
          assert(await page.locator("#records [role=option]").count() < 60);
        });
      },
    );

    await step(
      "who reads the past is not overrun: the rest waits, and comes as it is scrolled to",
      async (service, open) => {
        records(service, 4_000);
        await open(async (page) => {
          await says(page, "#state", "Reading");
          await eventually("nobody", () => service.viewers === 0);
          const received = async () =>
            Number((await textOf(page, "#count-text")).match(/^[\d,]+/)?.[0].replaceAll(",", "") ?? 0);
          await says(page, "#count-text", /more when you scroll on$/);
          const before = await received();
          assert(before < 4_000, `${before} came`);
          await page.focus("#records");
          await eventually("more to come", async () => {
            for (let i = 0; i < 10; i++) await page.keyboard.press("PageDown");
            return await received() > before;
          });
          await page.keyboard.press("End");
          await becomes("all that were received", received, 4_000);
        }, "?cursor=0:0");
      },
    );
  },
});
