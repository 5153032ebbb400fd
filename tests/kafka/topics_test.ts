import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import {
  frameRecord,
  isTopicName,
  newPosition,
  Position,
  PositionInput,
  positionRecord,
  videoTopicConfigs,
} from "../../kafka/topics.ts";

Deno.test("isTopicName() takes what Kafka takes", () => {
  for (const name of ["a", "geostream", "A.b_c-9", "...", ".a", "x".repeat(249)]) {
    assert(isTopicName(name), name);
  }
  const wrong = ["", ".", "..", "a b", "a/b", "a\n", "größe", "a:b", "a,b", "x".repeat(250), "a\0"];
  for (const name of wrong) assert(!isTopicName(name), JSON.stringify(name));
});

Deno.test("videoTopicConfigs() bounds a topic by time and bytes, in segments that Kafka can let go of", () => {
  const hour = videoTopicConfigs({
    videoRetentionMs: 3_600_000,
    videoRetentionBytes: 2 ** 30,
    maxFrameBytes: 900 * 1024,
  });
  assertEquals(hour, {
    "cleanup.policy": "delete",
    "retention.ms": "3600000",
    "retention.bytes": "1073741824",
    "segment.ms": "450000",
    "segment.bytes": String(64 * 2 ** 20),
    "max.message.bytes": "1048588",
  });
  const small = videoTopicConfigs({
    videoRetentionMs: 1_000,
    videoRetentionBytes: 2 ** 20,
    maxFrameBytes: 2 ** 22,
  });
  assertEquals([small["segment.ms"], small["segment.bytes"]], ["10000", "1048576"]);
  assertEquals(small["max.message.bytes"], String(2 ** 22 + 65_536));
  const all = videoTopicConfigs({ videoRetentionMs: -1, videoRetentionBytes: -1, maxFrameBytes: 1_024 });
  assertEquals([all["retention.ms"], all["retention.bytes"]], ["-1", "-1"]);
  assertEquals([all["segment.ms"], all["segment.bytes"]], ["3600000", String(64 * 2 ** 20)]);
});

Deno.test("PositionInput takes a name and a place inside ±90 and ±180 degrees", () => {
  const takes = (input: unknown) => PositionInput.safeParse(input).success;
  assert(takes({ name: "a", lat: 0, lon: 0 }));
  assert(takes({ name: "Straßenbahn 世界 #1", lat: 89.999, lon: -179.999 }));
  const wrong: unknown[] = [
    { lat: 0, lon: 0 },
    { name: "", lat: 0, lon: 0 },
    { name: "x".repeat(201), lat: 0, lon: 0 },
    { name: "two\nlines", lat: 0, lon: 0 },
    { name: "line\u2028separator", lat: 0, lon: 0 },
    { name: "nul\0", lat: 0, lon: 0 },
    { name: 1, lat: 0, lon: 0 },
    { name: "a", lat: 90, lon: 0 },
    { name: "a", lat: -90, lon: 0 },
    { name: "a", lat: 0, lon: 180 },
    { name: "a", lat: 0, lon: -180 },
    { name: "a", lat: "1", lon: 0 },
    { name: "a", lat: null, lon: 0 },
    { name: "a", lat: NaN, lon: 0 },
    { name: "a", lat: Infinity, lon: 0 },
    { name: "a", lat: 0, lon: 0, alt: 3 },
    null,
    [],
    "a",
  ];
  for (const input of wrong) assert(!takes(input), JSON.stringify(input));
});

Deno.test("newPosition() gives an id of its own and the time in UTC", () => {
  const input = { name: "tram", lat: 1, lon: 2 };
  const position = newPosition(input, 1_700_000_000_123);
  assertEquals(position.timestamp, "2023-11-14T22:13:20.123Z");
  assertMatch(
    position.message_id,
    /^tram_[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  assertNotEquals(newPosition(input, 0).message_id, position.message_id);
});

Deno.test("positionRecord() is keyed by name, holds the five fields and has the position's time", () => {
  const position = newPosition({ name: "tram", lat: 1.5, lon: -2.5 }, 1_700_000_000_123);
  const { key, value, timestamp } = positionRecord(position);
  assertEquals([key, timestamp], ["tram", 1_700_000_000_123]);
  assertEquals(JSON.parse(value), position);
  assertEquals(Object.keys(JSON.parse(value)).toSorted(), ["lat", "lon", "message_id", "name", "timestamp"]);
  assertEquals(Position.parse(JSON.parse(value)), position);
});

Deno.test("frameRecord() holds the JPEG as it is, and says when and where it was captured", () => {
  const jpeg = Uint8Array.of(0xff, 0xd8, 0xff, 0xd9);
  assertEquals(frameRecord({ name: "door", jpeg, capturedAt: 1_700_000_000_123, source: "camera 1" }), {
    key: "door",
    value: jpeg,
    headers: { "content-type": "image/jpeg", "captured-at": "1700000000123", source: "camera 1" },
    timestamp: 1_700_000_000_123,
  });
});
