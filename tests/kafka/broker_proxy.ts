/** A TCP proxy in front of a Kafka broker, for faults at chosen moments: it knows where requests and answers begin and end.
 *
 * Every request goes past `onRequest`, every answer past `onAnswer`, which say what becomes of it. Answers to Metadata and
 * FindCoordinator name the proxy in the broker's place, so that no client goes around it. Left out: TLS.
 * @see {@link https://kafka.apache.org/protocol#protocol_common} for the frames
 * @module */
import { freePort } from "../programs.ts";

/** A frame on its way; `api` is the key of the request, also for its answer. */
export interface Frame {
  readonly api: number;
  readonly version: number;
  readonly correlation: number;
  /** With its length in front. */
  readonly bytes: Uint8Array;
  /** Of an answer. */
  readonly request?: Frame;
}

/** `pass`: on it goes; `cut`: both sides lose the connection; `drop`: it is swallowed; bytes: they go to the client instead
 * (of an answer, or as the answer to a request that then never reaches the broker). A promise delays it. */
export type Verdict = "pass" | "cut" | "drop" | Uint8Array;
export type Rule = (frame: Frame) => Verdict | Promise<Verdict>;

export const produceApi = 0, fetchApi = 1, listOffsetsApi = 2, metadataApi = 3, initProducerIdApi = 22;
const findCoordinatorApi = 10;

/** The proxy; closing it cuts everything. */
export class BrokerProxy implements AsyncDisposable {
  onRequest: Rule = () => "pass";
  onAnswer: Rule = () => "pass";
  /** What an answer to Metadata becomes before `onAnswer` sees it. */
  onMetadata: (answer: Frame) => Uint8Array = ({ bytes }) => bytes;
  /** Requests that came in so far. */
  readonly requests: Frame[] = [];
  /** Where new connections are led. */
  target: { readonly hostname: string; readonly port: number };
  #listener: Deno.Listener | undefined;
  /** None that a connection may be given while it is away. */
  readonly #port = freePort();
  /** Connections that were taken so far. */
  connections = 0;
  readonly #open = new Set<Deno.Conn>();
  readonly #tasks = new Set<Promise<void>>();

  /** Listens on a free port. */
  constructor(target: { hostname: string; port: number }) {
    this.target = target;
    this.start();
  }

  get port(): number {
    return this.#port;
  }

  get bootstrap(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** How many requests of an API came in. */
  count(api: number): number {
    return this.requests.filter((frame) => frame.api === api).length;
  }

  /** Listens, again on the same port after `stop`. */
  start(): void {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: this.#port });
    this.#track(this.#accept(this.#listener));
  }

  /** As a broker that went away: refuses connections and cuts those there are. */
  async stop(): Promise<void> {
    this.#listener?.close();
    this.#listener = undefined;
    this.cutAll();
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
  }

  /** Cuts every connection; new ones are taken. */
  cutAll(): void {
    for (const socket of this.#open) close(socket);
    this.#open.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #track(work: Promise<void>): void {
    const task = work.finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }

  async #accept(listener: Deno.Listener): Promise<void> {
    try {
      for await (const client of listener) this.#track(this.#serve(client));
    } catch {
      // Closed while it accepted.
    }
  }

  async #serve(client: Deno.Conn): Promise<void> {
    if (!this.#listener) return close(client); // taken just before it stopped
    this.#open.add(client);
    let broker: Deno.Conn | undefined;
    const cut = () => {
      for (const socket of [client, broker]) {
        if (!socket) continue;
        close(socket);
        this.#open.delete(socket);
      }
    };
    try {
      this.connections++;
      broker = await Deno.connect(this.target);
      this.#open.add(broker);
      const asked = new Map<number, Frame>();
      await Promise.all([
        this.#requests(client, broker, asked).finally(cut),
        this.#answers(broker, client, asked).finally(cut),
      ]);
    } catch {
      // One of the two is gone; so is the other one now.
    } finally {
      cut();
    }
  }

  async #requests(client: Deno.Conn, broker: Deno.Conn, asked: Map<number, Frame>): Promise<void> {
    for await (const bytes of frames(client)) {
      const view = new DataView(bytes.buffer);
      const frame = {
        api: view.getInt16(4),
        version: view.getInt16(6),
        correlation: view.getInt32(8),
        bytes,
      };
      this.requests.push(frame);
      asked.set(frame.correlation, frame);
      const verdict = await this.onRequest(frame);
      if (verdict === "cut") return;
      if (verdict instanceof Uint8Array) await writeAll(client, verdict);
      else if (verdict === "pass") await writeAll(broker, bytes);
    }
  }

