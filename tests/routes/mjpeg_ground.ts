/** MJPEG viewers of a topic `cam` on a service in this process: for tests of the route.
 *
 * Left out: a service that is a process of its own (tests/contract/video.ts, tests/crash/).
 * @module */
import type { OutRecord } from "../../kafka/producer.ts";
import { eventually } from "../eventually.ts";
import { numberedJpeg } from "../jpegs.ts";
import { MjpegClient, type MjpegOptions } from "../mjpeg_client.ts";
import type { TestService } from "./test_service.ts";

/** Frames `from` … `from + count − 1` of a topic, `everyMs` apart from `startMs` on. */
export async function publish(
  service: TestService,
  { topic = "cam", from = 0, count = 1, startMs = 1_700_000_000_000, everyMs = 20, bytes, ...more }: {
    topic?: string;
    from?: number;
    count?: number;
    startMs?: number;
    everyMs?: number;
    bytes?: number;
  } & Partial<OutRecord>,
): Promise<void> {
  const records = Array.from({ length: count }, (_, i) => {
    const at = startMs + (from + i) * everyMs;
    const value = numberedJpeg(from + i, bytes === undefined ? {} : { bytes });
    return { key: topic, value, timestamp: at, headers: { "captured-at": String(at) }, ...more };
  });
  await service.producer.sendAll(topic, records);
}

/** Opens a stream of the topic. */
export function watch(service: TestService, query = "", options: MjpegOptions = {}): Promise<MjpegClient> {
  return MjpegClient.open(`${service.url}/video/cam/mjpeg${query}`, options);
}

/** Ends a connection and waits until the service has seen it, and Kafka has the position. */
export async function leave(service: TestService, client: MjpegClient): Promise<void> {
  const { connections } = service;
  await client[Symbol.asyncDispose]();
  await eventually("the connection to be gone", () => service.connections < connections);
  await service.positions.flush();
}

/** The committed position of a viewer, by partition. */
export function committed(service: TestService, viewer: string): number[] {
  return service.broker.broker.state.offsets.fetchAll(`viewer-${viewer}`).map(({ offset }) => offset);
}

/** `count` numbers. */
export function upTo(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, n) => from + n);
}
