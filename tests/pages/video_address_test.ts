/** What the page of video reads from and writes into addresses and cursors, without a browser. @module */
import { assertEquals } from "@std/assert";
import { addressOf, mostTiles, readUrl } from "../../static/video/page_url.js";
import { placeAfter } from "../../static/video/player.js";

const usual = { topic: null, wall: null, speed: 1, isLive: false, at: null };

Deno.test("addressOf() says what is shown, and readUrl() reads it back", () => {
  const states: readonly [string, Parameters<typeof addressOf>[0]][] = [
    ["/video", usual],
    ["/video/cam", { ...usual, topic: "cam" }],
    ["/video/cam?speed=0.25", { ...usual, topic: "cam", speed: 0.25 }],
    ["/video/cam?live=1", { ...usual, topic: "cam", isLive: true }],
    ["/video/cam?at=1768000000123&speed=8", { ...usual, topic: "cam", at: 1_768_000_000_123, speed: 8 }],
    ["/video?wall=cam,door.2", { ...usual, wall: ["cam", "door.2"] }],
    ["/video?wall=", { ...usual, wall: [] }],
  ];
  for (const [address, state] of states) {
    assertEquals(addressOf(state), address);
    const { pathname, search } = new URL(address, "http://localhost");
    assertEquals(readUrl({ pathname, search }), state);
  }
});

Deno.test("readUrl() leaves out what cannot be shown", () => {
  const read = (search: string) => readUrl({ pathname: "/video/cam", search });
  const one = { ...usual, topic: "cam" };
  for (const search of ["?speed=3", "?speed=fast", "?at=soon", "?at=-5", "?at=1.5", "?live=yes"]) {
    assertEquals(read(search), one, search);
  }
  assertEquals(read("?wall=a,a,not%20a%20name,..,b").wall, ["a", "b"]);
  assertEquals(read(`?wall=${[..."abcdefghijkl"].join(",")}`).wall?.length, mostTiles);
});

Deno.test("placeAfter() is exact where a frame's place in all partitions is known, and else leaves out no frame", () => {
  const still = { partition: 1, offset: 7, capturedAt: 5_000, cursor: "" };
  const one = "v1.0badcafe.0:99", three = "v1.0badcafe.0:10,1:99,2:-1";
  assertEquals(placeAfter({ ...still, cursor: three }, one), three, "it came with the stream");
  assertEquals(placeAfter({ ...still, partition: 0 }, one), "v1.0badcafe.0:7", "there is one partition");
  assertEquals(placeAfter(still, three, true), "v1.0badcafe.0:10,1:7,2:-1", "a step from a known place");
  assertEquals(placeAfter(still, three), "t.5000", "a seek: where the others are then is not known");
  assertEquals(placeAfter(still, ""), "t.5000", "nothing is known");
  assertEquals(placeAfter(still, "", true), "", "a step from where nothing is known");
});