  async #answers(broker: Deno.Conn, client: Deno.Conn, asked: Map<number, Frame>): Promise<void> {
    for await (const bytes of frames(broker)) {
      const correlation = new DataView(bytes.buffer).getInt32(4);
      const request = asked.get(correlation)!, { api, version } = request;
      asked.delete(correlation);
      if (api === metadataApi || api === findCoordinatorApi) this.#rename(bytes);
      const frame = { api, version, correlation, bytes, request };
      const answer = api === metadataApi ? { ...frame, bytes: this.onMetadata(frame) } : frame;
      const verdict = await this.onAnswer(answer);
      if (verdict === "cut") return;
      if (verdict !== "drop") await writeAll(client, verdict === "pass" ? answer.bytes : verdict);
    }
  }

  /** Puts the proxy's port where the broker's is: an INT32 after the host, in each encoding. */
  #rename(bytes: Uint8Array): void {
    const { hostname, port } = this.target;
    const view = new DataView(bytes.buffer);
    const host = new TextEncoder().encode(hostname);
    for (let at = 8; at + host.length + 4 <= bytes.length; at++) {
      if (!host.every((byte, i) => bytes[at + i] === byte)) continue;
      if (view.getInt32(at + host.length) === port) view.setInt32(at + host.length, this.#port);
    }
  }
}

/** How long a Fetch request may wait at the broker, ms: the reader's wait, those for the past do not. */
export function fetchWaitMs({ bytes }: Frame): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const clientId = view.getInt16(12);
  return view.getInt32(14 + Math.max(0, clientId) + 4);
}

/** An answer to Produce (v7 and below down to v5) for one partition, as a broker sends it that took nothing.
 * @param error Kafka's number */
export function produceAnswer(request: Frame, topic: string, partition: number, error: number): Uint8Array {
  const name = new TextEncoder().encode(topic);
  const bytes = new Uint8Array(4 + 4 + 4 + 2 + name.length + 4 + 4 + 2 + 8 + 8 + 8 + 4);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const int32 = (value: number) => (view.setInt32(at, value), at += 4);
  int32(bytes.length - 4);
  int32(request.correlation);
  int32(1);
  view.setInt16(at, name.length);
  bytes.set(name, at += 2);
  at += name.length;
  int32(1);
  int32(partition);
  view.setInt16(at, error);
  at += 2;
  for (let i = 0; i < 3; i++, at += 8) view.setBigInt64(at, -1n);
  int32(0);
  return bytes;
}

/** The frames of a connection, each with its length in front. */
async function* frames(socket: Deno.Conn): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let held = new Uint8Array(0);
  const chunk = new Uint8Array(64 * 1024);
  while (true) {
    const count = await socket.read(chunk);
    if (count === null) return;
    const joined = new Uint8Array(held.length + count);
    joined.set(held);
    joined.set(chunk.subarray(0, count), held.length);
    let at = 0;
    while (joined.length - at >= 4) {
      const size = 4 + new DataView(joined.buffer).getInt32(at);
      if (joined.length - at < size) break;
      yield joined.slice(at, at + size);
      at += size;
    }
    held = joined.slice(at);
  }
}

async function writeAll(socket: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await socket.write(bytes.subarray(at));
}

function close(socket: Deno.Conn): void {
  try {
    socket.close();
  } catch {
    // Closed already.
  }
}
