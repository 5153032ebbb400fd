/** The page of likes in the states that the real service cannot be brought into on demand, scripted. @module */
import { assert, assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually } from "../eventually.ts";
import { requires } from "../requirements.ts";
import { type PageOptions, TestBrowser } from "./browser.ts";
import {
  becomes,
  goesOn,
  hasAttribute,
  hasCount,
  hasTexts,
  isAccessible,
  isAsWideAs,
  isAt,
  isEnabled,
  isSeen,
  says,
  saysPart,
  textOf,
} from "./expect.ts";
import { fill, ScriptedAggregations, type ScriptedOptions, titled } from "./scripted_aggregations.ts";

const ids = titled.map(({ id }) => id);
const [first] = titled as [typeof titled[number]];
const card = (title: string) => `.card[aria-label="${title}"]`;
/** A cell of a card's row. */
const cell = (title: string, row: number, part: string) =>
  `${card(title)} tbody tr:nth-child(${row}) [data-part="${part}"]`;

/** The bars of one kind of the first video's minutes. */
const bar = (kind: string) => `${card(first.title)} tbody tr:nth-child(1) .bar-${kind}`;

/** Waits for a state, and that its notice can be read by everyone. */
async function arrives(page: Page, word: string, title: RegExp): Promise<void> {
  await says(page, "#state", word);
  await says(page, "#notice-title", title);
  await isAccessible(page);
}

const isLive = (page: Page) => says(page, "#state", "Live");
const problem = (status: number, title: string, detail: string) => () =>
  Response.json({ title, detail, status }, { status });

interface Step {
  readonly path?: string;
  readonly options?: ScriptedOptions;
  readonly view?: PageOptions;
  readonly prepare?: (service: ScriptedAggregations) => void;
}

const filled = (service: ScriptedAggregations) => fill(service, ids, 30);

