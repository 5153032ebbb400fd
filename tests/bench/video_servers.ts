/** The servers of `deno task bench:video`: ours, and the plain ones beside it.
 *
 * Node's packages are installed by npm into the tests' cache, once; without Node or npm that peer is left out.
 * @module */
import { TextLineStream } from "../interop/lines.ts";
import { connect } from "../kafka/test_broker.ts";
import { onPath, run, testCache } from "../programs.ts";
import type { Service } from "../service.ts";
import type { VideoSource } from "./video_client.ts";

/** A server, one way of it. */
export interface Contender {
  readonly name: string;
  /** Name of the one that it is compared with. */
  readonly peer?: string;
  readonly pid: number;
  /** That it is asked for, and has no other viewers. */
  readonly topic: string;
  readonly source: VideoSource;
}

/** Peers that run. */
export interface Peers extends AsyncDisposable {
  readonly contenders: readonly Contender[];
}

const packages = ["ws@8.18.0", "kafkajs@2.2.4"];
const nodeWs = "Node ws", denoMjpeg = "Deno ReadableStream";
const frameHeaderBytes = 32;

/** Both ways of a service.
 * @param hasPositions whether where its viewers are is kept: MJPEG commits it once a second */
export function tailrace({ url, pid }: Service, hasPositions: boolean): Contender[] {
  const port = Number(new URL(url).port), socket = "video-socket", mjpeg = "video-mjpeg";
  const query = `cursor=latest&viewer=${hasPositions ? "{viewer}" : ""}`;
  const frames = {
    transport: "websocket",
    protocol: "tailrace.v1.frames",
    prefix: frameHeaderBytes,
  } as const;
  const parts = { transport: "mjpeg", prefix: 0 } as const;
  return [{
    name: "tailrace WebSocket",
    peer: nodeWs,
    pid,
    topic: socket,
    source: { port, path: `/video/${socket}/socket?${query}`, ...frames },
  }, {
    name: "tailrace MJPEG",
    peer: denoMjpeg,
    pid,
    topic: mjpeg,
    source: { port, path: `/video/${mjpeg}/mjpeg?${query}`, ...parts },
  }];
}

/** Starts the plain servers that this machine can run, each with a topic of its own. */
export async function openPeers(bootstrap: string): Promise<Peers> {
  const parts = new AsyncDisposableStack();
  const contenders: Contender[] = [];
  const start = async (
    program: string,
    args: readonly string[],
    about: { name: string; topic: string; source: Omit<VideoSource, "port"> },
  ) => {
    await makeTopic(bootstrap, about.topic);
    const { port, pid } = parts.use(await PeerProcess.start(program, [...args, bootstrap, about.topic]));
    contenders.push({ ...about, pid, source: { ...about.source, port } });
  };
  const file = (name: string) => new URL(name, import.meta.url).pathname;
  const folder = await nodePackages();
  if (folder !== null) {
    const source = { path: "/", transport: "websocket", prefix: 0 } as const;
    await start(onPath("node")!, [file("video_peer.mjs"), folder], {
      name: nodeWs,
      topic: "video-node",
      source,
    });
  }
  const source = { path: "/", transport: "mjpeg", prefix: 0 } as const;
  await start(Deno.execPath(), ["run", "--quiet", "-A", file("video_peer.ts")], {
    ...{ name: denoMjpeg, topic: "video-deno", source },
  });
  return { contenders, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

/** The folder with Node's packages, or null when they cannot be had. */
async function nodePackages(): Promise<string | null> {
  const folder = `${testCache()}/video-peer`;
  const missing = onPath("node") === null ? "node" : onPath("npm") === null ? "npm" : null;
  if (missing !== null) {
    console.log(`Without Node ws, as ${missing} is not on the PATH`);
    return null;
  }
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/package.json`, "{}");
  const args = ["install", "--no-audit", "--no-fund", "--prefer-offline", "--prefix", folder, ...packages];
  const { code, stderr } = await run(onPath("npm")!, { args });
  if (code === 0) return folder;
  console.log(`Without Node ws, as npm cannot install it: ${stderr.trim().split("\n").at(-1)}`);
  return null;
}

async function makeTopic(bootstrap: string, name: string): Promise<void> {
  await using kafka = connect(bootstrap);
  await kafka.createTopic(name);
}

/** A server that prints its port. */
class PeerProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  port = 0;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#lines = child.stdout.pipeThrough(new TextLineStream()).getReader();
  }

  static async start(program: string, args: readonly string[]): Promise<PeerProcess> {
    const peer = new PeerProcess(
      new Deno.Command(program, { args: [...args], stdin: "null", stdout: "piped", stderr: "inherit" })
        .spawn(),
    );
    const { value } = await peer.#lines.read();
    if (value === undefined) throw new Error(`Cannot measure ${args[0]}: it ended before it listened`);
    peer.port = JSON.parse(value).port;
    return peer;
  }

  get pid(): number {
    return this.#child.pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
    await this.#lines.cancel();
  }
}
