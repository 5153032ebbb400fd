/** Which frame a page really shows: read from the pixels of its canvas, in which `numberedJpeg` draws its number.
 *
 * Left out: what the page says about it.
 * @module */
import type { Page } from "playwright-core";
import { pixelBits } from "../jpegs.ts";

/** As wide as the pictures of `numberedJpeg` by default. */
const width = 64, blockSize = 8;

/** The number of the frame on a canvas; null while it has no picture of that size. */
export async function shownNumber(page: Page, selector = "#screen"): Promise<number | null> {
  return await page.evaluate(async ({ selector, width, blockSize, pixelBits }) => {
    const canvas = document.querySelector<HTMLCanvasElement>(selector);
    if (canvas?.width !== width) return null;
    // By a copy, as Chromium warns of canvases that are read from again and again.
    const bitmap = await createImageBitmap(canvas);
    const context = new OffscreenCanvas(width, canvas.height).getContext("2d", { willReadFrequently: true })!;
    context.drawImage(bitmap, 0, 0);
    let number = 0;
    for (let bit = 0; bit < pixelBits; bit++) {
      const column = bit % (width / blockSize), row = Math.floor(bit / (width / blockSize));
      const [grey = 0] = context.getImageData((column + 0.5) * blockSize, (row + 0.5) * blockSize, 1, 1).data;
      if (grey > 128) number += 2 ** bit;
    }
    return number;
  }, { selector, width, blockSize, pixelBits });
}

/** Has the tab note each frame that is drawn on its screen, over reloads too; from the next load on `drawnFrames` tells them. */
export async function noteDrawn(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const drawn = JSON.parse(sessionStorage.getItem("drawn") ?? "[]");
    document.addEventListener("drawn", ({ target, detail }: Event & { detail?: unknown }) => {
      if ((target as Element).id !== "screen") return;
      drawn.push(detail);
      sessionStorage.setItem("drawn", JSON.stringify(drawn));
    }, { capture: true });
  });
}

/** A frame that was drawn, as the canvas tells of it. */
export interface DrawnFrame {
  readonly frame: string;
  readonly offset: number;
  /** ms since the epoch. */
  readonly capturedAt: number;
  /** ms since the epoch. */
  readonly drawnAt: number;
  /** It did not come with the stream. */
  readonly isStill?: boolean;
}

/** The frames that were drawn since `noteDrawn`, oldest first. */
export async function drawnFrames(page: Page): Promise<DrawnFrame[]> {
  return JSON.parse(await page.evaluate(() => sessionStorage.getItem("drawn") ?? "[]"));
}
