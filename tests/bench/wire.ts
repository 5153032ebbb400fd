/** Plain TCP clients of a benchmark: HTTP posts over one kept connection, and viewers that count records. @module */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Opens a connection to the service. */
export function connect(port: number): Promise<Deno.TcpConn> {
  return Deno.connect({ hostname: "127.0.0.1", port }).then((
    connection,
  ) => (connection.setNoDelay(true), connection));
}

/** A request that keeps its connection. */
export function postRequest(topic: string, body: string): Uint8Array {
  const head = `POST /producer/${topic} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n`;
  return encoder.encode(`${head}content-length: ${encoder.encode(body).length}\r\n\r\n${body}`);
}

/** Reads one answer with a Content-Length.
 * @throws {Error} when it is no 200 */
export async function readAnswer(client: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(256 * 1024);
  let text = "";
  for (;;) {
    const n = await client.read(buffer);
    if (n === null) throw new Error("The service closed the connection");
    text += decoder.decode(buffer.subarray(0, n));
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) continue;
    if (!text.startsWith("HTTP/1.1 200")) throw new Error(`The service answered ${text}`);
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1]);
    if (text.length >= end + 4 + length) return;
  }
}

/** Times in ms. */
export class Latencies {
  readonly #all: number[] = [];

  add(ms: number): void {
    this.#all.push(ms);
  }

  /** p50 and p99, 0 when there is none. */
  percentiles(): { p50: number; p99: number } {
    const sorted = this.#all.sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    return { p50: at(0.5), p99: at(0.99) };
  }
}

/** How a viewer looks. */
export interface ViewerJob {
  readonly port: number;
  readonly transport: "websocket" | "sse";
  readonly topic: string;
  /** Whether delays are read from its records. */
  readonly sampled: boolean;
}

/** Counts what all viewers get. A record is known by its member `message_id`, which each has once. */
export class RecordCounter {
  readonly latencies = new Latencies();
  records = 0;

  /** Opens a viewer; resolves when it is ready. */
  async open(job: ViewerJob): Promise<void> {
    const connection = await connect(job.port);
    await connection.write(encoder.encode(viewerRequest(job)));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#read(connection, job.sampled, resolve).catch(reject);
    await promise;
  }

  async #read(connection: Deno.TcpConn, sampled: boolean, onReady: () => void): Promise<void> {
    const buffer = new Uint8Array(256 * 1024);
    const counter = new PatternCounter('"message_id"');
    let ready = "";
    for (;;) {
      const n = await connection.read(buffer);
      if (n === null) return;
      const bytes = buffer.subarray(0, n);
      this.records += counter.count(bytes);
      if (ready !== "done") {
        ready += decoder.decode(bytes);
        if (!ready.includes('"resume"')) continue;
        ready = "done";
        onReady();
      }
      if (!sampled) continue;
      const now = Date.now();
      for (const match of decoder.decode(bytes).matchAll(/"at":(\d+)/g)) {
        this.latencies.add(now - Number(match[1]));
      }
    }
  }
}

function viewerRequest({ topic, transport }: ViewerJob): string {
  if (transport === "sse") return `GET /geo/${topic}/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`;
  const upgrade = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n";
  const key = "sec-websocket-key: dGVzdHMgb2YgdGFpbHJhY2U=\r\n";
  return `GET /geo/${topic}/socket HTTP/1.1\r\nhost: 127.0.0.1\r\n${upgrade}${key}\r\n`;
}

/** Counts a text in a stream of bytes, also where it is cut by the border of two pieces. */
class PatternCounter {
  readonly #pattern: Uint8Array;
  /** Bytes of the pattern that match so far; its first byte may stand only at its start and end. */
  #matched = 0;

  constructor(pattern: string) {
    this.#pattern = encoder.encode(pattern);
  }

  count(bytes: Uint8Array): number {
    const pattern = this.#pattern;
    let found = 0, matched = this.#matched;
    for (let i = 0; i < bytes.length; i++) {
      if (matched === 0) {
        i = bytes.indexOf(pattern[0]!, i);
        if (i < 0) break;
      }
      if (bytes[i] === pattern[matched]) matched++;
      else matched = bytes[i] === pattern[0] ? 1 : 0;
      if (matched < pattern.length) continue;
      found++;
      matched = 0;
    }
    this.#matched = matched;
    return found;
  }
}
