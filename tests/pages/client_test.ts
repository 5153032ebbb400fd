import { assert, assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually } from "../eventually.ts";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";
import { TestBrowser } from "./browser.ts";
import { ScriptedService } from "./scripted_service.ts";

/** What `follow` called back, in the page. */
interface Seen {
  offsets: number[];
  states: { name: string; retryAt: number | null; since: number }[];
  resumes: string[];
  problems: { status: number; code?: string; requestId?: string }[];
  ends: number;
  cursor: string;
}

/** Follows the scripted stream in a page that has nothing else, as another project would. */
async function followIn(page: Page, options: Record<string, unknown> = {}): Promise<void> {
  await page.evaluate(async (options) => {
    // The name is put together so that nobody resolves it before the browser does.
    const { follow } = await import(["/client", "js"].join("."));
    const seen = { offsets: [], states: [], resumes: [], problems: [], ends: 0 } as unknown as Seen;
    const stream = follow("/geo/geostream/events", {
      ...options,
      onRecord: (record: { offset: number }) => seen.offsets.push(record.offset),
      onReady: (ready: { resume: string }) => seen.resumes.push(ready.resume),
      onState: (state: Seen["states"][number]) => seen.states.push({ ...state }),
      onError: (problem: Seen["problems"][number]) => seen.problems.push(problem),
      onEnd: () => seen.ends++,
    });
    Object.assign(globalThis, { seen, stream });
  }, options);
}

function seen(page: Page): Promise<Seen> {
  return page.evaluate(() => {
    const { seen, stream } = globalThis as unknown as { seen: Seen; stream: { cursor: string } };
    return { ...seen, cursor: stream.cursor };
  });
}

const state = async (page: Page) => (await seen(page)).states.at(-1)?.name;

/** Waits until the page knows its place in the log: what is sent from now on cannot be missed. */
async function isOpen(page: Page): Promise<void> {
  await eventually("the stream", async () => await state(page) === "open");
}

function position(service: ScriptedService, count = 1): void {
  for (let i = 0; i < count; i++) service.position({ name: "a", lat: 52, lon: 13 });
}

Deno.test({
  name: "follow() of /client.js, in Chromium",
  ignore: requires("chromium").ignore,
  fn: async (t) => {
    await using browser = await TestBrowser.launch();
    const step = (name: string, run: (service: ScriptedService, page: Page) => Promise<void>) =>
      t.step(name, async () => {
        await using service = new ScriptedService();
        await browser.page(`${service.url}/client.js`, (page) => run(service, page));
      });

    await step(
      "brings each record once and in order over broken connections, going on at the last id",
      async (service, page) => {
        service.repeats = 3; // as a server that sends an id only with the last of several records
        await followIn(page);
        await isOpen(page);
        for (let round = 1; round <= 6; round++) {
          position(service, 5);
          service.tell("bye", { retry: 10 });
          service.disconnect();
          position(service, 2);
          await eventually("all records", async () => (await seen(page)).offsets.length >= 7 * round);
        }
        const { offsets, cursor } = await seen(page);
        assertEquals(offsets, Array.from({ length: 42 }, (_, i) => i));
        assertEquals(cursor, "v1.0badcafe.0:41");
        assertEquals(service.opened[0]?.get("cursor"), null);
        assertEquals(service.opened[1]?.get("cursor"), "v1.0badcafe.0:4");
      },
    );

    await step("waits longer after each refusal, says until when, and comes back", async (service, page) => {
      service.refuseStream = () => new Response("no", { status: 503 });
      await followIn(page);
      await eventually("the second refusal", async () => (await seen(page)).problems.length >= 2);
      service.refuseStream = null;
      const waits = (await seen(page)).states.filter(({ name }) => name === "waiting");
      const [first = NaN, second = NaN] = waits.map(({ since, retryAt }) => (retryAt ?? NaN) - since);
      assert(first >= 900 && first <= 3_100, `the first wait is ${first} ms`);
      assert(second >= 1_900 && second <= 6_100, `the second wait is ${second} ms`);
      await isOpen(page);
    });

    await step(
      "fails for good when it asks for what there is not, with the server's problem",
      async (service, page) => {
        const problem = { title: "Unknown topic", status: 404, code: "unknown-topic" };
        service.refuseStream = () => Response.json(problem, { status: 404 });
        await followIn(page);
        await eventually("the failure", async () => await state(page) === "failed");
        const [told] = (await seen(page)).problems;
        assertEquals([told?.status, told?.code], [404, "unknown-topic"]);
        assert(told?.requestId);
        assertEquals(service.opened.length, 2); // the stream, and the question why
      },
    );

    await step("ends with the event `end`, and with a 204", async (service, page) => {
      await followIn(page);
      await isOpen(page);
      service.tell("end", {});
      await eventually("the end", async () => await state(page) === "ended");
      assertEquals((await seen(page)).ends, 1);
      service.refuseStream = () => new Response(null, { status: 204 });
      await followIn(page);
      await eventually("the second end", async () => await state(page) === "ended");
      assertEquals((await seen(page)).problems, []);
    });

    await step(
      "goes on after a reload of the page where it was, if told to remember",
      async (service, page) => {
        await followIn(page, { remember: "place" });
        await isOpen(page);
        position(service, 3);
        await eventually("the records", async () => (await seen(page)).offsets.length === 3);
        await page.goto("about:blank");
        position(service, 2);
        await page.goto(`${service.url}/client.js`);
        await followIn(page, { remember: "place" });
        await eventually("what came meanwhile", async () => (await seen(page)).offsets.length === 2);
        assertEquals((await seen(page)).offsets, [3, 4]);
      },
    );

    await step("begins as asked when the server cannot read a remembered place", async (service, page) => {
      await page.evaluate(() => sessionStorage.setItem("place", "v0.of-old"));
      service.refuseStream = () =>
        service.opened.at(-1)?.get("cursor") === "v0.of-old"
          ? Response.json({ title: "Malformed cursor", status: 400 }, { status: 400 })
          : null;
      await followIn(page, { remember: "place", cursor: "earliest" });
      await isOpen(page);
      assertEquals(service.opened.at(-1)?.get("cursor"), "earliest");
    });

    await step("takes offsets again from a log that was made anew", async (service, page) => {
      await followIn(page);
      await isOpen(page);
      position(service, 3);
      await eventually("the records", async () => (await seen(page)).offsets.length === 3);
      service.repeats = 3;
      service.resume = { resume: "reset", reason: "another cluster" };
      service.tell("bye", { retry: 10 });
      service.disconnect();
      await eventually("the records again", async () => (await seen(page)).offsets.length === 6);
      assertEquals((await seen(page)).resumes, ["exact", "reset"]);
    });

    await step("keeps its place while paused, and goes on there", async (service, page) => {
      await followIn(page);
      await isOpen(page);
      await page.evaluate(() => (globalThis as unknown as { stream: { pause(): void } }).stream.pause());
      await eventually("the pause", () => service.viewers === 0);
      position(service, 4);
      assertEquals(await state(page), "paused");
      await page.evaluate(() => (globalThis as unknown as { stream: { resume(): void } }).stream.resume());
      await eventually("what was missed", async () => (await seen(page)).offsets.length === 4);
    });

    await step(
      "lets go when the page is put aside and fills the gap when it comes back",
      async (service, page) => {
        await followIn(page);
        await isOpen(page);
        const tell = (type: string) =>
          page.evaluate((type) => dispatchEvent(new PageTransitionEvent(type, { persisted: true })), type);
        await tell("pagehide");
        await eventually("nobody", () => service.viewers === 0);
        position(service, 3);
        await tell("pageshow");
        await eventually("what was missed", async () => (await seen(page)).offsets.length === 3);
      },
    );

    await step("opens again when the computer has slept", async (service, page) => {
      await page.clock.install();
      await followIn(page);
      await isOpen(page);
      const connections = service.opened.length;
      await page.clock.fastForward(60_000); // timers that were due come once, late
      await eventually("a new connection", () => service.opened.length > connections);
      assertEquals(service.opened.at(-1)?.get("cursor"), "v1.0badcafe.0:-1");
    });

    await step("closes with its signal", async (service, page) => {
      await page.evaluate(async () => {
        const { follow } = await import(["/client", "js"].join("."));
        const life = new AbortController();
        follow("/geo/geostream/events", { signal: life.signal });
        Object.assign(globalThis, { life });
      });
      await eventually("the stream", () => service.viewers === 1);
      await page.evaluate(() => (globalThis as unknown as { life: AbortController }).life.abort());
      await eventually("nobody", () => service.viewers === 0);
    });
  },
});

