/** A camera for tests: RTSP over one TCP connection for one viewer, an MPEG transport stream in RTP packets among the answers.
 *
 * Left out: UDP, passwords, and what viewers report of themselves (RTCP).
 * @see {@link https://www.rfc-editor.org/rfc/rfc2326} RTSP; 10.12 for packets on its connection
 * @see {@link https://www.rfc-editor.org/rfc/rfc2250} section 2 for the transport stream in RTP @module */
import { ByteReader } from "../../commands/byte_reader.ts";
import { joined } from "../jpegs.ts";

const encoder = new TextEncoder(), decoder = new TextDecoder("latin1");
const payloadType = 33;
/** Seven packets of a transport stream go into one of RTP. */
const payloadBytes = 7 * 188;
const description = [
  ...[
    "v=0",
    "o=- 0 0 IN IP4 127.0.0.1",
    "s=door",
    "t=0 0",
    `m=video 0 RTP/AVP ${payloadType}`,
    "a=control:track",
    "",
  ],
].join("\r\n");

/** Waits for its viewer from the beginning; disposing it ends the film for the viewer. */
export class RtspCamera implements AsyncDisposable {
  /** Requests so far: `SETUP RTP/AVP/TCP…`, the method and the transport that is wished for. */
  readonly requests: string[] = [];
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #film: ByteReader;
  readonly #serving: Promise<unknown>;
  #viewer: Deno.TcpConn | undefined;

  /** @param film an MPEG transport stream, at the pace at which it is to be seen */
  constructor(film: ReadableStream<Uint8Array>) {
    this.#film = new ByteReader(film);
    this.#serving = this.#serve().catch(() => {});
  }

  get url(): string {
    return `rtsp://127.0.0.1:${this.#listener.addr.port}/door`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#film[Symbol.asyncDispose]();
    try {
      this.#viewer?.close();
    } catch {
      // The viewer is gone.
    }
    await this.#serving;
  }

  async #serve(): Promise<void> {
    const viewer = this.#viewer = await this.#listener.accept();
    const reader = new ByteReader(viewer.readable), writer = viewer.writable.getWriter();
    let playing: Promise<void> | undefined;
    for (let request = await nextRequest(reader); request !== null; request = await nextRequest(reader)) {
      const [method] = request.split(" "), sequence = /^CSeq: *(\d+)/im.exec(request)?.[1];
      const transport = /^Transport: *(.+)$/im.exec(request)?.[1]?.trim();
      this.requests.push(transport ? `${method} ${transport}` : method!);
      const body = method === "DESCRIBE" ? description : "";
      const headers = [
        `CSeq: ${sequence}`,
        "Session: 1",
        ...(method === "OPTIONS" ? ["Public: DESCRIBE, SETUP, PLAY, TEARDOWN"] : []),
        ...(transport ? ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1"] : []),
        ...(body ? ["Content-Type: application/sdp", `Content-Length: ${body.length}`] : []),
      ];
      await writer.write(encoder.encode(["RTSP/1.0 200 OK", ...headers, "", body].join("\r\n")));
      if (method === "PLAY") playing ??= this.#play(writer).catch(() => {});
    }
    await playing;
  }

  async #play(writer: WritableStreamDefaultWriter<Uint8Array>): Promise<void> {
    const startedMs = performance.now();
    for (let number = 0;; number++) {
      const payload = await this.#film.take(payloadBytes);
      if (payload.length < payloadBytes) return;
      const rtp = new DataView(new ArrayBuffer(16));
      rtp.setUint32(0, 0x2400_0000 | 12 + payload.length); // `$`, channel 0, length
      rtp.setUint32(4, 0x8000_0000 | payloadType << 16 | number & 0xffff);
      rtp.setUint32(8, (performance.now() - startedMs) * 90); // in 1/90,000 s
      rtp.setUint32(12, 1); // the source's number
      await writer.write(joined(new Uint8Array(rtp.buffer), payload));
    }
  }
}

/** The next request; packets before it are passed over. Null at the end. */
async function nextRequest(reader: ByteReader): Promise<string | null> {
  for (let length = 4;; length++) {
    const bytes = await reader.peek(length);
    if (bytes.length < length) return null;
    if (bytes[0] === 0x24) {
      await reader.skip(4 + (bytes[2]! << 8 | bytes[3]!));
      length = 3;
    } else if (bytes.at(-1) === 0x0a && bytes.at(-3) === 0x0a) {
      return decoder.decode(await reader.take(length));
    }
  }
}
