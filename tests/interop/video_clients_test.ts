/** Foreign programs on video: viewers that are ended and started again and go on at the next picture, senders, and Kafka's own tools.
 *
 * ffmpeg, OpenCV, requests, urllib and curl read `/mjpeg`; curl, requests and websockets send; kcat and kafka-python write and read records
 * by themselves; Kafka's console tools see a viewer's place, and move it. What a picture shows is read back from its pixels where the
 * program decodes it, else from its comment. Left out: bodies of ffmpeg (tests/routes/video_senders_test.ts), browsers (tests/pages/),
 * tailrace.v1.frames (frames_clients_test.ts). @module */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { javaTool } from "../apache_kafka.ts";
import { createTopic, plainKafka } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { numberedJpeg, numberOf, pixelBits } from "../jpegs.ts";
import { Program, run } from "../programs.ts";
import { type Requirement, requires, testPython } from "../requirements.ts";
import { Service } from "../service.ts";
import { produceFrames } from "../video_frames.ts";
import { lines, newTopic } from "./broker.ts";

const clientMs = 120_000;
const scripts = new URL("./video_clients/", import.meta.url).pathname;
const width = 64, height = 48;

let service: Service, folder: string;
Deno.test.beforeAll(async () => {
  [service, folder] = await Promise.all([Service.open(), Deno.makeTempDir({ prefix: "tailrace-frames-" })]);
});
Deno.test.afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await Deno.remove(folder, { recursive: true });
});

function upTo(end: number, from = 0): number[] {
  return Array.from({ length: end - from }, (_, n) => from + n);
}

/** Not long ago, as retention looks at the times of records. */
const startMs = Date.now() - 60_000;
/** ffmpeg, and so OpenCV, reads 2,048 bytes before it says what a stream is: one picture has to be enough. */
const bytes = 20_000;

/** Adds pictures `from` to `end` − 1 to a topic. */
async function film(topic: string, end: number, from = 0, everyMs = 20): Promise<void> {
  await produceFrames(service.bootstrap, topic, { from, count: end - from, startMs, everyMs, bytes });
}

/** A topic of one partition with pictures 0 to `count` − 1. */
async function recording(what: string, count: number, everyMs?: number): Promise<string> {
  const topic = newTopic(what);
  await createTopic(service.bootstrap, topic, 1);
  await film(topic, count, 0, everyMs);
  return topic;
}

/** Pictures 0 to `count` − 1 as files, for programs that send files. */
async function pictureFiles(count: number): Promise<{ path: string; files: string[] }> {
  const path = await Deno.makeTempDir({ dir: folder });
  const files = upTo(count).map((n) => `${path}/${String(n).padStart(4, "0")}.jpg`);
  await Promise.all(files.map((file, n) => Deno.writeFile(file, numberedJpeg(n, { bytes }))));
  return { path, files };
}

/** What a viewer's program takes to show pictures of an address, until it has so many. */
type Show = (url: string, count: number) => Promise<number[]>;

/** A script that prints a picture a line; it is killed when it has enough of them. */
function script(name: string, ...more: readonly string[]): Show {
  return async (url, count) => {
    const logFile = await Deno.makeTempFile({ dir: folder });
    await using program = Program.start(testPython(), [`${scripts}${name}`, url, ...more], { logFile });
    const enough = (log: string) => lines(log).length >= count || null;
    await program.printed(enough, `${name} to have shown ${count} pictures`, clientMs);
    return lines(program.log()).map((line) => JSON.parse(line).number);
  };
}

async function ffmpeg(url: string, count: number): Promise<number[]> {
  const raw = await Deno.makeTempFile({ dir: folder });
  const decoded = ["-f", "rawvideo", "-pix_fmt", "gray", "-y", raw];
  await run("ffmpeg", {
    args: ["-v", "error", "-f", "mpjpeg", "-i", url, "-threads", "1", "-frames:v", `${count}`, ...decoded],
    timeoutMs: clientMs,
  });
  const pixels = await Deno.readFile(raw), size = width * height;
  return upTo(pixels.length / size).map((n) => shownNumber(pixels.subarray(n * size, (n + 1) * size)));
}

/** The number that a decoded `numberedJpeg` shows, from the middles of its blocks. */
function shownNumber(grey: Uint8Array): number {
  const block = 8, columns = width / block, bright = 160;
  const middle = (k: number) =>
    (Math.floor(k / columns) * block + block / 2) * width + (k % columns) * block + block / 2;
  return upTo(pixelBits).reduce((sum, k) => sum + (grey[middle(k)]! > bright ? 2 ** k : 0), 0);
}

/** It cannot be told to stop after so many pictures, so it reads up to where the log ends now. */
async function curl(url: string): Promise<number[]> {
  const file = await Deno.makeTempFile({ dir: folder });
  await run("curl", { args: ["-sS", "-o", file, `${url}&until=latest`], timeoutMs: clientMs });
  const text = new TextDecoder("latin1").decode(await Deno.readFile(file));
  const parts = text.split("--frame\r\n").filter((part) => part !== "");
  return parts.map((part) => {
    const [head, jpeg] = part.split("\r\n\r\n", 2);
    assertMatch(head!, /^Content-Type: image\/jpeg\r\nContent-Length: \d+\r\nX-Frame-Id: 0:\d+\r\n/);
    return numberOf(Uint8Array.from(jpeg!, (char) => char.charCodeAt(0)))!;
  });
}

