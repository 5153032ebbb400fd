import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { inspectJpeg } from "../../kafka/jpeg.ts";
import { eventually } from "../eventually.ts";
import { joined, numberedJpeg, numberOf } from "../jpegs.ts";
import { run } from "../programs.ts";
import { requires } from "../requirements.ts";
import { storedFrames } from "./frames.ts";
import { TestService } from "./test_service.ts";

const curl = requires("curl").ignore, ffmpeg = requires("ffmpeg").ignore;
/** Fifty frames of 320×180. */
const testPicture = ["-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=25:duration=2"];
const asMjpeg = ["-c:v", "mjpeg", "-q:v", "6", "-pix_fmt", "yuvj420p"];

function framesUrl(service: TestService): string {
  return `${service.url}/video/cam/frames`;
}

/** What curl prints of an answer: the body, then the status. */
async function curlAnswer(args: readonly string[], stdin?: Uint8Array) {
  const { stdout } = await run("curl", {
    args: ["-sS", "-w", "\n%{http_code}", ...args],
    ...(stdin && { stdin }),
  });
  const [body, status] = stdout.split("\n");
  return { status: Number(status), body: JSON.parse(body!) };
}

async function checkPictures(service: TestService, count: number): Promise<void> {
  const frames = await eventually("all frames", async () => {
    const stored = await storedFrames(service, "cam");
    return stored.length === count && stored;
  });
  for (const { jpeg } of frames) {
    assertEquals(inspectJpeg(jpeg), { width: 320, height: 180, isProgressive: false });
  }
}

Deno.test({
  name: "curl --data-binary posts one frame or many, its -F a form, its -T puts a stream in chunks",
  ignore: curl,
  async fn() {
    await using service = await TestService.open();
    const file = await Deno.makeTempFile({ suffix: ".mjpeg" }), url = framesUrl(service);
    try {
      await Deno.writeFile(file, numberedJpeg(0));
      assertEquals((await curlAnswer(["--data-binary", `@${file}`, url])).body.frame, "0:0");
      assertEquals((await curlAnswer(["-F", `picture=@${file}`, url])).body.frame, "0:1");
      const many = joined(...Array.from({ length: 40 }, (_, n) => numberedJpeg(n, { bytes: 50_000 })));
      await Deno.writeFile(file, many);
      const answer = { status: 200, body: { frames: 40, bytes: 2_000_000 } };
      assertEquals(await curlAnswer(["--data-binary", `@${file}`, url]), answer);
      assertEquals(await curlAnswer(["-T", file, url]), answer);
      assertEquals(await curlAnswer(["-T", "-", url], many), answer);
    } finally {
      await Deno.remove(file);
    }
    const numbers = (await storedFrames(service, "cam")).map(({ jpeg }) => numberOf(jpeg));
    const forty = Array.from({ length: 40 }, (_, n) => n);
    assertEquals(numbers, [0, 0, ...forty, ...forty, ...forty]);
  },
});

Deno.test({
  name: "curl hears why its endless rubbish is refused while it still sends it",
  ignore: curl,
  async fn() {
    await using service = await TestService.open();
    const began = performance.now();
    const { status, body } = await curlAnswer(["-T", "/dev/zero", framesUrl(service)]);
    assertEquals([status, body.code, body.frames], [415, "not-a-jpeg", 0]);
    assertLess(performance.now() - began, 30_000);
  },
});

for (const format of ["mpjpeg", "mjpeg"]) {
  const type = format === "mpjpeg" ? "multipart/x-mixed-replace;boundary=ffmpeg" : "video/x-motion-jpeg";

  Deno.test({
    name: `what ffmpeg -f ${format} writes is taken frame by frame`,
    ignore: ffmpeg || curl,
    async fn() {
      await using service = await TestService.open();
      const film = [...testPicture, ...asMjpeg].join(" ");
      const post = `curl -sS -T - -H 'Content-Type: ${type}' ${framesUrl(service)}`;
      const { stdout } = await run("sh", { args: ["-c", `ffmpeg ${film} -f ${format} - | ${post}`] });
      assertEquals(JSON.parse(stdout).frames, 50);
      await checkPictures(service, 50);
    },
  });

  Deno.test({
    name: `ffmpeg -f ${format} posts by itself, at the pace of the film`,
    ignore: ffmpeg,
    async fn() {
      await using service = await TestService.open();
      const post = ["-f", format, "-method", "POST", "-content_type", type, framesUrl(service)];
      await run("ffmpeg", { args: ["-re", ...testPicture, ...asMjpeg, ...post] });
      // It does not wait for its answer, so the runtime may have dropped the last of them.
      assertGreater((await storedFrames(service, "cam")).length, 40);
    },
  });
}

Deno.test({
  name:
    "an MP4 through ffmpeg and curl is its frames; the MP4 itself, cut or with sound alone, is refused by 415",
  ignore: ffmpeg || curl,
  async fn() {
    await using service = await TestService.open();
    const folder = await Deno.makeTempDir(), url = framesUrl(service);
    const [film, sound] = [`${folder}/film.mp4`, `${folder}/sound.m4a`];
    try {
      await run("ffmpeg", { args: [...testPicture, "-c:v", "mpeg4", film] });
      const tone = ["-v", "error", "-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac"];
      await run("ffmpeg", { args: [...tone, sound] });
      const pipe = `ffmpeg -v error -i ${film} ${asMjpeg.join(" ")} -f image2pipe - | curl -sS -T - ${url}`;
      const { stdout } = await run("sh", { args: ["-c", pipe] });
      assertEquals(JSON.parse(stdout).frames, 50);
      await checkPictures(service, 50);
      const cut = (await Deno.readFile(film)).subarray(0, 5_000);
      for (const body of [await Deno.readFile(film), cut, await Deno.readFile(sound)]) {
        const refused = await curlAnswer(["--data-binary", "@-", url], body);
        assertEquals([refused.status, refused.body.code], [415, "not-a-jpeg"]);
        assert(refused.body.detail.includes("66 74 79"), "the box's name, ftyp");
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
