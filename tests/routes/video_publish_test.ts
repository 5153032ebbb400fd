import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual, assertMatch } from "@std/assert";
import { inspectJpeg } from "../../kafka/jpeg.ts";
import { joined, jpegFixture, numberedJpeg, numberOf } from "../jpegs.ts";
import { Random } from "../random.ts";
import { inPieces, multipart, postFrames, storedFrames } from "./frames.ts";
import { problem, TestService } from "./test_service.ts";

const fixtures = ["baseline", "progressive", "exif_thumbnail", "restart_markers"] as const;
const multipartType = { "content-type": "multipart/x-mixed-replace; boundary=cam" };

/** Numbered frames from 0 on. */
function numbered(count: number, shape = {}): Uint8Array<ArrayBuffer>[] {
  return Array.from({ length: count }, (_, n) => numberedJpeg(n, shape));
}

Deno.test("POST frames stores one JPEG as it is, with its name, its time and where it is from", async () => {
  await using service = await TestService.open();
  const before = Date.now();
  for (const [n, name] of fixtures.entries()) {
    const body = jpegFixture(name), type = ["image/jpeg", "application/octet-stream"][n % 2]!;
    const response = await postFrames(service, "cam/frames", body, { "content-type": type });
    assertEquals(response.status, 200);
    assertEquals(await response.json(), { frames: 1, bytes: body.length, frame: `0:${n}` });
  }
  const stored = await storedFrames(service, "cam");
  assertEquals(stored.map(({ jpeg }) => jpeg), fixtures.map((name) => jpegFixture(name)));
  for (const { key, headers, timestamp } of stored) {
    assertGreaterOrEqual(timestamp, before);
    assertEquals(key, "cam");
    assertEquals(headers, {
      "content-type": "image/jpeg",
      "captured-at": String(timestamp),
      source: "http",
    });
  }
});

Deno.test("POST frames takes the stream's name and source from the address, the time from X-Captured-At", async () => {
  await using service = await TestService.open();
  const address = "cam/frames?key=north%20door&source=Kamera%20n%C3%B6rdlich";
  await (await postFrames(service, address, numberedJpeg(1), { "x-captured-at": "1700000000123" })).body
    ?.cancel();
  const [frame] = await storedFrames(service, "cam");
  assertEquals([frame?.key, frame?.timestamp], ["north door", 1_700_000_000_123]);
  assertEquals([frame?.headers.source, frame?.headers["captured-at"]], ["Kamera nördlich", "1700000000123"]);
});

Deno.test("POST frames makes the topic with the retention of video", async () => {
  await using service = await TestService.open();
  await (await postFrames(service, "cam/frames", numberedJpeg(1))).body?.cancel();
  const { config } = await (await fetch(`${service.url}/topics/cam`)).json();
  assertEquals(config["retention.bytes"], { value: String(64 * 1024 * 1024), isDefault: false });
  assertEquals(config["segment.bytes"].isDefault, false);
});

Deno.test("POST frames takes JPEGs one behind the other, wherever the body is cut into pieces", async () => {
  await using service = await TestService.open();
  const frames = [...numbered(20), ...fixtures.map(jpegFixture), numberedJpeg(20, { bytes: 300_000 })];
  const random = new Random("POST frames in pieces"), whole = joined(...frames);
  for (let n = 0; n < 6; n++) {
    const most = [1_000, 20, 70_000][n % 3]!, topic = `pieces-${n}`;
    const body = inPieces(
      most === 20 ? joined(...frames.slice(0, -1)) : whole,
      () => random.between(1, most),
    );
    const response = await postFrames(service, `${topic}/frames`, body);
    const wanted = most === 20 ? frames.slice(0, -1) : frames;
    assertEquals(await response.json(), { frames: wanted.length, bytes: joined(...wanted).length });
    assertEquals((await storedFrames(service, topic)).map(({ jpeg }) => jpeg), wanted);
  }
});

