/** The broker over TLS: what comes through, what does not, and that nobody holds it up. @module */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { type Broker, startBroker } from "../../../kafka/broker/mod.ts";
import { makeCertificate, type TestCertificate } from "../../certificate.ts";
import { eventually, quickly, within } from "../../eventually.ts";
import { batchOf, valuesIn } from "./batches.ts";
import { fetch, makeTopic, optionsFor, produceBody, produceRecords, withFolder } from "./harness.ts";
import { frameOf, RawClient } from "./raw_client.ts";

const METADATA = { key: 3, version: 1, body: "00000000" };
let made: Promise<TestCertificate> | undefined;

/** Runs a test with a broker that speaks TLS, and the lines about connections that it refused. */
function withTls(
  test: (given: { broker: Broker; tls: TestCertificate; refusals: string[] }) => Promise<void>,
  options: Parameters<typeof optionsFor>[1] = {},
): Promise<void> {
  return withFolder(async (dataDir) => {
    const tls = await (made ??= makeCertificate());
    const refusals: string[] = [];
    const warn = (_message: string, fields?: Record<string, unknown>): void => {
      refusals.push(`${fields?.kind} ${fields?.reason}`);
    };
    const logger = { debug() {}, info() {}, warn, error: warn };
    await using broker = await startBroker(optionsFor(dataDir, { logger, tls, ...options }));
    await test({ broker, tls, refusals });
  });
}

Deno.test("records of any size go in and out over TLS, on many connections at once", () =>
  withTls(async ({ broker, tls, refusals }) => {
    await makeTopic(broker, "t", { partitions: 20 });
    const sizes = [1, 100, 16_000, 16_384, 20_000, 65_536, 300_000, 1_000_000];
    await Promise.all(Array.from({ length: 20 }, async (_, partition) => {
      using client = await RawClient.connect(broker.port, tls.ca);
      const values = sizes.map((size) => String(partition % 10).repeat(size));
      for (const value of values) {
        await client.ask({ key: 0, version: 7, body: produceBody("t", batchOf([{ value }]), { partition }) });
      }
      for (const [offset, value] of values.entries()) {
        const [found] = await fetch(client, "t", { partition, offset });
        assert(valuesIn(found!.records)[0]?.value === value, `partition ${partition}, ${value.length} bytes`);
      }
    }));
    assertEquals(refusals, []);
    await eventually("the connections to be gone", () => broker.metrics().connections === 0);
  }));

Deno.test("an answer of some records of TLS does not wait for the client's acknowledgement", () =>
  withTls(async ({ broker, tls }) => {
    await makeTopic(broker, "t");
    using client = await RawClient.connect(broker.port, tls.ca);
    await produceRecords(client, "t", [{ value: "x".repeat(20_000) }]);
    await quickly(
      "20 answers, of which each would take 40 ms by a delayed acknowledgement",
      20 * 20,
      async () => {
        for (let i = 0; i < 20; i++) await fetch(client, "t", { offset: 0 });
      },
    );
  }));

Deno.test("requests in single bytes and many in one write are answered over TLS too", () =>
  withTls(async ({ broker, tls }) => {
    using client = await RawClient.connect(broker.port, tls.ca);
    for (const byte of frameOf(METADATA, 1)) await client.write(Uint8Array.of(byte));
    const whole = await client.answer(false, 1);
    const frames = Array.from({ length: 200 }, (_, i) => [...frameOf(METADATA, i + 2)]);
    await client.write(Uint8Array.from(frames.flat()));
    for (let i = 0; i < 200; i++) assertEquals(await client.answer(false, i + 2), whole);
  }));

