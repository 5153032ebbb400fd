/** `/client.js` with `transport: "frames"` on the real routes, in a program without a page: places put together from frames, cuts,
 * seeks while frames are on their way, several streams, acknowledgements. Left out: what is drawn (video_test.ts).
 * @module */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { Acks } from "../../static/shared/stream_acks.js";
import { FrameReader } from "../../static/shared/stream_frames.js";
import { follow, type VideoFrame } from "../../static/shared/stream.js";
import { eventually, pause } from "../eventually.ts";
import { CuttingProxy } from "../interop/cutting_proxy.ts";
import { numberedJpeg, numberOf } from "../jpegs.ts";
import { Random } from "../random.ts";
import { TestService } from "../routes/test_service.ts";

const startMs = 1_700_000_000_000;

/** Frames `from` … `from + count − 1`, 40 ms apart. */
async function publish(
  service: TestService,
  topic: string,
  count: number,
  { from = 0, bytes, partition = 0 }: { from?: number; bytes?: number; partition?: number } = {},
): Promise<void> {
  const records = Array.from({ length: count }, (_, i) => {
    const timestamp = startMs + (from + i) * 40;
    const value = numberedJpeg(from + i, bytes === undefined ? {} : { bytes });
    return { key: topic, value, timestamp, partition, headers: { "captured-at": String(timestamp) } };
  });
  await service.producer.sendAll(topic, records);
}

/** Callbacks that write down what they are told. */
function listen() {
  const frames: (VideoFrame & { stream: string; cursor: string; size: number })[] = [];
  const resumes: string[] = [], gaps: number[] = [], problems: unknown[] = [];
  const ears = {
    transport: "frames" as const,
    onRecord: (frame: VideoFrame, info: { stream?: string; cursor: string; size: number }) =>
      frames.push({ ...frame, stream: info.stream ?? "", cursor: info.cursor, size: info.size }),
    onReady: ({ resume }: { resume: string }) => resumes.push(resume),
    onGap: ({ skipped }: { skipped: number }) => gaps.push(skipped),
    onError: (problem: unknown) => problems.push(problem),
  };
  const ids = (stream = "") => frames.filter((each) => each.stream === stream).map(({ frame }) => frame);
  const has = (count: number, stream = "") =>
    eventually(
      `${count} frames`,
      () => ids(stream).length >= count,
      undefined,
      () => [ids(stream).slice(-3), problems],
    );
  return { frames, resumes, gaps, problems, ears, ids, has };
}

const upTo = (count: number, from = 0) => Array.from({ length: count }, (_, n) => `0:${from + n}`);

Deno.test("follow() over frames brings frames with their JPEG, and a cursor after each that resumes", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("cam", 2);
  await publish(service, "cam", 3);
  await publish(service, "cam", 2, { from: 10, partition: 1 });
  const url = `${service.url}/video/cam/socket`;
  const first = listen();
  const stream = follow(`${url}?cursor=earliest`, first.ears);
  await first.has(5);
  const [frame] = first.frames;
  assertEquals(frame!.jpeg, numberedJpeg(0));
  assertEquals([frame!.partition, frame!.offset, frame!.capturedAt, frame!.size], [
    0,
    0,
    startMs,
    frame!.jpeg.length,
  ]);
  assertEquals(first.ids(), ["0:0", "0:1", "0:2", "1:0", "1:1"]);
  assert(/^v1\.[0-9a-f]{8}\.0:2,1:1$/.test(stream.cursor), stream.cursor);
  stream.close();
  for (const [n, { cursor }] of first.frames.entries()) {
    const again = listen();
    const resumed = follow(url, { ...again.ears, cursor });
    await again.has(4 - n);
    await eventually("ready", () => again.resumes.length === 1);
    assertEquals([again.ids(), again.resumes], [first.ids().slice(n + 1), ["exact"]]);
    resumed.close();
  }
  await eventually("nobody", () => service.connections === 0);
});

