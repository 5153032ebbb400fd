/** What tests of frames over WebSocket share: topics of pictures, viewers of them, and where Kafka says that viewers are.
 *
 * Left out: the client (frames_client.ts).
 * @module */
import type { OutRecord } from "../../kafka/producer.ts";
import { eventually } from "../eventually.ts";
import { numberedJpeg } from "../jpegs.ts";
import { FramesClient } from "./frames_client.ts";
import type { TestService } from "./test_service.ts";

/** When the first frame was captured, about. */
export const startMs = 1_700_000_000_000;

/** Frames `from` … `from + count − 1` of a topic, 40 ms apart; their `captured-at` is a millisecond before their time. */
export async function publish(
  service: TestService,
  { topic = "cam", from = 0, count = 1, bytes, ...more }: {
    topic?: string;
    from?: number;
    count?: number;
    bytes?: number;
  } & Partial<OutRecord> = {},
): Promise<void> {
  const records = Array.from({ length: count }, (_, i) => {
    const timestamp = startMs + (from + i) * 40;
    const value = numberedJpeg(from + i, bytes === undefined ? {} : { bytes });
    return { key: topic, value, timestamp, headers: { "captured-at": String(timestamp - 1) }, ...more };
  });
  for (const record of records) await service.producer.send(topic, record);
}

/** Ids of frames that follow each other. */
export const ids = (count: number, from = 0, partition = 0) =>
  Array.from({ length: count }, (_, n) => `${partition}:${from + n}`);

/** Opens a stream, or several, by frames. */
export function watch(service: TestService, path: string): Promise<FramesClient> {
  return FramesClient.open(`${service.url}${path}`);
}

/** What the cluster holds for a viewer, by partition. */
export function committed(service: TestService, viewer: string): number[] {
  return service.broker.broker.state.offsets.fetchAll(`viewer-${viewer}`)
    .toSorted((a, b) => a.partition - b.partition)
    .map(({ offset }) => offset);
}

/** Ends a connection and waits until the service has seen it, and Kafka has the position. */
export async function leave(service: TestService, client: FramesClient): Promise<void> {
  const { connections } = service;
  await client[Symbol.asyncDispose]();
  await eventually("the connection to be gone", () => service.connections < connections);
  await service.positions.flush();
}
