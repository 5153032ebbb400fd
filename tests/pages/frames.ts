/** What a page's frames cost, for the programs that print it.
 *
 * The main thread's time per frame is Chromium's own count of task time, which has everything in it (parsing of events,
 * drawing, layout, garbage collection); the time in animation frames is that of our drawing alone. Canvas is rasterised in
 * another process, without a GPU here: see frames per second.
 * @module */
import type { Page } from "playwright-core";

/** Measures for `seconds`.
 * @returns lines that say what it was */
export async function measureFrames(page: Page, seconds: number): Promise<string[]> {
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
  return [
    `${times.length} frames in ${seconds} s, ${(times.length / seconds).toFixed(0)} a second`,
    `main thread: ${perFrame(spent("TaskDuration"))} ms a frame, of which script ${
      perFrame(spent("ScriptDuration"))
    } ms`,
    `drawing: median ${quantile(0.5)} ms, 95 % ${quantile(0.95)} ms, longest ${quantile(0.9999)} ms`,
    `heap: ${((after.get("JSHeapUsedSize") ?? 0) / 1e6).toFixed(0)} MB; status: ${
      (await page.textContent(".status"))?.replace(/\s+/g, " ").trim()
    }`,
  ];
}
