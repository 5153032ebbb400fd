/** Compaction against a model: random puts, tombstones, transactions, codecs, restarts and moves of the log start, a pass
 * now and then; whoever reads the log from its start must come to the same state as from the full history. The seed of
 * a run that fails is in its name; TAILRACE_COMPACTION_SEEDS=n runs more of them. @module */

import { assert, assertEquals } from "@std/assert";
import { type Broker, startBroker } from "../../../kafka/broker/mod.ts";
import { moveStart } from "../../../kafka/broker/retention.ts";
import type { TestRecord } from "./batches.ts";
import { appendBatch, compact, endTransaction, partitionOf, type Read, readAll } from "./compaction_log.ts";
import { makeTopic, optionsFor, withFolder } from "./harness.ts";

const STEPS = 400;
const KEYS = 12;
const PRODUCERS = [1, 2, 3];
const MIN_LAG_MS = 2_000;
const DELETE_RETENTION_MS = 20_000;

interface Written extends Read {
  /** Undefined while its transaction is open. */
  committed: boolean | undefined;
  readonly producerId: number;
}

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What was written, and what a reader must find. */
class Model {
  readonly written = new Map<number, Written>();
  readonly sequences = new Map<number, number>();
  readonly open = new Set<number>();

  end(producerId: number, committed: boolean): void {
    this.open.delete(producerId);
    for (const record of this.written.values()) {
      if (record.producerId === producerId && record.committed === undefined) record.committed = committed;
    }
  }

  check(broker: Broker, nowMs: number): void {
    const partition = partitionOf(broker);
    const committed = readAll(broker, partition.start, true, 700);
    const limit = partition.lastStable;
    assertEquals(sorted(stateOf(committed)), sorted(this.#from(partition.start, limit)));
    let before = -1;
    for (const read of committed) {
      assert(read.offset > before, `offset ${read.offset} after ${before}`);
      before = read.offset;
      const { offset, key, value, timestamp, committed } = this.written.get(read.offset)!;
      assertEquals([read, committed], [{ offset, key, value, timestamp }, true]);
    }
    this.#checkKept(readAll(broker, partition.start, false), partition.start, limit, nowMs);
  }

  #from(start: number, limit: number): Map<string, string> {
    return stateOf(
      [...this.written.values()].filter((r) => r.committed === true && r.offset >= start && r.offset < limit),
    );
  }

  /** Nothing is gone but what may go. */
  #checkKept(all: readonly Read[], start: number, stable: number, nowMs: number): void {
    const found = new Set(all.map(({ offset }) => offset));
    const newest = new Map<string, number>();
    for (const { offset, key, committed } of this.written.values()) {
      if (committed !== false && key !== null) newest.set(key, offset);
    }
    for (const { offset, key, value, timestamp, committed } of this.written.values()) {
      if (offset < start) continue;
      const isYoung = nowMs - timestamp < MIN_LAG_MS;
      const isNewest = committed !== false && newest.get(key!) === offset &&
        (value !== null || nowMs - timestamp < DELETE_RETENTION_MS);
      if (offset >= stable || isYoung || isNewest) assert(found.has(offset), `record ${offset} is gone`);
    }
  }
}

function stateOf(records: readonly Read[]): Map<string, string> {
  const state = new Map<string, string>();
  for (const { key, value } of records) {
    if (value === null) state.delete(key!);
    else state.set(key!, value);
  }
  return state;
}

function sorted(state: ReadonlyMap<string, string>): [string, string][] {
  return [...state].sort(([a], [b]) => a < b ? -1 : 1);
}

async function put(broker: Broker, model: Model, random: () => number, nowMs: number): Promise<void> {
  const pick = (below: number): number => Math.floor(random() * below);
  const records = Array.from({ length: 1 + pick(5) }, (): TestRecord => ({
    key: `key-${pick(KEYS)}`,
    value: random() < 0.2 ? null : `value-${pick(1e9)}`.repeat(1 + pick(4)),
    timestamp: nowMs,
  }));
  const isIn = random() < 0.5;
  const producerId = isIn ? PRODUCERS[pick(PRODUCERS.length)]! : -1;
  const sequence = isIn ? model.sequences.get(producerId) ?? 0 : -1;
  const fields = isIn ? { producerId, epoch: 0, sequence, attributes: 0x10 } : {};
  const base = await appendBatch(broker, records, { ...fields, codec: pick(5) });
  if (isIn) {
    model.sequences.set(producerId, sequence + records.length);
    model.open.add(producerId);
  }
  for (const [i, { key, value }] of records.entries()) {
    model.written.set(base + i, {
      offset: base + i,
      key: key!,
      value: value as string | null,
      timestamp: nowMs,
      committed: isIn ? undefined : true,
      producerId,
    });
  }
}

async function endOne(broker: Broker, model: Model, random: () => number): Promise<void> {
  const [producerId] = model.open;
  if (producerId === undefined) return;
  const commit = random() < 0.5;
  await endTransaction(broker, producerId, commit);
  model.end(producerId, commit);
}

async function run(seed: number, dataDir: string): Promise<void> {
  const random = randomFrom(seed);
  const clock = { nowMs: 1_700_000_000_000 };
  const now = (): number => clock.nowMs;
  const options = optionsFor(dataDir, { now, retentionCheckMs: 1e9, cacheBytes: 20_000 });
  const model = new Model();
  let broker = await startBroker(options);
  try {
    await makeTopic(broker, "t", {
      configs: {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.1",
        "min.compaction.lag.ms": String(MIN_LAG_MS),
        "delete.retention.ms": String(DELETE_RETENTION_MS),
      },
    });
    for (let step = 0; step < STEPS; step++) {
      clock.nowMs += Math.floor(random() * 500);
      const dice = random();
      if (dice < 0.7) await put(broker, model, random, clock.nowMs);
      else if (dice < 0.86) await endOne(broker, model, random);
      else if (dice < 0.96) {
        const endBefore = partitionOf(broker).end;
        await compact(broker, now, random() < 0.3 ? 500 : undefined);
        assertEquals(partitionOf(broker).end, endBefore);
        model.check(broker, clock.nowMs);
      } else if (dice < 0.98) {
        const endBefore = partitionOf(broker).bounds();
        await broker[Symbol.asyncDispose]();
        broker = await startBroker(options);
        assertEquals({ ...partitionOf(broker).bounds(), topTimestamp: 0 }, { ...endBefore, topTimestamp: 0 });
      } else if (random() < 0.3) {
        const { start, lastStable } = partitionOf(broker);
        const to = start + Math.floor(random() * (lastStable - start) / 4);
        await moveStart(broker.state.log, broker.state.store, partitionOf(broker), to);
        await broker.sweep();
      }
    }
    await compact(broker, now);
    model.check(broker, clock.nowMs);
  } finally {
    await broker[Symbol.asyncDispose]();
  }
}

const seeds = Number(Deno.env.get("TAILRACE_COMPACTION_SEEDS") ?? 12);
for (let seed = 1; seed <= seeds; seed++) {
  Deno.test(`a compacted log says the same as the whole one: seed ${seed}`, () =>
    withFolder((dataDir) => run(seed, dataDir)));
}
