import { assertEquals, assertRejects } from "@std/assert";
import { type EmbeddedBroker, startEmbeddedBroker } from "../../kafka/embedded.ts";
import { silentLogger } from "../../logger.ts";
import { within } from "../eventually.ts";
import { batchOf, valuesIn } from "./broker/batches.ts";
import { fetch, optionsFor, produce, withFolder } from "./broker/harness.ts";
import { hex32, RawClient, str } from "./broker/raw_client.ts";

function start(dataDir: string, port = 0): Promise<EmbeddedBroker> {
  return startEmbeddedBroker({ ...optionsFor(dataDir, { port }), log: silentLogger });
}

Deno.test("startEmbeddedBroker() serves from a worker, counts, and stops with everything on disk", () =>
  withFolder(async (dataDir) => {
    const lines: string[] = [];
    const log = { ...silentLogger, info: (message: string) => void lines.push(message) };
    const first = await startEmbeddedBroker({ ...optionsFor(dataDir), log });
    {
      using client = await RawClient.connect(first.port);
      await client.ask({ key: 3, version: 1, body: hex32(1) + str("t") });
      assertEquals((await produce(client, "t", batchOf([{ value: "kept" }]))).error, 0);
      const metrics = await first.metrics();
      assertEquals([metrics.topics, metrics.partitions, metrics.connections], [1, 1, 1]);
      assertEquals(metrics.groups.map(({ count }) => count), [0, 0, 0, 0]);
      assertEquals(metrics.requests, [
        { api: "Metadata", error: "NONE", count: 1 },
        { api: "Produce", error: "NONE", count: 1 },
      ]);
      assertEquals(metrics.commitSeconds.count >= 2, true);
      assertEquals(
        metrics.logBytes > 0 && metrics.bytesIn > 0 && metrics.bytesOut > 0,
        true,
      );
      await first.checkWritable();
    }
    assertEquals(lines, ["topic made for a client that asked for it"]);
    await first[Symbol.asyncDispose]();
    await first[Symbol.asyncDispose](); // twice does no harm
    await assertRejects(() => first.metrics(), Error, "The broker was stopped");
    await using second = await start(dataDir);
    assertEquals(second.clusterId, first.clusterId);
    using client = await RawClient.connect(second.port);
    const [found] = await fetch(client, "t", { offset: 0 });
    assertEquals(valuesIn(found?.records ?? new Uint8Array()), [{ offset: 0, value: "kept" }]);
  }));

Deno.test("startEmbeddedBroker() rejects with one line for a folder in use and a taken port", () =>
  withFolder(async (dataDir) => {
    await using broker = await start(dataDir);
    const folder = await assertRejects(() => start(dataDir), Error);
    assertEquals(folder.message, `Cannot use data folder ${dataDir} as another broker is running on it`);
    const port = await assertRejects(() => start(`${dataDir}/other`, broker.port), Error);
    assertEquals(
      port.message,
      `Cannot listen on 127.0.0.1:${broker.port} for Kafka clients as the port is taken`,
    );
  }));

Deno.test("EmbeddedBroker[asyncDispose]() answers a long poll before it ends", () =>
  withFolder(async (dataDir) => {
    const broker = await start(dataDir);
    using client = await RawClient.connect(broker.port);
    await client.ask({ key: 3, version: 1, body: hex32(1) + str("t") });
    const waiting = fetch(client, "t", { offset: 0, maxWaitMs: 300_000 });
    let arrived = false;
    while (!arrived) arrived = (await broker.metrics()).bytesIn > 80;
    await within("the stop", 30_000, Promise.resolve(broker[Symbol.asyncDispose]()));
    assertEquals((await waiting)[0]?.error, 0);
  }));
