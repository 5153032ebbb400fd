/** The page of likes with ids that no path can hold or no eye can see; and what it says of time. @module */
import { assert, assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { idText } from "../../static/aggregations/words.js";
import { shortId } from "../../static/shared/format.js";
import { eventually } from "../eventually.ts";
import { requires } from "../requirements.ts";
import { TestBrowser } from "./browser.ts";
import { hasCount, isAccessible, says, textOf } from "./expect.ts";
import { ScriptedAggregations } from "./scripted_aggregations.ts";

Deno.test("idText() shows what cannot be seen, and shortId() cuts no character in two", () => {
  const texts = ["my-video", "שלום", "👩‍🚀", "a  b", " ", "\u00a0", " a", "\u202eevil", "a\u200b", "."].map(
    idText,
  );
  assertEquals(texts, [
    "my-video",
    "שלום",
    "👩‍🚀",
    "a  b",
    '" "',
    '"\u00a0"',
    '" a"',
    "\\u202eevil",
    "a\\u200b",
    ".",
  ]);
  assertEquals(shortId("😀".repeat(30), 9), "😀😀😀😀…😀😀😀😀");
  assertEquals(["😀".repeat(9), "0123456789"].map((id) => shortId(id, 9)), ["😀".repeat(9), "0123…6789"]);
});

Deno.test({
  name: "/aggregations with odd ids, and the time of what it shows, in Chromium",
  ignore: requires("chromium").ignore,
  fn: async (t) => {
    await using browser = await TestBrowser.launch();
    // Each has a service of its own, whose clock begins in the middle of ten minutes.
    const step = (
      name: string,
      path: string,
      run: (page: Page, service: ScriptedAggregations, complaints: string[]) => Promise<void>,
      prepare?: (service: ScriptedAggregations) => void,
    ) =>
      t.step(name, async () => {
        await using service = new ScriptedAggregations({ videos: [] });
        prepare?.(service);
        const { url } = service;
        await browser.page(
          `${url}/aggregations${path}`,
          (page, complaints) => run(page, service, complaints),
        );
      });
    const like = "section.card .like", ten = "[data-part='now'] >> nth=2";

    for (const id of [".", "..", "events", "socket", "a/b", "?id=x#y", "\u00a0", "\u202eevil"]) {
      const name = `${JSON.stringify(id)} is liked, and alone at an address of its own`;
      await step(name, "", async (page, service, complaints) => {
        service.made.like(id);
        await page.click(like);
        await eventually("the like", () => service.posted.get(id) === 1);
        await page.click("section.card h2 a");
        await says(page, "h1", idText(id).replace(/\s+/g, " "));
        await page.reload();
        await says(page, ten, "2");
        await says(page, "h1", idText(id).replace(/\s+/g, " "));
        const [address] = /http:[^\s']+/.exec(await textOf(page, ".ways code >> nth=2"))!;
        const answer = JSON.stringify(await (await fetch(address)).json());
        assert(answer.includes(`"video_uid":${JSON.stringify(id)},"count":2`), answer);
        await isAccessible(page);
        assertEquals(complaints, []);
      });
    }

    await step(
      "videos that are new, and a pause, are not told as a page that loads",
      "",
      async (page, service) => {
        const videos = (n: number) => hasCount(page.locator("section.card"), n);
        service.made.like("a");
        await videos(1);
        await says(page, "#state", "Live");
        await page.evaluate(() => {
          const live = document.getElementById("live")!, words: string[] = [];
          Object.assign(globalThis, { words });
          new MutationObserver(() => words.push(live.textContent!)).observe(live, { childList: true });
        });
        for (const [i, id] of ["b", "c"].entries()) {
          service.made.like(id);
          await videos(2 + i);
          await eventually("the stream of all", () => service.follows(id));
          await says(page, "#state", "Live");
        }
        await page.click("#pause");
        await says(page, "#state", "Paused");
        await eventually("nobody", () => service.viewers === 0);
        await page.click("#pause");
        await says(page, "#live", "Live again");
        const words = await page.evaluate(() => (globalThis as unknown as { words: string[] }).words);
        assert(words.length >= 2 && !words.includes("Loading"), words.join(", "));
      },
    );

    await step("how old it is what fills a window", "", async (page, service) => {
      service.made.like("a");
      await hasCount(page.locator("section.card"), 1);
      await eventually("a delay", async () => {
        service.made.like("a");
        return /\d/.test(await textOf(page, ".status-delay b"));
      });
    });

    await step(
      "a like of which nobody knows is told as that, and may count later",
      "",
      async (page, service) => {
        service.made.like("a", service.now(), 3);
        const problem = {
          title: "Outcome unknown",
          code: "outcome-unknown",
          detail: "Cannot tell",
          status: 503,
        };
        service.refuseLike = () => Response.json(problem, { status: 503 });
        await page.click(like);
        await says(page, ".refusal", "Your like may not be stored: Kafka did not answer in time");
        await says(page, "#said", "Your like of a may not be stored: Kafka did not answer in time");
        await says(page, ten, "3");
        service.made.like("a");
        await says(page, ten, "4");
      },
    );

    await step(
      "alone, a window is said when it becomes final, not when it was",
      "/a",
      async (page, service) => {
        await says(page, "#state", "Live");
        service.greet("a");
        service.made.like("a", service.now() - 5 * 60_000, 9);
        service.made.close();
        await says(page, "#said", "A window of 1 min is final: 9 likes");
      },
      (service) => {
        service.made.like("a", service.now() - 20 * 60_000, 7);
        service.made.close();
      },
    );
  },
});
