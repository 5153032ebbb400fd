/** The page of topics on the real service with its embedded broker: what a person does with it, in Chromium. @module */
import { assert, assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually } from "../eventually.ts";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";
import { type PageOptions, TestBrowser } from "./browser.ts";
import {
  becomes,
  hasParameter,
  isAccessible,
  isAsWideAs,
  isAt,
  isChecked,
  isSeen,
  says,
  saysPart,
  textOf,
} from "./expect.ts";

async function create(service: Service, ...topics: string[]): Promise<void> {
  const main = new URL("../../main.ts", import.meta.url).pathname;
  const args = ["run", "--quiet", "-A", main, "topics", "create", ...topics, "--partitions", "2"];
  const env = { KAFKA_BROKERS: service.bootstrap };
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args, env }).output();
  assert(success, new TextDecoder().decode(stderr));
}

/** Stores records.
 * @returns their places, `partition:offset` */
async function post(service: Service, topic: string, records: readonly object[]): Promise<string[]> {
  const response = await fetch(`${service.url}/topics/${topic}/records`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ records }),
  });
  const answer = await response.json() as { records: { partition: number; offset: number }[] };
  assertEquals(response.status, 201, JSON.stringify(answer));
  return answer.records.map(({ partition, offset }) => `${partition}:${offset}`);
}

const shown = (page: Page, column: "key" | "place" | "value") =>
  page.locator(`#records [role=option]:visible .${column}`).allTextContents();
const isLive = (page: Page) => says(page, "#state", "Live");
const received = async (page: Page) =>
  Number((await textOf(page, "#count-text")).match(/^([\d,]+) received/)?.[1]?.replaceAll(",", "") ?? 0);
/** A few more than a hundred when some were stored within the second before: what is told of a topic is as old. */
const hasLast = (page: Page) => eventually("the last ones", async () => await received(page) >= 100);
/** Waits until the list of records has come to rest: it may glide. */
const standsStill = (page: Page) =>
  page.evaluate(async () => {
    const box = document.getElementById("records")!;
    for (let top = NaN, frames = 0; frames < 20; frames++) {
      await new Promise(requestAnimationFrame);
      if (box.scrollTop !== top) frames = 0;
      top = box.scrollTop;
    }
  });
const query = (page: Page) => new URL(page.url()).searchParams;

const order = (i: number) => ({
  key: `order-${i}`,
  value: { id: i, customer: { name: i % 2 ? "Ada" : "Grace" } },
  headers: { "trace-id": `trace-${i}` },
  partition: i % 2,
});

