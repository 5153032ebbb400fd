/** How the map page bears 5,000 movers at 1 Hz: prints milliseconds per frame, asserts nothing.
 *
 *     deno run -A tests/pages/load.ts [movers] [seconds]
 *
 * What is measured: frames.ts. Left out: the service,
 * which is scripted.
 * @module */
import { TestBrowser } from "./browser.ts";
import { measureFrames } from "./frames.ts";
import { ScriptedService } from "./scripted_service.ts";

const movers = Number(Deno.args[0] ?? 5_000);
const seconds = Number(Deno.args[1] ?? 20);
const batches = 50;

/** Movers that turn slowly, around Berlin. */
const headings = Float64Array.from({ length: movers }, () => Math.random() * 2 * Math.PI);
const lats = Float64Array.from({ length: movers }, () => 52.45 + Math.random() * 0.14);
const lons = Float64Array.from({ length: movers }, () => 13.25 + Math.random() * 0.3);

function step(service: ScriptedService, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    headings[i] = headings[i]! + (Math.random() - 0.5) * 0.5;
    lats[i] = lats[i]! + Math.sin(headings[i]!) * 0.0001;
    lons[i] = lons[i]! + Math.cos(headings[i]!) * 0.00016;
    service.position({ name: `vehicle-${String(i).padStart(4, "0")}`, lat: lats[i]!, lon: lons[i]! });
  }
}

await using service = new ScriptedService();
await using browser = await TestBrowser.launch();
await browser.page(`${service.url}/geo`, async (page) => {
  let batch = 0;
  const timer = setInterval(() => {
    const at = batch++ % batches;
    step(service, Math.floor(at * movers / batches), Math.floor((at + 1) * movers / batches));
  }, 1000 / batches);
  try {
    await page.waitForFunction(
      (n) => document.querySelector("[data-count]")?.textContent?.replace(/\D/g, "") === n,
      `${movers}`,
    );
    console.log(`${movers} movers at 1 Hz`);
    for (const line of await measureFrames(page, seconds)) console.log(line);
    const picture = Deno.args[2];
    if (picture) await page.screenshot({ path: picture });
  } finally {
    clearInterval(timer);
  }
});
