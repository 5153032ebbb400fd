import { assert, assertEquals } from "@std/assert";
import { VideoClient, type VideoSource } from "../bench/video_client.ts";
import { FrameMaker } from "../bench/video_frames.ts";
import { eventually, pause } from "../eventually.ts";
import { TestService } from "./test_service.ts";

const viewers = 10, frames = 60, fps = 25;
/** More than the system takes for a connection, all together. */
const frameBytes = 200_000;

const transports = {
  websocket: { path: "/video/cam/socket?cursor=earliest", transport: "websocket", prefix: 32 },
  mjpeg: { path: "/video/cam/mjpeg?cursor=earliest", transport: "mjpeg", prefix: 0 },
} satisfies Record<string, Omit<VideoSource, "port">>;

/** A viewer, and the numbers of the frames that it has. */
class Viewer {
  readonly numbers: number[] = [];
  client!: VideoClient;
  #reading: Promise<void> | undefined;

  static async open(source: VideoSource): Promise<Viewer> {
    const viewer = new Viewer();
    viewer.client = await VideoClient.open(source, ({ number }) => viewer.numbers.push(number));
    return viewer;
  }

  read(): void {
    this.#reading = this.client.read();
  }

  async close(): Promise<void> {
    this.client.close();
    await this.#reading;
  }
}

/** Sends frames at their rate. */
async function send(service: TestService): Promise<void> {
  const maker = new FrameMaker(frameBytes), began = performance.now();
  const sending: Promise<unknown>[] = [];
  for (let number = 0; number < frames; number++) {
    await pause(Math.max(0, began + number * 1_000 / fps - performance.now()));
    const sentAt = Date.now();
    const record = { value: maker.make({ number, sentAt }), timestamp: sentAt };
    sending.push(service.producer.send("cam", record));
  }
  await Promise.all(sending);
}

for (const [name, source] of Object.entries(transports)) {
  Deno.test(`${name}: ten viewers have every frame in order at 25 fps, beside one that reads nothing, and so has that one when it reads`, async () => {
    await using service = await TestService.open();
    await service.broker.createTopic("cam");
    const opened = await Promise.all(
      Array.from({ length: viewers + 1 }, (_, n) => {
        const path = `${source.path}&viewer=v${n}`;
        return Viewer.open({ ...source, path, port: service.port });
      }),
    );
    const [stalled, ...readers] = opened as [Viewer, ...Viewer[]];
    for (const reader of readers) reader.read();
    await send(service);
    const all = Array.from({ length: frames }, (_, number) => number);
    const hasAll = ({ numbers }: Viewer) => numbers.length >= frames;
    await eventually(
      "every frame at all who read",
      () => readers.every(hasAll),
      30_000,
      () => counts(readers),
    );
    for (const { numbers } of readers) assertEquals(numbers, all);
    const { deliveries } = await service.metrics.snapshot();
    const held = deliveries - viewers * frames;
    assert(held < frames, `what is not read stays in Kafka: ${held} of ${frames} frames were written`);
    stalled.read();
    await eventually(
      "every frame at the one that reads now",
      () => hasAll(stalled),
      30_000,
      () => counts([stalled]),
    );
    assertEquals(stalled.numbers, all);
    await Promise.all(opened.map((viewer) => viewer.close()));
  });
}

function counts(of: readonly Viewer[]): number[] {
  return of.map(({ numbers }) => numbers.length);
}
