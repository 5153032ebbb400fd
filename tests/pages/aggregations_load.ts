/** How the page of likes bears a hundred videos that change all the time: prints milliseconds, asserts nothing.
 *
 *     deno run -A tests/pages/aggregations_load.ts [likes per second] [seconds] [videos] [picture.png]
 *
 * What is measured: frames.ts. Left out: the service, which is scripted; it sends every change, where the real one sends one a second for
 * each video.
 * @module */
import { TestBrowser } from "./browser.ts";
import { measureFrames } from "./frames.ts";
import { fill, ScriptedAggregations } from "./scripted_aggregations.ts";

const perSecond = Number(Deno.args[0] ?? 20);
const seconds = Number(Deno.args[1] ?? 20);
const count = Number(Deno.args[2] ?? 96);

const videos = Array.from(
  { length: count },
  (_, i) => ({ id: `video-${i}`, title: `The video number ${i}` }),
);
await using service = new ScriptedAggregations({ videos });
fill(service, videos.map(({ id }) => id), 60);
await using browser = await TestBrowser.launch();
await browser.page(`${service.url}/aggregations?limit=${count}`, async (page) => {
  await page.waitForFunction((count) => document.querySelectorAll("#cards > .card").length === count, count);
  const elements = () => page.evaluate(() => document.querySelectorAll("*").length);
  const before = await elements();
  let likes = 0;
  const timer = setInterval(() => service.made.like(videos[likes++ % count]!.id), 1_000 / perSecond);
  try {
    console.log(`${count} videos, ${perSecond} likes a second, each changes three windows`);
    for (const line of await measureFrames(page, seconds)) console.log(line);
    console.log(`elements: ${before} before, ${await elements()} after ${likes} likes`);
    const picture = Deno.args[3];
    if (picture) await page.screenshot({ path: picture });
  } finally {
    clearInterval(timer);
  }
});