Deno.test("a client without TLS, one that distrusts, and one that goes at once cost a line at most", () =>
  withTls(async ({ broker, tls, refusals }) => {
    using plain = await RawClient.connect(broker.port);
    await plain.send(METADATA);
    await eventually("the line about it", () => refusals.length === 1);
    assertEquals(refusals, ["tls TLS failed: found a plain connection, wanted TLS"]);
    const other = await makeCertificate();
    await assertRejects(() => RawClient.connect(broker.port, other.ca));
    await eventually("the line about it", () => refusals.length === 2);
    assertMatch(refusals[1]!, /^tls TLS failed: received fatal alert: /);
    (await RawClient.connect(broker.port))[Symbol.dispose]();
    await eventually("all of them to be gone", () => broker.metrics().connections === 0);
    assertEquals(broker.metrics().refusedConnections.find(({ kind }) => kind === "tls")?.count, 2);
    using client = await RawClient.connect(broker.port, tls.ca);
    await client.ask(METADATA);
    assertEquals(refusals.length, 2);
  }));

Deno.test("a handshake has its time and no more, and counts as a connection", () =>
  withTls(async ({ broker, tls, refusals }) => {
    using silent = await RawClient.connect(broker.port);
    using half = await RawClient.connect(broker.port);
    await half.write(Uint8Array.fromHex("160301"));
    await eventually("the two to be counted", () => broker.metrics().connections === 2);
    await silent.closed();
    await half.closed();
    assertEquals(refusals, Array(2).fill("tls the TLS handshake was not done in 1500 ms"));
    using client = await RawClient.connect(broker.port, tls.ca);
    await client.ask(METADATA);
  }, { limits: { setUpMs: 1_500 } }));

Deno.test("a client that does not read its answers is closed over TLS too", () =>
  withTls(async ({ broker, tls, refusals }) => {
    await makeTopic(broker, "t");
    using deaf = await RawClient.connect(broker.port, tls.ca);
    for (let i = 0; i < 8; i++) await produceRecords(deaf, "t", [{ value: "x".repeat(1_000_000) }]);
    const body = "ffffffff" + "00000000" + "00000000" + "7fffffff" + "00" + "00000001" + "0001" + "74" +
      "00000001" + "00000000" + "0000000000000000" + "7fffffff";
    for (let i = 0; i < 20; i++) await deaf.send({ key: 1, version: 4, body });
    await eventually(
      "the line about it",
      () => refusals.includes("slow the client does not read its answers"),
    );
    await eventually("it to be gone", () => broker.metrics().connections === 0);
  }, { limits: { unreadAnswerMs: 200 } }));

Deno.test("a stop ends TLS connections, those in their handshake too", () =>
  withFolder(async (dataDir) => {
    const tls = await (made ??= makeCertificate());
    const broker = await startBroker(optionsFor(dataDir, { tls }));
    using client = await RawClient.connect(broker.port, tls.ca);
    using silent = await RawClient.connect(broker.port);
    await client.ask(METADATA);
    await within("the stop", 30_000, Promise.resolve(broker[Symbol.asyncDispose]()));
    await silent.closed();
    await assertRejects(() => RawClient.connect(broker.port));
  }));

Deno.test("startBroker() says in one line what is wrong with TLS or its port", () =>
  withTls(async ({ broker, tls }) => {
    const messageOf = (options: Parameters<typeof optionsFor>[1]) =>
      withFolderMessage((dataDir) => startBroker(optionsFor(dataDir, options)));
    const other = await makeCertificate();
    assertMatch(
      await messageOf({ tls: { certificate: tls.certificate, key: other.key } }),
      /^Cannot use the TLS certificate and its key: .*Mismatch/,
    );
    assertMatch(
      await messageOf({ tls: { certificate: "none", key: tls.key } }),
      /^Cannot use the TLS certificate and its key: No certificates/,
    );
    assertEquals(
      await messageOf({ tls, port: broker.port }),
      `Cannot listen on 127.0.0.1:${broker.port} for Kafka clients as the port is taken`,
    );
  }));

/** The message of the error of a start. */
async function withFolderMessage(start: (dataDir: string) => Promise<Broker>): Promise<string> {
  let message = "";
  await withFolder(async (dataDir) => {
    message = (await assertRejects(() => start(dataDir), Error)).message;
  });
  return message;
}