Deno.test({
  name: "the states of /aggregations, in Chromium",
  ignore: requires("chromium").ignore,
  fn: async (t) => {
    await using browser = await TestBrowser.launch();
    const step = (
      name: string,
      { path = "", options, view, prepare }: Step,
      run: (page: Page, service: ScriptedAggregations, complaints: string[]) => Promise<void>,
    ) =>
      t.step(name, async () => {
        await using service = new ScriptedAggregations(options);
        prepare?.(service);
        await browser.page(
          `${service.url}/aggregations${path}`,
          (page, complaints) => run(page, service, complaints),
          { permissions: ["clipboard-read", "clipboard-write"], ...view },
        );
      });

    await step(
      "live: windows fill, become final, and are late",
      { prepare: filled },
      async (page, service, complaints) => {
        await isLive(page);
        const before = Number(await says(page, cell(first.title, 3, "now"), /^\d+$/));
        service.made.like(first.id, service.now(), 3);
        await says(page, cell(first.title, 3, "now"), `${before + 3}`);
        await hasAttribute(page, bar("open"), "d", /./);
        service.made.like(first.id, service.now() - 5 * 60_000, 4);
        await says(page, cell(first.title, 1, "late"), "4 late");
        for (const kind of ["final", "late"]) await hasAttribute(page, bar(kind), "d", /./);
        const bars = page.locator(`${card(first.title)} tbody tr:nth-child(1) .bars`);
        await hasAttribute(page, bars, "aria-label", /^Likes in the last \d+ windows of 1 min: \d+ to \d+$/);
        await bars.hover();
        await says(page, "#tip", /^.+ – .+: \d+ likes?/);
        await isAccessible(page);
        assertEquals(complaints, []);
      },
    );

    await step("loading: says so, then is live", {
      prepare: (service) => {
        filled(service);
        const answered = Promise.withResolvers<void>();
        answer = answered.resolve;
        service.refuseData = async () => {
          await answered.promise;
          return problem(503, "Aggregations unavailable", "Still being read")();
        };
      },
    }, async (page, service) => {
      await says(page, "#waiting-text", "Loading the windows");
      answer();
      await arrives(page, "Waiting", /^Aggregations unavailable$/);
      await says(page, "#notice-detail", /^Still being read\. (Next try in \d+ s|Trying now)\.$/);
      service.refuseData = null;
      await isLive(page);
    });

    await step("nothing yet: the lines that like, and a like by a click", {}, async (page, service) => {
      await page.waitForSelector("#empty:visible");
      await hasTexts(page.locator("#empty-commands code"), [
        `curl -X POST ${service.url}/videos/${first.id}/likes`,
        `tailrace publish likes --video ${first.id} --rate 60`,
      ]);
      await isAccessible(page);
      await page.click(`${card(first.title)} .like`);
      await page.waitForSelector("#empty", { state: "hidden" });
      await becomes("likes of the first", () => service.posted.get(first.id), 1);
    });

    await step(
      "no videos at all: a test like makes one",
      { options: { videos: [] } },
      async (page, service) => {
        await page.click("#test-like");
        await page.waitForSelector(card("test"));
        await becomes("likes", () => [...service.posted], [["test", 1]]);
        await isAccessible(page);
      },
    );

    await step(
      "no windows: says which setting has them",
      { options: { videos: [], sizes: [] } },
      async (page) => {
        await arrives(page, "Off", /^No likes are counted here$/);
        await saysPart(page, "#notice-detail", "WINDOWS=none");
        await isEnabled(page, "#pause", false);
        await isEnabled(page, "#generator-open", false);
      },
    );

    await step("a like is shown before it is counted, and once", {
      prepare: (service) => service.isCounting = false,
    }, async (page, service) => {
      await isLive(page);
      const stored = Promise.withResolvers<void>();
      service.refuseLike = async () => {
        await stored.promise;
        return Response.json({ timestamp: service.now() }, { status: 202 });
      };
      for (let i = 0; i < 3; i++) await page.click(`${card(first.title)} .like`);
      await says(page, cell(first.title, 3, "now"), "3");
      await says(page, `${card(first.title)} .like`, "3");
      stored.resolve();
      await says(page, "#said", `Liked ${first.title}`);
      service.made.like(first.id, service.now(), 3);
      service.made.like(first.id, service.now());
      await says(page, cell(first.title, 3, "now"), "4");
    });

    await step("a like that is not stored is taken back, and why is said", {}, async (page, service) => {
      await isLive(page);
      service.refuseLike = problem(503, "Kafka unavailable", "Kafka did not answer within 10 s");
      await page.focus(`${card(first.title)} .like`);
      await page.keyboard.press("Enter");
      const refusal = `${card(first.title)} .refusal`;
      await saysPart(page, refusal, "Kafka did not answer within 10 s");
      await says(page, cell(first.title, 1, "now"), "0");
      await says(page, `${card(first.title)} .like`, "Like");
      await says(page, "#said", `Your like of ${first.title} was not stored: Kafka unavailable`);
      await isAccessible(page);
      service.refuseLike = null;
      await page.keyboard.press("Enter");
      await says(page, refusal, "");
    });

    await step(
      "paused: stands still, and goes on with all that came",
      { prepare: filled },
      async (page, service) => {
        await isLive(page);
        await page.click("#pause");
        await arrives(page, "Paused", /^Paused at/);
        await eventually("nobody", () => service.viewers === 0);
        service.made.like(first.id, service.now() - 25 * 60_000, 7);
        await says(page, cell(first.title, 3, "late"), "");
        await page.click("#notice-action");
        await isLive(page);
        await says(page, cell(first.title, 1, "late"), "7 late");
      },
    );

    await step(
      "Kafka away: since when; and gone when it is back",
      { prepare: filled },
      async (page, service) => {
        await isLive(page);
        service.tell("status", { kafka: "down" });
        await arrives(page, "Kafka away", /^Kafka is away since .*\d/);
        service.tell("status", { kafka: "up" });
        await isLive(page);
      },
    );

    await step(
      "a lost connection: tries again when told to, and misses nothing",
      { prepare: filled },
      async (page, service) => {
        await isLive(page);
        let tries = 0;
        const away = problem(503, "Away", "Away");
        service.refuseStream = () => (tries++, away());
        service.disconnect();
        await arrives(page, "Reconnecting", /^The connection is lost$/);
        await page.waitForSelector("#notice-action:visible");
        const before = tries;
        await page.click("#notice-action");
        await eventually("another try", () => tries > before);
        service.made.like(first.id, service.now() - 25 * 60_000, 7);
        service.refuseStream = null;
        await goesOn(page);
        await says(page, cell(first.title, 1, "late"), "7 late");
      },
    );

    await step("gap: how many windows, until it is dismissed; and what was no like", {
      prepare: (service) => {
        filled(service);
        Object.assign(service.made, { wrong: { "not-utf8": 3, "empty": 1 }, missed: 12 });
      },
    }, async (page, service) => {
      await isLive(page);
      await says(page, "#wrong", "16 not counted");
      await hasAttribute(page, "#wrong", "title", /^3 not-utf8, 1 empty, 12 removed/);
      service.tell("gap", { partition: 0, from: 0, to: 12, skipped: 12, reason: "retention" });
      await arrives(page, "Gap", /^12 finished windows were passed over$/);
      await page.click("#notice-action");
      await isLive(page);
    });

    await step("no permission: what happened, the request's id, and another try", {
      prepare: (service) => service.refuseData = problem(403, "Forbidden", "Not these videos"),
    }, async (page, service) => {
      await arrives(page, "Error", /^Forbidden$/);
      await says(page, "#notice-detail", /^Not these videos · Request [\w-]+/);
      service.refuseData = null;
      await page.click("#notice-action");
      await isLive(page);
    });

    await step(
      "one alone by its title: its windows as a table; and all again",
      { prepare: filled },
      async (page) => {
        await page.click(`${card(first.title)} h2 a`);
        await says(page, "h1", first.title);
        await isAt(page, `/aggregations/${first.id}`);
        const minutes = page.locator(".size").first();
        await hasCount(minutes.locator("tbody tr"), 8);
        await minutes.locator("[data-part='all']").click();
        await eventually("all rows", async () => await minutes.locator("tbody tr").count() > 20);
        const row = minutes.locator("tbody tr").nth(3);
        await becomes("the row of a window", () => row.innerText(), /^.+ – .+\s+\d+\s+–\s+final$/);
        await isAccessible(page);
        await page.goBack();
        await hasCount(page.locator("#cards > .card"), 3);
      },
    );

    await step("one that nobody knows, of any name, on a phone", {
      path: `/${encodeURIComponent(`a/b "c" ${"x".repeat(100)}`)}`,
      view: { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true },
    }, async (page, service, complaints) => {
      await isLive(page);
      await page.tap(".like");
      await says(page, ".size [data-part='now']", "1");
      await becomes("likes", () => [...service.posted.values()], [1]);
      await isAsWideAs(page, 360);
      await isAccessible(page);
      assertEquals(complaints, []);
    });

    await step(
      "the generator: as many as it says, for who is chosen, until it is stopped",
      {},
      async (page, service) => {
        await isLive(page);
        await page.click("#generator-open");
        await page.fill("#generator-rate", "600");
        await page.selectOption("#generator-for", { label: "A river of records" });
        await page.keyboard.press("Tab");
        await page.keyboard.press("Enter");
        await eventually("five", () => (service.posted.get(ids[2]!) ?? 0) >= 5);
        await says(page, "#generator-text", /of 600 per minute/);
        await page.click("#generator-run");
        const stored = await eventually(
          "its end",
          async () => /^(\d+) likes stored$/.exec(await textOf(page, "#generator-text")),
        );
        assertEquals(service.posted.size, 1);
        assert(Number(stored[1]) <= service.posted.get(ids[2]!)!);
        service.refuseLike = problem(503, "Kafka unavailable", "");
        await page.click("#generator-run");
        await says(page, "#generator-text", /^Stopped: Kafka unavailable/);
        await isAccessible(page);
      },
    );

    await step("ids as long as they may be: as many as one address takes", {
      prepare: (service) => {
        for (let i = 0; i < 40; i++) service.made.like(`${i} ${"ä".repeat(120)}`);
      },
      path: "?limit=96",
    }, async (page) => {
      await isLive(page);
      const cards = await eventually("the cards", () => page.locator("#cards > .card").count());
      assert(cards > 20 && cards < 40, `${cards}`);
      await isSeen(page, "#more", false);
    });

    await step("more than fit: as many as are asked for, in the address", {
      prepare: (service) => {
        for (let i = 0; i < 60; i++) service.made.like(`video-${i}`);
      },
    }, async (page) => {
      await isLive(page);
      await hasCount(page.locator("#cards > .card"), 24);
      await page.click("#more-button");
      await hasCount(page.locator("#cards > .card"), 48);
      await isAt(page, "/aggregations", "?limit=48");
      await page.goBack();
      await hasCount(page.locator("#cards > .card"), 24);
    });
  },
});

/** Lets the step of loading go on. */
let answer: () => void = () => {};