/** Waits until the service knows that its viewers have left: what it sends to a dead connection counts as sent. */
async function allLeft(of = service): Promise<void> {
  const watching = () => of.metric('tailrace_viewers{transport="mjpeg"}');
  await eventually("the viewer to leave", async () => await watching() === 0);
}

const viewers: readonly [program: string, needs: Requirement, show: Show][] = [
  ["ffmpeg", "ffmpeg", ffmpeg],
  ["OpenCV's VideoCapture", "opencv-python-headless", script("read_opencv.py")],
  ["requests", "requests", script("read_requests.py")],
  ["curl", "curl", curl],
];

for (const [program, need, show] of viewers) {
  Deno.test({
    name: `${program} shows a recording, is ended and started again, and goes on at the next picture`,
    ignore: requires(need).ignore,
    async fn() {
      const topic = await recording("viewed", 20), viewer = `${crypto.randomUUID()}.tv`;
      const url = `${service.url}/video/${topic}/mjpeg?viewer=${viewer}`;
      assertEquals(await show(url, 20), upTo(20));
      await allLeft();
      await film(topic, 30, 20);
      assertEquals(await show(url, 10), upTo(30, 20));
      await allLeft();
      await film(topic, 31, 30);
      assertEquals(await show(url, 1), [30]);
    },
  });
}

Deno.test({
  name: "urllib with a jar of cookies goes on where it was, over a restart of the service, too",
  ignore: requires("requests").ignore, // a Python with nothing would do
  async fn() {
    await using own = await Service.open();
    const show = script("read_urllib.py", `${folder}/cookies.txt`), url = `${own.url}/video/cookies/mjpeg`;
    await createTopic(own.bootstrap, "cookies", 1);
    await produceFrames(own.bootstrap, "cookies", { count: 12, startMs });
    assertEquals(await show(url, 12), upTo(12));
    await own.terminate();
    await own.start();
    await produceFrames(own.bootstrap, "cookies", { from: 12, count: 5, startMs });
    assertEquals(await show(url, 5), upTo(17, 12));
  },
});

Deno.test({
  name: "requests leaves a film again and again, in the middle of it, and has seen every picture once",
  ignore: requires("requests").ignore,
  async fn() {
    const apartMs = 2_000; // longer than it takes to leave: what is sent to a dead connection counts as sent
    const topic = await recording("film", 8, apartMs), seen: number[] = [];
    const url = `${service.url}/video/${topic}/mjpeg?viewer=${topic}`;
    for (let visit = 0; visit < 4; visit++) {
      const { stdout } = await run(testPython(), { args: [`${scripts}read_requests.py`, url, "2"] });
      seen.push(...lines(stdout).map((line) => JSON.parse(line).number));
    }
    assertEquals(seen, upTo(8));
  },
});

/** Numbers of the pictures in a topic, as a viewer without a place reads them. */
async function stored(topic: string): Promise<(number | null)[]> {
  const response = await fetch(`${service.url}/video/${topic}`);
  const { frames } = await response.json();
  return await Promise.all(
    upTo(frames).map(async (n) => {
      const one = await fetch(`${service.url}/video/${topic}/snapshot.jpg?before=0:${n + 1}`);
      return numberOf(await one.bytes());
    }),
  );
}

Deno.test({
  name: "curl -T puts a film that ffmpeg writes, as the README has it",
  ignore: requires("curl", "ffmpeg").ignore,
  async fn() {
    const topic = newTopic("put"), { path } = await pictureFiles(25);
    const parts = `ffmpeg -v error -i ${path}/%04d.jpg -c copy -f mpjpeg -`;
    const type = "content-type: multipart/x-mixed-replace;boundary=ffmpeg";
    const put = `curl -sS -T - -H '${type}' ${service.url}/video/${topic}/frames`;
    const { stdout } = await run("sh", { args: ["-c", `${parts} | ${put}`] });
    assertEquals(JSON.parse(stdout), { frames: 25, bytes: 25 * bytes });
    assertEquals(await stored(topic), upTo(25));
  },
});

Deno.test({
  name: "requests posts a body without a length, part by part",
  ignore: requires("requests").ignore,
  async fn() {
    const topic = newTopic("posted"), { path } = await pictureFiles(30);
    const args = [`${scripts}write_requests.py`, `${service.url}/video/${topic}/frames`, path];
    const { stdout } = await run(testPython(), { args });
    assertEquals(JSON.parse(stdout), { frames: 30, bytes: 30 * bytes });
    assertEquals(await stored(topic), upTo(30));
  },
});

