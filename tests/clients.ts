/** The clients that tests look at the service with: SSE over a plain fetch, WebSocket, POST, and Kafka itself.
 *
 * They are written against the standards, not against our own code, so that a mistake in routes/ is not made twice.
 * An SSE client keeps everything it got and never reconnects by itself: a test that wants a resume opens another one
 * with `lastEventId`. Left out: what a browser adds (tests/pages/ has a real one).
 * @see {@link https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream} @module */
import { Kafka, logLevel, Partitioners } from "kafkajs";
import type { IHeaders, KafkaMessage } from "kafkajs";
import "../kafka/client.ts"; // closes kafkajs's timer trap for the whole process, and brings the codecs
import { eventually, within } from "./eventually.ts";

/** One dispatched event of a stream. */
export interface SseEvent {
  /** The event's name; `message` when the stream gives none. */
  readonly event: string;
  /** The last event id in force when it was dispatched. */
  readonly id: string;
  readonly data: string;
}

/** An open event stream. Closing it cuts the connection. */
export class SseClient implements AsyncDisposable {
  readonly response: Response;
  /** Everything dispatched so far, oldest first. */
  readonly events: SseEvent[] = [];
  /** Texts of the comment lines so far. */
  readonly comments: string[] = [];
  /** The last `retry:` in milliseconds, or null. */
  retryMs: number | null = null;
  /** Whether the server has ended the stream, or why it broke off. */
  ended: "clean" | Error | null = null;
  #abort: AbortController;
  #reading: Promise<void>;
  #lastId = ""; // as of the last blank line: an event that was cut in two leaves no id

  private constructor(response: Response, abort: AbortController) {
    this.response = response;
    this.#abort = abort;
    this.#reading = this.#read();
  }

  /** Opens the stream and resolves once its headers are there.
   * @param options.lastEventId sent as `Last-Event-ID`, as a browser does after a cut */
  static async open(
    url: string,
    options: { lastEventId?: string; timeoutMs?: number } = {},
  ): Promise<SseClient> {
    const abort = new AbortController();
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (options.lastEventId !== undefined) headers["last-event-id"] = options.lastEventId;
    const opening = fetch(url, { headers, signal: abort.signal });
    try {
      const response = await within(`headers of ${url}`, options.timeoutMs ?? 30_000, opening);
      return new SseClient(response, abort);
    } catch (error) {
      abort.abort();
      await opening.then((response) => response.body?.cancel(), () => {});
      throw error;
    }
  }

  /** The id that a browser would send as `Last-Event-ID` now. */
  get lastEventId(): string {
    return this.#lastId;
  }

  /** Parsed data of the events with that name, oldest first. */
  // deno-lint-ignore no-explicit-any
  all(event: string): any[] {
    return this.events.filter((each) => each.event === event).map((each) => JSON.parse(each.data));
  }

  /** Waits for an event with that name whose parsed data `accept` likes, among those that came and those to come. */
  // deno-lint-ignore no-explicit-any
  first(event: string, accept: (data: any) => boolean = () => true, timeoutMs = 30_000): Promise<any> {
    const seen = () => this.events.slice(-5);
    return eventually(`event ${event}`, () => this.all(event).find(accept), timeoutMs, seen);
  }

  /** Waits until the server ends the stream; `ended` tells how. */
  async end(timeoutMs = 30_000): Promise<void> {
    await within("the end of the stream", timeoutMs, this.#reading);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#reading;
  }

  async #read(): Promise<void> {
    if (!this.response.body) return;
    try {
      let rest = "";
      const event = { name: "", data: [] as string[], id: "" };
      for await (const text of this.response.body.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split(/\r\n|\n|\r/);
        rest = lines.pop()!; // what comes after the last line end is a line that is not whole yet
        for (const line of lines) this.#line(line, event);
      }
      this.ended = "clean";
    } catch (error) {
      this.ended = error as Error;
    }
  }

