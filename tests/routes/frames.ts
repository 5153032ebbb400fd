/** Frames on their way in, for tests of video: what is posted, how, and what is in the log afterwards.
 *
 * Left out: viewers.
 * @module */
import { joined } from "../jpegs.ts";
import type { TestService } from "./test_service.ts";

/** A frame as its record has it. */
export interface StoredFrame {
  /** `<partition>:<offset>`. */
  readonly frame: string;
  readonly jpeg: Uint8Array;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The record's time, ms since the epoch. */
  readonly timestamp: number;
}

const maxPageBytes = 16 * 1024 * 1024;
const decoder = new TextDecoder(), encoder = new TextEncoder();

/** All frames of a topic's partition, in their order. */
export async function storedFrames(
  service: TestService,
  topic: string,
  partition = 0,
): Promise<StoredFrame[]> {
  const frames: StoredFrame[] = [], { history } = service.hub;
  const how = { maxBytes: maxPageBytes, onSilent() {} };
  for (let offset = 0;;) {
    const page = await history.readOnce(topic, partition, offset, how);
    for (const { offset: at, timestamp, key, value, headers } of page.records) {
      frames.push({
        frame: `${partition}:${at}`,
        jpeg: new Uint8Array(value!),
        key: decoder.decode(key!),
        headers: Object.fromEntries(
          Object.entries(headers).map(([name, one]) => [name, decoder.decode(one as Uint8Array)]),
        ),
        timestamp,
      });
    }
    offset = page.next;
    if (offset >= page.end) return frames;
  }
}

/** Posts a body to a topic's frames. */
export function postFrames(
  service: TestService,
  address: string,
  body: BodyInit,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${service.url}/video/${address}`, { method: "POST", body, headers });
}

/** A body that comes in pieces of the lengths that `next` tells. */
export function inPieces(bytes: Uint8Array, next: () => number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      const length = next();
      controller.enqueue(bytes.slice(at, at + length));
      at += length;
    },
  });
}

/** Parts of a multipart as most senders write them. */
export function multipart(
  jpegs: readonly Uint8Array[],
  options: { readonly boundary?: string; readonly headers?: (n: number) => string } = {},
): Uint8Array<ArrayBuffer> {
  const { boundary = "cam", headers = (n) => `Content-Length: ${jpegs[n]!.length}\r\n` } = options;
  const head = (n: number) => `--${boundary}\r\nContent-Type: image/jpeg\r\n${headers(n)}\r\n`;
  return joined(
    ...jpegs.flatMap((jpeg, n) => [encoder.encode(head(n)), jpeg, encoder.encode("\r\n")]),
    encoder.encode(`--${boundary}--\r\n`),
  );
}