Deno.test({
  name: "/topics on the real service, in Chromium",
  ignore: requires("chromium").ignore,
  fn: async (t) => {
    await using service = await Service.open({ settings: { MEASUREMENTS: "none", WINDOWS: "none" } });
    await using browser = await TestBrowser.launch();
    const step = (name: string, path: string, run: (page: Page) => Promise<void>, options?: PageOptions) =>
      t.step(name, () =>
        browser.page(service.url + path, async (page, complaints) => {
          await run(page);
          assertEquals(complaints, []);
        }, options));

    await create(service, "orders", "first.steps", "sensor-2", "sensor-10");
    const places = await post(service, "orders", Array.from({ length: 150 }, (_, i) => order(i)));

    await step(
      "lists topics as people sort them, filters, and opens one by keyboard",
      "/topics",
      async (page) => {
        const names = () => page.locator("#topics [role=option]:visible .name").allTextContents();
        await becomes("the topics", names, [
          ...["first.steps", "geostream", "orders", "sensor-2", "sensor-10", "video"],
          "video_clicks_ingestion",
        ]);
        await says(page, "#topics [role=option]:nth-child(3)", /^orders ?150 ?.* ?2 partitions · [\d.]+ kB$/);
        await isAccessible(page);
        await page.keyboard.press("/");
        await page.keyboard.type("ord");
        await becomes("the filtered", names, ["orders"]);
        await page.keyboard.press("Enter");
        await page.keyboard.press("ArrowDown");
        await page.keyboard.press("Enter");
        await says(page, "#topic-name", "orders");
        await isAt(page, "/topics/orders");
        await isLive(page);
        await page.goBack();
        await page.waitForSelector("#choose:visible");
      },
    );

    await step(
      "shows the last hundred and what comes, and says what it was",
      "/topics/orders",
      async (page) => {
        await hasLast(page);
        await isLive(page);
        let rows = 0;
        await eventually(
          "rows that fill the screen, and few more",
          async () => {
            rows = (await shown(page, "key")).length;
            return rows > 10 && rows < 60;
          },
          undefined,
          () => rows,
        );
        await post(service, "orders", [order(150)]);
        await eventually("the new one", async () => (await shown(page, "key")).includes("order-150"));
        await says(page, "#facts", /^2 partitions · 15[01] records · [\d.]+ kB$/);
        await eventually("the delay", async () => {
          await post(service, "orders", [order(150)]); // it is that of the last five seconds
          return /\d/.test(await textOf(page, ".status-delay b"));
        });
        await isAccessible(page);
      },
    );

    await step(
      "stays where somebody reads, counts what is new, and goes back",
      "/topics/orders",
      async (page) => {
        await hasLast(page);
        await eventually("the newest", async () => (await shown(page, "key")).includes("order-150"));
        await page.hover("#records");
        await page.mouse.wheel(0, -400);
        await isChecked(page, "#follow", false);
        await standsStill(page);
        const before = await shown(page, "place");
        await post(service, "orders", Array.from({ length: 30 }, (_, i) => order(200 + i)));
        await says(page, "#to-end", /^30 new/);
        await becomes("the places", () => shown(page, "place"), before);
        await hasParameter(page, "follow", "0");
        await page.click("#to-end");
        await eventually("the end", async () => (await shown(page, "key")).includes("order-229"));
        await hasParameter(page, "follow", null);
      },
    );

    await step(
      "opens a record by keyboard, with its headers, and closes it",
      "/topics/orders",
      async (page) => {
        await hasLast(page);
        await isLive(page);
        await page.focus("#records");
        await page.keyboard.press("ArrowUp");
        await page.keyboard.press("Enter");
        await page.waitForSelector("#detail:visible");
        const place = await hasParameter(page, "record", /./);
        await says(page, "#detail-title", `Record ${place}`);
        const id = JSON.parse(await page.locator("#detail-body pre").last().textContent() ?? "").id;
        await says(page, "#detail-body .headers", `trace-idtrace-${id}`);
        await isAccessible(page);
        await page.keyboard.press("ArrowUp");
        await eventually("the one before", () => query(page).get("record") !== place);
        await page.click("#detail-link");
        await page.waitForSelector("#detail-link:text-is('Copied')"); // asked within the page, as it says so for a moment only
        const link = await page.evaluate(() => navigator.clipboard.readText());
        const other = query(page).get("record");
        assertEquals(link, `${service.url}/topics/orders?cursor=${other}&record=${other}`);
        await page.focus("#records");
        await page.keyboard.press("Escape");
        await page.waitForSelector("#detail", { state: "hidden" });
        await hasParameter(page, "record", null);
        await page.goto(link);
        await says(page, "#detail-title", `Record ${other}`);
      },
      { permissions: ["clipboard-read", "clipboard-write"] },
    );

    await step("filters on the server by key and by field, also live", "/topics/orders", async (page) => {
      await hasLast(page);
      await page.fill("#where", "customer.name=Ada & id<9");
      await page.selectOption("#start", "earliest");
      await becomes("four", () => received(page), 4);
      await becomes("their keys", () => shown(page, "key"), ["order-1", "order-3", "order-5", "order-7"]);
      await becomes("the filter", () => query(page).getAll("where"), ["customer.name=Ada", "id<9"]);
      await page.fill("#where", "");
      await page.fill("#key", "order-9999");
      await page.keyboard.press("Enter");
      await page.waitForSelector("#empty:visible");
      await says(page, "#empty-title", "Nothing matches yet");
      await post(service, "orders", [order(9999)]);
      await becomes("the match", () => shown(page, "key"), ["order-9999"]);
    });

    await t.step("says what is wrong with a filter", () =>
      // Without a look at the console, as a browser tells of every 400 there.
      browser.page(`${service.url}/topics/orders?where=speed%3Efast`, async (page) => {
        await says(page, "#state", "Error");
        await saysPart(page, "#notice-detail", "a number is wanted");
      }));

    await step(
      "jumps to an offset and to a time, and reads on from there",
      "/topics/orders",
      async (page) => {
        await hasLast(page);
        await page.selectOption("#start", "offset");
        await page.fill("#offset", "1:10");
        await page.keyboard.press("Enter");
        await eventually("the place", async () => (await shown(page, "place"))[0] === "1:10");
        await hasParameter(page, "cursor", "1:10");
        await isChecked(page, "#follow", false);
        await page.selectOption("#start", "time");
        await page.fill("#time", "2020-01-01T00:00:00");
        await page.keyboard.press("Enter");
        await eventually("the first", async () => (await shown(page, "place")).includes(places[0]!));
        await hasParameter(page, "cursor", /^t\.\d+$/);
      },
    );

    await step(
      "of an empty topic says how to fill it, and its button does",
      "/topics/first.steps",
      async (page) => {
        await page.waitForSelector("#empty:visible");
        await says(page, "#empty-title", "No records yet");
        await saysPart(page, "#empty-command code", `${service.url}/topics/first.steps/records`);
        await isAccessible(page);
        await page.click("#send-test");
        await page.waitForSelector("#empty", { state: "hidden" });
        await becomes("the record", () => shown(page, "key"), ["test"]);
      },
    );

    await step("produces a record and says where it is", "/topics/sensor-2", async (page) => {
      await isLive(page);
      await page.click("#produce");
      await page.fill("#produce-key", "pump");
      await page.fill("#produce-value", "12.5 °C");
      await page.fill("#produce-headers", "unit: celsius");
      await page.selectOption("#produce-partition", "1");
      await isAccessible(page);
      await page.click("#produce-send");
      await says(page, "#produce-result", "Stored at 1:0.");
      await page.keyboard.press("Escape");
      await becomes("the record", () => shown(page, "value"), ["12.5 °C"]);
      await page.locator("#records [role=option]:visible").first().click();
      await says(page, "#detail-body .headers", "unitcelsius");
    });

    await step("shows bytes as a dump and as base64", "/topics/sensor-10", async (page) => {
      await post(service, "sensor-10", [{ key: null, value: { base64: "/9j/4AAQ" } }]);
      await eventually(
        "the record",
        async () => (await shown(page, "value"))[0] === "6 bytes: ff d8 ff e0 00 10",
      );
      await page.locator("#records [role=option]:visible").first().click();
      const dump = page.locator("#detail-body pre").last();
      await becomes("the dump", () => dump.textContent(), /^000000 {2}ff d8 ff e0 00 10 +······$/);
      await page.click("#detail-body .as");
      await says(page, page.locator("#detail-body pre").last(), "/9j/4AAQ");
    });

    await step(
      "on a phone shows one thing at a time and does not scroll sideways",
      "/topics",
      async (page) => {
        await page.locator("#topics [role=option]:visible", { hasText: "orders" }).click();
        await hasLast(page);
        await isSeen(page, "#topics", false);
        await isAsWideAs(page, 360);
        await page.click("#show-tools");
        await isAccessible(page);
        await page.locator("#records [role=option]:visible").nth(3).click();
        await page.waitForSelector("#detail:visible");
        await isAccessible(page);
        await page.click("#detail-close");
        await page.click("#back");
        await page.waitForSelector("#topics:visible");
      },
      { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, colorScheme: "dark" },
    );
  },
});
