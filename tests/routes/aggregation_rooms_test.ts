import { assertEquals, assertStrictEquals } from "@std/assert";
import type { WindowCount } from "../../kafka/processors/windows/types.ts";
import { type RoomMember, Rooms, SharedWindow } from "../../routes/aggregation_rooms.ts";
import { ShownWindows } from "../../routes/aggregation_shown.ts";
import { MadeAggregations, usualSizes } from "./made_aggregations.ts";

const minute = 60_000, [size] = usualSizes as [typeof usualSizes[number]];

/** Keeps what it is told. */
class Member implements RoomMember {
  readonly all: SharedWindow[] = [];
  filled(window: SharedWindow): void {
    this.all.push(window);
  }
  finished(window: SharedWindow): void {
    this.all.push(window);
  }
}

function shared(start: number, count: number, final = false): SharedWindow {
  const bounds = { window_start: start, window_end: start + size.ms };
  const window: WindowCount = { type: size.type, video_uid: "a", count, ...bounds, late: 0, final };
  return new SharedWindow(window, size);
}

Deno.test("Rooms hands one window, encoded once, to all members of a video, and listens while there are any", () => {
  const made = new MadeAggregations([size]), rooms = new Rooms(made);
  made.now = () => 12_345;
  let listeners = 0;
  const listen = made.listen.bind(made);
  made.listen = (listener) => {
    listeners++;
    const stop = listen(listener);
    return () => {
      listeners--;
      stop();
    };
  };
  const [a, b, other] = [new Member(), new Member(), new Member()];
  rooms.join("a", a);
  rooms.join("a", b);
  rooms.join("b", other);
  made.like("a", 0, 3);
  made.like("c", 0);
  made.close(minute + made.graceMs);
  made.like("a", 0); // late: told to nobody
  assertEquals(a.all.map(({ window: { count, final } }) => [count, final]), [[3, false], [3, true]]);
  assertEquals([b.all.length, other.all.length, listeners], [2, 0, 1]);
  a.all.forEach((window, i) => assertStrictEquals(window, b.all[i]));
  assertEquals(JSON.parse(a.all[0]!.json).timestamp, 12_345, "when it was counted");
  assertEquals(JSON.parse(a.all[1]!.json), {
    type: "1min",
    size: "1m",
    video_uid: "a",
    count: 3,
    window_start: 0,
    window_end: minute,
    late: 0,
    final: true,
  });
  assertEquals(JSON.parse(a.all[1]!.live), { event: "live_aggregations_1", data: { id: "a", count: 3 } });
  for (const [id, member] of [["a", a], ["a", b], ["b", other], ["b", other]] as const) {
    rooms.leave(id, member);
  }
  assertEquals([rooms.size, listeners], [0, 0]);
});

Deno.test("ShownWindows holds the newest open window of each video, and none that was told as finished", () => {
  const shown = new ShownWindows();
  for (let count = 1; count <= 1_000; count++) shown.wait(shared(0, count));
  assertEquals(shown.takeWaiting().map(({ window }) => window.count), [1_000]);
  assertEquals(shown.hasWaiting, false);
  shown.wait(shared(0, 1_001));
  assertEquals(shown.finish("1m a", 0, 0), true);
  assertEquals(shown.hasWaiting, false, "it is over meanwhile");
  shown.wait(shared(0, 1_001));
  assertEquals(shown.hasWaiting, false, "who counts told it later");
  shown.wait(shared(minute, 1));
  assertEquals(shown.takeWaiting().length, 1);
});

Deno.test("ShownWindows tells a window that was greeted once more only with more late events, or when asked for", () => {
  const shown = new ShownWindows();
  shown.greet(shared(0, 5, true));
  assertEquals([shown.finish("1m a", 0, 0), shown.finish("1m a", 0, 2), shown.finish("5m a", 0, 0)], [
    false,
    true,
    true,
  ]);
  shown.forgetGreeted();
  assertEquals(shown.finish("1m a", 0, 0), true);
});
