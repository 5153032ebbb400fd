/** What a viewer of likes in windows may rely on, whichever Kafka is behind them: one suite, run by the test files beside it.
 *
 * The service is the real one in a process of its own, with its usual windows. Time is that of the records, two hours ago, so nobody waits
 * for a window to end. Left out: several instances (windows.ts), crashes (tests/crash/), Socket.IO (tests/interop/).
 * @module */
import { assert, assertEquals } from "@std/assert";
import { concurrently, postJson, SseClient, type SseEvent, WsClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import type { Ground } from "./geo.ts";

const minute = 60_000, clicksTopic = "video_clicks_ingestion";
const sizes = [["1m", 1], ["5m", 5], ["10m", 10]] as const;
const ids = ["likes a", "likes,b"] as const;
/** Likes of each id by minute. */
const likes = [[1, 2, 0, 4, 5, 1, 0, 0, 3, 9], [0, 0, 7, 0, 0, 1, 1, 1, 0, 0]] as const;

/** Registers the suite.
 * @param on the kind of Kafka, for the tests' names
 * @param ignore whether the machine has not got it
 * @param ground the service; asked for inside the tests only */
export function aggregationsContract(on: string, ignore: boolean, ground: () => Ground): void {
  Deno.test({
    name:
      `likes in windows on ${on}: what is posted is counted, told now, as it fills and when it is finished, once`,
    ignore,
    fn: () => windows(ground()),
  });
}

async function windows({ service }: Ground): Promise<void> {
  const start = Math.floor(Date.now() / (10 * minute) - 12) * 10 * minute;
  const query = ids.map((id) => `id=${encodeURIComponent(id)}`).join("&");
  const url = `${service.url}/aggregations/events?${query}`;
  const { partitions } = await eventually("the topic of clicks", async () => {
    const response = await fetch(`${service.url}/topics/${clicksTopic}`);
    const topic = await response.json();
    return response.ok && topic;
  });
  const click = async (clicks: readonly { value: string; timestamp: number }[], everywhere = false) => {
    const records = everywhere
      ? clicks.flatMap((one) => partitions.map((_: unknown, partition: number) => ({ ...one, partition })))
      : clicks.map((one, i) => ({ ...one, partition: i % partitions.length }));
    const answer = await postJson(`${service.url}/topics/${clicksTopic}/records`, { records });
    assertEquals(answer.status, 201, JSON.stringify(answer.body));
  };
  await using viewer = await SseClient.open(url);
  await viewer.first("ready", () => true, 30_000);
  await using counter = await WsClient.open(`${service.url}/aggregations/socket`);
  counter.socket.send(JSON.stringify({ event: "register_room", data: { rooms: [ids[0]] } }));
  counter.socket.send(JSON.stringify({ event: "consume_10_min_aggregations", data: {} }));

  const all = ids.flatMap((id, i) =>
    likes[i]!.flatMap((count, m) =>
      Array.from({ length: count }, (_, n) => ({ value: id, timestamp: start + m * minute + n * 1_000 }))
    )
  ).sort((a, b) => a.timestamp - b.timestamp);
  await click(all);
  const open = (
    { video_uid, size, final, count }: { video_uid: string; size: string; final: boolean; count: number },
  ) => video_uid === ids[0] && size === "10m" && !final && count === 25;
  await viewer.first("window", open, 60_000);
  await click([{ value: "somebody else", timestamp: start + 10 * minute + 11_000 }], true);
  const wanted = truth(start).toSorted();
  await eventually(
    "all windows",
    () => finals(viewer.events).length >= wanted.length,
    60_000,
    () => finals(viewer.events),
  );
  assertEquals(finals(viewer.events).toSorted(), wanted);
  await counter.first(
    "the counter's event",
    ({ event, data }) => event === "live_aggregations_10" && data.id === ids[0] && data.count === 25,
  );
  for (const [i, id] of ids.entries()) {
    const body = await (await fetch(`${service.url}/aggregations/${encodeURIComponent(id)}`)).json();
    const told = body.aggregations.flatMap(({ windows }: { windows: object[] }) => windows).map(text);
    assertEquals(told.toSorted(), truth(start).filter((one) => one.includes(` ${ids[i]} `)).toSorted());
  }
  await concurrently(viewer.events, 4, async ({ id }, index) => {
    const seen = finals(viewer.events.slice(0, index + 1));
    await using resumed = await SseClient.open(url, { lastEventId: id });
    await eventually(
      "the rest",
      () => seen.length + finals(resumed.events).length >= wanted.length && resumed.all("ready").length > 0,
    );
    assertEquals([...seen, ...finals(resumed.events)].toSorted(), wanted, `cut after event ${index}`);
  });

  await click([{ value: ids[0], timestamp: start + 1 }]);
  const late = await viewer.first("window", ({ size, late }) => size === "1m" && late === 1, 60_000);
  assertEquals([late.count, late.window_start], [1, start]);
  const posted = await postJson(`${service.url}/videos/${encodeURIComponent(ids[1])}/likes`, {});
  assertEquals(posted.status, 202);
  const now = await viewer.first(
    "window",
    ({ size, window_end }) => size === "10m" && window_end > posted.body.timestamp,
    60_000,
  );
  assertEquals([now.video_uid, now.count, now.final], [ids[1], 1, false]);
  await using fresh = await SseClient.open(url);
  const isOpen = (size: string) => ({ video_uid, final, size: own }: Record<string, unknown>) =>
    video_uid === ids[1] && !final && own === size;
  // Finished ones come before the open ones of all sizes.
  for (const [size] of sizes) await fresh.first("window", isOpen(size), 60_000);
  const first = fresh.all("window").filter(({ final, size }) => final && size === "10m");
  assertEquals(first.map(({ count, late }) => [count, late]), [[25, 1], [10, 0]]);
  assert(fresh.all("window").some(({ video_uid, final }) => video_uid === ids[1] && !final));
}

/** The windows that there have to be, as `text` says them. */
function truth(start: number): string[] {
  return ids.flatMap((video_uid, i) =>
    sizes.flatMap(([size, minutes]) =>
      Array.from({ length: 10 / minutes }, (_, n) => {
        const count = likes[i]!.slice(n * minutes, (n + 1) * minutes).reduce<number>(
          (sum, likes) => sum + likes,
          0,
        );
        return text({
          size,
          video_uid,
          window_start: start + n * minutes * minute,
          window_end: start + (n + 1) * minutes * minute,
          count,
        });
      }).filter((one) => !one.endsWith(" 0"))
    )
  );
}

/** Finished windows that came from the log. */
function finals(events: readonly SseEvent[]): string[] {
  return events.filter(({ event }) => event === "window").map(({ data }) => JSON.parse(data))
    .filter(({ offset }) => offset !== undefined).map(text);
}

// deno-lint-ignore no-explicit-any
function text({ video_uid, window_start, window_end, count }: any): string {
  return `${(window_end - window_start) / minute} ${video_uid} ${
    new Date(window_start).toISOString()
  } ${count}`;
}
