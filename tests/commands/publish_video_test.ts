import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { aviOf } from "../avi.ts";
import { eventually, within } from "../eventually.ts";
import { joined, jpegFixture, numberedJpeg } from "../jpegs.ts";
import { TestBroker } from "../kafka/test_broker.ts";
import { Service } from "../service.ts";
import { type CliOptions, type CliRun, runCli, startCli } from "./cli.ts";
import { assertEven, assertSteps, published, steps } from "./published.ts";

/** No ffmpeg is found: what is published here is published without it. */
const settings = { LOG_LEVEL: "warn", LOG_FORMAT: "json", PATH: "/nonexistent" };
const numbers = (count: number) => [...Array(count).keys()];
const jpegs = numbers(12).map((n) => numberedJpeg(n));
const avi = aviOf(jpegs, { width: 64, height: 48, fps: 50 });

function publish(
  broker: { bootstrap: string },
  args: readonly string[],
  options: CliOptions = {},
): Promise<CliRun> {
  const env = { KAFKA_BROKERS: broker.bootstrap, ...settings, ...options.env };
  return runCli(["publish", "video", ...args], { ...options, env });
}

/** Files in a folder that goes with the test. */
class Files implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "tailrace-video-" });

  /** @returns its path */
  write(name: string, bytes: Uint8Array): string {
    const path = `${this.folder}/${name}`;
    Deno.mkdirSync(path.replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.writeFileSync(path, bytes);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

Deno.test("tailrace publish video sends the frames of an AVI at its pace, at even times, as a post would record them", async () => {
  await using broker = await TestBroker.open();
  await using files = new Files();
  const startedMs = Date.now();
  const run = await publish(broker, ["--topic", "cam", files.write("clip.avi", avi)]);
  assertEquals([run.code, run.stderr], [0, ""]);
  assertMatch(
    run.stdout,
    /^12 frames · [\d.]+ fps · 0\.0 MB · [\d.]+ s\nPublished 12 frames, 0\.0 MB to topic cam in [\d.]+ s\n$/,
  );
  const frames = await published(broker.bootstrap, "cam");
  assertEquals(frames.map(({ jpeg }) => jpeg), jpegs);
  assertEven(frames, 20);
  for (const { key, headers, timestamp } of frames) {
    assertEquals(key, "cam");
    const wanted = { "content-type": "image/jpeg", "captured-at": String(timestamp), source: "clip.avi" };
    assertEquals<Readonly<Record<string, string>>>(headers, wanted);
    assert(timestamp >= startedMs && timestamp <= Date.now());
  }
  const { settings } = broker.broker.state.log.topics.byName("cam")!;
  assertEquals([settings.retentionMs, settings.retentionBytes], [3_600_000, 2 ** 30]);
});

Deno.test("tailrace publish video takes the pace, the name and the source that it is given", async () => {
  await using broker = await TestBroker.open();
  await using files = new Files();
  const file = files.write("clip.mjpeg", joined(...jpegs));
  const run = await publish(broker, ["--fps", "40", "--name", "door", "--source", "camera 1", file]);
  assertEquals([run.code, run.stderr], [0, ""]);
  const frames = await published(broker.bootstrap);
  assertEquals(frames.map(({ number }) => number), numbers(12));
  assertEven(frames, 25);
  assertEquals(
    new Set(frames.map(({ key, headers }) => `${key}, ${headers.source}`)),
    new Set(["door, camera 1"]),
  );
});

Deno.test("tailrace publish video sends a folder's JPEGs of all kinds as they are, by their numbers", async () => {
  await using broker = await TestBroker.open();
  await using files = new Files();
  const kinds = (["baseline", "exif_thumbnail", "progressive", "restart_markers"] as const).map(jpegFixture);
  for (const [i, name] of ["shot 2.jpg", "shot 10.JPG", "shot 9.jpeg", "shot 100.jpg"].entries()) {
    files.write(name, kinds[i]!);
  }
  files.write("notes.txt", jpegs[0]!);
  files.write("more.jpg/1.jpg", jpegs[0]!);
  const run = await publish(broker, ["--fps", "50", `${files.folder}/`]);
  assertEquals([run.code, run.stderr], [0, ""]);
  const frames = await published(broker.bootstrap);
  assertEquals(frames.map(({ jpeg }) => jpeg), [kinds[0]!, kinds[2]!, kinds[1]!, kinds[3]!]);
  assertEquals(frames[0]!.headers.source, files.folder.replace(/^.*\//, ""));
});

Deno.test("tailrace publish video reads stdin: JPEGs as they come, AVI at its pace", async () => {
  await using broker = await TestBroker.open();
  const many = numbers(1_500).map((n) => numberedJpeg(n)), minuteMs = 60_000; // at 25 a second
  const asTheyCome = await publish(broker, ["-", "--topic", "a"], { stdin: joined(...many) });
  assertEquals([asTheyCome.code, asTheyCome.stderr], [0, ""]);
  const frames = await published(broker.bootstrap, "a");
  assertEquals(frames.map(({ jpeg }) => jpeg), many);
  assertLess(frames.at(-1)!.timestamp - frames[0]!.timestamp, minuteMs / 2);
  assertEquals(frames[0]!.headers.source, "stdin");
  assertEquals((await publish(broker, ["-", "--topic", "b"], { stdin: avi })).code, 0);
  const paced = await published(broker.bootstrap, "b");
  assertEquals(paced.length, 12);
  assertEven(paced, 20);
});

Deno.test("tailrace publish video --loop goes round without a gap until SIGINT, and exits with 0", async () => {
  await using broker = await TestBroker.open();
  await using files = new Files();
  const args = ["publish", "video", "--loop", files.write("clip.avi", avi)];
  const child = startCli(args, { env: { KAFKA_BROKERS: broker.bootstrap, ...settings } });
  await eventually("three rounds", async () => {
    if (!broker.broker.state.log.topics.byName("video")) return false;
    return (await published(broker.bootstrap)).length > 36;
  });
  child.kill("SIGINT");
  const { code, stdout } = await child.output();
  assertEquals(code, 0);
  assertMatch(new TextDecoder().decode(stdout), /\nPublished \d+ frames, .* to topic video in [\d.]+ s\n$/);
  const frames = await published(broker.bootstrap);
  assertEquals(frames.map(({ number }) => number), frames.map((_, i) => i % 12));
  assertEven(frames, 20);
});

Deno.test("tailrace publish video --start sends what lies before now at once, then goes on at its pace", async () => {
  await using broker = await TestBroker.open();
  await using files = new Files();
  const second = aviOf(numbers(500).map((n) => numberedJpeg(n)), { width: 64, height: 48, fps: 50 });
  const startedMs = Date.now();
  const run = await publish(broker, ["--start", "-9s", files.write("clip.avi", second)]);
  assertEquals([run.code, run.stderr], [0, ""]);
  const frames = await published(broker.bootstrap);
  assertEquals(frames.map(({ number }) => number), numbers(500));
  assertEven(frames, 20);
  const began = frames[0]!.timestamp + 9_000;
  assert(began >= startedMs && began <= Date.now(), `${began - startedMs} ms`);
  const iso = new Date(Date.now() - 24 * 3_600_000).toISOString();
  const old = await publish(broker, ["--start", iso, "--topic", "old", files.write("one.avi", avi)]);
  assertStringIncludes(old.stderr, "frames before this time do not stay");
  assertEquals((await published(broker.bootstrap, "old"))[0]!.timestamp, Date.parse(iso));
});

Deno.test("tailrace publish video leaves out what is too large or no JPEG, and says so", async () => {
  await using broker = await TestBroker.open();
  await using files = new Files();
  const rubbish = new Uint8Array(100).fill(7);
  const mixed = [
    jpegs[0]!,
    numberedJpeg(1, { bytes: 5000 }),
    rubbish,
    numberedJpeg(3, { bytes: 7000 }),
    jpegs[4]!,
  ];
  const file = files.write("clip.avi", aviOf(mixed, { width: 64, height: 48, fps: 50 }));
  const run = await publish(broker, [file, "--max-frame-bytes", "4096"]);
  assertEquals([run.code, run.stderr], [0, ""]);
  assertStringIncludes(run.stdout, " · 2 too large · 1 no JPEG\n");
  assertStringIncludes(
    run.stdout,
    "left out: 2 frames above 4096 bytes (MAX_FRAME_BYTES), the largest of 7000; 1 frame without a JPEG: ",
  );
  const frames = await published(broker.bootstrap);
  assertEquals(frames.map(({ number }) => number), [0, 4]);
  assertSteps(frames, [80]); // in its place in time
  const none = await publish(broker, [files.write("big.jpg", mixed[1]!), "--max-frame-bytes", "4096"]);
  assertEquals(none.code, 1);
  assertStringIncludes(none.stderr, "Nothing was published to video; left out: 1 frame above 4096 bytes");
});

Deno.test("tailrace publish video says in one line what it cannot read, after the frames before it", async () => {
  await using broker = await TestBroker.open();
  await using files = new Files();
  const three = joined(...jpegs.slice(0, 3));
  const cases: [file: string, says: string, frames: number][] = [
    ["/no/such/file.mp4", "found no such file, wanted a video or a folder of JPEGs", 0],
    [files.write("empty.mp4", new Uint8Array()), "found nothing in it, wanted a video", 0],
    [files.write("film.mp4", new Uint8Array(1000).fill(1)), "found no ffmpeg on the PATH", 0],
    [
      files.write("xvid.avi", aviOf(jpegs, { width: 64, height: 48, fps: 50, codec: "XVID" })),
      "found no ffmpeg on",
      0,
    ],
    [
      files.write("cut.mjpeg", three.subarray(0, three.length - 9)),
      "after frame 2: ",
      2,
    ],
    [
      files.write("rubbish.mjpeg", joined(three, [1, 2, 3, 4])),
      "after frame 3: ",
      3,
    ],
    [
      files.write("cut.avi", avi.subarray(0, avi.length - 9)),
      "to its end: found its end within frame 11",
      11,
    ],
  ];
  for (const [i, [file, says, frames]] of cases.entries()) {
    const run = await publish(broker, [file, "--fps", "50", "--topic", `t${i}`]);
    assertEquals(run.code, 1, run.stdout);
    assertMatch(run.stderr, /^Cannot read [^\n]+\n$/);
    assertStringIncludes(run.stderr, file);
    assertStringIncludes(run.stderr, says);
    const isMade = broker.broker.state.log.topics.byName(`t${i}`) !== undefined;
    assertEquals(isMade ? (await published(broker.bootstrap, `t${i}`)).length : 0, frames, file);
  }
  Deno.mkdirSync(`${files.folder}/none`);
  const none = await publish(broker, [`${files.folder}/none`]);
  assertStringIncludes(none.stderr, "found a folder without .jpg files");
  assertEquals(
    (await publish(broker, ["-"], { stdin: "" })).stderr,
    "Cannot read stdin: found nothing in it, wanted a video\n",
  );
});

Deno.test("tailrace publish video refuses options that make no sense, with exit code 2", async () => {
  await using files = new Files();
  const file = files.write("clip.mjpeg", joined(...jpegs));
  const cases: [args: string[], says: string][] = [
    [[], "missing required argument 'video'"],
    [["--fps", "0", "x"], 'Cannot use --fps: found "0", allowed: a number above 0, at most 240'],
    [["--quality", "1", "x"], 'Cannot use --quality: found "1", allowed: an integer in 2..31'],
    [["--start", "soon", "x"], 'Cannot use --start: found "soon", allowed: a time that is over'],
    [["--start", "2999-01-01", "x"], 'Cannot use --start: found "2999-01-01"'],
    [["--name", "a\nb", "x"], "Cannot use --name"],
    [["--topic", "a/b", "x"], 'Cannot use --topic: found "a/b"'],
    [["--loop", "-"], "Cannot use --loop: found stdin, allowed: with a file or a folder"],
    [["--start", "-1m", "rtsp://me:hush@cam/1"], "Cannot use --start: found rtsp://cam/1"],
    [["--quality", "3", file], "Cannot use --quality: found JPEGs in"],
    [["--quality", "3", files.folder], "Cannot use --quality: found JPEGs in"],
  ];
  for (const [args, says] of cases) {
    const run = await publish({ bootstrap: "127.0.0.1:1" }, args);
    assertEquals([run.code, run.stdout], [2, ""], run.stderr);
    assertMatch(run.stderr, /^[^\n]+\n$/);
    assertStringIncludes(run.stderr, says);
  }
});

Deno.test("tailrace publish video waits while Kafka is away, and goes on: every frame once and in order", async () => {
  await using service = await Service.open({ command: "broker" });
  await using files = new Files();
  const film = aviOf(numbers(200).map((n) => numberedJpeg(n)), { width: 64, height: 48, fps: 50 });
  const running = publish(service, [files.write("film.avi", film)]);
  await eventually("some frames", async () => (await published(service.bootstrap)).length > 20);
  await service.kill();
  await service.start();
  const run = await running;
  assertEquals(run.code, 0, run.stderr);
  const frames = await published(service.bootstrap);
  assertEquals(frames.map(({ number }) => number), numbers(200));
  for (const step of steps(frames)) assertGreater(step, 19);
});

Deno.test("tailrace publish video ends within seconds of SIGINT while Kafka is away", async () => {
  await using service = await Service.open({ command: "broker" });
  await using files = new Files();
  const args = ["publish", "video", "--loop", files.write("clip.avi", avi)];
  const child = startCli(args, { env: { KAFKA_BROKERS: service.bootstrap, ...settings } });
  await eventually("some frames", async () => (await published(service.bootstrap)).length > 5);
  await service.kill();
  let said = "";
  const reading = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) said += text;
  })();
  await eventually("it to wait", () => said.includes("publish waits for Kafka"));
  child.kill("SIGINT");
  const { code } = await within("it to end", 60_000, child.status); // Kafka stays away
  await Promise.all([reading, child.stdout.cancel()]);
  assertEquals(code, 1);
  assertMatch(said, /\n\d+ frames may not be stored: Kafka did not answer\n$/);
});

Deno.test("tailrace publish video sends what stdin brings at once, and ends at SIGINT while it waits for more", async () => {
  await using broker = await TestBroker.open();
  const env = { KAFKA_BROKERS: broker.bootstrap, ...settings };
  const child = startCli(["publish", "video", "-"], { env, stdin: "" });
  const writer = child.stdin.getWriter();
  await writer.write(joined(jpegs[0]!, jpegs[1]!, jpegs[2]!.subarray(0, 50)));
  await eventually("two frames", async () => {
    if (!broker.broker.state.log.topics.byName("video")) return false;
    return (await published(broker.bootstrap)).length === 2;
  });
  child.kill("SIGINT");
  const { code } = await child.status;
  await Promise.all([writer.abort().catch(() => {}), child.stdout.cancel(), child.stderr.cancel()]);
  assertEquals(code, 0);
});
