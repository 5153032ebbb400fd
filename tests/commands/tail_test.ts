import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { UsageError } from "../../commands/run.ts";
import { readFrom, readUntil } from "../../commands/tail.ts";
import { TailSink } from "../../commands/tail_sink.ts";
import { createProducer, type OutRecord } from "../../kafka/producer.ts";
import { chunkOf } from "../../kafka/ring.ts";
import { silentLogger } from "../../logger.ts";
import { eventually } from "../eventually.ts";
import { BrokerProxy } from "../kafka/broker_proxy.ts";
import { connect, TestBroker } from "../kafka/test_broker.ts";
import { type CliRun, runCli, startCli } from "./cli.ts";

const env = (broker: TestBroker) => ({ KAFKA_BROKERS: broker.bootstrap, LOG_LEVEL: "warn" });

async function send(broker: TestBroker, topic: string, records: readonly OutRecord[]): Promise<void> {
  await using kafka = connect(broker.bootstrap);
  await using producer = createProducer(kafka, { log: silentLogger });
  await producer.sendAll(topic, records);
}

/** `count` records numbered in the order of their times, spread over the partitions. */
function numbered(count: number, partitions: number, first = 0): OutRecord[] {
  return Array.from({ length: count }, (_, i) => {
    const n = first + i;
    return { key: `k${n % 3}`, value: `{"n":${n}}`, timestamp: 1_000 + n, partition: n % partitions };
  });
}

function tail(broker: TestBroker, ...args: string[]): Promise<CliRun> {
  return runCli(["tail", ...args], { env: env(broker) });
}

const numbers = ({ stdout }: { stdout: string }) =>
  stdout.split("\n").slice(0, -1).map((line) => JSON.parse(line).value.n);

Deno.test("readFrom() and readUntil() read places, times and numbers of records", () => {
  assertEquals(readFrom("latest"), { kind: "latest" });
  assertEquals(readFrom("earliest"), { kind: "earliest" });
  assertEquals(readFrom("t.5"), { kind: "time", ms: 5 });
  assertEquals(readFrom("-10"), 10);
  assertEquals(readFrom("2026-01-31T12:00:00.250Z"), {
    kind: "time",
    ms: Date.UTC(2026, 0, 31, 12, 0, 0, 250),
  });
  assertEquals(readFrom("2026-01-31T13:00+01:00"), { kind: "time", ms: Date.UTC(2026, 0, 31, 12) });
  assertEquals(readFrom("2026-01-31"), { kind: "time", ms: Date.UTC(2026, 0, 31) });
  assertEquals((readFrom("v1.0a1b2c3d.0:4") as { kind: string }).kind, "id");
  assertEquals(readUntil("latest"), { kind: "latest" });
  assertEquals(readUntil("t.5"), { kind: "time", ms: 5 });
  assertEquals(readUntil("2026-01-31"), { kind: "time", ms: Date.UTC(2026, 0, 31) });
  for (const text of ["", "now", "-", "-x", "-1000000", "10", "2026-13-01", "t."]) {
    assertThrows(() => readFrom(text), UsageError, "Cannot use --from");
  }
  for (const text of ["", "earliest", "-1", "2026-13-01"]) {
    assertThrows(() => readUntil(text), UsageError, "Cannot use --until");
  }
});

Deno.test("tailrace tail --json prints records as the streams have them", async () => {
  await using broker = await TestBroker.open();
  await broker.createTopic("t", 1);
  await send(broker, "t", [
    { key: "a", value: '{"id":12345678901234567890}', timestamp: 1, headers: { unit: "m" } },
    { key: null, value: "two\nlines", timestamp: 2 },
    { key: null, value: new Uint8Array([0xff]), timestamp: 3 },
    { key: "a", value: null, timestamp: 4 },
  ]);
  const { code, stdout, stderr } = await tail(broker, "t", "--from", "earliest", "--limit", "4", "--json");
  assertEquals([code, stderr], [0, ""]);
  const place = (n: number) => `"topic":"t","partition":0,"offset":${n},"timestamp":${n + 1}`;
  assertEquals(stdout.split("\n"), [
    `{${place(0)},"key":"a","value":{"id":12345678901234567890},"headers":{"unit":"m"}}`,
    `{${place(1)},"key":null,"value":"two\\nlines"}`,
    `{${place(2)},"key":null,"value":{"base64":"/w=="}}`,
    `{${place(3)},"key":"a","value":null}`,
    "",
  ]);
});