Deno.test("POST frames takes the parts of a multipart, wherever the body is cut into pieces", async () => {
  await using service = await TestService.open();
  const frames = [...numbered(30), ...fixtures.map(jpegFixture)], random = new Random("multipart in pieces");
  const bodies = [multipart(frames), multipart(frames, { headers: () => "" })];
  for (let n = 0; n < 6; n++) {
    const body = inPieces(bodies[n % 2]!, () => random.between(1, [2_000, 50, 20_000][n % 3]!));
    const boundary = ["cam", '"cam"', "--cam"][n % 3]!;
    const headers = { "content-type": `multipart/x-mixed-replace;boundary=${boundary}` };
    const response = await postFrames(service, `parts-${n}/frames`, body, headers);
    assertEquals(await response.json(), { frames: frames.length, bytes: joined(...frames).length });
    assertEquals((await storedFrames(service, `parts-${n}`)).map(({ jpeg }) => jpeg), frames);
  }
});

Deno.test("POST frames takes the times of a multipart's parts, in seconds or ms, from clocks that it knows", async () => {
  await using service = await TestService.open();
  const lines = ["X-Timestamp: 1700000000.25", "x-timestamp: 1700000001000", "X-Captured-At: 1700000002000"];
  // A camera's time since its start, no time at all, none.
  lines.push("X-Timestamp: 5230.123456", "X-Timestamp: yesterday", "X-Other: 1");
  const body = multipart(numbered(lines.length), { headers: (n) => `${lines[n]}\r\n` }), before = Date.now();
  assertEquals((await (await postFrames(service, "cam/frames", body, multipartType)).json()).frames, 6);
  const times = (await storedFrames(service, "cam")).map(({ timestamp }) => timestamp);
  assertEquals(times.slice(0, 3), [1_700_000_000_250, 1_700_000_001_000, 1_700_000_002_000]);
  for (const time of times.slice(3)) assert(time >= before && time <= Date.now(), `${time}`);
});

Deno.test("POST frames refuses what is no JPEG by 415, and says what it found and what is stored", async () => {
  await using service = await TestService.open();
  const good = numberedJpeg(1), encoder = new TextEncoder();
  const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  const mp4 = joined([0, 0, 0, 0x20], encoder.encode("ftypM4A \0\0\0\0M4A mp42isom\0\0\0\0"));
  const wrong:
    readonly (readonly [what: string, body: Uint8Array<ArrayBuffer>, frames: number, detail: RegExp])[] = [
      ["nothing", new Uint8Array(0), 0, /frame 1: found nothing, wanted a JPEG/],
      ["text", encoder.encode("hello"), 0, /frame 1: found 68 65 6C 6C, wanted a JPEG/],
      ["a PNG", png, 0, /found 89 50 4E 47/],
      ["sound alone", mp4, 0, /found 20 66 74 79/],
      ["one that is cut", good.subarray(0, 100), 0, /frame 1: found a JPEG that breaks off after 100 bytes/],
      ["one that is cut, in its thumbnail", jpegFixture("exif_thumbnail").subarray(0, 800), 0, /breaks off/],
      ["a JPEG and rubbish", joined(good, encoder.encode("rubbish")), 1, /frame 2: found 72 75 62 62/],
      ["one that is cut, behind two", joined(good, good, good.subarray(0, 50)), 2, /frame 3: .* breaks off/],
      ["no picture", Uint8Array.of(0xff, 0xd8, 0xff, 0xd9), 0, /ends before its picture/],
    ];
  for (const [what, body, frames, detail] of wrong) {
    const told = await problem(await postFrames(service, "cam/frames", body), 415, "not-a-jpeg");
    assertMatch(told.detail, detail, what);
    assertEquals([told.frames, told.bytes], [frames, frames * good.length], what);
  }
  assertEquals((await storedFrames(service, "cam")).length, 3);
});

Deno.test("POST frames refuses a multipart that holds no JPEGs, or is none", async () => {
  await using service = await TestService.open();
  const post = (body: BodyInit, type = multipartType["content-type"]) =>
    postFrames(service, "cam/frames", body, { "content-type": type });
  const [good, rubbish] = [numberedJpeg(1), new TextEncoder().encode("rubbish")];
  const parts = await problem(await post(multipart([good, rubbish, good])), 415, "not-a-jpeg");
  assertEquals([parts.frames, parts.detail.slice(0, 34)], [1, "Cannot take frame 2: found 7 bytes"]);
  await problem(await post(""), 415, "not-a-jpeg");
  await problem(await post(good), 400, "malformed-multipart");
  await problem(await post(good, "multipart/x-mixed-replace"), 400, "malformed-multipart");
  const cut = await problem(
    await post(multipart([good, good]).subarray(0, -100)),
    400,
    "malformed-multipart",
  );
  assertEquals(cut.frames, 1);
});

