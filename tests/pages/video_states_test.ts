/** The states of the page of video that the real service cannot be brought into on demand, scripted. @module */
import { assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually } from "../eventually.ts";
import { numberedJpeg } from "../jpegs.ts";
import { requires } from "../requirements.ts";
import { fakeCamera, TestBrowser } from "./browser.ts";
import {
  becomes,
  goesOn,
  hasCount,
  isAccessible,
  isAt,
  isEnabled,
  isSeen,
  says,
  saysPart,
  textOf,
} from "./expect.ts";
import { ScriptedVideo } from "./scripted_video.ts";
import { shownNumber } from "./video_picture.ts";

/** Frames of a stream that plays for longer than any test looks at it. */
const count = 3_000;
/** Waits until the page shows this frame. */
const shows = (page: Page, n: number) => becomes("the frame that is shown", () => shownNumber(page), n);
const plays = (page: Page) => eventually("some frames", async () => (await shownNumber(page) ?? 0) > 3);
/** Waits for a state, and that its notice can be read by everyone. */
async function arrives(page: Page, word: string, title: RegExp): Promise<void> {
  await says(page, "#state", word);
  await says(page, "#notice-title", title);
  await isAccessible(page);
}

/** Waits until it holds while frames from `n` on keep coming: of a stream that stops the page soon says so. */
async function holdsWhileFramesCome(
  what: string,
  { service, n }: { service: ScriptedVideo; n: number },
  probe: () => Promise<boolean>,
): Promise<void> {
  await eventually(what, async () => {
    service.add("video", numberedJpeg(n++));
    return await probe();
  });
}

/** Frames 0 … `count` − 1, ten a second, the newest of them `agoMs` ago. */
function fill(service: ScriptedVideo, topic: string, count: number, agoMs: number): void {
  const newest = Date.now() - agoMs;
  for (let n = 0; n < count; n++) service.add(topic, numberedJpeg(n), newest - (count - 1 - n) * 100);
}