Deno.test("follow() over frames comes back after cuts anywhere: every frame once, in order", async () => {
  await using service = await TestService.open();
  await publish(service, "cam", 120, { bytes: 3_000 });
  const cuts = [5_000, 40_001, 77_777, 31, 66_000];
  await using proxy = new CuttingProxy(service.port, cuts);
  const { ears, has, ids, frames, resumes, problems } = listen();
  const stream = follow(`http://${proxy.host}/video/cam/socket?cursor=earliest`, ears);
  while (ids().length < 120) {
    const before = ids().length;
    await eventually(
      "frames, or a cut",
      () => stream.state.name === "waiting" || ids().length > before,
    );
    if (stream.state.name === "waiting") stream.resume(); // now instead of later
    await pause(1);
  }
  await has(120);
  assertEquals(ids(), upTo(120));
  assertEquals(frames.map(({ jpeg }) => numberOf(jpeg)), Array.from({ length: 120 }, (_, n) => n));
  assertEquals([resumes[0], new Set(resumes.slice(1))], ["fresh", new Set(["exact"])]);
  assertEquals(problems, []);
  stream.close();
  await eventually("nobody", () => service.connections === 0);
});

Deno.test("seek() over frames: what was on its way from before is dropped, the newest of several seeks wins", async () => {
  await using service = await TestService.open();
  await publish(service, "cam", 300, { bytes: 20_000 });
  const { ears, has, ids, frames } = listen();
  const stream = follow(`${service.url}/video/cam/socket?cursor=earliest`, ears);
  await has(20);
  const before = ids().length;
  for (const n of [10, 250, 100, 30, 200]) stream.seek(`t.${startMs + n * 40}`);
  await has(before + 100);
  assertEquals(ids().slice(0, before), upTo(before));
  assertEquals(ids().slice(before), upTo(100, 200));
  stream.seek(frames[4]!.cursor);
  await has(before + 100 + 295);
  assertEquals(ids().slice(before + 100), upTo(295, 5));
  stream.seek("t.000");
  await has(before + 100 + 295 + 300);
  assertEquals(ids().slice(before + 395), upTo(300));
  stream.close();
  await eventually("nobody", () => service.connections === 0);
});

Deno.test("follow() over frames, whatever is asked of it while connections break: each frame is the next one", async () => {
  await using service = await TestService.open({ ringBytes: 400_000 });
  const count = 400, random = new Random("frames");
  await publish(service, "cam", count, { bytes: 2_000 });
  const cuts = Array.from({ length: 60 }, () => random.between(200, 100_000));
  await using proxy = new CuttingProxy(service.port, cuts);
  let next = 0, shown = 0;
  const wrong: string[] = [], problems: unknown[] = [];
  const stream = follow(`http://${proxy.host}/video/cam/socket`, {
    transport: "frames",
    cursor: "earliest",
    onRecord: ({ offset, jpeg }: VideoFrame) => {
      if (offset !== next || numberOf(jpeg) !== next) wrong.push(`${offset} and not ${next}`);
      next = offset + 1;
      shown++;
    },
    onError: (problem) => problems.push(problem),
    onState: ({ name }) => void (name === "waiting" && queueMicrotask(() => stream.resume())),
  });
  // How much is on its way at once, and so how often it is cut, goes by the machine.
  for (let step = 0; step < 150 || (proxy.requests.length <= 10 && step < 5_000); step++) {
    const before = shown;
    const what = random.between(0, 5);
    if (what <= 1) {
      next = random.between(0, count - 20);
      const places = [`t.${startMs + next * 40}`, stream.cursor.replace(/:-?\d+$/, `:${next - 1}`)];
      stream.seek(places[places[1]!.startsWith("v1.") ? what : 0]!);
    } else if (what === 2) {
      stream.pause();
      await pause(random.between(0, 5));
      stream.resume();
    } else if (what === 3) stream.setSpeed(random.between(0, 1) ? 1_000 : null);
    else await pause(random.between(0, 3));
    if (what < 4 || next < count) {
      await eventually(
        "a frame",
        () => shown > before || next === count,
        undefined,
        () => [stream.state, next, problems],
      );
    }
    assertEquals(wrong, []);
  }
  assertEquals(problems, []);
  assertGreater(proxy.requests.length, 10);
  stream.close();
  await eventually("nobody", () => service.connections === 0);
});

