/** A page of somebody's own in a real Chromium, with nothing but `<img src="…/mjpeg">` on it, and what that picture showed.
 *
 * The page is put at an address of the service, so that it has the service's cookies and may read its pixels, from which `numberedJpeg`
 * tells its number. It is looked at again and again, and told here as it changes. Left out: our own page /video.
 * @module */
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { eventually } from "../eventually.ts";
import { pixelBits } from "../jpegs.ts";
import { launchOptions } from "./browser.ts";

/** A picture that the browser drew. */
export interface ShownFrame {
  readonly number: number;
  /** ms since the epoch, by the page's clock. */
  readonly atMs: number;
}

/** Pages behind others are looked at as well. */
const awake = ["--disable-background-timer-throttling", "--disable-renderer-backgrounding"];
/** From one look at the picture to the next, ms. */
const lookMs = 5;

/** A browser with a profile in a folder, as a user's: what is closed and opened again has its cookies. */
export async function openProfile(folder: string): Promise<BrowserContext> {
  return await chromium.launchPersistentContext(folder, launchOptions(awake));
}

/** The page, from when it was opened over all refreshes. */
export class ImagePage {
  /** As the picture changed. */
  readonly shown: ShownFrame[] = [];
  readonly #page: Page;

  private constructor(page: Page) {
    this.#page = page;
  }

  /** Opens a page with the picture at an address of the service.
   * @param origin the service's, @param path of the stream with its query */
  static async open(browser: BrowserContext, origin: string, path: string): Promise<ImagePage> {
    const page = await browser.newPage(), opened = new ImagePage(page);
    page.setDefaultTimeout(30_000);
    await page.exposeBinding("tell", (_, frame: ShownFrame) => void opened.shown.push(frame));
    await page.addInitScript(watchPicture, { pixelBits, lookMs });
    const body =
      `<!doctype html><title>A page</title><link rel="icon" href="data:,"><img id="picture" src="${path}">`;
    const address = `${origin}/somebodys-page`;
    await page.route(address, (route) => route.fulfill({ contentType: "text/html", body }));
    // Not until it is loaded: a picture that never ends keeps a page from that.
    await page.goto(address, { waitUntil: "commit" });
    return opened;
  }

  get numbers(): number[] {
    return this.shown.map(({ number }) => number);
  }

  /** The newest picture's number, −1 before the first. */
  get newest(): number {
    return this.shown.at(-1)?.number ?? -1;
  }

  /** As with the browser's button. */
  async refresh(): Promise<void> {
    await this.#page.reload({ waitUntil: "commit" });
  }

  /** Waits until a picture with at least that number is shown. */
  async shows(number: number, timeoutMs = 30_000): Promise<void> {
    await eventually(
      `picture ${number}`,
      () => this.newest >= number,
      timeoutMs,
      () => this.numbers.slice(-20),
    );
  }

  async close(): Promise<void> {
    await this.#page.close();
  }
}

/** Runs in the page. */
function watchPicture({ pixelBits, lookMs }: { pixelBits: number; lookMs: number }): void {
  const width = 64, height = 48, blockSize = 8, columns = width / blockSize;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
  const tell = (globalThis as unknown as { tell(frame: { number: number; atMs: number }): void }).tell;
  let shown = -1;
  setInterval(() => {
    const picture = document.querySelector<HTMLImageElement>("#picture");
    if (picture?.naturalWidth !== width) return;
    context.drawImage(picture, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    let number = 0;
    for (let bit = 0; bit < pixelBits; bit++) {
      const x = (bit % columns + 0.5) * blockSize, y = (Math.floor(bit / columns) + 0.5) * blockSize;
      if (data[4 * (y * width + x)]! > 128) number += 2 ** bit;
    }
    if (number === shown) return;
    shown = number;
    tell({ number, atMs: Date.now() });
  }, lookMs);
}