Deno.test("tailrace tail prints a line for each record, which does nothing to a terminal", async () => {
  await using broker = await TestBroker.open();
  await broker.createTopic("t", 1);
  await send(broker, "t", [
    { key: "bus", value: '{"a": [1,\n 2]}', timestamp: 1 },
    { key: null, value: "red \x1b[31m\x9b1m\ntext", timestamp: 1_000 },
    { key: "a\tb", value: null, timestamp: 2_000 },
  ]);
  const { stdout } = await tail(broker, "t", "--from", "earliest", "--limit", "3");
  assertEquals(stdout.split("\n"), [
    '1970-01-01T00:00:00.001Z  0:0  bus  {"a": [1,2]}',
    "1970-01-01T00:00:01.000Z  0:1  -  red \\u001b[31m\\u009b1m\\ntext",
    "1970-01-01T00:00:02.000Z  0:2  a\\tb  null",
    "",
  ]);
});

Deno.test("tailrace tail begins where it is told to, and leaves out what it is told to", async () => {
  await using broker = await TestBroker.open();
  await broker.createTopic("t", 3);
  await send(broker, "t", numbered(100, 3));
  const shown = async (...args: string[]) => numbers(await tail(broker, "t", "--json", ...args));
  const [last, lastOfAll, time, filtered] = await Promise.all([
    shown("--from", "-10", "--limit", "10"),
    shown("--from=-500", "--limit", "100"),
    shown("--from", "1970-01-01T00:00:01.095Z", "--limit", "5"),
    shown(
      "--from",
      "earliest",
      "--key",
      "k1",
      "--key",
      "k2",
      "--where",
      "n>90",
      "--where",
      "n!=92",
      "--limit",
      "5",
    ),
  ]);
  assertEquals(last, [90, 91, 92, 93, 94, 95, 96, 97, 98, 99]);
  assertEquals(lastOfAll, Array.from({ length: 100 }, (_, n) => n));
  assertEquals(time, [95, 96, 97, 98, 99]);
  assertEquals(filtered, [91, 94, 95, 97, 98]);
});

Deno.test("tailrace tail --until latest ends by itself", async () => {
  await using broker = await TestBroker.open();
  await broker.createTopic("t", 3);
  await send(broker, "t", numbered(100, 3));
  const [whole, part, none] = await Promise.all([
    tail(broker, "t", "--json", "--from", "earliest", "--until", "latest"),
    tail(broker, "t", "--json", "--from", "t.1010", "--until", "1970-01-01T00:00:01.020Z"),
    tail(broker, "t", "--until", "latest"),
  ]);
  assertEquals([whole.code, whole.stderr, numbers(whole).length], [0, "", 100]);
  assertEquals(numbers(part), [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  assertEquals(none, { code: 0, stdout: "", stderr: "" });
});

Deno.test("tailrace tail follows until it is interrupted", async () => {
  await using broker = await TestBroker.open();
  await broker.createTopic("t", 1);
  await send(broker, "t", numbered(5, 1));
  await using child = startCli(["tail", "t", "--from", "-2", "--json"], { env: env(broker) });
  let stdout = "";
  const reading = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) stdout += text;
  })();
  const errors = new Response(child.stderr).text();
  await eventually("what was there", () => stdout.split("\n").length > 2, 60_000);
  await send(broker, "t", numbered(5, 1, 5));
  await eventually("what came", () => stdout.split("\n").length > 7, 60_000);
  child.kill("SIGINT");
  const { code } = await child.status;
  await reading;
  assertEquals([code, await errors], [0, ""]);
  assertEquals(numbers({ stdout }), [3, 4, 5, 6, 7, 8, 9]);
});

Deno.test("tailrace tail waits for a reader that is slow, and ends with one that goes", async () => {
  await using broker = await TestBroker.open();
  await broker.createTopic("t", 2);
  const pad = "x".repeat(1_000);
  const records = Array.from(
    { length: 5_000 },
    (_, n) => ({ value: `{"n":${n},"pad":"${pad}"}`, partition: n % 2 }),
  );
  await send(broker, "t", records); // 5 MB: a pipe holds 64 KB
  await using slow = startCli(["tail", "t", "--from", "earliest", "--limit", "5010", "--json"], {
    env: env(broker),
  });
  const reader = slow.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let stdout = (await reader.read()).value!;
  await send(
    broker,
    "t",
    Array.from({ length: 10 }, (_, n) => ({ value: `{"n":${5_000 + n}}`, partition: n % 2 })),
  );
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) stdout += chunk.value;
  const found = numbers({ stdout });
  assertEquals(found.length, 5_010);
  for (const parity of [0, 1]) {
    const own = found.filter((n) => n % 2 === parity);
    assertEquals(own, own.toSorted((a, b) => a - b));
  }
  assertEquals(new Set(found).size, 5_010);
  assertEquals([(await slow.status).code, await new Response(slow.stderr).text()], [0, ""]);

  await using head = startCli(["tail", "t", "--from", "earliest"], { env: env(broker) });
  const first = head.stdout.getReader();
  await first.read();
  await first.cancel();
  assertEquals([(await head.status).code, await new Response(head.stderr).text()], [0, ""]);
});

