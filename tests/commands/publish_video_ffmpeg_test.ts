import {
  assert,
  assertEquals,
  assertGreater,
  assertLessOrEqual,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { readPlace } from "../../commands/video_place.ts";
import { ffmpegArgs } from "../../commands/video_ffmpeg.ts";
import { eventually } from "../eventually.ts";
import { inspectJpeg } from "../../kafka/jpeg.ts";
import { TestBroker } from "../kafka/test_broker.ts";
import { run } from "../programs.ts";
import { requires } from "../requirements.ts";
import { type CliOptions, type CliRun, runCli, startCli } from "./cli.ts";
import { assertEven, assertSteps, published } from "./published.ts";
import { RtspCamera } from "./rtsp_camera.ts";

const { ignore } = requires("ffmpeg");
const settings = { LOG_LEVEL: "warn", LOG_FORMAT: "json" };

function publish(broker: TestBroker, args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const env = { KAFKA_BROKERS: broker.bootstrap, ...settings };
  return runCli(["publish", "video", ...args], { ...options, env });
}

/** Films that ffmpeg makes: test pictures of 25 frames a second. */
class Films implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "tailrace-film-" });

  /** @param args between input and output
   * @returns the file's path */
  async make(name: string, seconds: number, ...args: readonly string[]): Promise<string> {
    const pictures = `testsrc=size=160x120:rate=25:duration=${seconds}`;
    const path = `${this.folder}/${name}`;
    const given = ["-v", "error", "-f", "lavfi", "-i", pictures, "-pix_fmt", "yuv420p", ...args, "-y", path];
    await run("ffmpeg", { args: given });
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

const ffmpegTest = (name: string, fn: () => Promise<void>) => Deno.test({ name, ignore, fn });

ffmpegTest("tailrace publish video sends an MP4 at the rate that it has, all frames of it", async () => {
  await using broker = await TestBroker.open();
  await using films = new Films();
  const startedMs = performance.now();
  const done = await publish(broker, [await films.make("film.mp4", 2)]);
  assertEquals([done.code, done.stderr], [0, ""]);
  assertGreater(performance.now() - startedMs, 1950);
  assertMatch(done.stdout, /Published 50 frames, 0\.\d MB to topic video in [\d.]+ s\n$/);
  const frames = await published(broker.bootstrap);
  assertEquals(frames.length, 50);
  assertEven(frames, 40);
  for (const { jpeg } of frames) {
    const { width, height } = inspectJpeg(jpeg);
    assertEquals([width, height], [160, 120]);
  }
  assertEquals(frames[0]!.headers.source, "film.mp4");
});

ffmpegTest("tailrace publish video thins out by --fps, and makes smaller JPEGs by --quality", async () => {
  await using broker = await TestBroker.open();
  await using films = new Films();
  const film = await films.make("film.mp4", 2);
  const [fine, coarse, fast] = await Promise.all([
    publish(broker, [film, "--fps", "5", "--quality", "2", "--topic", "fine"]),
    publish(broker, [film, "--fps", "5", "--quality", "31", "--topic", "coarse"]),
    publish(broker, [film, "--fps", "100", "--topic", "fast"]),
  ]);
  for (const { code, stderr } of [fine, coarse, fast]) assertEquals([code, stderr], [0, ""]);
  const frames = await published(broker.bootstrap, "fine");
  assertEquals(frames.length, 10);
  assertEven(frames, 200);
  const bytes = async (topic: string) =>
    (await published(broker.bootstrap, topic)).reduce((sum, { jpeg }) => sum + jpeg.length, 0);
  assertGreater(await bytes("fine"), 1.5 * await bytes("coarse"));
  assertEquals((await published(broker.bootstrap, "fast")).length, 50, "never more than there are");
  const avi = await films.make("film.avi", 1, "-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p");
  assertEquals((await publish(broker, [avi, "--topic", "as-is"])).code, 0);
  assertEquals((await publish(broker, [avi, "--topic", "anew", "--quality", "31"])).code, 0);
  assertGreater(await bytes("as-is"), 1.5 * await bytes("anew"));
});

ffmpegTest("tailrace publish video keeps the times of a film without a steady rate", async () => {
  await using broker = await TestBroker.open();
  await using films = new Films();
  const pictures = "select='not(mod(n,5))+eq(n,7)'";
  const done = await publish(broker, [await films.make("film.mkv", 1, "-vf", pictures, "-vsync", "vfr")]);
  assertEquals([done.code, done.stderr], [0, ""]);
  assertSteps(await published(broker.bootstrap), [200, 80, 120, 200, 200]);
});

ffmpegTest("tailrace publish video reads the AVI of other programs by itself", async () => {
  await using broker = await TestBroker.open();
  await using films = new Films();
  const film = await films.make("film.avi", 1, "-c:v", "mjpeg", "-pix_fmt", "yuvj420p");
  const both = `${films.folder}/both.avi`;
  const tone = ["-f", "lavfi", "-i", "sine=duration=1"];
  await run("ffmpeg", {
    args: ["-v", "error", ...tone, "-i", film, "-map", "0", "-map", "1", "-c:v", "copy", both],
  });
  for (const [topic, file] of [["silent", film], ["loud", both]] as const) {
    const env = { KAFKA_BROKERS: broker.bootstrap, ...settings, PATH: "/nonexistent" };
    const done = await runCli(["publish", "video", file, "--topic", topic], { env });
    assertEquals([done.code, done.stderr], [0, ""]);
    assertEquals((await published(broker.bootstrap, topic)).length, 25);
  }
  assertEven(await published(broker.bootstrap, "silent"), 40);
});

ffmpegTest("tailrace publish video reads a film from stdin, and ends with it", async () => {
  await using broker = await TestBroker.open();
  await using films = new Films();
  const film = await Deno.readFile(await films.make("film.mkv", 1));
  const done = await publish(broker, ["-"], { stdin: film });
  assertEquals([done.code, done.stderr], [0, ""]);
  assertEquals((await published(broker.bootstrap)).length, 25);
  const rubbish = await publish(broker, ["-"], { stdin: new Uint8Array(5_000_000).fill(3) });
  assertEquals(rubbish.code, 1);
  assertMatch(rubbish.stderr, /^Cannot read stdin: found no pictures in it; ffmpeg says: [^\n]+\n$/);
});

ffmpegTest(
  "tailrace publish video shows what ffmpeg says of films that it cannot read, or not to their end",
  async () => {
    await using broker = await TestBroker.open();
    await using films = new Films();
    const film = await Deno.readFile(await films.make("film.mp4", 4, "-movflags", "+faststart"));
    const late = await Deno.readFile(await films.make("late.mp4", 4));
    const write = (name: string, bytes: Uint8Array) => {
      Deno.writeFileSync(`${films.folder}/${name}`, bytes);
      return `${films.folder}/${name}`;
    };
    const audio = `${films.folder}/audio.m4a`;
    await run("ffmpeg", { args: ["-v", "error", "-f", "lavfi", "-i", "sine=duration=1", audio] });
    const cases: [file: string, says: RegExp][] = [
      [
        write("cut.mp4", film.subarray(0, film.length * 2 / 3)),
        /: it breaks off after frame \d+; ffmpeg says: .*partial file$/,
      ],
      [
        write("headless.mp4", late.subarray(0, late.length / 2)),
        /: found no pictures in it; ffmpeg says: moov atom not found/,
      ],
      [
        write("rubbish.mp4", new Uint8Array(10_000).map((_, i) => i * i)),
        /: found no pictures in it; ffmpeg says: /,
      ],
      [audio, /: found no pictures in it$/],
    ];
    for (const [file, says] of cases) {
      const done = await publish(broker, [file]);
      assertEquals(done.code, 1);
      assertMatch(done.stderr, /^Cannot read [^\n]+\n$/);
      assertMatch(done.stderr.trimEnd(), says);
      assert(!done.stderr.includes("file:"), done.stderr);
    }
    assertGreater((await published(broker.bootstrap)).length, 20, "of the one that breaks off");
  },
);

ffmpegTest("tailrace publish video --loop ends ffmpeg at SIGINT", async () => {
  await using broker = await TestBroker.open();
  await using films = new Films();
  const args = ["publish", "video", "--loop", await films.make("film.mp4", 1)];
  const child = startCli(args, { env: { KAFKA_BROKERS: broker.bootstrap, ...settings } });
  await eventually("the second round", async () => {
    if (!broker.broker.state.log.topics.byName("video")) return false;
    return (await published(broker.bootstrap)).length > 40;
  });
  assertEquals(childrenOf(child.pid).length, Deno.build.os === "linux" ? 1 : 0);
  const [ffmpeg] = childrenOf(child.pid);
  child.kill("SIGINT");
  assertEquals((await child.output()).code, 0);
  if (ffmpeg !== undefined) await eventually("ffmpeg to end", () => !isRunning(ffmpeg));
  assertEven(await published(broker.bootstrap), 40);
});

/** Processes that a process has started (Linux; elsewhere none are found). */
function childrenOf(pid: number): number[] {
  if (Deno.build.os !== "linux") return [];
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((each) =>
    parentOf(each) === pid
  );
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(/^PPid:\s*(\d+)$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1]);
  } catch {
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  return parentOf(pid) !== undefined;
}