Deno.test("POST frames refuses a frame over MAX_FRAME_BYTES by 413 with the number that is allowed", async () => {
  await using service = await TestService.open({ maxFrameBytes: 50_000 });
  const exact = numberedJpeg(1, { bytes: 50_000 }), larger = numberedJpeg(2, { bytes: 50_001 });
  assertEquals((await (await postFrames(service, "cam/frames", joined(exact, exact))).json()).frames, 2);
  const bodies = [[joined(exact, larger), {}], [multipart([exact, larger]), multipartType]] as const;
  for (const [body, headers] of bodies) {
    const told = await problem(
      await postFrames(service, "cam/frames", body, headers),
      413,
      "frame-too-large",
    );
    assertEquals([told.maxFrameBytes, told.frames, told.bytes], [50_000, 1, 50_000]);
    assertMatch(told.detail, /frame 2: .*at most 50000 are taken/);
  }
});

Deno.test("POST frames tells what a topic takes that takes less", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("small", 1, { "max.message.bytes": "20000" });
  const large = numberedJpeg(1, { bytes: 30_000 });
  const told = await problem(await postFrames(service, "small/frames", large), 413, "frame-too-large");
  assertMatch(told.detail, /at most \d+ bytes are taken there/);
  const exact = numberedJpeg(1, { bytes: told.maxFrameBytes });
  assertEquals((await (await postFrames(service, "small/frames", exact)).json()).frames, 1);
});

Deno.test("POST frames takes a picture of twenty megapixels where MAX_FRAME_BYTES lets it", async () => {
  await using service = await TestService.open({ maxFrameBytes: 12 * 1024 * 1024 });
  const large = numberedJpeg(7, { width: 5_472, height: 3_648, bytes: 10_000_000 });
  const response = await postFrames(service, "cam/frames", joined(large, large));
  assertEquals(await response.json(), { frames: 2, bytes: 20_000_000 });
  const [first] = await storedFrames(service, "cam");
  assertEquals(inspectJpeg(first!.jpeg), { width: 5_472, height: 3_648, isProgressive: false });
  await using usual = await TestService.open();
  await problem(await postFrames(usual, "cam/frames", large), 413, "frame-too-large");
});

Deno.test("POST frames is not bound by MAX_BODY_BYTES, other routes are", async () => {
  await using service = await TestService.open({ maxBodyBytes: 1_000 });
  const body = joined(...numbered(50)), pieces = inPieces(body, () => 500);
  for (const one of [body, pieces]) {
    assertEquals((await (await postFrames(service, "cam/frames", one)).json()).frames, 50);
  }
  await problem(
    await fetch(`${service.url}/topics/cam/records`, { method: "POST", body }),
    413,
    "body-too-large",
  );
});

Deno.test("POST frames refuses times in the future and what is no time by 422", async () => {
  await using service = await TestService.open();
  const good = numberedJpeg(1), ahead = String(Date.now() + 120_000);
  for (const found of ["yesterday", "0", "-5", "1.5", "1e12", ahead]) {
    const response = await postFrames(service, "cam/frames", good, { "x-captured-at": found });
    const told = await problem(response, 422, "invalid-captured-at");
    assertEquals(told.errors[0].pointer, "X-Captured-At");
  }
  const seconds = (Number(ahead) / 1000).toFixed(3);
  const body = multipart([good, good], { headers: (n) => n === 1 ? `X-Timestamp: ${seconds}\r\n` : "" });
  const told = await problem(
    await postFrames(service, "cam/frames", body, multipartType),
    422,
    "invalid-captured-at",
  );
  assertEquals([told.errors[0].pointer, told.frames], ["X-Timestamp", 1]);
  const soon = await postFrames(service, "cam/frames", good, {
    "x-captured-at": String(Date.now() + 30_000),
  });
  assertEquals((await soon.json()).frames, 1);
});