Deno.test("tailrace tail goes on when Kafka comes back, and says so", async () => {
  await using broker = await TestBroker.open();
  await using proxy = new BrokerProxy({ hostname: "127.0.0.1", port: broker.broker.port });
  await broker.createTopic("t", 1);
  await send(broker, "t", numbered(2, 1));
  const settings = { KAFKA_BROKERS: proxy.bootstrap, LOG_LEVEL: "info", LOG_FORMAT: "json" };
  await using child = startCli(["tail", "t", "--from", "earliest", "--json", "--limit", "4"], {
    env: settings,
  });
  let stdout = "", stderr = "";
  const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>, take: (text: string) => void) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) take(text);
  };
  const reading = [
    read(child.stdout, (text) => void (stdout += text)),
    read(child.stderr, (text) => void (stderr += text)),
  ];
  await eventually("the records", () => stdout.split("\n").length > 2, 60_000);
  await proxy.stop();
  await eventually("word of it", () => stderr.includes('"Kafka is away"'), 60_000, () => stderr);
  await send(broker, "t", numbered(2, 1, 2));
  proxy.start();
  const { code } = await child.status;
  await Promise.all(reading);
  assertEquals([code, numbers({ stdout })], [0, [0, 1, 2, 3]]);
  assertStringIncludes(stderr, '"Kafka is back"');
});

Deno.test("tailrace tail says in one line what it cannot do", async () => {
  await using broker = await TestBroker.open();
  await broker.createTopic("t", 1);
  const wrong: [args: string[], code: number, message: RegExp][] = [
    [["missing"], 1, /^Cannot follow missing: it does not exist\n$/],
    [["a/b"], 2, /^Cannot follow topic: found "a\/b", allowed: .*\n$/],
    [["t", "--where", "speed"], 2, /^Cannot use --where speed: .* is wanted\n$/],
    [["t", "--from", "yesterday"], 2, /^Cannot use --from: found "yesterday", allowed: .*\n$/],
    [["t", "--limit", "0"], 2, /^Cannot use --limit: .*\n$/],
    [[], 2, /^Cannot read the command line: missing required argument 'name', see --help\n$/],
  ];
  await Promise.all(wrong.map(async ([args, code, message]) => {
    const run = await tail(broker, ...args);
    assertEquals([run.code, run.stdout], [code, ""], run.stderr);
    assertMatch(run.stderr, message);
  }));
});

Deno.test("tailrace tail ends when its topic is deleted", async () => {
  await using broker = await TestBroker.open();
  await broker.createTopic("t", 1);
  await send(broker, "t", numbered(1, 1));
  await using child = startCli(["tail", "t", "--from", "earliest"], { env: env(broker) });
  const reader = child.stdout.getReader();
  await reader.read();
  await broker.deleteTopic("t");
  reader.releaseLock();
  const { code, stderr } = await child.output();
  assertEquals(code, 1);
  assertStringIncludes(new TextDecoder().decode(stderr), "Cannot follow t: it does not exist\n");
});

Deno.test("TailSink takes nothing while a write is under way, colours columns, and tells what is no record apart", async () => {
  const written: string[] = [], told: [string, object | undefined][] = [];
  let go = Promise.withResolvers<void>();
  const out = {
    async write(bytes: Uint8Array) {
      await go.promise;
      const some = bytes.subarray(0, 10); // a pipe may take less than all
      written.push(new TextDecoder().decode(some));
      return some.length;
    },
  };
  const note = (message: string, fields?: object) => void told.push([message, fields]);
  const sink = new TailSink(out, { json: false, colour: true, limit: 2 }, {
    ...silentLogger,
    warn: note,
    info: note,
  });
  const { wire } = sink;
  const record = wire.event("record", '["time","0:1","key","value"]', "id")!;
  assert(sink.ready());
  const gap = { partition: 0, from: 1, to: 3, skipped: 2, reason: "retention" };
  sink.write(chunkOf(wire.event("gap", JSON.stringify(gap), "id")! + record));
  assert(!sink.ready());
  sink.write(chunkOf(wire.event("status", '{"kafka":"down"}', null)!));
  sink.write(chunkOf(wire.event("status", '{"kafka":"up"}', null)!));
  go.resolve();
  await eventually("the write", () => sink.ready());
  go = Promise.withResolvers();
  go.resolve();
  sink.write(chunkOf(record.repeat(3)));
  assertEquals(await sink.ended, "limit");
  const line = "\x1b[2mtime\x1b[0m  \x1b[36m0:1\x1b[0m  \x1b[33mkey\x1b[0m  value\n";
  assertEquals(written.join(""), line + line);
  assertEquals(told, [["records were passed over", gap], ["Kafka is away", undefined], [
    "Kafka is back",
    undefined,
  ]]);
});
