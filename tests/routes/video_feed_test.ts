import { assertEquals, assertThrows } from "@std/assert";
import { StreamError } from "../../errors.ts";
import { SharedRecord } from "../../kafka/feed.ts";
import type { KafkaRecord } from "../../kafka/fetch_response.ts";
import {
  forStream,
  type FrameEvent,
  frameFeed,
  frameMessage,
  framesWire,
  mjpegImages,
  mjpegWire,
  readFps,
  readFrameMessage,
} from "../../routes/video_feed.ts";
import { numberedJpeg } from "../jpegs.ts";

const encoder = new TextEncoder();
const jpeg = numberedJpeg(7, { width: 64, height: 48 });

function record(overrides: Partial<KafkaRecord> = {}): KafkaRecord {
  return {
    partition: 2,
    offset: 41,
    timestamp: 1_700_000_000_500,
    key: encoder.encode("cam"),
    value: jpeg,
    headers: { "captured-at": encoder.encode("1700000000123"), source: encoder.encode("test") },
    ...overrides,
  } as KafkaRecord;
}

function shared(of: KafkaRecord): SharedRecord {
  return new SharedRecord("t", of, "v1.00000000.2:41");
}

Deno.test("frameFeed tells what a record says of its picture", () => {
  assertEquals(shared(record()).shown(frameFeed)?.data, {
    topic: "t",
    partition: 2,
    offset: 41,
    frame: "2:41",
    timestamp: 1_700_000_000_500,
    capturedAt: 1_700_000_000_123,
    name: "cam",
    source: "test",
    bytes: jpeg.length,
    width: 64,
    height: 48,
  });
});

Deno.test("frameFeed takes what foreign producers write, and passes over what is no picture", () => {
  const plain = shared(record({ key: null, headers: {} })).shown(frameFeed)!.data;
  assertEquals([plain.name, plain.source, plain.capturedAt], [null, null, 1_700_000_000_500]);
  const headers = { "captured-at": encoder.encode("yesterday"), source: [encoder.encode("a"), null] };
  const odd = shared(record({ headers })).shown(frameFeed)!.data;
  assertEquals([odd.capturedAt, odd.source], [1_700_000_000_500, "a"]);
  let passedOver = 0;
  for (const value of [null, new Uint8Array(), encoder.encode("{}"), jpeg.subarray(0, jpeg.length / 2)]) {
    const one = new SharedRecord("t", record({ value }), null, () => passedOver++);
    assertEquals(one.shown(frameFeed), null);
  }
  assertEquals(passedOver, 4);
});

Deno.test("mjpegWire writes a part and the boundary behind it, once for all viewers", () => {
  const one = shared(record());
  const part = one.event(frameFeed, mjpegWire) as Uint8Array;
  const head = "Content-Type: image/jpeg\r\n" + `Content-Length: ${jpeg.length}\r\n` +
    "X-Frame-Id: 2:41\r\nX-Timestamp: 1700000000.123\r\n\r\n";
  const expected = [...encoder.encode(head), ...jpeg, ...encoder.encode("\r\n--frame\r\n")];
  assertEquals([...part], expected);
  assertEquals(one.event(frameFeed, mjpegWire) === part, true);
  assertEquals(mjpegWire.event("gap", "{}", null), null);
});

Deno.test("mjpegImages writes a picture with the head of the next one behind it", async () => {
  const head = "--frame\r\nContent-Type: image/jpeg\r\n\r\n";
  const part = shared(record()).event(frameFeed, mjpegImages.wire) as Uint8Array;
  assertEquals(new TextDecoder().decode(mjpegImages.beginning), head);
  assertEquals(part, await new Blob([jpeg, "\r\n", head]).bytes());
});

Deno.test("framesWire writes a header of 32 bytes, big-endian, and the picture", () => {
  const message = shared(record()).event(frameFeed, framesWire) as Uint8Array;
  const view = new DataView(message.buffer);
  assertEquals([...message.subarray(0, 4)], [0x54, 0x52, 1, 0]);
  assertEquals([view.getUint32(4), view.getBigInt64(8), view.getBigInt64(16)], [2, 41n, 1_700_000_000_123n]);
  assertEquals([view.getUint32(24), view.getUint32(28)], [0, jpeg.length]);
  assertEquals(message.subarray(32), jpeg);
  assertEquals(
    framesWire.event("gap", '{"partition":0}', "id"),
    '{"type":"gap","partition":0,"cursor":"id"}',
  );
  assertEquals(framesWire.event("bye", "{}", null), '{"type":"bye"}');
  assertEquals(framesWire.event("end", '{"cursor":"id"}', "id.end"), '{"type":"end","cursor":"id.end"}');
});

Deno.test("readFrameMessage() reads what frameMessage() makes, and nothing else", () => {
  const header = { partition: 1, offset: 2 ** 40, capturedAt: -1, stream: 9 };
  const message = frameMessage(header, jpeg);
  assertEquals(readFrameMessage(message), { header, jpeg });
  const other = forStream(message, 3);
  assertEquals(readFrameMessage(other)?.header.stream, 3);
  assertEquals(readFrameMessage(message)?.header.stream, 9, "the shared bytes are not touched");
  const inside = new Uint8Array([9, ...message]).subarray(1);
  assertEquals(readFrameMessage(inside)?.header, header);
  assertEquals(readFrameMessage(jpeg), null);
  assertEquals(readFrameMessage(message.subarray(0, 31)), null);
  assertEquals(readFrameMessage(message.subarray(0, message.length - 1)), null);
  const version2 = message.slice();
  version2[2] = 2;
  assertEquals(readFrameMessage(version2), null);
});

Deno.test("fps= thins frames out by their own time, at the right rate on average, however often it is asked", () => {
  const shownOf = (fps: string, from: number, everyMs: number, count: number) => {
    const pick = readFps(fps)!;
    const shown: number[] = [];
    for (let n = 0; n < count; n++) {
      const frame = { frame: `0:${n}`, timestamp: from + n * everyMs } as FrameEvent;
      const isShown = pick(frame, record());
      assertEquals(pick(frame, record()), isShown, "asking twice changes nothing");
      if (isShown) shown.push(n);
    }
    return shown;
  };
  assertEquals(shownOf("5", 1_000_000, 40, 25), [0, 5, 10, 15, 20]);
  assertEquals(shownOf("30", 1_000_000, 40, 100).length, 100, "no more than there are");
  assertEquals(shownOf("10", 1_000_003, 40, 25 * 3_600).length, 36_000);
  assertEquals(readFps(null), undefined);
  for (const fps of ["", "0", "-1", "NaN", "fast", "1001"]) {
    assertThrows(() => readFps(fps), StreamError, "0.01 to 1000");
  }
});
