/** Chromium for the tests of the pages. Left out: finding it, and skipping without it
 * (tests/requirements.ts).
 * @module */
import {
  type Browser,
  type BrowserContextOptions,
  chromium,
  type LaunchOptions,
  type Page,
} from "playwright-core";
import { chromiumPath } from "../requirements.ts";

/** For how long a page is waited for, ms: as long as for anything else in tests (eventually.ts). */
const patienceMs = 30_000;

/** A service on a busy machine may say that Kafka did not answer in time. Pages bear that, and who expects an answer fails without it. */
const busy = /^Failed to load resource: the server responded with a status of 503 /;

/** How to open a page. */
export type PageOptions = Pick<
  BrowserContextOptions,
  "viewport" | "colorScheme" | "reducedMotion" | "isMobile" | "hasTouch" | "permissions"
>;

/** A camera that shows a moving picture, and that pages may use unasked. */
export const fakeCamera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"] as const;

/** How Chromium is started for tests.
 * @param more arguments of Chromium's, such as `fakeCamera`
 * @throws {Error} when there is none */
export function launchOptions(more: readonly string[] = []): LaunchOptions {
  const executablePath = chromiumPath();
  if (!executablePath) throw new Error("Cannot launch a browser as no chromium was found");
  const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
  const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
  return {
    executablePath,
    chromiumSandbox: false,
    args: [...args, ...quiet, "--disable-dev-shm-usage", ...more],
  };
}

/** A browser whose pages tell what went wrong in them. */
export class TestBrowser implements AsyncDisposable {
  #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  /** @param more as in `launchOptions`
   * @throws {Error} when there is no Chromium */
  static async launch(more: readonly string[] = []): Promise<TestBrowser> {
    return new TestBrowser(await chromium.launch(launchOptions(more)));
  }

  /** Runs `use` with a page in a fresh profile. Errors and warnings of its console are kept in `complaints`, but for
   * those of a service that is busy. */
  async page(
    url: string,
    use: (page: Page, complaints: string[]) => Promise<void>,
    options: PageOptions = {},
  ): Promise<void> {
    const context = await this.#browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    const complaints: string[] = [];
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(patienceMs);
      page.on("pageerror", (error) => complaints.push(`${error.message}\n${error.stack}`));
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type()) && !busy.test(message.text())) {
          complaints.push(`${message.type()}: ${message.text()} (${message.location().url})`);
        }
      });
      await page.goto(url);
      await use(page, complaints);
    } finally {
      await context.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}
