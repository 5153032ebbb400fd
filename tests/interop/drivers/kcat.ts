/** A driver of the conformance suite around kcat: each question is one or more of its processes.
 *
 * kcat sends records of one partition with the same headers only, so a question becomes as many processes as it takes; those
 * of one partition run one after the other. Left out: what kcat cannot do (timestamps of the caller's choice, administration
 * but for lists, asking for a topic without making it) and what it does only for the life of a process (groups without automatic commits, transactions), which
 * ../kcat_test.ts tries. @module */
import { TextLineStream } from "../lines.ts";
import type { Header, NewRecord, Ops, Place, ReadRecord, Value } from "../driver_protocol.ts";
import { serveDriver } from "./serve.ts";

const bootstrap = Deno.args[0] ?? "";

/** Between a key and its value, and between records, in what kcat is given: ASCII's unit and record separators. */
const [keyEnd, recordEnd] = ["\x1f", "\x1e"];

/** Time that kcat may take for one process, in milliseconds: less than the suite waits. */
const processMs = 75_000;

/** What kcat said when it failed. */
class KcatError extends Error {
  override readonly name = "KcatError";
}

/** Kafka's numbers, by what librdkafka says of them. */
const codes: Readonly<Record<string, number>> = {
  "Broker: Offset out of range": 1,
  "Broker: Unknown topic or partition": 3,
  "Broker: Message size too large": 10,
  "Broker: Invalid timestamp": 32,
  "Broker: Broker failed to validate record": 87,
};

function codeOf(error: unknown): number | null {
  if (!(error instanceof KcatError)) return null;
  return Object.entries(codes).find(([text]) => error.message.includes(text))?.[1] ?? null;
}

interface Finished {
  readonly stdout: string;
  readonly stderr: string;
}

