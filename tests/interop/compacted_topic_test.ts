/** A compacted topic as kcat and kafkajs read it: the newest value of each key, whatever codec the batches had.
 * @module */
import { assertEquals } from "@std/assert";
import type { Broker } from "../../kafka/broker/mod.ts";
import { readTopic } from "../clients.ts";
import "../../kafka/client.ts"; // brings all codecs to kafkajs
import { makeTopic, withBroker } from "../kafka/broker/harness.ts";
import { run } from "../programs.ts";
import { requires } from "../requirements.ts";
import { lines } from "./broker.ts";

const { ignore } = requires("kcat");
const KEYS = 20;

/** Writes the keys over and over with one codec, and compacts. */
async function fill(broker: Broker, codec: string): Promise<string[]> {
  await makeTopic(broker, codec, {
    configs: { "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0" },
  });
  const write = (sent: readonly string[]) =>
    run("kcat", {
      args: ["-b", `127.0.0.1:${broker.port}`, "-P", "-t", codec, "-K:", "-z", codec],
      stdin: sent.join("\n"),
    });
  for (let round = 0; round < 3; round++) {
    // The later a round, the fewer keys: batches lose some of their records, not all.
    const keys = KEYS - round * 5;
    await write(Array.from({ length: keys }, (_, i) => `key-${i}:${round}-${"v".repeat(50)}`));
  }
  await write(["last:one"]);
  await broker.sweep();
  return Array.from({ length: KEYS }, (_, i) => {
    const round = i < 10 ? 2 : i < 15 ? 1 : 0;
    return `key-${i}:${round}-${"v".repeat(50)}`;
  });
}

for (const codec of ["none", "gzip", "snappy", "lz4", "zstd"]) {
  Deno.test({
    name: `kcat and kafkajs read what compaction left of ${codec} batches`,
    ignore,
    fn: () =>
      withBroker(async (broker) => {
        const wanted = [...await fill(broker, codec), "last:one"].toSorted();
        const read = await run("kcat", {
          args: [
            "-b",
            `127.0.0.1:${broker.port}`,
            "-C",
            "-t",
            codec,
            "-e",
            "-q",
            "-o",
            "beginning",
            "-f",
            "%k:%s\n",
          ],
        });
        assertEquals(lines(read.stdout).toSorted(), wanted);
        const records = await readTopic(`127.0.0.1:${broker.port}`, codec);
        assertEquals(records.map(({ key, value }) => `${key}:${value}`).toSorted(), wanted);
      }),
  });
}
