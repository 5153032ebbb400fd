/** What watching video through Kafka promises, each promise as a test: with plain HTTP clients, and with a real Chromium that has nothing but
 * `<img src="/video/t/mjpeg">`, on the whole service as a process of its own.
 *
 * The picture says which frame it is, so that what is compared is what was drawn. Frame-exactness is the HTTP clients'; a browser may have
 * been sent a frame that it never drew when it was refreshed. Left out: our own page (video_test.ts), kill -9 (tests/crash/).
 * @module */
import { assert, assertEquals, assertGreater, assertGreaterOrEqual, assertLess } from "@std/assert";
import type { BrowserContext } from "playwright-core";
import { createTopic } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { joined, numberedJpeg, numberOf } from "../jpegs.ts";
import { MjpegClient } from "../mjpeg_client.ts";
import { run } from "../programs.ts";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";
import { produceFrames } from "../video_frames.ts";
import { ImagePage, openProfile } from "./image_page.ts";

const { ignore } = requires("chromium", "curl");
/** From one frame to the next, ms: slow enough for a browser on a busy machine to draw each. */
const everyMs = 100;
/** Frames that a browser may have been sent and not have drawn, as its stream ended a while after it drew one: of that while, and of a second.
 * @param drawnAt ms since the epoch, as is `endedAt` */
const unseen = (drawnAt: number, endedAt: number) => (endedAt - drawnAt + 1_000) / everyMs;

/** A service, and a browser whose profile outlives it. */
class Ground implements AsyncDisposable {
  readonly #parts = new AsyncDisposableStack();
  service!: Service;
  #profile!: string;
  browser!: BrowserContext;
  #recorded = 0;
  readonly #recordedAt = Date.now() - 60_000;

  static async open(): Promise<Ground> {
    const ground = new Ground(), parts = ground.#parts;
    // Without what else reads Kafka, and would be counted as asking it.
    ground.service = parts.use(await Service.open({ settings: { MEASUREMENTS: "none", WINDOWS: "none" } }));
    ground.#profile = parts.adopt(
      await Deno.makeTempDir({ prefix: "tailrace-profile-" }),
      (folder) => Deno.remove(folder, { recursive: true }),
    );
    ground.browser = await openProfile(ground.#profile);
    parts.defer(() => ground.browser.close());
    return ground;
  }

  /** A recording of the last minute, of which nobody watched anything yet. */
  async record(topic: string, count: number): Promise<void> {
    await createTopic(this.service.bootstrap, topic, 1);
    await produceFrames(this.service.bootstrap, topic, { count, everyMs, startMs: Date.now() - 60_000 });
  }

