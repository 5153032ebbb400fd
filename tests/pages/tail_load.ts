/** How the page of topics bears a tail of 200 records a second: prints milliseconds per frame, asserts nothing.
 *
 *     deno run -A tests/pages/tail_load.ts [records per second] [seconds] [picture.png]
 *
 * What is measured: frames.ts. Left out: the service, which is scripted.
 * @module */
import { TestBrowser } from "./browser.ts";
import { measureFrames } from "./frames.ts";
import { ScriptedService } from "./scripted_service.ts";

const perSecond = Number(Deno.args[0] ?? 200);
const seconds = Number(Deno.args[1] ?? 20);
const batches = 50;

await using service = new ScriptedService();
await using browser = await TestBrowser.launch();
await browser.page(`${service.url}/topics/orders`, async (page) => {
  let sent = 0, due = 0;
  const timer = setInterval(() => {
    for (due += perSecond / batches; sent < due; sent++) {
      const customer = { name: `customer ${sent % 97}`, city: ["Berlin", "Hamburg", "Bremen"][sent % 3] };
      const items = Array.from(
        { length: sent % 4 + 1 },
        (_, i) => ({ sku: `sku-${sent % 89}-${i}`, price: 19.9 }),
      );
      service.record({ key: `order-${sent}`, value: { id: sent, customer, items, paid: sent % 2 === 0 } });
    }
  }, 1000 / batches);
  try {
    await page.waitForFunction(() => document.querySelectorAll("#records [role=option]").length > 20);
    console.log(`${perSecond} records a second`);
    for (const line of await measureFrames(page, seconds)) console.log(line);
    const picture = Deno.args[2];
    if (picture) await page.screenshot({ path: picture });
  } finally {
    clearInterval(timer);
  }
});