Deno.test({
  name: "websockets publishes a picture a message, and hears of each where it is, or why not",
  ignore: requires("websockets").ignore,
  async fn() {
    const topic = newTopic("published"), { path } = await pictureFiles(10);
    const url = `${service.url.replace("http", "ws")}/video/${topic}/publish`;
    const { stdout } = await run(testPython(), { args: [`${scripts}write_websockets.py`, url, path] });
    const [ready, ...answers] = lines(stdout).map((line) => JSON.parse(line));
    assertEquals(ready, { type: "ready", maxFrameBytes: 900 * 1024 });
    const error = answers.pop();
    assertEquals(answers.map(({ type, frame }) => `${type} ${frame}`), upTo(10).map((n) => `stored 0:${n}`));
    assertEquals([error.type, error.code], ["error", "not-a-jpeg"]);
    assertEquals(await stored(topic), upTo(10));
  },
});

Deno.test({
  name: "kcat writes files as records, with nothing and with all about them, and reads back their bytes",
  ignore: requires("kcat").ignore,
  async fn() {
    const topic = newTopic("kcat"), { files } = await pictureFiles(2);
    const kcat = (...args: string[]) =>
      run("kcat", { args: ["-b", service.bootstrap, "-t", topic, ...args] });
    const at = Date.now() - 5_000;
    await kcat("-P", "-p", "0", files[0]!);
    await kcat("-P", "-p", "0", "-k", "door", "-H", `captured-at=${at}`, "-H", "source=kcat", files[1]!);
    const { first, last } = await (await fetch(`${service.url}/video/${topic}`)).json();
    assertEquals([first.name, first.source, first.bytes, first.width], [null, null, bytes, width]);
    assertEquals(first.capturedAt, first.timestamp);
    assertEquals([last.name, last.source, last.capturedAt], ["door", "kcat", at]);
    assertEquals(await stored(topic), [0, 1]);
    const read = `kcat -b ${service.bootstrap} -t ${topic} -C -o 1 -c 1 -q -D '' > ${folder}/read.jpg`;
    await run("sh", { args: ["-c", read] });
    assertEquals(await Deno.readFile(`${folder}/read.jpg`), await Deno.readFile(files[1]!));
  },
});

Deno.test({
  name:
    "kafka-python writes pictures of three sorts that a viewer sees in order; what it reads is what was posted",
  ignore: requires("kafka-python").ignore,
  async fn() {
    const topic = newTopic("kafka-python"), { path } = await pictureFiles(9);
    const python = (of: string, ...args: string[]) =>
      run(testPython(), { args: [`${scripts}records_kafka_python.py`, service.bootstrap, of, ...args] });
    await createTopic(service.bootstrap, topic, 1);
    await python(topic, "write", path);
    assertEquals(await stored(topic), upTo(9));

    const posted = newTopic("posted"), jpeg = numberedJpeg(7), capturedAt = Date.now() - 1_000;
    const response = await fetch(`${service.url}/video/${posted}/frames?key=hall&source=roof`, {
      method: "POST",
      body: jpeg,
      headers: { "x-captured-at": String(capturedAt) },
    });
    assertEquals(await response.json(), { frames: 1, bytes: jpeg.length, frame: "0:0" });
    const { stdout } = await python(posted, "read", "1");
    assertEquals(JSON.parse(stdout), {
      offset: 0,
      key: "hall",
      timestamp: capturedAt,
      headers: { "content-type": "image/jpeg", "captured-at": String(capturedAt), source: "roof" },
      digest: new Uint8Array(await crypto.subtle.digest("SHA-256", jpeg)).toHex(),
    });
  },
});

/** What a viewer's group has committed; −1 for nothing. */
async function committed(viewer: string, topic: string): Promise<number> {
  const admin = plainKafka(service.bootstrap).admin();
  await admin.connect();
  try {
    const [found] = await admin.fetchOffsets({ groupId: `viewer-${viewer}`, topics: [topic] });
    return Number(found!.partitions[0]!.offset);
  } finally {
    await admin.disconnect();
  }
}

Deno.test({
  name: "kafka-consumer-groups shows where a viewer is, in a group without members, and sends it elsewhere",
  ignore: requires("apache-kafka", "curl").ignore,
  async fn() {
    const topic = await recording("groups", 10), viewer = crypto.randomUUID();
    const url = `${service.url}/video/${topic}/mjpeg?viewer=${viewer}`, group = `viewer-${viewer}`;
    assertEquals(await curl(url), upTo(10));
    await eventually("the commit", async () => await committed(viewer, topic) === 10);
    const server = ["--bootstrap-server", service.bootstrap];
    const groups = async (...args: string[]) =>
      (await javaTool("consumer-groups", [...server, "--group", group, "--timeout", "60000", ...args]))
        .stdout;
    const [offsets, state] = [await groups("--describe"), await groups("--describe", "--state")];
    assertMatch(offsets, new RegExp(`^${group} +${topic} +0 +10 +10 +0 +- +- +-`, "m"));
    assertMatch(state, /\bEmpty +0\b/);
    const listed = (await javaTool("consumer-groups", [...server, "--list"])).stdout;
    assert(lines(listed).includes(group), listed);
    await groups("--reset-offsets", "--topic", topic, "--to-offset", "4", "--execute");
    assertEquals(await curl(url), upTo(10, 4));
  },
});