function start(args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command("kcat", {
    args: ["-b", bootstrap, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // it has ended already
  }
}

/** Runs kcat to its end.
 * @throws {KcatError} when it fails or takes too long */
async function kcat(args: readonly string[], input = ""): Promise<Finished> {
  const child = start(args);
  const timer = setTimeout(() => kill(child), processMs);
  try {
    const [{ success, stdout, stderr }] = await Promise.all([child.output(), write(child, input)]);
    const decoder = new TextDecoder();
    const said = { stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
    if (!success) throw new KcatError(said.stderr);
    return said;
  } finally {
    clearTimeout(timer);
  }
}

async function write(child: Deno.ChildProcess, input: string): Promise<void> {
  const writer = child.stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  } catch {
    // it has ended before it read everything; its code tells
  }
}

/** Settings as kcat takes them; those that are undefined are left to it. */
function settings(values: Readonly<Record<string, string | number | boolean | undefined>>): string[] {
  return Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : ["-X", `${name}=${value}`]
  );
}

function textOf(value: Value): string {
  return value === null ? "" : typeof value === "string" ? value : "x".repeat(value.bytes);
}

/** What one process can send: records of one partition (undefined: it chooses) with one set of headers. */
function sameProcess(a: NewRecord, b: NewRecord): boolean {
  return a.partition === b.partition && (a.value === null) === (b.value === null) &&
    JSON.stringify(a.headers ?? []) === JSON.stringify(b.headers ?? []);
}

interface Sending {
  readonly records: NewRecord[];
  /** Where each is in the question. */
  readonly at: number[];
}

/** Cuts records into what one process can send, in order. */
function processes(records: readonly NewRecord[], at: readonly number[]): Sending[] {
  const made: Sending[] = [];
  for (const n of at) {
    const [record, last] = [records[n]!, made.at(-1)];
    if (last && sameProcess(last.records[0]!, record)) {
      last.records.push(record);
      last.at.push(n);
    } else {
      made.push({ records: [record], at: [n] });
    }
  }
  return made;
}

async function produce(question: Ops["produce"][0]): Promise<Ops["produce"][1]> {
  const { records } = question;
  const places: Place[] = [];
  const partitions = Map.groupBy(records.keys(), (n) => records[n]!.partition);
  await Promise.all([...partitions.values()].map(async (at) => {
    for (const sending of processes(records, at)) {
      const reported = await send(question, sending.records);
      for (const [n, place] of reported.entries()) places[sending.at[n]!] = place;
    }
  }));
  return { records: places };
}

async function send(
  { topic, codec, idempotent, acks, maxRequestBytes }: Ops["produce"][0],
  records: readonly NewRecord[],
): Promise<Place[]> {
  const [{ partition, headers = [], value }] = records as [NewRecord];
  const header = ([name, value]: Header) => ["-H", value === null ? name : `${name}=${value}`];
  const args = [
    ...["-P", "-vvv", "-E", "-t", topic, "-D", recordEnd, "-K", keyEnd],
    ...(partition === undefined ? [] : ["-p", String(partition)]),
    ...(codec === undefined ? [] : ["-z", codec]),
    ...(value === null ? ["-Z"] : []), // nothing is null, then, and not empty
    ...headers.flatMap(header),
    ...settings({
      "enable.idempotence": idempotent,
      "acks": acks,
      "message.max.bytes": maxRequestBytes,
      "topic.message.timeout.ms": 60_000,
      "topic.produce.offset.report": true,
    }),
  ];
  const lines = records.map(({ key, value }) =>
    `${key === undefined || key === null ? "" : key + keyEnd}${textOf(value)}${recordEnd}`
  );
  // With -E it goes on when it has lost the broker, but does not fail with what it could not send.
  const { stderr } = await kcat(args, lines.join(""));
  if (stderr.includes("Delivery failed")) throw new KcatError(stderr);
  return [...stderr.matchAll(/delivered to partition (\d+) \(offset (-?\d+)\)/g)].map((found) => ({
    partition: Number(found[1]),
    offset: Number(found[2]),
  }));
}

interface Envelope {
  readonly partition: number;
  readonly offset: number;
  readonly ts: number;
  readonly key: string | null;
  readonly payload: string | null;
  /** Name, value, name, value … */
  readonly headers?: readonly (string | null)[];
}

function toRecord({ partition, offset, ts, key, payload, headers = [] }: Envelope): ReadRecord {
  const pairs: Header[] = [];
  for (let i = 0; i < headers.length; i += 2) pairs.push([headers[i]!, headers[i + 1]!]);
  const value = payload !== null && payload.length > 1000 ? { bytes: payload.length } : payload;
  return { partition, offset, key, value, headers: pairs, timestamp: ts };
}

/** One process a partition, each reading until there is enough of all. */
async function consume(question: Ops["consume"][0]): Promise<Ops["consume"][1]> {
  const { topic, positions, count, timeoutMs, isolation, autoReset, maxFetchBytes, maxWaitMs } = question;
  const options = settings({
    "isolation.level": isolation,
    "topic.auto.offset.reset": autoReset === "none" ? "error" : autoReset,
    "fetch.wait.max.ms": maxWaitMs,
    "fetch.max.bytes": maxFetchBytes,
    "fetch.message.max.bytes": maxFetchBytes,
    // The library wants a fetch to hold one of its own messages.
    "message.max.bytes": maxFetchBytes === undefined ? undefined : Math.max(1000, maxFetchBytes),
  });
  const children = Object.entries(positions).map(([partition, position]) => {
    const from = position === "earliest" ? "beginning" : String(position);
    return start(["-C", "-J", "-u", "-q", "-t", topic, "-p", partition, "-o", from, ...options]);
  });
  const records: ReadRecord[] = [];
  let done = false;
  const end = () => {
    done = true;
    children.forEach(kill);
  };
  const timer = setTimeout(end, timeoutMs);
  try {
    await Promise.all(children.map(async (child) => {
      child.stdin.close();
      const said = new Response(child.stderr).text();
      for await (const line of child.stdout.pipeThrough(new TextLineStream())) {
        if (records.length < count && line.endsWith("}")) records.push(toRecord(JSON.parse(line)));
        if (records.length >= count) end();
      }
      await child.status;
      if (!done) throw new KcatError(await said);
      await said;
    }));
  } finally {
    clearTimeout(timer);
    end();
  }
  return { records };
}

async function listOffsets(question: Ops["listOffsets"][0]): Promise<Ops["listOffsets"][1]> {
  const { topic, partition, at, isolation } = question;
  const time = at === "earliest" ? -2 : at === "latest" ? -1 : at;
  const asked = ["-Q", "-t", `${topic}:${partition}:${time}`, ...settings({ "isolation.level": isolation })];
  const { stdout } = await kcat(asked);
  const offset = stdout.match(/offset (-?\d+)/)?.[1];
  if (offset === undefined) throw new KcatError(stdout);
  return { offset: Number(offset) };
}

interface Metadata {
  readonly brokers: readonly unknown[];
  readonly topics: readonly { readonly topic: string }[];
}

async function metadata(): Promise<Metadata> {
  return JSON.parse((await kcat(["-L", "-J"])).stdout);
}

const features = [
  ...["produce", "consume", "listOffsets", "headers", "nullHeaders", "tombstones", "nullKeys", "idempotent"],
  ...["acks0", "isolation", "largeMessages", "fetchLimit", "fetchWait"],
  ...["codec:gzip", "codec:snappy", "codec:lz4", "codec:zstd"],
  ...["admin:listTopics", "admin:describeCluster"],
];

await serveDriver(
  {
    async hello() {
      const { stdout, stderr } = await kcat(["-V"]);
      const version = (stdout + stderr).match(/Version (\S+).*(librdkafka \S+)/)?.slice(1).join(", ");
      return { client: "kcat", version: version ?? "unknown", features };
    },
    produce,
    consume,
    listOffsets,
    async listTopics() {
      return { names: (await metadata()).topics.map(({ topic }) => topic) };
    },
    async describeCluster() {
      return { brokers: (await metadata()).brokers.length };
    },
  },
  codeOf,
  () => Promise.resolve(),
);
