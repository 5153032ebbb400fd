/** Clients of `tailrace.v1.frames` in other languages and runtimes: each reads a topic of pictures from its beginning, is cut at random
 * places, most of them within a picture, and has every picture once, byte for byte.
 *
 * websockets (Python) by the protocol's description alone; our own client in Deno and in Node. Left out: browsers (tests/pages/).
 * @module */
import { assertEquals, assertGreater } from "@std/assert";
import { createTopic, produce } from "../clients.ts";
import { numberedJpeg } from "../jpegs.ts";
import { onPath, Program } from "../programs.ts";
import { Random } from "../random.ts";
import { requires, testPython } from "../requirements.ts";
import { Service } from "../service.ts";
import { newTopic } from "./broker.ts";
import { CuttingProxy } from "./cutting_proxy.ts";

/** A line that a client printed. */
interface Told {
  readonly event: "ready" | "frame";
  readonly resume?: string;
  readonly frame?: string;
  readonly digest?: string;
}

const count = 400, partitions = 3, frameBytes = 20_000, cuts = 8;
const clientMs = 120_000;
const scripts = new URL("./stream_clients/", import.meta.url).pathname;
const root = new URL("../../", import.meta.url).pathname;

let service: Service;
Deno.test.beforeAll(async () => {
  service = await Service.open();
});
Deno.test.afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

/** Pictures over all partitions of a new topic, by frame id. */
async function pictures(topic: string): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  await createTopic(service.bootstrap, topic, partitions);
  const all = Array.from({ length: count }, (_, n) => numberedJpeg(n, { bytes: frameBytes }));
  const messages = all.map((value, n) => ({ value, partition: n % partitions }));
  const perBatch = 100; // a batch has a megabyte at most
  for (let n = 0; n < count; n += perBatch) {
    await produce(service.bootstrap, topic, messages.slice(n, n + perBatch));
  }
  return new Map(all.map((jpeg, n) => [`${n % partitions}:${Math.floor(n / partitions)}`, jpeg]));
}

async function digestOf(jpeg: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", jpeg)).toHex();
}

/** Has a client read a topic through cuts, and checks what it has. */
async function readThroughCuts(run: (url: string) => readonly [program: string, ...args: string[]]) {
  const topic = newTopic("pictures"), random = new Random("cuts");
  const wanted = await pictures(topic);
  const places = Array.from({ length: cuts }, () => random.between(300, 2 * frameBytes * count / cuts));
  await using proxy = new CuttingProxy(Number(new URL(service.url).port), places);
  const [program, ...args] = run(`//${proxy.host}/video/${topic}/socket`);
  const logFile = await Deno.makeTempFile({ prefix: "tailrace-client-" });
  try {
    await using client = Program.start(program, args, { logFile });
    const ended = (log: string) => client.ended ? log : null;
    const log = await client.printed(ended, `${program} to have read all`, clientMs);
    const told: Told[] = log.split("\n").filter((line) => line.startsWith("{")).map((line) =>
      JSON.parse(line)
    );
    const frames = told.filter(({ event }) => event === "frame");
    assertEquals(frames.map(({ frame }) => frame).toSorted(), [...wanted.keys()].toSorted(), log.slice(-500));
    for (const { frame, digest } of frames) assertEquals(digest, await digestOf(wanted.get(frame!)!));
    for (let partition = 0; partition < partitions; partition++) {
      const own = frames.filter(({ frame }) => frame!.startsWith(`${partition}:`));
      const offsets = own.map(({ frame }) => Number(frame!.split(":")[1]));
      assertEquals(offsets, offsets.toSorted((a, b) => a - b), "in order");
    }
    const [first, ...others] = told.filter(({ event }) => event === "ready").map(({ resume }) => resume);
    assertGreater(proxy.requests.length, 2);
    assertEquals([first, new Set(others)], ["fresh", new Set(["exact"])]);
  } finally {
    await Deno.remove(logFile);
  }
}

Deno.test({
  name: "websockets reads frames, is cut again and again, and has every one once, byte for byte",
  ignore: requires("websockets").ignore,
  fn: () =>
    readThroughCuts((url) => [testPython(), `${scripts}frames_client.py`, `ws:${url}`, String(count)]),
});

Deno.test("/client.js in Deno, imported from the service, reads frames through cuts", () =>
  readThroughCuts((url) => {
    const host = new URL(service.url).host;
    const module = `${service.url}/client.js`;
    const args = ["run", "--quiet", "--no-lock", `--allow-import=${host}`, "--allow-net=127.0.0.1"];
    return [Deno.execPath(), ...args, `${scripts}frames_client.js`, module, `http:${url}`, String(count)];
  }));

Deno.test("/client.js in Node, where it is on the PATH, reads frames through cuts", async () => {
  if (onPath("node") === null) return console.log("node is not on the PATH: left out");
  await readThroughCuts((url) => {
    const module = `${root}static/shared/stream.js`;
    const args = ["--no-warnings", "--experimental-websocket"]; // without a flag from 22 on
    return ["node", ...args, `${scripts}frames_client.js`, module, `http:${url}`, String(count)];
  });
});
