/** How the map page bears 5,000 movers at 1 Hz: prints milliseconds per frame, asserts nothing.
 *
 *     deno run -A tests/pages/load.ts [movers] [seconds]
 *
 * The main thread's time per frame is Chromium's own count of task time, which has everything in it (parsing
 * of events, drawing, layout, garbage collection); the time in animation frames is that of our drawing alone.
 * Canvas is rasterised in another process, without a GPU here: see frames per second. Left out: the service,
 * which is scripted.
 * @module */
import { TestBrowser } from "./browser.ts";
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
    const devtools = await page.context().newCDPSession(page);
    await devtools.send("Performance.enable");
    const metrics = async () => {
      const { metrics } = await devtools.send("Performance.getMetrics");
      return new Map(metrics.map(({ name, value }) => [name, value]));
    };
    await page.evaluate(() => {
      const times: number[] = [];
      const original = globalThis.requestAnimationFrame;
      globalThis.requestAnimationFrame = (callback) =>
        original((time) => {
          const startMs = performance.now();
          callback(time);
          times.push(performance.now() - startMs);
        });
      Object.assign(globalThis, { frameTimes: times });
    });
    const before = await metrics();
    await page.waitForTimeout(seconds * 1000);
    const after = await metrics();
    const times = await page.evaluate(() => (globalThis as unknown as { frameTimes: number[] }).frameTimes);
    times.sort((a, b) => a - b);
    const spent = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    const quantile = (q: number) => (times[Math.floor(times.length * q)] ?? NaN).toFixed(1);
    const perFrame = (s: number) => (s * 1000 / times.length).toFixed(1);
    console.log(
      `${movers} movers at 1 Hz for ${seconds} s: ${times.length} frames, ${
        (times.length / seconds).toFixed(0)
      } a second`,
    );
    console.log(
      `main thread: ${perFrame(spent("TaskDuration"))} ms a frame, of which script ${
        perFrame(spent("ScriptDuration"))
      } ms`,
    );
    console.log(
      `drawing: median ${quantile(0.5)} ms, 95 % ${quantile(0.95)} ms, longest ${quantile(0.9999)} ms`,
    );
    console.log(
      `heap: ${((after.get("JSHeapUsedSize") ?? 0) / 1e6).toFixed(0)} MB; status: ${
        (await page.textContent(".status"))?.replace(/\s+/g, " ").trim()
      }`,
    );
    const picture = Deno.args[2];
    if (picture) await page.screenshot({ path: picture });
  } finally {
    clearInterval(timer);
  }
});