Deno.test({
  name: "the states of /video, in Chromium",
  ignore: requires("chromium").ignore,
  fn: async (t) => {
    await using browser = await TestBrowser.launch(fakeCamera);
    const step = (
      name: string,
      path: string,
      run: (page: Page, service: ScriptedVideo) => Promise<void>,
      prepare: (service: ScriptedVideo) => void = (service) => fill(service, "video", count, 60_000),
    ) =>
      t.step(name, async () => {
        await using service = new ScriptedVideo();
        prepare(service);
        await browser.page(service.url + path, (page) => run(page, service), { permissions: ["camera"] });
      });

    await step("a stall is marked: for how long, and the picture dimmed", "/video", async (page, service) => {
      await arrives(page, "No new frames", /^No new frames for ([3-9]|[1-5]\d) s$/);
      await says(page, "#notice-detail", /^This one, of .*, is the newest there is\.$/);
      await hasCount(page.locator("#picture.is-stalled"), 1);
      service.add("video", numberedJpeg(600));
      await shows(page, 600);
      await holdsWhileFramesCome("all well again", { service, n: 601 }, async () => {
        const [isStalled, isNoticed] = await Promise.all([
          page.locator("#picture.is-stalled").count(),
          page.isVisible("#notice"),
        ]);
        return await textOf(page, "#state") === "Live" && isStalled === 0 && !isNoticed;
      });
    }, (service) => {
      fill(service, "video", 600, 60_000);
      service.positions.set("video", 595);
    });

    await step(
      "nothing yet: the lines that put frames in, and a way to publish",
      "/video/door",
      async (page, service) => {
        await page.waitForSelector("#empty:visible");
        await says(page, "#empty-title", "No frames in door yet");
        const lines = page.locator("#empty-commands code");
        await hasCount(lines, 3);
        await says(page, lines.nth(0), "tailrace publish video FILE --topic door");
        await saysPart(page, lines.nth(1), `${service.url}/video/door/frames`);
        await says(page, lines.nth(2), "deno task dev");
        await isAccessible(page);
        service.add("door", numberedJpeg(0));
        await shows(page, 0);
        await isSeen(page, "#empty", false);
      },
      (service) => void service.topics.set("door", []),
    );

    await step("Kafka away: since when; and gone when it is back", "/video", async (page, service) => {
      await page.waitForSelector("[data-stream=open]");
      service.tell("status", { kafka: "down" });
      await arrives(page, "Kafka away", /^Kafka is away since .*\d/);
      await hasCount(page.locator("#picture.is-stalled"), 1);
      service.tell("status", { kafka: "up" });
      await says(page, "#state", "Replay");
    });

    await step("gap: how many frames and why, until it is dismissed", "/video", async (page, service) => {
      await page.waitForSelector("[data-stream=open]");
      service.tell("gap", { partition: 0, from: 10, to: 1210, skipped: 1200, reason: "retention" });
      await arrives(page, "Gap", /^1,200 frames are missing$/);
      await saysPart(page, "#notice-detail", "Kafka had removed them");
      await page.click("#notice-action");
      await says(page, "#state", "Replay");
    });

    await step(
      "a lost connection: counts down, and goes on at the frame after",
      "/video",
      async (page, service) => {
        await plays(page);
        service.refuseStream = () => new Response("no", { status: 503 });
        service.disconnect();
        await arrives(page, "Reconnecting", /^The connection is lost$/);
        await page.waitForSelector("#notice-action:visible");
        const before = await shownNumber(page) ?? NaN;
        service.refuseStream = null;
        await goesOn(page, "Replay");
        await eventually("the next one", async () => (await shownNumber(page) ?? 0) > before);
        assertEquals(service.opened.at(-1)?.searchParams.get("cursor"), `v1.0badcafe.0:${before}`);
      },
    );

    await step("error: what happened, and another try", "/video", async (page, service) => {
      await arrives(page, "Error", /^Forbidden$/);
      await saysPart(page, "#notice-detail", "Not this topic");
      service.refuseStream = null;
      await page.click("#notice-action");
      await plays(page);
    }, (service) => {
      fill(service, "video", count, 60_000);
      service.refuseStream = () =>
        Response.json({ title: "Forbidden", status: 403, detail: "Not this topic" }, { status: 403 });
    });

    await step("frames that this browser cannot decode: says so", "/video", async (page, service) => {
      await arrives(page, "Error", /^This browser cannot show these frames$/);
      service.add("video", numberedJpeg(20));
      await shows(page, 20);
      const isLive = async () => await textOf(page, "#state") === "Live";
      await holdsWhileFramesCome("live", { service, n: 21 }, isLive);
    }, (service) => {
      const [soi, rubbish] = [[0xff, 0xd8], Array.from({ length: 200 }, (_, n) => n)];
      for (let n = 0; n < 20; n++) service.add("video", Uint8Array.from([...soi, ...rubbish]));
    });

    await step("the service away: says so, and comes by itself", "/video", async (page, service) => {
      await arrives(page, "Waiting", /^Kafka unavailable$/);
      service.refuseData = null;
      service.refuseStream = null;
      await plays(page);
    }, (service) => {
      fill(service, "video", count, 60_000);
      const away = () => Response.json({ title: "Kafka unavailable", status: 503 }, { status: 503 });
      Object.assign(service, { refuseData: away, refuseStream: away });
    });

    await step(
      "publishing waits for what is stored, and counts what it leaves out",
      "/video",
      async (page, service) => {
        service.isStoring = false;
        await page.click("#publish-button");
        await page.fill("#publish-topic", "desk");
        await page.selectOption("#publish-fps", "25");
        await isEnabled(page, "#publish-start");
        await page.click("#publish-start");
        await eventually("frames left out", async () => Number(await textOf(page, "#publish-skipped")) > 5);
        await says(page, "#publish-unstored", "4");
        await becomes("frames under way", () => service.published.length, 4);
      },
    );

    await step("publishing too big a frame: how big, and what is taken", "/video", async (page, service) => {
      service.maxFrameBytes = 2048;
      await page.click("#publish-button");
      await page.fill("#publish-topic", "desk");
      await isEnabled(page, "#publish-start");
      await page.click("#publish-start");
      await says(page, "#publish-message", /^A frame has \d+ KB, and 2 KB are taken at most$/);
      assertEquals(service.published.length, 0);
    });

    await step(
      "nine streams over one WebSocket, marked when they are quiet",
      "/video",
      async (page, service) => {
        await page.goto(`${service.url}/video?wall=${[..."abcdefghi"].join(",")}`);
        const number = (k: number) => shownNumber(page, `.tile:nth-child(${k + 1}) canvas`);
        await eventually("nine pictures", async () => {
          const shown = await Promise.all(Array.from({ length: 9 }, (_, k) => number(k)));
          return shown.every((n, k) => n === k * 10 + 9);
        });
        assertEquals(service.opened.filter(({ pathname }) => pathname === "/streams").length, 1);
        await eventually(
          "all marked",
          async () =>
            (await page.locator(".tile.is-stale .tile-stall").allTextContents()).filter((words) =>
              /^No new frames for/.test(words)
            ).length === 9,
        );
        await isAccessible(page);
        service.add("c", numberedJpeg(1234));
        await becomes("the new one", () => number(2), 1234);
        await eventually("its delay", async () => {
          service.add("c", numberedJpeg(1234)); // one that came late on a busy machine says seconds
          return /ms$/.test(await textOf(page, ".tile:nth-child(3) .tile-delay"));
        });
        await page.click(".tile:nth-child(3)");
        await says(page, "#topic-name", "c");
        await isAt(page, "/video/c");
      },
      (service) => {
        for (const [k, topic] of [..."abcdefghi"].entries()) {
          for (let n = 0; n < 10; n++) service.add(topic, numberedJpeg(k * 10 + n), Date.now() - 60_000);
        }
      },
    );

    await step("live: newest wins, and nothing piles up", "/video?live=1", async (page, service) => {
      await page.waitForSelector("[data-stream=open]");
      let n = count;
      for (let burst = 0; burst < 5; burst++) {
        for (let k = 0; k < 200; k++) service.add("video", numberedJpeg(n++));
      }
      await shows(page, n - 1);
      await eventually(
        "what was left out",
        async () => Number((await textOf(page, "#fact-skipped")).replaceAll(",", "")) > 100,
      );
    });
  },
});
