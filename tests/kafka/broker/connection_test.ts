import { assertEquals, assertStringIncludes } from "@std/assert";
import { type Broker, startBroker } from "../../../kafka/broker/mod.ts";
import { eventually, within } from "../../eventually.ts";
import { batchOf } from "./batches.ts";
import {
  fetch,
  fetchBody,
  makeTopic,
  optionsFor,
  produceBody,
  produceRecords,
  withBroker,
  withFolder,
} from "./harness.ts";
import { frameOf, hex32, RawClient, str } from "./raw_client.ts";

const METADATA = { key: 3, version: 1, body: "00000000" };
const API_VERSIONS = { key: 18, version: 0, body: "" };

/** Runs a test with a broker whose log lines are kept. */
function withLines(
  test: (broker: Broker, client: RawClient, lines: string[]) => Promise<void>,
  limits: Parameters<typeof optionsFor>[1] = {},
): Promise<void> {
  const lines: string[] = [];
  const line = (message: string, fields?: Record<string, unknown>): void => {
    lines.push(`${message} ${fields?.reason ?? ""}`.trim());
  };
  const logger = { debug() {}, info() {}, warn: line, error: line };
  return withBroker((broker, client) => test(broker, client, lines), { logger, ...limits });
}

async function stillServes(broker: Broker): Promise<void> {
  using client = await RawClient.connect(broker.port);
  assertEquals((await client.ask(METADATA)).startsWith("00000001" + hex32(1)), true);
}

const garbage: [claim: string, bytes: Uint8Array, line: string][] = [
  ["an HTTP request", new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "length is 1195725856"],
  ["a TLS hello", Uint8Array.fromHex("1603010200010001fc0303"), "length is 369295618"],
  ["a negative length", Uint8Array.fromHex("ffffffff00"), "length is -1"],
  ["a length above the limit", Uint8Array.fromHex("01000001"), "length is 16777217"],
  ["an empty frame", Uint8Array.fromHex("00000000"), "Cannot read 2 bytes"],
  ["a header that is cut", Uint8Array.fromHex("0000000600030001" + "0000"), "Cannot read 4 bytes"],
  ["an API that does not exist", frameOf({ key: 999, version: 0, body: "" }, 1), "api 999 version 0"],
  ["a negative API", frameOf({ key: -1, version: 0, body: "" }, 1), "api -1 version 0"],
  ["a version that is not served", frameOf({ key: 3, version: 99, body: "" }, 1), "api 3 version 99"],
  ["an advertised but refused version", frameOf({ key: 0, version: 2, body: "" }, 1), "api 0 version 2"],
  ["a body that is cut", frameOf({ key: 3, version: 1, body: "0000" }, 1), "Metadata: Cannot read 4 bytes"],
  [
    "an array of two billion",
    frameOf({ key: 3, version: 1, body: "7fffffff" }, 1),
    "Metadata: Cannot read array",
  ],
  [
    "tags beyond the end",
    frameOf({ key: 3, version: 9, flexible: true, body: "000100000100ff01" }, 1),
    "Metadata: Cannot read",
  ],
];
for (const [claim, bytes, line] of garbage) {
  Deno.test(`${claim} costs one connection and one line`, () =>
    withLines(async (broker, client, lines) => {
      await client.write(bytes);
      await client.closed();
      assertEquals(lines.length, 1);
      assertStringIncludes(lines[0] ?? "", `connection refused`);
      assertStringIncludes(lines[0] ?? "", line);
      await stillServes(broker);
    }));
}

Deno.test("random bytes never take the broker down", () =>
  withLines(async (broker) => {
    let seed = 11;
    const random = (): number => (seed = (seed * 48271) % 2147483647) & 255;
    for (let round = 0; round < 60; round++) {
      using client = await RawClient.connect(broker.port);
      const bytes = Uint8Array.from({ length: 40 + random() }, random);
      const view = new DataView(bytes.buffer);
      view.setInt32(0, bytes.byteLength - 4); // a whole frame of garbage …
      view.setInt16(4, random() % 24); // … for an API that may exist
      view.setInt16(6, random() % 10);
      await client.write(bytes);
      // Answered or closed: a second, whole request tells which, and that nothing hangs.
      const asked = client.send(API_VERSIONS).then(() => client.frame()).catch(() => null);
      await within("an answer or the end", 30_000, asked);
    }
    await stillServes(broker);
  }));

Deno.test("requests in single bytes, and several in one write, are all answered in order", () =>
  withBroker(async (_broker, client) => {
    const one = frameOf(METADATA, 1);
    for (const byte of one) await client.write(Uint8Array.of(byte));
    const whole = await client.answer(false, 1);
    const many = new Uint8Array(one.byteLength * 20);
    for (let i = 0; i < 20; i++) many.set(frameOf(METADATA, i + 2), i * one.byteLength);
    await client.write(many);
    for (let i = 0; i < 20; i++) assertEquals(await client.answer(false, i + 2), whole);
  }));