  #line(line: string, event: { name: string; data: string[]; id: string }): void {
    if (line === "") {
      this.#lastId = event.id;
      if (event.data.length > 0) {
        this.events.push({ event: event.name || "message", id: this.#lastId, data: event.data.join("\n") });
      }
      event.name = "";
      event.data = [];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) {
      this.comments.push(line.slice(1).trimStart());
      return;
    }
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") event.data.push(value);
    else if (field === "event") event.name = value;
    else if (field === "id" && !value.includes("\0")) event.id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
  }
}

/** An open WebSocket that keeps what it got. */
export class WsClient implements AsyncDisposable {
  readonly socket: WebSocket;
  /** The text messages as they came. */
  readonly texts: string[] = [];
  /** How it was closed, or null while it is open. */
  closed: { code: number; reason: string } | null = null;
  #closing: Promise<void>;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.onmessage = ({ data }) => this.texts.push(String(data));
    this.#closing = new Promise((resolve) => {
      socket.onclose = ({ code, reason }) => {
        this.closed = { code, reason };
        resolve();
      };
    });
  }

  /** Opens it: `http:` in the address becomes `ws:`.
   * @throws {Error} when the handshake is refused */
  static async open(url: string, protocols: string[] = [], timeoutMs = 30_000): Promise<WsClient> {
    const client = new WsClient(new WebSocket(url.replace(/^http/, "ws"), protocols));
    const opened = new Promise<void>((resolve, reject) => {
      client.socket.onopen = () => resolve();
      client.socket.onerror = (event) =>
        reject(new Error(`Cannot open ${url}: ${(event as ErrorEvent).message}`));
    });
    await within(`handshake of ${url}`, timeoutMs, opened);
    client.socket.onerror = null;
    return client;
  }

  /** Every JSON object so far: a message holds one, or several with line feeds between. */
  // deno-lint-ignore no-explicit-any
  get messages(): any[] {
    return this.texts.flatMap((text) => text.split("\n")).map((line) => JSON.parse(line));
  }

  /** Every object of that `type` so far. */
  // deno-lint-ignore no-explicit-any
  all(type: string): any[] {
    return this.messages.filter((message) => message.type === type);
  }

  /** Waits for an object that `accept` likes, among those that came and those to come. */
  // deno-lint-ignore no-explicit-any
  first(what: string, accept: (message: any) => boolean, timeoutMs = 30_000): Promise<any> {
    return eventually(what, () => this.messages.find(accept), timeoutMs, () => this.texts.slice(-5));
  }

  /** Waits until it is closed, by whichever side. */
  async end(timeoutMs = 30_000): Promise<{ code: number; reason: string }> {
    await within("the socket to close", timeoutMs, this.#closing);
    return this.closed!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.closed) this.socket.close();
    await this.#closing;
  }
}

/** What a POST was answered with; `body` is the parsed JSON. */
export interface Answer {
  readonly status: number;
  // deno-lint-ignore no-explicit-any
  readonly body: any;
  readonly headers: Headers;
  readonly seconds: number;
}

/** Posts JSON and reads the whole answer.
 * @throws {Error} when there is no answer, or none within `timeoutMs` */
export async function postJson(url: string, body: unknown, timeoutMs = 30_000): Promise<Answer> {
  const started = performance.now();
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(timeoutMs),
  });
  const text = await response.text();
  const seconds = (performance.now() - started) / 1000;
  return { status: response.status, body: text && JSON.parse(text), headers: response.headers, seconds };
}

/** Runs `work` for every item, at most `concurrency` at a time; results in the order of the items. */
export async function concurrently<T, R>(
  items: readonly T[],
  concurrency: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const one = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index]!, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, one));
  return results;
}

/** A record as it lies in a topic. */
export interface TopicRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  /** The value as text; null for a tombstone. */
  readonly value: string | null;
  readonly headers: IHeaders;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
}

/** kafkajs as its users have it, without anything of ours around it. */
export function plainKafka(bootstrap: string): Kafka {
  return new Kafka({
    clientId: "tailrace-tests",
    brokers: [bootstrap],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 30_000,
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 30 },
  });
}

const maxMessagesPerSend = 1000;
/** What a busy Kafka may take for a change of topics, ms: kafkajs does not try again when it asks for less. */
const adminMs = 25_000;

