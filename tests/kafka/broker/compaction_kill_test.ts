/** kill -9 in the middle of compaction: what is left is a right log, and a later pass finishes it. @module */
import { assert, assertEquals } from "@std/assert";
import { startBroker } from "../../../kafka/broker/mod.ts";
import { appendBatch, partitionOf, type Read, readAll } from "./compaction_log.ts";
import { makeTopic, optionsFor, withFolder } from "./harness.ts";

const BATCHES = 10_000;
/** Each comes later than the one before, until the pass was done. */
const KILLS = 8;
const KEYS = 200;
const options = { retentionCheckMs: 1e9 };

function stateOf(read: readonly Read[]): Map<string | null, string | null> {
  return new Map(read.map(({ key, value }) => [key, value]));
}

async function fill(dataDir: string): Promise<void> {
  await using broker = await startBroker(optionsFor(dataDir, options));
  await makeTopic(broker, "t", {
    configs: { "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0" },
  });
  const timestamp = Date.now();
  for (let i = 0; i < BATCHES; i++) {
    const records = Array.from({ length: 10 }, (_, n) => ({
      key: `key-${(i * 7 + n * 13) % KEYS}`,
      value: `${i}-${n}-`.padEnd(100, "x"),
      timestamp,
    }));
    await appendBatch(broker, records, { codec: i % 5 });
  }
}

/** Compacts in a process of its own until it is killed; true if it was done before. */
async function compactUntilKilled(dataDir: string, killAfterMs: number): Promise<boolean> {
  const script = new URL("./compaction_child.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", script, dataDir],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!said.includes("compacting")) said += (await reader.read()).value ?? "";
  await new Promise((resolve) => setTimeout(resolve, killAfterMs));
  try {
    child.kill("SIGKILL");
  } catch { /* it has ended by itself */ }
  for (let part = await reader.read(); !part.done; part = await reader.read()) said += part.value;
  await child.status;
  return said.includes("done");
}

Deno.test("kill -9 in the middle of compaction leaves a right log, which the next pass finishes", () =>
  withFolder(async (dataDir) => {
    await fill(dataDir);
    let whole: Map<string | null, string | null> | undefined;
    const left: number[] = [];
    for (let kill = 0; kill <= KILLS; kill++) {
      {
        await using broker = await startBroker(optionsFor(dataDir, options));
        const read = readAll(broker, 0, false, 1_000_000);
        whole ??= stateOf(read);
        assertEquals(stateOf(read), whole);
        assertEquals(partitionOf(broker).end, BATCHES * 10);
        left.push(read.length);
        const sum = broker.state.store.db.prepare("SELECT sum(length(bytes)) AS bytes FROM batches").get()
          ?.bytes;
        assertEquals(Number(sum), partitionOf(broker).bytes);
      }
      if (kill === KILLS || await compactUntilKilled(dataDir, 100 + kill * 40)) break;
    }
    assert(left[0] === BATCHES * 10 && left.length > 1, `records left: ${left}`);
    await using broker = await startBroker(optionsFor(dataDir, options));
    await broker.sweep();
    const read = readAll(broker, 0, false, 1_000_000);
    assertEquals(stateOf(read), whole);
    assert(read.length <= KEYS + 10, `${read.length} records are left`);
    assertEquals(
      await appendBatch(broker, [{ key: "k", value: "next", timestamp: Date.now() }]),
      BATCHES * 10,
    );
  }));
