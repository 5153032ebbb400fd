/** The service is killed and started again under hundreds of viewers that follow it with `/client.js`, outside of a browser.
 *
 * `TAILRACE_FOLLOWERS=500 deno test -A tests/pages/restart_test.ts`; without it there are 100. With `TAILRACE_GRACEFUL=1` it is
 * asked to stop instead of killed, says `bye`, and everyone stays away for longer. Left out: restarts of Kafka
 * alone (tests/model/), the page's own coming back (geo_test.ts).
 * @module */
import { assert, assertEquals, assertLess } from "@std/assert";
import { follow } from "../../static/shared/stream.js";
import { eventually } from "../eventually.ts";
import { Service } from "../service.ts";

const followers = Number(Deno.env.get("TAILRACE_FOLLOWERS") ?? 100);
const isGraceful = Deno.env.get("TAILRACE_GRACEFUL") === "1";
const names = ["a", "b", "c"];
const slotMs = 250;

/** What one of them saw. */
class Follower {
  readonly ids: string[] = [];
  readonly resumes: string[] = [];
  readonly gaps: unknown[] = [];
  /** For how long it meant to wait before each try, ms. */
  readonly waits: number[] = [];
  readonly stream;
  /** ms since the epoch, when its stream was there again. */
  backAt = 0;

  constructor(url: string, signal: AbortSignal) {
    this.stream = follow(url, {
      signal,
      onRecord: (record: { message_id: string }) => this.ids.push(record.message_id),
      onReady: ({ resume }) => {
        this.resumes.push(resume);
        this.backAt = Date.now();
      },
      onGap: (gap) => this.gaps.push(gap),
      onState: ({ name, retryAt, since }) => {
        if (name === "waiting" && retryAt !== null) this.waits.push(retryAt - since);
      },
    });
  }
}

async function post(service: Service, count: number): Promise<string[]> {
  const body = Array.from(
    { length: count },
    (_, i) => ({ name: names[i % 3], lat: 52.5, lon: 13.4 + i / 1e4 }),
  );
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${service.url}/producer/geostream`, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  });
  const stored = await response.json() as { message_id: string }[];
  assertEquals(response.status, 200);
  return stored.map(({ message_id }) => message_id);
}

/** How many came back in each quarter of a second, one line each. */
function histogram(delaysMs: readonly number[]): string {
  const slots = new Map<number, number>();
  for (const ms of delaysMs) {
    slots.set(Math.floor(ms / slotMs), (slots.get(Math.floor(ms / slotMs)) ?? 0) + 1);
  }
  const most = Math.max(...slots.values());
  return Array.from({ length: Math.max(...slots.keys()) + 1 }, (_, i) => {
    const n = slots.get(i) ?? 0;
    return `  ${(i * slotMs / 1000).toFixed(2).padStart(5)} s ${"█".repeat(Math.ceil(n / most * 40))} ${n}`;
  }).join("\n");
}

Deno.test(`${followers} follow() over a killed service: each resumes exact, loses and repeats nothing, spread over the jitter`, async () => {
  await using service = await Service.open();
  const life = new AbortController();
  try {
    const stored = await post(service, 30);
    const url = `${service.url}/geo/geostream/events?cursor=earliest`;
    const all = Array.from({ length: followers }, () => new Follower(url, life.signal));
    const haveAll = (what: string) =>
      eventually(what, () => all.every(({ ids }) => ids.length >= stored.length), undefined, () => ({
        records: stored.length,
        behind: all.filter(({ ids }) => ids.length < stored.length).length,
        states: [...new Set(all.map(({ stream }) => stream.state.name))],
        log: service.log().slice(-2_000),
      }));
    await haveAll("the first records");

    if (isGraceful) await service.terminate();
    else await service.kill();
    const killedAt = Date.now();
    await eventually("everyone to notice", () => all.every(({ stream }) => stream.state.name !== "open"));
    await service.start();
    const upMs = Date.now() - killedAt;
    stored.push(...await post(service, 60));
    await eventually("everyone to be back", () => all.every(({ resumes }) => resumes.length >= 2), 120_000);
    await haveAll("what came meanwhile");
    stored.push(...await post(service, 30));
    await haveAll("what comes live");

    for (const { ids, resumes, gaps } of all) {
      assertEquals(ids, stored);
      assertEquals([new Set(resumes.slice(1)), gaps.length], [new Set(["exact"]), 0]);
    }
    const delays = all.map(({ backAt }) => backAt - killedAt).sort((a, b) => a - b);
    console.log(
      `${isGraceful ? "stopped" : "killed"}, up again after ${upMs} ms; ${followers} came back:\n${
        histogram(delays)
      }`,
    );
    // By what they meant to wait: when they were back goes by how busy the machine was, too.
    const waits = all.map(({ waits }) => waits[0] ?? NaN).sort((a, b) => a - b);
    const fullest = Math.max(
      ...waits.map((from) => waits.filter((ms) => ms >= from && ms < from + slotMs).length),
    );
    // The first wait is spread over two seconds: an eighth of them in each quarter of a second, give or take chance.
    assertLess(fullest, followers * 0.35 + 10);
    assert(waits.at(-1)! - waits[0]! > 1_000, `all waits are within ${waits.at(-1)! - waits[0]!} ms`);
  } finally {
    life.abort();
  }
});