Deno.test("answers leave in the order of requests; a long poll delays what comes after it", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    const wait = { key: 1, version: 4, body: fetchBody("t", [{ offset: 0, maxWaitMs: 300_000 }]) };
    await client.send(wait); // 1
    await client.send(METADATA); // 2
    using other = await RawClient.connect(broker.port);
    await produceRecords(other, "t", [{ value: "wake" }]);
    await within("the fetch", 30_000, client.answer(false, 1));
    await client.answer(false, 2);
  }));

Deno.test("each request of a connection sees what the ones before it did", () =>
  withBroker(async (_broker, client) => {
    const create = str("made") + hex32(2) + "0001" + "00000000" + "00000000";
    await client.send({ key: 19, version: 2, body: "00000001" + create + hex32(1000) + "00" });
    await client.send({
      key: 0,
      version: 7,
      body: produceBody("made", batchOf([{ value: "a" }]), { partition: 1 }),
    });
    await client.send({ key: 1, version: 4, body: fetchBody("made", [{ partition: 1, offset: 0 }]) });
    await client.answer(false, 1);
    await client.answer(false, 2);
    assertStringIncludes(await client.answer(false, 3), batchOf([{ value: "a" }]).subarray(17).toHex());
  }));

Deno.test("acks=0 has no answer, and an error closes the connection", () =>
  withLines(async (broker, client, lines) => {
    await makeTopic(broker, "t");
    const good = produceBody("t", batchOf([{ value: "a" }]), { acks: 0 });
    await client.send({ key: 0, version: 7, body: good });
    await client.send(METADATA);
    await client.answer(false, 2);
    assertEquals((await fetch(client, "t", { offset: 0 }))[0]?.highWatermark, 1);
    await client.send({ key: 0, version: 7, body: produceBody("nowhere", batchOf([{}]), { acks: 0 }) });
    await client.closed();
    assertStringIncludes(lines.join(), "Cannot append with acks=0: UNKNOWN_TOPIC_OR_PARTITION");
  }));

Deno.test("half a frame is given its time and no more", () =>
  withLines(async (broker, client, lines) => {
    await client.write(Uint8Array.fromHex("00000100" + "0003"));
    await client.closed();
    assertStringIncludes(lines.join(), "a request did not arrive whole in time");
    await stillServes(broker);
  }, { limits: { halfFrameMs: 50 } }));

Deno.test("a sender of one byte now and then is a slow sender", () =>
  withLines(async (_broker, client, lines) => {
    const closed = client.closed();
    let open = true;
    closed.finally(() => open = false).catch(() => {});
    await client.write(Uint8Array.fromHex("00000100"));
    while (open) {
      await client.write(Uint8Array.of(0)).catch(() => open = false);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await closed;
    assertStringIncludes(lines.join(), "a request did not arrive whole in time");
  }, { limits: { halfFrameMs: 500 } }));

Deno.test("an idle connection is closed, one that waits for records is not", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    using waiting = await RawClient.connect(broker.port);
    await waiting.send({ key: 1, version: 4, body: fetchBody("t", [{ offset: 0, maxWaitMs: 6_000 }]) });
    await client.ask(METADATA);
    await client.closed();
    await within("the answer of the long poll", 30_000, waiting.answer());
  }, { limits: { idleMs: 3_000 } }));

Deno.test("a client that does not read its answers is closed", () =>
  withLines(async (broker, client, lines) => {
    await makeTopic(broker, "t");
    for (let i = 0; i < 8; i++) await produceRecords(client, "t", [{ value: "x".repeat(1_000_000) }]);
    using deaf = await RawClient.connect(broker.port);
    for (let i = 0; i < 20; i++) {
      await deaf.send({ key: 1, version: 4, body: fetchBody("t", [{ offset: 0 }]) });
    }
    await eventually("the line about it", () => lines.join().includes("does not read its answers"));
    await stillServes(broker);
  }, { limits: { unreadAnswerMs: 200 } }));

Deno.test("no more is read while too much waits for an answer, and reading goes on after it", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    const wait = { key: 1, version: 4, body: fetchBody("t", [{ offset: 0, maxWaitMs: 300_000 }]) };
    await client.send(wait);
    const before = broker.metrics().bytesIn;
    const one = frameOf(METADATA, 7);
    const count = 8_000; // more than one read of 64 KiB can take
    const flood = new Uint8Array(count * one.byteLength);
    for (let i = 0; i < count; i++) flood.set(one, i * one.byteLength);
    await client.write(flood);
    await stillServes(broker);
    const read = broker.metrics().bytesIn - before;
    assertEquals(read < 70_000 && flood.byteLength > 140_000, true, `${read} bytes were read`);
    using other = await RawClient.connect(broker.port);
    await produceRecords(other, "t", [{ value: "wake" }]);
    await client.answer(false, 1);
    for (let i = 0; i < count; i++) await within("an answer", 30_000, client.answer(false, 7));
  }, { limits: { maxUnanswered: 10 } }));