/** Sends records with kafkajs: whatever bytes a test wants in a topic, with no schema in the way. */
export async function produce(
  bootstrap: string,
  topic: string,
  messages: readonly { key?: string | null; value: string | Uint8Array | null; partition?: number }[],
): Promise<void> {
  const producer = plainKafka(bootstrap).producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  try {
    const toBuffer = (value: string | Uint8Array | null) =>
      value === null || typeof value === "string" ? value : Buffer.from(value);
    for (let first = 0; first < messages.length; first += maxMessagesPerSend) {
      const some = messages.slice(first, first + maxMessagesPerSend);
      const sent = await producer.send({
        topic,
        acks: -1,
        messages: some.map(({ value, ...rest }) => ({ ...rest, value: toBuffer(value) })),
      });
      if (sent.length === 0) throw new Error(`Cannot send to ${topic} as the broker gave no offset back`);
    }
  } finally {
    await producer.disconnect();
  }
}

/** Makes a topic with kafkajs, and waits until each of its partitions has a leader; one that is there already is left as it is.
 * @param configs Kafka's settings of the topic, for one that a test fills with records of long ago: `retention.ms` */
export async function createTopic(
  bootstrap: string,
  topic: string,
  partitions: number,
  configs: Readonly<Record<string, string>> = {},
): Promise<void> {
  const admin = plainKafka(bootstrap).admin();
  const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
  const areLed = async () => {
    const found = await admin.fetchTopicMetadata({ topics: [topic] }).catch(() => null); // not known everywhere yet
    const led = found?.topics[0]?.partitions.filter(({ leader }) => leader >= 0) ?? [];
    return led.length > 0 && led.length === found?.topics[0]?.partitions.length;
  };
  await admin.connect();
  try {
    await admin.createTopics({
      waitForLeaders: false,
      timeout: adminMs,
      topics: [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries }],
    });
    await eventually(`leaders of ${topic}`, areLed);
  } finally {
    await admin.disconnect();
  }
}

/** Deletes a topic with kafkajs, and waits until it is gone. */
export async function deleteTopic(bootstrap: string, topic: string): Promise<void> {
  const admin = plainKafka(bootstrap).admin();
  await admin.connect();
  try {
    await admin.deleteTopics({ topics: [topic], timeout: adminMs });
    await eventually(`the end of ${topic}`, async () => !(await admin.listTopics()).includes(topic));
  } finally {
    await admin.disconnect();
  }
}

/** Reads everything that a topic holds now with a kafkajs consumer in a group of its own, in offset order per partition. */
export async function readTopic(
  bootstrap: string,
  topic: string,
  timeoutMs = 60_000,
): Promise<TopicRecord[]> {
  const kafka = plainKafka(bootstrap);
  const admin = kafka.admin();
  await admin.connect();
  const ends = await admin.fetchTopicOffsets(topic).finally(() => admin.disconnect());
  const left = new Map(
    ends.filter(({ low, high }) => low !== high).map(({ partition, high }) => [partition, Number(high)]),
  );
  if (left.size === 0) return [];
  const records: TopicRecord[] = [];
  const done = Promise.withResolvers<void>();
  const consumer = kafka.consumer({ groupId: `reader-${crypto.randomUUID()}`, maxWaitTimeInMs: 100 });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatch: ({ batch }) => {
        for (const message of batch.messages) records.push(topicRecord(batch.partition, message));
        const last = Number(batch.lastOffset());
        if (last + 1 >= (left.get(batch.partition) ?? Infinity)) left.delete(batch.partition);
        if (left.size === 0) done.resolve();
        return Promise.resolve();
      },
    });
    await within(`every record of ${topic}`, timeoutMs, done.promise);
  } finally {
    await consumer.disconnect();
  }
  return records.sort((a, b) => a.partition - b.partition || a.offset - b.offset);
}

function topicRecord(partition: number, message: KafkaMessage): TopicRecord {
  return {
    partition,
    offset: Number(message.offset),
    key: message.key?.toString() ?? null,
    value: message.value?.toString() ?? null,
    headers: message.headers ?? {},
    timestamp: Number(message.timestamp),
  };
}