Deno.test({
  name: "/client.js is imported by a page of another origin, and remembers several streams over its reload",
  ignore: requires("chromium").ignore,
  fn: async () => {
    await using service = await Service.open({ settings: { CORS_ORIGINS: "*" } });
    await using other = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      () => new Response("<!doctype html><title>Other</title>", { headers: { "content-type": "text/html" } }),
    );
    await using browser = await TestBrowser.launch();
    const post = async (topic: string, count: number) => {
      const body = JSON.stringify(Array.from({ length: count }, () => ({ name: "a", lat: 52, lon: 13 })));
      const headers = { "content-type": "application/json" };
      const response = await fetch(`${service.url}/producer/${topic}`, { method: "POST", headers, body });
      assertEquals(response.status, 200, await response.text());
    };
    const followBoth = (page: Page) =>
      page.evaluate(async (service) => {
        const { followAll } = await import(`${service}/client.js`);
        const told: { names: string[]; resumes: string[] } = { names: [], resumes: [] };
        const part = (topic: string) => ({
          url: `${service}/geo/${topic}/events`,
          onRecord: ({ offset }: { offset: number }) => told.names.push(`${topic}:${offset}`),
          onReady: ({ resume }: { resume: string }) => told.resumes.push(resume),
        });
        followAll([part("one"), part("two")], { remember: "both" });
        Object.assign(globalThis, { told });
      }, service.url);
    const told = (page: Page) =>
      page.evaluate(() => (globalThis as unknown as { told: { names: string[]; resumes: string[] } }).told);
    await post("one", 1);
    await post("two", 1);
    await browser.page(`http://127.0.0.1:${other.addr.port}/`, async (page, complaints) => {
      await followBoth(page);
      await eventually("both streams", async () => (await told(page)).resumes.join() === "fresh,fresh");
      await post("one", 2);
      await post("two", 1);
      await eventually("the records", async () => (await told(page)).names.length === 3);
      assertEquals((await told(page)).names.sort(), ["one:1", "one:2", "two:1"]);
      await page.goto("about:blank");
      await post("one", 1);
      await post("two", 2);
      await page.goto(`http://127.0.0.1:${other.addr.port}/`);
      await followBoth(page);
      await eventually("what came meanwhile", async () => (await told(page)).names.length === 3);
      assertEquals((await told(page)).names.sort(), ["one:3", "two:2", "two:3"]);
      assertEquals((await told(page)).resumes, ["exact", "exact"]);
      assertEquals(complaints, []);
    });
  },
});