Deno.test("several streams over frames: each frame says whose it is, and one cursor resumes all", async () => {
  await using service = await TestService.open();
  for (const topic of ["a", "b"]) await publish(service, topic, 3);
  const addresses = ["/video/a/socket", "/video/b/socket?key=b"];
  const url = `${service.url}/streams?${addresses.map((one) => `s=${encodeURIComponent(one)}`).join("&")}`;
  const first = listen();
  const stream = follow(url, { ...first.ears, cursor: "earliest" });
  await Promise.all([first.has(3, addresses[0]), first.has(3, addresses[1])]);
  assertEquals([first.ids(addresses[0]), first.ids(addresses[1])], [upTo(3), upTo(3)]);
  const { cursor } = stream;
  assert(/^m1\.v1\.[^;]+\.0:2;v1\.[^;]+\.0:2$/.test(cursor), cursor);
  stream.close();
  const again = listen();
  const resumed = follow(url, { ...again.ears, cursor });
  await eventually("both", () => again.resumes.length === 2);
  for (const topic of ["a", "b"]) await publish(service, topic, 1, { from: 50 });
  await Promise.all(addresses.map((address) => again.has(1, address)));
  assertEquals(addresses.map((address) => again.ids(address)), [["0:3"], ["0:3"]]);
  assertEquals(again.resumes, ["exact", "exact"]);
  resumed.seek("earliest");
  await again.has(5, addresses[0]);
  assertEquals(again.ids(addresses[0]), ["0:3", ...upTo(4)]);
  resumed.close();
  await eventually("nobody", () => service.connections === 0);
});

Deno.test("ack() keeps the viewer's place: in every partition what came before the frame that was seen", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("cam", 2);
  for (const n of [0, 1, 2, 3]) await publish(service, "cam", 1, { from: n, partition: n % 2 });
  const url = `${service.url}/video/cam/socket?viewer=me`;
  const first = listen();
  const stream = follow(url, first.ears);
  await first.has(4);
  assertEquals(first.ids(), ["0:0", "1:0", "0:1", "1:1"]);
  stream.ack(first.frames[2]!);
  const offsets = () =>
    service.broker.broker.state.offsets.fetchAll("viewer-me").toSorted((a, b) => a.partition - b.partition)
      .map(({ offset }) => offset);
  await eventually("the commit", () => `${offsets()}` === "2,1", undefined, offsets);
  stream.close();
  await eventually("nobody", () => service.connections === 0);
  const second = listen();
  const again = follow(url, second.ears);
  await second.has(1);
  assertEquals([second.ids(), second.resumes], [["1:1"], ["exact"]]);
  again.ack("1:1");
  again.close();
  await eventually("the commit", () => `${offsets()}` === "2,2", undefined, offsets);
  await eventually("nobody", () => service.connections === 0);
});

Deno.test("Acks.take() gives the newest frame of each partition up to the one that was seen, however many came", () => {
  const acks = new Acks();
  for (let n = 0; n < 1_000; n++) acks.add("a", `${n % 3}:${n}`);
  acks.add("b", "0:7");
  assertEquals(acks.take("a", "1:997"), ["0:996", "2:995", "1:997"]);
  assertEquals(acks.take("a", "0:999"), ["2:998", "0:999"]);
  assertEquals(acks.take("a", "0:5"), ["0:5"], "one that did not come with the stream");
  acks.forget("b");
  assertEquals(acks.take("b", "0:7"), ["0:7"]);
});

Deno.test("FrameReader reads frames of streams it was told of, and nothing else", () => {
  const reader = new FrameReader();
  const message = (change: (view: DataView) => void = () => {}, length = 35) => {
    const bytes = new Uint8Array(length), view = new DataView(bytes.buffer);
    bytes.set([0x54, 0x52, 1, 0]);
    view.setBigInt64(8, 2n ** 40n);
    view.setUint32(24, 3);
    view.setUint32(28, 3);
    change(view);
    return bytes.buffer;
  };
  assertEquals(reader.read(message()), undefined, "of a stream that is over");
  const ready = (id: string) => ({
    name: "ready",
    data: { number: 3 },
    id,
    stream: "/video/a/socket",
    size: 0,
  });
  reader.learn(ready("v1.0a1b2c3d.0:4"));
  const read = reader.read(message((view) => view.setUint32(4, 2)));
  assertEquals(read?.id, "v1.0a1b2c3d.0:4,1:-1,2:1099511627776", "partitions may be added");
  assertEquals([read?.stream, read?.size, read?.data.frame], ["/video/a/socket", 3, "2:1099511627776"]);
  const wrong: ((view: DataView) => void)[] = [
    (view) => view.setUint8(0, 0),
    (view) => view.setUint8(2, 2),
    (view) => view.setUint32(28, 4),
  ];
  for (const change of wrong) assertEquals(reader.read(message(change)), null);
  assertEquals(reader.read(new ArrayBuffer(31)), null);
});