  /** The next frames of another recording, the first ones of which a minute ago. */
  async recordMore(topic: string, count: number): Promise<void> {
    if (this.#recorded === 0) await createTopic(this.service.bootstrap, topic, 1);
    const startMs = this.#recordedAt, from = this.#recorded;
    await produceFrames(this.service.bootstrap, topic, { from, count, everyMs, startMs });
    this.#recorded += count;
  }

  page(path: string): Promise<ImagePage> {
    return ImagePage.open(this.browser, this.service.url, path);
  }

  watch(path: string, cookie: string | null = null): Promise<MjpegClient> {
    return MjpegClient.open(`${this.service.url}${path}`, { cookie });
  }

  /** Closes the browser, with all its pages, and starts it again.
   * @returns when it was closed, ms since the epoch */
  async reopenBrowser(): Promise<number> {
    await this.browser.close();
    const closedAt = Date.now();
    this.browser = await openProfile(this.#profile);
    return closedAt;
  }

  /** A number that a metric of the broker has. */
  async metric(name: string): Promise<number> {
    return await this.service.metric(`tailrace_broker_${name}`) ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

/** Fails unless every number is greater than the one before. */
function checkOrder(numbers: readonly number[]): void {
  const wrong = numbers.findIndex((number, i) => i > 0 && number <= numbers[i - 1]!);
  assertEquals(wrong, -1, `pictures in order, found ${numbers.slice(Math.max(0, wrong - 3), wrong + 3)}`);
}

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

Deno.test({
  name: "1. when the browser is refreshed the video does not restart",
  ignore,
  async fn() {
    await using ground = await Ground.open();
    await ground.record("t", 600);
    const page = await ground.page("/video/t/mjpeg");
    for (const wanted of [8, 16, 24, 32]) {
      await page.shows(wanted);
      const { length } = page.shown, { number: last, atMs } = page.shown.at(-1)!;
      await page.refresh();
      const most = unseen(atMs, Date.now());
      await eventually("a picture after the refresh", () => page.shown.length > length);
      const first = page.numbers[length]!;
      assertGreaterOrEqual(first, last);
      assertLess(first, last + 1 + most);
    }
    checkOrder(page.numbers.filter((number, i) => number !== page.numbers[i - 1]));

    // Nothing is on its way when it is cut: what was sent, and not read, would be left out.
    let cookie: string | null = null;
    const seen: (number | null)[] = [];
    for (let refreshes = 0; refreshes < 4; refreshes++) {
      await ground.recordMore("u", 5);
      await using client: MjpegClient = await ground.watch("/video/u/mjpeg", cookie);
      await client.count(5);
      cookie ??= client.cookie;
      seen.push(...client.numbers);
    }
    assertEquals(seen, upTo(20), "an HTTP client is sent each frame once, over its refreshes");
  },
});

Deno.test({
  name: "2. who closes the browser while the video plays goes on there when it is opened again",
  ignore,
  async fn() {
    await using ground = await Ground.open();
    await ground.record("t", 600);
    const before = await ground.page("/video/t/mjpeg");
    await before.shows(12);
    const closedAt = await ground.reopenBrowser();
    const { number: last, atMs } = before.shown.at(-1)!;
    const after = await ground.page("/video/t/mjpeg");
    await after.shows(last + 5);
    assertGreaterOrEqual(after.numbers[0]!, last);
    assertLess(after.numbers[0]!, last + 1 + unseen(atMs, closedAt));
    checkOrder(after.numbers);

    // curl keeps its cookies in a file, and ends in between, when nothing is on its way.
    const jar = await Deno.makeTempFile();
    const sent: number[] = [];
    for (let times = 0; times < 3; times++) {
      await ground.recordMore("u", 5);
      sent.push(...await curlForAWhile(`${ground.service.url}/video/u/mjpeg`, jar));
    }
    await Deno.remove(jar);
    assertEquals(sent, upTo(15), "curl is sent each frame once");

    await using stranger = await ground.watch("/video/t/mjpeg");
    await stranger.count(1);
    assertEquals(stranger.numbers[0], 0, "somebody else begins at the beginning");
  },
});

/** Has curl watch for six seconds.
 * @param jar the file of its cookies
 * @returns the offsets of the frames that it got */
async function curlForAWhile(url: string, jar: string): Promise<number[]> {
  const args = ["-sN", "--max-time", "6", "-b", jar, "-c", jar, url];
  const { code, stdout } = await new Deno.Command("curl", { args, stdout: "piped" }).output();
  assertEquals(code, 28, "it ended for its time");
  const frames = new TextDecoder().decode(stdout).matchAll(/X-Frame-Id: 0:(\d+)/g);
  return [...frames].map(([, offset]) => Number(offset));
}

/** A body of `multipart/x-mixed-replace` as cameras send it, of frames with their times. */
function cameraBody(count: number, startMs: number): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  return joined(
    ...upTo(count).flatMap((n) => {
      const jpeg = numberedJpeg(n), seconds = ((startMs + n * everyMs) / 1000).toFixed(3);
      const head =
        `--cam\r\nContent-Type: image/jpeg\r\nContent-Length: ${jpeg.length}\r\nX-Timestamp: ${seconds}\r\n\r\n`;
      return [encoder.encode(head), jpeg, encoder.encode("\r\n")];
    }),
    encoder.encode("--cam--\r\n"),
  );
}

Deno.test({
  name: "3. the producer does not need to run for the video to play",
  ignore,
  async fn() {
    await using ground = await Ground.open();
    const count = 30, file = await Deno.makeTempFile();
    await Deno.writeFile(file, cameraBody(count, Date.now() - 60_000));
    const type = "content-type: multipart/x-mixed-replace; boundary=cam";
    const url = `${ground.service.url}/video/t/frames`;
    const { stdout } = await run("curl", { args: ["-s", "-H", type, "--data-binary", `@${file}`, url] });
    await Deno.remove(file);
    assertEquals(JSON.parse(stdout).frames, count);
    // The producer has ended. So does the service, and another one takes its place.
    await ground.service.terminate();
    await ground.service.start();
    const page = await ground.page("/video/t/mjpeg");
    await using client = await ground.watch("/video/t/mjpeg");
    await client.count(count);
    await page.shows(count - 1);
    assertEquals(client.numbers, upTo(count));
    assertLess(
      page.numbers[0]!,
      count / 2,
      "from the beginning, give or take what a busy browser does not draw",
    );
    checkOrder(page.numbers);
  },
});

/** A camera: one request whose body goes on, a frame at a time, and when each was captured. It is a client: it listens nowhere. */
class Camera implements AsyncDisposable {
  /** ms since the epoch, by number. */
  readonly capturedAt: number[] = [];
  readonly #bytes: number;
  readonly #posting: Promise<Response>;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  readonly #timer: ReturnType<typeof setInterval>;
  #isOff = false;

  constructor(
    service: Service,
    topic: string,
    { everyMs, bytes = 4_000 }: { everyMs: number; bytes?: number },
  ) {
    this.#bytes = bytes;
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => void (this.#controller = controller),
    });
    const headers = { "content-type": "image/jpeg" };
    this.#posting = fetch(`${service.url}/video/${topic}/frames`, { method: "POST", headers, body });
    this.#timer = setInterval(() => this.#take(), everyMs);
  }

  #take(): void {
    const number = this.capturedAt.push(Date.now()) - 1;
    this.#controller.enqueue(numberedJpeg(number, { bytes: this.#bytes }));
  }

  /** Waits until it has taken so many pictures. */
  async takes(count: number): Promise<void> {
    await eventually(`${count} pictures`, () => this.capturedAt.length >= count, 60_000);
  }

  /** @returns what the service says of the request */
  async end(): Promise<{ frames: number; bytes: number }> {
    this.#stop();
    const response = await this.#posting;
    assertEquals(response.status, 200);
    return await response.json();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    const response = await this.#posting;
    if (!response.bodyUsed) await response.body?.cancel();
  }

  #stop(): void {
    clearInterval(this.#timer);
    if (!this.#isOff) this.#controller.close();
    this.#isOff = true;
  }
}

/** Waits until a client has a frame with at least that number. */
async function reaches(client: MjpegClient, number: number): Promise<void> {
  await eventually(`frame ${number}`, () => client.numbers.at(-1)! >= number);
}

/** Milliseconds at the middle and near the end of what there is. */
function percentiles(delays: readonly number[]): { p50: number; p99: number } {
  const sorted = delays.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]!;
  return { p50: at(0.5), p99: at(0.99) };
}

Deno.test({
  name: "4. while producer and consumer run, the video is received almost in real time",
  ignore,
  async fn() {
    await using ground = await Ground.open();
    await using camera = new Camera(ground.service, "t", { everyMs });
    await camera.takes(1);
    const paths = ["/video/t/mjpeg?live=1", "/video/t/mjpeg?viewer=one&cursor=latest"];
    const pages = await Promise.all(paths.map((path) => ground.page(path)));
    await using client = await ground.watch("/video/t/mjpeg?viewer=two&cursor=latest");
    await Promise.all([...pages.map((page) => page.shows(1)), client.count(1)]);
    const from = camera.capturedAt.length, count = 75;
    await camera.takes(from + count);
    await Promise.all(pages.map((page) => page.shows(from + count - 1)));
    await reaches(client, from + count - 1);
    await camera.end();
    const received = client.frames.map(({ jpeg, atMs }) => ({
      number: numberOf(jpeg)!,
      atMs: performance.timeOrigin + atMs,
    }));
    const seen = { "img, live=1": pages[0]!.shown, "img": pages[1]!.shown, "HTTP client": received };
    for (const [who, frames] of Object.entries(seen)) {
      const live = frames.filter(({ number }) => number >= from);
      const { p50, p99 } = percentiles(live.map(({ number, atMs }) => atMs - camera.capturedAt[number]!));
      const [middle, end] = [p50, p99].map((ms) => ms.toFixed(0));
      console.log(`${who}: ${live.length} frames, p50 ${middle} ms, p99 ${end} ms from capture`);
      // A busy machine may draw few of them; who does not watch live is behind by as much as was recorded.
      assertGreater(live.length, count / 5);
      assertLess(p50, 3_000);
    }
    for (const page of pages) checkOrder(page.numbers);
  },
});

Deno.test({
  name: "5. frames come first in, first out",
  ignore,
  async fn() {
    await using ground = await Ground.open();
    const count = 60;
    await ground.record("t", count);
    const page = await ground.page("/video/t/mjpeg?speed=2");
    await using client = await ground.watch("/video/t/mjpeg?speed=2");
    await client.count(count);
    assertEquals(client.numbers, upTo(count));
    await page.shows(count - 1);
    checkOrder(page.numbers);
    assertGreater(page.numbers.length, count / 5);

    // Two names in a topic of three partitions: each keeps its order, and together they are in the order of their times.
    await createTopic(ground.service.bootstrap, "many", 3);
    const startMs = Date.now() - 60_000;
    await Promise.all([0, 1].map((name) => {
      const run = { count, everyMs, startMs: startMs + name * everyMs / 2, partition: name };
      return produceFrames(ground.service.bootstrap, "many", run);
    }));
    await using both = await ground.watch("/video/many/mjpeg?speed=8");
    await both.count(2 * count);
    assertEquals(both.numbers, upTo(count).flatMap((n) => [n, n]));
    assertEquals(both.frames.map(({ partition }) => partition), upTo(2 * count).map((n) => n % 2));
  },
});

Deno.test({
  name: "6. one message is shared amongst many consumers, and none of them asks the producer",
  ignore,
  async fn() {
    await using ground = await Ground.open();
    const viewers = 30, bytes = 20_000, fetches = 'requests_total{api="Fetch",error="NONE"}';
    await using camera = new Camera(ground.service, "t", { everyMs, bytes });
    await camera.takes(1);
    const path = (viewer: number | string) => `/video/t/mjpeg?viewer=${viewer}&cursor=latest`;
    const pages = await Promise.all(["a", "b", "c"].map((viewer) => ground.page(path(viewer))));
    await using closing = new AsyncDisposableStack();
    const clients = await Promise.all(upTo(viewers).map((viewer) => ground.watch(path(viewer))));
    for (const client of clients) closing.use(client);
    await Promise.all([...pages.map((page) => page.shows(1)), ...clients.map((client) => client.count(1))]);
    const before = { fetches: await ground.metric(fetches), bytes: await ground.metric("sent_bytes_total") };
    const from = camera.capturedAt.length;
    await camera.takes(from + 60);
    await Promise.all(pages.map((page) => page.shows(from + 59)));
    await Promise.all(clients.map((client) => reaches(client, from + 59)));
    const asked = await ground.metric(fetches) - before.fetches;
    const read = await ground.metric("sent_bytes_total") - before.bytes;
    const taken = camera.capturedAt.length - from;
    console.log(
      `${viewers + pages.length} viewers, ${taken} frames: Kafka was asked ${asked} times for ${read} bytes`,
    );
    assertGreater(asked, 0);
    // Not one for each viewer and frame; how many are answered without a frame goes by how long it takes.
    assertLess(asked, viewers * taken / 3);
    assertLess(read, 2 * taken * bytes);
    assertEquals((await camera.end()).frames, camera.capturedAt.length);
    const posts = await ground.service.metric(
      'tailrace_http_requests_total{method="POST",route="/video/:topic/frames",status="200"}',
    );
    assertEquals(posts, 1, "the camera made one request, and was asked for nothing");
    for (const { numbers } of clients) {
      assertEquals(numbers, upTo(numbers.length).map((n) => n + numbers[0]!));
    }
    assert(pages.every((page) => page.shown.length > 12));
  },
});