Deno.test("POST frames refuses names that cannot be, before it reads the body", async () => {
  await using service = await TestService.open();
  await problem(await postFrames(service, "a%20b/frames", numberedJpeg(1)), 400, "invalid-topic");
  const source = "s".repeat(201);
  await problem(
    await postFrames(service, `cam/frames?source=${source}`, numberedJpeg(1)),
    400,
    "invalid-source",
  );
  const named = await postFrames(service, "cam/frames?source=&key=", numberedJpeg(1));
  assertEquals((await named.json()).frames, 1);
  const [stored] = await storedFrames(service, "cam");
  assertEquals([stored?.key, stored?.headers.source], ["cam", "http"]);
});

Deno.test("POST frames is refused with Retry-After while there are as many connections as may be", async () => {
  await using service = await TestService.open({ maxConnections: 0 });
  const response = await postFrames(service, "cam/frames", numberedJpeg(1));
  assertEquals(response.headers.get("retry-after"), "10");
  await problem(response, 503, "too-many-connections");
});

Deno.test("POST frames counts frames by what became of them", async () => {
  await using service = await TestService.open();
  await (await postFrames(service, "cam/frames", joined(...numbered(7)))).body?.cancel();
  await (await postFrames(service, "cam/frames", joined(numberedJpeg(1), [1, 2, 3]))).body?.cancel();
  const text = await service.metrics.text();
  assertMatch(text, /posts_total\{topic="cam",outcome="acknowledged"\} 8/);
  assertMatch(text, /posts_total\{topic="cam",outcome="invalid"\} 1/);
});

Deno.test("PUT frames does what POST does, other methods are told which are taken", async () => {
  await using service = await TestService.open();
  const url = `${service.url}/video/cam/frames`;
  const put = await fetch(url, { method: "PUT", body: numberedJpeg(1) });
  assertEquals(await put.json(), { frames: 1, bytes: 185, frame: "0:0" });
  const deleted = await fetch(url, { method: "DELETE" });
  assertEquals(deleted.headers.get("allow"), "OPTIONS, POST, PUT");
  await problem(deleted, 405, "method-not-allowed");
});

Deno.test("POST frames keeps the order of frames of one name", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("cam", 4);
  const posts = ["a", "b", "c", "d"].map(async (key) => {
    const response = await postFrames(
      service,
      `cam/frames?key=${key}`,
      joined(...numbered(100, { bytes: 5_000 })),
    );
    assertEquals((await response.json()).frames, 100);
  });
  await Promise.all(posts);
  const stored = await Promise.all([0, 1, 2, 3].map((partition) => storedFrames(service, "cam", partition)));
  const byKey = Map.groupBy(stored.flat(), ({ key }) => key);
  assertEquals([...byKey.keys()].toSorted(), ["a", "b", "c", "d"]);
  for (const frames of byKey.values()) {
    assertEquals(frames.map(({ jpeg }) => numberOf(jpeg)), Array.from({ length: 100 }, (_, n) => n));
    assertLessOrEqual(new Set(frames.map(({ frame }) => frame.split(":")[0])).size, 1);
  }
});

Deno.test("POST frames answers whatever it is sent, and stores JPEGs alone", async () => {
  await using service = await TestService.open({ maxFrameBytes: 50_000 });
  const random = new Random("POST frames, wrong bodies"),
    frames = [...numbered(3), ...fixtures.map(jpegFixture)];
  const bodies = [joined(...frames), multipart(frames), multipart(frames, { headers: () => "" })];
  const told = new Set<string>();
  for (let n = 0; n < 300; n++) {
    let body: Uint8Array<ArrayBuffer> = bodies[n % 3]!;
    for (let changes = random.between(1, 4); changes > 0; changes--) {
      const from = random.between(0, body.length), until = from + random.between(0, 40);
      const noise = Uint8Array.from({ length: random.between(0, 20) }, () => random.between(0, 255));
      body = joined(body.subarray(0, from), noise, body.subarray(until));
    }
    const response = await postFrames(service, "cam/frames", body, n % 3 === 0 ? {} : multipartType);
    told.add(`${response.status} ${(await response.json()).code ?? ""}`);
  }
  const known = ["200 ", "400 malformed-multipart", "413 frame-too-large", "415 not-a-jpeg"];
  for (const one of told) assert(known.includes(one), one);
  for (const { jpeg } of await storedFrames(service, "cam")) inspectJpeg(jpeg);
});
