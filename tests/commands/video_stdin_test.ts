/** Films that come to `tailrace publish video -` by a pipe. @module */
import { assertEquals, assertGreater, assertMatch } from "@std/assert";
import { TestBroker } from "../kafka/test_broker.ts";
import { run } from "../programs.ts";
import { requires } from "../requirements.ts";
import { runCli } from "./cli.ts";

/** An MP4 of ten frames, longer than what ffmpeg holds of a pipe.
 * @param args before its name */
async function film(...args: readonly string[]): Promise<Uint8Array<ArrayBuffer>> {
  const path = await Deno.makeTempFile({ suffix: ".mp4" });
  try {
    const pictures = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=10:duration=1"];
    const jpegs = ["-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p"];
    await run("ffmpeg", { args: ["-v", "error", ...pictures, ...jpegs, ...args, "-y", path] });
    const bytes = await Deno.readFile(path);
    assertGreater(bytes.length, 200_000);
    return bytes;
  } finally {
    await Deno.remove(path);
  }
}

Deno.test({
  name: "tailrace publish video says of an MP4 on stdin why it has to be a file",
  ignore: requires("ffmpeg").ignore,
  fn: async () => {
    await using broker = await TestBroker.open();
    const env = { KAFKA_BROKERS: broker.bootstrap, LOG_LEVEL: "warn", LOG_FORMAT: "json" };
    const publish = (stdin: Uint8Array<ArrayBuffer>) => runCli(["publish", "video", "-"], { stdin, env });

    const last = await publish(await film());
    assertEquals([last.code, last.stdout], [1, ""]);
    assertMatch(
      last.stderr,
      /^Cannot read stdin: found no pictures in it \(an MP4 can be read from stdin if its index comes first, .*: name the file instead\); ffmpeg says: [^\n]+\n$/,
    );

    const first = await publish(await film("-movflags", "+faststart"));
    assertEquals([first.code, first.stderr], [0, ""]);
    assertMatch(first.stdout, /Published 10 frames/);
  },
});
