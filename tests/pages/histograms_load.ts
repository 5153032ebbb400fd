/** How the page of histograms bears three measurements of twenty histograms a second each: prints milliseconds, asserts nothing.
 *
 *     deno run -A tests/pages/histograms_load.ts [histograms per second] [seconds] [picture.png]
 *
 * What is measured: frames.ts. Left out: the service, which is scripted; the rate of measurements, which the page does not notice, as
 * it gets histograms.
 * @module */
import { TestBrowser } from "./browser.ts";
import { measureFrames } from "./frames.ts";
import { ScriptedHistograms } from "./scripted_histograms.ts";

const perSecond = Number(Deno.args[0] ?? 20);
const seconds = Number(Deno.args[1] ?? 20);

const specs = [
  { name: "humidity", first: 40, last: 79, step: 1 },
  { name: "temperature", first: -25, last: 24, step: 1 },
  { name: "pressure", first: 800, last: 1100, step: 5 },
];

await using service = new ScriptedHistograms(specs);
const valueAt = ({ first, last, step }: typeof specs[number], ms: number) => {
  const part = 0.5 + 0.3 * Math.sin(ms / 40_000) + 0.3 * (Math.random() - 0.5);
  return first + step * Math.round(part * (last - first) / step);
};
const now = Date.now();
for (const spec of specs) {
  for (let ms = now - 300_000; ms < now; ms += 1_000 / perSecond) {
    service.measure(spec.name, valueAt(spec, ms), ms);
  }
}
await using browser = await TestBrowser.launch();
await browser.page(`${service.url}/histograms`, async (page) => {
  await page.waitForFunction(() => document.querySelectorAll(".uplot canvas").length === 6);
  const timer = setInterval(() => {
    for (const spec of specs) {
      service.measure(spec.name, valueAt(spec, Date.now()));
      service.publish(spec.name);
    }
  }, 1_000 / perSecond);
  try {
    console.log(`${specs.length} histograms, ${perSecond} times a second each`);
    const lines = await measureFrames(page, seconds);
    for (const line of lines) console.log(line);
    const frames = Number(lines[0]?.match(/^\d+/)?.[0]);
    const mainMs = Number(lines[1]?.match(/[\d.]+/)?.[0]) * frames;
    console.log(`main thread: ${(mainMs / (seconds * perSecond * specs.length)).toFixed(2)} ms a histogram`);
    const picture = Deno.args[2];
    if (picture) await page.screenshot({ path: picture });
  } finally {
    clearInterval(timer);
  }
});
