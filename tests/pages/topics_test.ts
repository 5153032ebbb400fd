/** The page of topics on the real service with its embedded broker: what a person does with it, in Chromium. @module */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually } from "../eventually.ts";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";
import { seriousFindings } from "./accessibility.ts";
import { type PageOptions, TestBrowser } from "./browser.ts";

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

const text = async (page: Page, selector: string) =>
  (await page.textContent(selector))?.replace(/\s+/g, " ").trim() ?? "";
const shown = (page: Page, column: "key" | "place" | "value") =>
  page.locator(`#records [role=option]:visible .${column}`).allTextContents();
const isLive = (page: Page) => eventually("live", async () => await text(page, "#state") === "Live");
const received = async (page: Page) =>
  Number((await text(page, "#count-text")).match(/^([\d,]+) received/)?.[1]?.replaceAll(",", "") ?? 0);
/** A few more than a hundred when some were stored within the second before: what is told of a topic is as old. */
const hasLast = (page: Page) => eventually("the last ones", async () => await received(page) >= 100);
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
        await eventually("the topics", async () => (await names()).length === 7);
        assertEquals(await names(), [
          ...["first.steps", "geostream", "orders", "sensor-2", "sensor-10", "video"],
          "video_clicks_ingestion",
        ]);
        const row = await text(page, "#topics [role=option]:nth-child(3)");
        assertMatch(row, /^orders ?150 ?.* ?2 partitions · [\d.]+ kB$/);
        assertEquals(await seriousFindings(page), []);
        await page.keyboard.press("/");
        await page.keyboard.type("ord");
        await eventually("the filtered", async () => (await names()).join() === "orders");
        await page.keyboard.press("Enter");
        await page.keyboard.press("ArrowDown");
        await page.keyboard.press("Enter");
        await eventually("the topic", async () => await text(page, "#topic-name") === "orders");
        assertEquals(new URL(page.url()).pathname, "/topics/orders");
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
        const before = await shown(page, "key");
        assert(before.length > 10 && before.length < 60, `${before.length} rows`);
        await post(service, "orders", [order(150)]);
        await eventually("the new one", async () => (await shown(page, "key")).includes("order-150"));
        assertMatch(await text(page, "#facts"), /^2 partitions · 15[01] records · [\d.]+ kB$/);
        await eventually("the delay", async () => /\d/.test(await text(page, ".status-delay b")));
        assertEquals(await seriousFindings(page), []);
      },
    );

    await step(
      "stays where somebody reads, counts what is new, and goes back",
      "/topics/orders",
      async (page) => {
        await hasLast(page);
        await page.hover("#records");
        await page.mouse.wheel(0, -400);
        await eventually("not to follow", async () => !(await page.isChecked("#follow")));
        const before = await shown(page, "place");
        await post(service, "orders", Array.from({ length: 30 }, (_, i) => order(200 + i)));
        await eventually("the count", async () => /^30 new/.test(await text(page, "#to-end")));
        assertEquals(await shown(page, "place"), before);
        assertEquals(query(page).get("follow"), "0");
        await page.click("#to-end");
        await eventually("the end", async () => (await shown(page, "key")).includes("order-229"));
        assertEquals(query(page).get("follow"), null);
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
        const place = query(page).get("record") ?? "";
        assertEquals(await text(page, "#detail-title"), `Record ${place}`);
        const id = JSON.parse(await page.locator("#detail-body pre").last().textContent() ?? "").id;
        assertEquals(await text(page, "#detail-body .headers"), `trace-idtrace-${id}`);
        assertEquals(await seriousFindings(page), []);
        await page.keyboard.press("ArrowUp");
        await eventually("the one before", () => query(page).get("record") !== place);
        await page.click("#detail-link");
        await eventually("the copy", async () => await text(page, "#detail-link") === "Copied");
        const link = await page.evaluate(() => navigator.clipboard.readText());
        const other = query(page).get("record");
        assertEquals(link, `${service.url}/topics/orders?cursor=${other}&record=${other}`);
        await page.focus("#records");
        await page.keyboard.press("Escape");
        await page.waitForSelector("#detail", { state: "hidden" });
        assertEquals(query(page).get("record"), null);
        await page.goto(link);
        await eventually("the linked", async () => await text(page, "#detail-title") === `Record ${other}`);
      },
      { permissions: ["clipboard-read", "clipboard-write"] },
    );

    await step("filters on the server by key and by field, also live", "/topics/orders", async (page) => {
      await hasLast(page);
      await page.fill("#where", "customer.name=Ada & id<9");
      await page.selectOption("#start", "earliest");
      await eventually("four", async () => await received(page) === 4);
      assertEquals(await shown(page, "key"), ["order-1", "order-3", "order-5", "order-7"]);
      assertEquals(query(page).getAll("where"), ["customer.name=Ada", "id<9"]);
      await page.fill("#where", "");
      await page.fill("#key", "order-9999");
      await page.keyboard.press("Enter");
      await page.waitForSelector("#empty:visible");
      assertEquals(await text(page, "#empty-title"), "Nothing matches yet");
      await post(service, "orders", [order(9999)]);
      await eventually("the match", async () => (await shown(page, "key")).join() === "order-9999");
    });

    await t.step("says what is wrong with a filter", () =>
      // Without a look at the console, as a browser tells of every 400 there.
      browser.page(`${service.url}/topics/orders?where=speed%3Efast`, async (page) => {
        await eventually("the error", async () => await text(page, "#state") === "Error");
        assertStringIncludes(await text(page, "#notice-detail"), "a number is wanted");
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
        assertEquals([query(page).get("cursor"), await page.isChecked("#follow")], ["1:10", false]);
        await page.selectOption("#start", "time");
        await page.fill("#time", "2020-01-01T00:00:00");
        await page.keyboard.press("Enter");
        await eventually("the first", async () => (await shown(page, "place")).includes(places[0]!));
        assertMatch(query(page).get("cursor") ?? "", /^t\.\d+$/);
      },
    );

    await step(
      "of an empty topic says how to fill it, and its button does",
      "/topics/first.steps",
      async (page) => {
        await page.waitForSelector("#empty:visible");
        assertEquals(await text(page, "#empty-title"), "No records yet");
        assertStringIncludes(
          await text(page, "#empty-command code"),
          `${service.url}/topics/first.steps/records`,
        );
        assertEquals(await seriousFindings(page), []);
        await page.click("#send-test");
        await page.waitForSelector("#empty", { state: "hidden" });
        await eventually("the record", async () => (await shown(page, "key")).join() === "test");
      },
    );

    await step("produces a record and says where it is", "/topics/sensor-2", async (page) => {
      await isLive(page);
      await page.click("#produce");
      await page.fill("#produce-key", "pump");
      await page.fill("#produce-value", "12.5 °C");
      await page.fill("#produce-headers", "unit: celsius");
      await page.selectOption("#produce-partition", "1");
      assertEquals(await seriousFindings(page), []);
      await page.click("#produce-send");
      await eventually("the answer", async () => await text(page, "#produce-result") === "Stored at 1:0.");
      await page.keyboard.press("Escape");
      await eventually("the record", async () => (await shown(page, "value")).join() === "12.5 °C");
      await page.locator("#records [role=option]:visible").first().click();
      assertEquals(await text(page, "#detail-body .headers"), "unitcelsius");
    });

    await step("shows bytes as a dump and as base64", "/topics/sensor-10", async (page) => {
      await post(service, "sensor-10", [{ key: null, value: { base64: "/9j/4AAQ" } }]);
      await eventually(
        "the record",
        async () => (await shown(page, "value"))[0] === "6 bytes: ff d8 ff e0 00 10",
      );
      await page.locator("#records [role=option]:visible").first().click();
      assertMatch(
        await page.locator("#detail-body pre").last().textContent() ?? "",
        /^000000 {2}ff d8 ff e0 00 10 +······$/,
      );
      await page.click("#detail-body .as");
      assertEquals(await page.locator("#detail-body pre").last().textContent(), "/9j/4AAQ");
    });

    await step(
      "on a phone shows one thing at a time and does not scroll sideways",
      "/topics",
      async (page) => {
        await page.locator("#topics [role=option]:visible", { hasText: "orders" }).click();
        await hasLast(page);
        assertEquals(await page.isVisible("#topics"), false);
        assertEquals(await page.evaluate(() => document.documentElement.scrollWidth), 360);
        await page.click("#show-tools");
        assertEquals(await seriousFindings(page), []);
        await page.locator("#records [role=option]:visible").nth(3).click();
        await page.waitForSelector("#detail:visible");
        assertEquals(await seriousFindings(page), []);
        await page.click("#detail-close");
        await page.click("#back");
        await page.waitForSelector("#topics:visible");
      },
      { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, colorScheme: "dark" },
    );
  },
});
