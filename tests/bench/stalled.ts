/** What a viewer costs that asks for the past and never reads: bytes that the service has written to it less what the system holds of
 * them (/proc/net/tcp), and memory of the process, which has much garbage in it. Left out: IPv6. @module */
import type { Service } from "../service.ts";
import { Feeder } from "./feeder.ts";
import { megabytes } from "./measure.ts";
import { RawViewer } from "./viewer.ts";

/** More than the system takes for a connection (4 MB and some). */
const records = 40_000;
const topic = "past";

/** Outcome for each viewer, in KB. */
export interface Stalled {
  readonly written: number;
  readonly inSystem: number;
  readonly held: number;
  readonly memory: number;
}

export async function measureStalled(
  service: Service,
  transport: "sse" | "websocket",
  viewers: number,
): Promise<Stalled> {
  const port = Number(new URL(service.url).port);
  using feeder = await Feeder.connect(service.bootstrap);
  await feeder.makeTopics([topic], records);
  const options = { port, transport, topic, cursor: "earliest" } as const;
  const bytesPerRecord = await readOnce(options);
  const delivered = await deliveries(service, transport), before = megabytes(service.pid);
  const opened: RawViewer[] = [];
  for (let n = 0; n < viewers; n++) opened.push(await RawViewer.open(options));
  const written = await settled(async () =>
    (await deliveries(service, transport) - delivered) * bytesPerRecord
  );
  const memory = (megabytes(service.pid) - before) * 1024 * 1024;
  const inSystem = queued(port);
  for (const viewer of opened) viewer.close();
  const each = (bytes: number) => bytes / viewers / 1024;
  return {
    written: each(written),
    inSystem: each(inSystem),
    held: each(written - inSystem),
    memory: each(memory),
  };
}

/** Bytes that a record takes on the wire: the first viewer reads all. */
async function readOnce(options: Parameters<typeof RawViewer.open>[0]): Promise<number> {
  const viewer = await RawViewer.open(options);
  const decoder = new TextDecoder();
  let bytes = 0, tail = "";
  await viewer.read(new Uint8Array(256 * 1024), (read) => {
    bytes += read.length;
    tail = (tail + decoder.decode(read.slice(-600))).slice(-700);
    if (tail.includes(`"offset":${records - 1},`)) viewer.close();
  });
  return bytes / records;
}

async function deliveries(service: Service, transport: string): Promise<number> {
  return await service.metric(`tailrace_deliveries_total{transport="${transport}"}`) ?? 0;
}

/** A number that no longer grows. */
async function settled(read: () => Promise<number>): Promise<number> {
  for (let last = -1;;) {
    const now = await read();
    if (now === last) return now;
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 2_000));
  }
}

/** Bytes that wait at connections of a port: to be sent here, to be read there. */
function queued(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  let sum = 0;
  for (const line of Deno.readTextFileSync("/proc/net/tcp").split("\n").slice(1)) {
    const [, local, remote, , queues] = line.trim().split(/\s+/);
    const [sending, receiving] = (queues ?? "0:0").split(":").map((part) => parseInt(part, 16));
    if (local?.endsWith(`:${hex}`)) sum += sending!;
    if (remote?.endsWith(`:${hex}`)) sum += receiving!;
  }
  return sum;
}
