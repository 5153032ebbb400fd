/** Keeps a page behind the end of its stream for as long as a test looks at it. Left out: what it shows then.
 * @module */
import type { Page } from "playwright-core";
import { pause } from "../eventually.ts";
import { textOf } from "./expect.ts";
import type { ScriptedService } from "./scripted_service.ts";

/** How often it is looked at, ms; and how often it may be live in a row. */
const lookMs = 700, mostLooks = 3;

/** Runs `use` while records of the past keep coming. A page that is sent none for a moment, as happens on a busy machine, takes itself for
 * up to date: then it is cut, and comes back.
 * @param send one record of the past */
export async function staysBehind(
  page: Page,
  service: ScriptedService,
  send: () => void,
  use: () => Promise<void>,
): Promise<void> {
  const timer = setInterval(send, 100);
  let isOver = false;
  const watch = async () => {
    for (let looks = 0; !isOver; await pause(lookMs)) {
      looks = await textOf(page, "#state") === "Live" ? looks + 1 : 0;
      if (looks >= mostLooks) service.disconnect();
      if (looks >= mostLooks) looks = 0;
    }
  };
  const watching = watch().catch(() => {}); // the page was closed, as the test failed
  try {
    await use();
  } finally {
    isOver = true;
    clearInterval(timer);
    await watching;
  }
}