ffmpegTest("tailrace publish video takes a camera's frames at the times at which they come", async () => {
  await using broker = await TestBroker.open();
  await using films = new Films();
  const film = await films.make("film.ts", 3, "-g", "5");
  const filmedMs = Date.now(), burstMs = 1_000;
  const filming = new Deno.Command("ffmpeg", {
    args: ["-v", "error", "-re", "-stream_loop", "-1", "-i", film, "-c", "copy", "-f", "mpegts", "pipe:1"],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  await using camera = new RtspCamera(filming.stdout);
  const env = { KAFKA_BROKERS: broker.bootstrap, ...settings };
  const child = startCli(["publish", "video", camera.url], { env });
  const seen: { frames: number; atMs: number }[] = [];
  await eventually("frames", async () => {
    if (!broker.broker.state.log.topics.byName("video")) return false;
    const { length } = await published(broker.bootstrap);
    seen.push({ frames: length, atMs: Date.now() });
    return length > 50;
  }, 60_000);
  child.kill("SIGINT");
  assertEquals((await child.output()).code, 0);
  filming.kill("SIGKILL");
  await filming.status;
  assertMatch(camera.requests.join(", "), /SETUP RTP\/AVP\/TCP;unicast;interleaved=0-1.*, PLAY/);
  const frames = await published(broker.bootstrap);
  assertEquals(frames[0]!.headers.source, camera.url);
  // They cannot come earlier than they are filmed, but for what ffmpeg hands over at once in the beginning; and not later than they are seen.
  const first = seen.at(-1)!.frames - 1;
  for (const [n, { timestamp }] of frames.slice(0, first).entries()) {
    assertGreater(timestamp, filmedMs + n * 40 - burstMs);
    const seenMs = seen.find(({ frames }) => frames > n)!.atMs;
    assertLessOrEqual(timestamp, seenMs);
  }
});

Deno.test("ffmpegArgs() names each place so that nothing in it is taken for an option or a protocol", () => {
  const inputOf = (text: string) => {
    const args = ffmpegArgs(readPlace(text), {});
    return args[args.indexOf("-i") + 1];
  };
  assertEquals(inputOf("film.mp4"), "file:film.mp4");
  assertEquals(inputOf("-y"), "file:-y");
  assertEquals(inputOf("concat:a|b"), "file:concat:a|b");
  assertEquals(inputOf("-"), "pipe:0");
  assertEquals(inputOf("rtsp://cam/1"), "rtsp://cam/1");
  assertEquals(inputOf("/dev/video0"), "file:/dev/video0");
});

Deno.test("ffmpegArgs() takes cameras over TCP, frame by frame, without a buffer", () => {
  assertEquals(ffmpegArgs(readPlace("rtsp://me:hush@cam:554/1"), { fps: 5, quality: 8, loop: false }), [
    ...["-nostdin", "-v", "repeat+error", "-rtsp_transport", "tcp", "-fflags", "nobuffer"],
    ...[
      "-i",
      "rtsp://me:hush@cam:554/1",
      "-an",
      "-sn",
      "-dn",
      "-vf",
      "fps='if(gt(source_fps,0),min(5,source_fps),5)',setpts=N/25/TB",
      "-r",
      "25",
    ],
    ...["-c:v", "mjpeg", "-q:v", "8", "-pix_fmt", "yuvj420p", "-flush_packets", "1", "-f", "avi", "pipe:1"],
  ]);
  const { kind, shown, source } = readPlace("rtsp://me:hush@cam:554/1");
  assertEquals([kind, shown, source], ["live", "rtsp://cam:554/1", "rtsp://cam:554/1"]);
  assertEquals(readPlace("https://example.org/a.mp4").kind, "url");
});

ffmpegTest("tailrace publish video keeps the password of a URL to itself", async () => {
  await using broker = await TestBroker.open();
  for (const url of ["rtsp://me:hush@127.0.0.1:1/cam", "http://me:hush@127.0.0.1:1/film.mp4"]) {
    const done = await publish(broker, [url]);
    assertEquals(done.code, 1);
    assertStringIncludes(
      done.stderr,
      `Cannot read ${url.replace("me:hush@", "")}: found no pictures in it; ffmpeg says: `,
    );
    assert(!done.stderr.includes("hush"), done.stderr);
  }
});