Deno.test("connections beyond the limit are closed at once and counted", () =>
  withLines(async (broker, client, lines) => {
    await client.ask(METADATA);
    using second = await RawClient.connect(broker.port);
    await second.ask(METADATA);
    using third = await RawClient.connect(broker.port);
    await third.closed();
    await client.ask(METADATA);
    assertEquals(broker.metrics().refusedConnections[0], { kind: "limit", count: 1 });
    assertEquals(broker.metrics().connections, 2);
    assertStringIncludes(lines.join(), "there are 2 connections");
    second[Symbol.dispose]();
    await eventually("room for another", () => broker.metrics().connections === 1);
    await stillServes(broker);
  }, { limits: { maxConnections: 2 } }));

Deno.test("half frames of all connections share one memory", () =>
  withLines(async (broker, _client, lines) => {
    const started = Uint8Array.fromHex("00f00000");
    const half = new Uint8Array(600_000);
    half.set(started);
    using first = await RawClient.connect(broker.port);
    using second = await RawClient.connect(broker.port);
    await first.write(half);
    await second.write(half).catch(() => {});
    await eventually("one of them to be closed", () => lines.join().includes("too much memory"));
    await stillServes(broker);
  }, { limits: { maxHeldBytes: 1_000_000 } }));

Deno.test("a client that goes away leaves nothing behind", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    await client.ask(METADATA);
    for (let i = 0; i < 10; i++) {
      const gone = await RawClient.connect(broker.port);
      await gone.send({ key: 1, version: 4, body: fetchBody("t", [{ offset: 0, maxWaitMs: 300_000 }]) });
      gone[Symbol.dispose]();
    }
    await eventually("the others to be gone", () => broker.metrics().connections === 1);
    await produceRecords(client, "t", [{ value: "x" }]);
  }));

Deno.test("a stop answers what is in flight, then closes", () =>
  withFolder(async (dataDir) => {
    const broker = await startBroker(optionsFor(dataDir));
    using client = await RawClient.connect(broker.port);
    using waiting = await RawClient.connect(broker.port);
    await makeTopic(broker, "t");
    await waiting.ask(METADATA);
    await waiting.send({ key: 1, version: 4, body: fetchBody("t", [{ offset: 0, maxWaitMs: 300_000 }]) });
    const asked = [1, 2, 3].map((sequence) => batchOf([{ value: `${sequence}` }]));
    await client.ask(METADATA);
    for (const batch of asked) await client.send({ key: 0, version: 7, body: produceBody("t", batch) });
    await eventually("the requests to arrive", () => broker.metrics().bytesIn > 400);
    const stopped = Promise.resolve(broker[Symbol.asyncDispose]());
    for (const [i] of asked.entries()) await client.answer(false, 2 + i);
    await waiting.answer(false, 2);
    await within("the stop", 30_000, stopped);
    await client.closed();
    await using again = await startBroker(optionsFor(dataDir));
    assertEquals(again.state.log.partition("t", 0)?.end, 3);
  }));

Deno.test("a taken port is told in one line, and the folder is free again", () =>
  withBroker((broker) =>
    withFolder(async (dataDir) => {
      const error = await startBroker(optionsFor(dataDir, { port: broker.port })).then(() => null, (error) =>
        error);
      assertEquals(
        error?.message,
        `Cannot listen on 127.0.0.1:${broker.port} for Kafka clients as the port is taken`,
      );
      await using other = await startBroker(optionsFor(dataDir));
      await stillServes(other);
    })
  ));

Deno.test("a second process on the same folder is refused", () =>
  withFolder(async (dataDir) => {
    const moduleUrl = new URL("../../../kafka/broker/mod.ts", import.meta.url).href;
    const code = `import { startBroker } from ${JSON.stringify(moduleUrl)};
      try { await startBroker(${JSON.stringify(optionsFor(dataDir))}); console.log("started"); }
      catch (error) { console.log(error.message); }
      Deno.exit(0);`;
    await using _broker = await startBroker(optionsFor(dataDir));
    const script = `${dataDir}/second.ts`;
    await Deno.writeTextFile(script, code);
    const args = ["run", "--no-config", "--no-lock", "--no-check", "-A", script];
    const { stdout } = await new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).output();
    assertEquals(
      new TextDecoder().decode(stdout).trim(),
      `Cannot use data folder ${dataDir} as another broker is running on it`,
    );
  }));
