import { assertEquals, assertGreater, assertLess, assertMatch } from "@std/assert";
import { eventually, pause, within } from "../eventually.ts";
import { joined, numberedJpeg, numberOf } from "../jpegs.ts";
import { produceApi } from "../kafka/broker_proxy.ts";
import { storedFrames } from "./frames.ts";
import { RawSocket } from "./raw_socket.ts";
import { TestService } from "./test_service.ts";

const encoder = new TextEncoder(), decoder = new TextDecoder();
const multipartType = "multipart/x-mixed-replace; boundary=cam";

/** A camera that posts to `cam` over a connection of its own, its body in chunks, without end. */
class Camera implements Disposable {
  readonly #raw: RawSocket;
  /** Bytes that the system has taken. */
  written = 0;

  private constructor(raw: RawSocket) {
    this.#raw = raw;
  }

  static async open(service: TestService, type = "video/x-motion-jpeg"): Promise<Camera> {
    const raw = await RawSocket.open(service.port);
    const head = `POST /video/cam/frames HTTP/1.1\r\nHost: 127.0.0.1:${service.port}\r\n` +
      `Content-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    await raw.write(encoder.encode(head));
    return new Camera(raw);
  }

  async write(bytes: Uint8Array): Promise<void> {
    const chunk = joined(encoder.encode(`${bytes.length.toString(16)}\r\n`), bytes, encoder.encode("\r\n"));
    await this.#raw.write(chunk);
    this.written += bytes.length;
  }

  /** Writes numbered frames until it is stopped or cannot. */
  async writeOn(bytes: number, isOn: () => boolean): Promise<number> {
    let n = 0;
    for (; isOn(); n++) await this.write(numberedJpeg(n, { bytes }));
    return n;
  }

  /** Ends the body. */
  async end(): Promise<void> {
    await this.#raw.write(encoder.encode("0\r\n\r\n"));
  }

  /** The answer, whenever it comes: its status and body. */
  async answer() {
    let text = "";
    while (!/\r\n\r\n\{.*\}$/s.test(text)) {
      const chunk = await within("the answer", 30_000, this.#raw.chunk());
      if (chunk === null) break;
      text += decoder.decode(chunk);
    }
    const [, status, body] = /^HTTP\/1\.1 (\d+).*?\r\n\r\n(.*)$/s.exec(text) ?? [];
    return { status: Number(status), body: JSON.parse(body ?? "null") };
  }

  [Symbol.dispose](): void {
    this.#raw[Symbol.dispose]();
  }
}

async function numbersIn(service: TestService): Promise<(number | null)[]> {
  return (await storedFrames(service, "cam")).map(({ jpeg }) => numberOf(jpeg));
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

Deno.test("frames of an endless body are in Kafka while it goes on, as concatenated and as multipart", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("cam");
  for (const [round, type] of ["video/x-motion-jpeg", multipartType].entries()) {
    using camera = await Camera.open(service, type);
    for (let n = 5 * round; n < 5 * round + 5; n++) {
      const jpeg = numberedJpeg(n), part = encoder.encode(`--cam\r\nContent-Length: ${jpeg.length}\r\n\r\n`);
      await camera.write(type === multipartType ? joined(part, jpeg, encoder.encode("\r\n")) : jpeg);
      await eventually(`frame ${n}`, async () => (await storedFrames(service, "cam")).length === n + 1);
    }
    await camera.end();
    assertEquals((await camera.answer()).body.frames, 5);
  }
  assertEquals(await numbersIn(service), upTo(10));
});

Deno.test("an endless body is read no faster than Kafka takes its frames, and goes on when Kafka does", async () => {
  await using service = await TestService.open({ timeoutMs: 60_000 });
  await service.broker.createTopic("cam");
  const open = Promise.withResolvers<"pass">();
  service.proxy.onAnswer = ({ api }) => api === produceApi ? open.promise : "pass";
  using camera = await Camera.open(service);
  let isOn = true;
  const writing = camera.writeOn(500_000, () => isOn);
  writing.catch(() => {}); // told where it is awaited
  await eventually("what can wait here", () => camera.written > 8 * 1024 * 1024);
  const held = await standsStill(() => camera.written);
  isOn = false;
  service.proxy.onAnswer = () => "pass";
  open.resolve("pass");
  // What may wait here, and what the system's buffers on both sides take.
  assertLess(held, 24_000_000);
  const count = await writing;
  assertGreater(count * 500_000, 8 * 1024 * 1024);
  await camera.end();
  assertEquals(await camera.answer(), { status: 200, body: { frames: count, bytes: count * 500_000 } });
  assertEquals(await numbersIn(service), upTo(count));
});

/** Waits until a number has not changed for half a second. */
async function standsStill(look: () => number): Promise<number> {
  let last = -1, since = performance.now();
  return await eventually("it to stand still", () => {
    if (look() !== last) {
      last = look();
      since = performance.now();
    }
    return last > 0 && performance.now() - since > 500 ? last : null;
  });
}

Deno.test("an endless body waits for Kafka longer than a record may wait usually", async () => {
  await using service = await TestService.open({ timeoutMs: 3_000 });
  using camera = await Camera.open(service);
  await camera.write(numberedJpeg(0));
  await eventually("a frame", async () => (await numbersIn(service)).length === 1);
  await service.proxy.stop();
  for (let n = 1; n < 30; n++) await camera.write(numberedJpeg(n));
  await pause(4_000);
  service.proxy.start();
  await camera.end();
  assertEquals((await camera.answer()).body.frames, 30);
  assertEquals(await numbersIn(service), upTo(30));
});

Deno.test("an endless body ends with 503 and what is stored, when Kafka stays away", async () => {
  await using service = await TestService.open({ timeoutMs: 2_000 });
  using camera = await Camera.open(service);
  const frames = upTo(4).map((n) => numberedJpeg(n));
  for (const frame of frames.slice(0, 3)) await camera.write(frame);
  await eventually("three frames", async () => (await numbersIn(service)).length === 3);
  await service.proxy.stop();
  await camera.write(frames[3]!);
  // The body stays open, and nothing more comes in it.
  const { status, body } = await camera.answer();
  assertEquals([status, body.frames, body.bytes], [503, 3, joined(...frames.slice(0, 3)).length]);
  assertMatch(body.code, /^(kafka-unavailable|outcome-unknown)$/); // by where it was when the connection was cut
  service.proxy.start();
});

Deno.test("an endless body that is wrong is answered while it goes on", async () => {
  await using service = await TestService.open();
  using camera = await Camera.open(service);
  await camera.write(joined(numberedJpeg(0), encoder.encode("rubbish")));
  const { status, body } = await camera.answer();
  assertEquals([status, body.code, body.frames], [415, "not-a-jpeg", 1]);
});

Deno.test("a body from which nothing comes for 240 heartbeats ends with 408", async () => {
  await using service = await TestService.open({ heartbeatMs: 15 });
  using camera = await Camera.open(service);
  await camera.write(joined(numberedJpeg(0), numberedJpeg(1).subarray(0, 50)));
  const { status, body } = await camera.answer();
  assertEquals([status, body.code, body.frames], [408, "body-stalled", 1]);
  assertEquals(body.detail, "Cannot wait longer for a body from which nothing came for 3.6 s");
});

Deno.test("of a body that breaks off, what came whole is stored, and nothing stays open", async () => {
  await using service = await TestService.open();
  for (const rounds of [1, 2]) {
    const camera = await Camera.open(service);
    await camera.write(joined(numberedJpeg(0), numberedJpeg(1), numberedJpeg(2).subarray(0, 50)));
    await eventually("two frames", async () => (await numbersIn(service)).length === 2 * rounds);
    assertEquals(service.connections, 1);
    camera[Symbol.dispose]();
    await eventually("its end", () => service.connections === 0);
  }
  assertEquals(await numbersIn(service), [0, 1, 0, 1]);
});

Deno.test("endless bodies end with 503 and Retry-After when the service shuts down", async () => {
  await using service = await TestService.open();
  using camera = await Camera.open(service);
  await camera.write(numberedJpeg(0));
  await eventually("a frame", async () => (await numbersIn(service)).length === 1);
  service.drain();
  const { status, body } = await camera.answer();
  assertEquals([status, body.code, body.frames], [503, "draining", 1]);
});

Deno.test("cameras that write in turn keep their frames in order, each its own", async () => {
  await using service = await TestService.open();
  const cameras = await Promise.all([0, 1, 2].map(() => Camera.open(service)));
  for (let n = 0; n < 60; n++) await cameras[n % 3]!.write(numberedJpeg(n, { bytes: 20_000 }));
  for (const camera of cameras) {
    await camera.end();
    assertEquals((await camera.answer()).body.frames, 20);
    camera[Symbol.dispose]();
  }
  const numbers = await numbersIn(service);
  for (const which of [0, 1, 2]) {
    assertEquals(numbers.filter((n) => n! % 3 === which), upTo(20).map((n) => 3 * n + which));
  }
});
