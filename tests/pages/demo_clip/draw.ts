/** Draws the demo clip, `static/video/demo.avi`: `deno run -A tests/pages/demo_clip/draw.ts [FILE]`.
 *
 * Chromium's canvas draws the scene and makes the JPEGs. Left out: what is to be seen (scene.js).
 * @module */
import { aviOf } from "../../avi.ts";
import { TestBrowser } from "../browser.ts";

/** What the clip is made of; `quality` of the JPEGs in 0..1. */
export const clip = { fps: 10, frames: 100, quality: 0.34 };

/** Draws frames of the clip; by default all of them.
 * @returns JPEGs in the order of `numbers` */
export async function drawFrames(
  numbers: readonly number[] = [...Array(clip.frames).keys()],
): Promise<Uint8Array[]> {
  await using browser = await TestBrowser.launch();
  const scene = await Deno.readTextFile(new URL("./scene.js", import.meta.url));
  const jpegs: Uint8Array[] = [];
  await browser.page("about:blank", async (page) => {
    await page.addScriptTag({
      type: "module",
      content: `${scene}\nglobalThis.scene = { drawScene, width, height };`,
    });
    await page.waitForFunction("globalThis.scene");
    for (const frame of numbers) {
      const place = JSON.stringify({ frame, frames: clip.frames, fps: clip.fps });
      const url: string = await page.evaluate(`(() => {
        const { drawScene, width, height } = globalThis.scene;
        const canvas = Object.assign(document.createElement("canvas"), { width, height });
        drawScene(canvas.getContext("2d"), ${place});
        return canvas.toDataURL("image/jpeg", ${clip.quality});
      })()`);
      jpegs.push(Uint8Array.fromBase64(url.slice(url.indexOf(",") + 1)));
    }
  });
  return jpegs;
}

if (import.meta.main) {
  const file = Deno.args[0] ?? new URL("../../../static/video/demo.avi", import.meta.url);
  const bytes = aviOf(await drawFrames(), { width: 480, height: 270, fps: clip.fps });
  await Deno.writeFile(file, bytes);
  console.log(`${clip.frames} frames, ${bytes.length} bytes`);
}
