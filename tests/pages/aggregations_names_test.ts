/** The page of likes with ids that no path can hold or no eye can see; and what it says of time. @module */
import { assert, assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { idText } from "../../static/aggregations/words.js";
import { shortId } from "../../static/shared/format.js";
import { eventually } from "../eventually.ts";
import { requires } from "../requirements.ts";
import { TestBrowser } from "./browser.ts";
import { hasCount, isAccessible, says } from "./expect.ts";
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
    await using service = new ScriptedAggregations({ videos: [] });
    const step = (name: string, path: string, run: (page: Page, complaints: string[]) => Promise<void>) =>
      t.step(name, () => browser.page(`${service.url}/aggregations${path}`, run));
    const odd = [".", "..", "events", "socket", "a/b", "?id=x#y", "\u00a0", "\u202eevil"];
    for (const id of odd) service.made.like(id);

    for (const id of odd) {
      await step(
        `${JSON.stringify(id)} is liked, and alone at an address of its own`,
        "",
        async (page, complaints) => {
          const card = page.locator("section.card").nth(odd.toReversed().indexOf(id));
          await card.locator(".like").click();
          await eventually("the like", () => service.posted.get(id) === 1);
          await card.locator("h2 a").click();
          await says(page, "h1", idText(id).replace(/\s+/g, " "));
          await page.reload();
          await says(page, ".size [data-part='now']", "2");
          await says(page, "h1", idText(id).replace(/\s+/g, " "));
          const [address] = /http:[^\s']+/.exec(await page.locator(".ways code").nth(2).innerText())!;
          const answer = JSON.stringify(await (await fetch(address)).json());
          assert(answer.includes(`"video_uid":${JSON.stringify(id)},"count":2`), answer);
          await isAccessible(page);
          assertEquals(complaints, []);
        },
      );
    }

    await step("how old it is what fills a window", "", async (page) => {
      await hasCount(page.locator("#cards > .card"), odd.length);
      await eventually("a delay", async () => {
        service.made.like("a/b");
        return /\d/.test(await page.locator(".status-delay b").innerText());
      });
    });

    service.made.like("alone", service.now() - 20 * 60_000, 7);
    service.made.close();
    await step("alone, a window is said when it becomes final, not when it was", "/alone", async (page) => {
      await says(page, "#state", "Live");
      service.greet("alone");
      service.made.like("alone", service.now() - 5 * 60_000, 9);
      service.made.close();
      await says(page, "#said", "A window of 1 min is final: 9 likes");
    });
  },
});
