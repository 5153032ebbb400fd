/** Random producers, commits, aborts, fences, time-outs, deletions and restarts, and after every move both kinds of readers: the
 * broker and the model must agree on every record, offset and error. @module */

import { assertEquals } from "@std/assert";
import { type Broker, startBroker } from "../../../kafka/broker/mod.ts";
import { moveStart } from "../../../kafka/broker/retention.ts";
import { Random } from "../../random.ts";
import { makeTopic, optionsFor, withFolder } from "./harness.ts";
import { TransactionClient } from "./transaction_client.ts";
import { type ModelProducer, TransactionModel } from "./transaction_model.ts";
import { readAll } from "./transaction_reader.ts";

const IDS = ["a", "b", "c"];
const PARTITIONS = 2;
const MOVES = 400;
const TIMEOUT_MS = 10_000;
const PLAIN = { id: -1, epoch: -1 };

/** A broker that is played with, and what should be in it. */
class Game {
  readonly model = new TransactionModel(PARTITIONS, IDS);
  readonly #random: Random;
  readonly #dataDir: string;
  readonly #clients = new Map<string, TransactionClient>();
  #broker: Broker | undefined;
  #nowMs = 1_700_000_000_000;
  #values = 0;

  constructor(dataDir: string, random: Random) {
    this.#dataDir = dataDir;
    this.#random = random;
  }

  async start(): Promise<void> {
    // So little memory that some reads come from there and some from the disk.
    const options = { now: () => this.#nowMs, cacheBytes: 4_000 };
    this.#broker = await startBroker(optionsFor(this.#dataDir, options));
    if (this.#broker.state.log.topics.size === 0) {
      await makeTopic(this.#broker, "t", { partitions: PARTITIONS });
    }
    for (const id of IDS) this.#clients.set(id, await TransactionClient.connect(this.#broker.port, { id }));
  }

  async stop(): Promise<void> {
    for (const client of this.#clients.values()) client[Symbol.dispose]();
    await this.#broker?.[Symbol.asyncDispose]();
    this.#broker = undefined;
  }

  async move(): Promise<void> {
    const who = this.model.producers[this.#random.between(0, IDS.length - 1)] as ModelProducer;
    const client = this.#client(who);
    const chance = this.#random.between(1, 100);
    if (who.producer.id < 0 || chance <= 6) await this.#initialise(who, client);
    else if (chance <= 46) await this.#produce(who, client);
    else if (chance <= 56) await this.#producePlainly(client);
    else if (chance <= 62) await this.#holdOffset(who, client);
    else if (chance <= 65) await this.#commitPlainly(client);
    else if (chance <= 70) await this.#beZombie(who, client);
    else if (chance <= 73) await this.#letTimePass();
    else if (chance <= 76) await this.#restart();
    else if (chance <= 79) await this.#deleteRecords();
    else await this.#end(who, client, chance <= 90);
    await this.#compare(this.#client(who)); // a restart made a new one
  }

  #client(who: ModelProducer): TransactionClient {
    const client = this.#clients.get(who.id);
    if (client === undefined) throw new Error(`There is no client for ${who.id}`);
    return client;
  }

  async #initialise(who: ModelProducer, client: TransactionClient): Promise<void> {
    const isKnown = who.producer.id >= 0;
    const wasOpen = who.partitions !== null;
    const before = who.producer;
    const says = isKnown && this.#random.between(0, 1) === 1 ? { producer: before } : {};
    const { error, ...producer } = await client.init({ timeoutMs: TIMEOUT_MS, ...says });
    assertEquals(error, 0);
    if (isKnown) assertEquals(producer, { id: before.id, epoch: before.epoch + (wasOpen ? 2 : 1) });
    this.model.initialised(who, producer);
  }

  async #produce(who: ModelProducer, client: TransactionClient): Promise<void> {
    const partition = this.#random.between(0, PARTITIONS - 1);
    const isIn = who.partitions?.has(partition) ?? false;
    const sequence = who.sequences.get(partition) ?? 0;
    const records = this.#records();
    if (!isIn && this.#random.between(1, 5) === 1) {
      assertEquals(await client.produce(who.producer, sequence, records, { partition }), [48, -1]);
      return;
    }
    if (!isIn) {
      assertEquals(await client.add(who.producer, [partition]), [0]);
      this.model.begun(who, partition, this.#nowMs);
    }
    if (this.#random.between(1, 6) === 1) return; // it is in the transaction, and nothing is written there
    const produced = await client.produce(who.producer, sequence, records, { partition });
    assertEquals(produced, [0, this.model.appended(who, partition, records.map(({ value }) => value))]);
    if (this.#random.between(1, 8) > 1) return;
    assertEquals(
      await client.produce(who.producer, sequence, records, { partition }),
      produced,
      "sent again",
    );
  }

  async #producePlainly(client: TransactionClient): Promise<void> {
    const partition = this.#random.between(0, PARTITIONS - 1);
    const records = this.#records();
    const plain = { partition, transactional: false, transactionalId: null };
    const expected = this.model.appended(null, partition, records.map(({ value }) => value));
    assertEquals(await client.produce(PLAIN, -1, records, plain), [0, expected]);
  }

  async #holdOffset(who: ModelProducer, client: TransactionClient): Promise<void> {
    const offset = this.#random.between(0, 1_000);
    assertEquals(await client.addGroup(who.producer, "g"), 0);
    if (who.partitions === null) who.startedMs = this.#nowMs;
    who.partitions ??= new Set();
    assertEquals(await client.commitOffsets(who.producer, "g", [[0, offset]]), [0]);
    this.model.holds(who, offset);
  }

  async #commitPlainly(client: TransactionClient): Promise<void> {
    const offset = this.#random.between(0, 1_000);
    await client.commitPlainly("g", [[0, offset]]);
    this.model.commitsPlainly(offset);
  }

  /** A predecessor of the producer tries everything once. */
  async #beZombie(who: ModelProducer, client: TransactionClient): Promise<void> {
    if (who.producer.epoch === 0) return;
    const zombie = { id: who.producer.id, epoch: this.#random.between(0, who.producer.epoch - 1) };
    const partition = this.#random.between(0, PARTITIONS - 1);
    assertEquals(await client.produce(zombie, 0, this.#records(), { partition }), [47, -1]);
    assertEquals(await client.add(zombie, [partition]), [90]);
    assertEquals(await client.addGroup(zombie, "g"), 90);
    assertEquals(await client.commitOffsets(zombie, "g", [[0, 5]]), [47]);
    assertEquals(await client.end(zombie, this.#random.between(0, 1) === 1), 90);
  }

  async #end(who: ModelProducer, client: TransactionClient, commit: boolean): Promise<void> {
    if (who.partitions === null) return;
    assertEquals(await client.end(who.producer, commit), 0);
    this.model.ended(who, commit);
    assertEquals(await client.end(who.producer, commit), 0, "sent again");
    assertEquals(await client.end(who.producer, !commit), 48);
  }

  async #letTimePass(): Promise<void> {
    this.#nowMs += this.#random.between(1, 8_000);
    await this.#sweep();
  }

  async #restart(): Promise<void> {
    await this.stop();
    this.#nowMs += this.#random.between(0, 4_000);
    await this.start();
    await this.#sweep();
  }

  /** The log start moves, also under open transactions and past aborted ones. */
  async #deleteRecords(): Promise<void> {
    const number = this.#random.between(0, PARTITIONS - 1);
    const { log, store } = this.#broker?.state ?? {};
    const partition = log?.partition("t", number);
    if (log === undefined || store === undefined || partition === undefined) {
      throw new Error("There is no broker");
    }
    const [start, end] = [this.model.start(number), this.model.end(number)];
    const next = Math.min(end, start + this.#random.between(0, 20));
    await moveStart(log, store, partition, next);
    this.model.starts[number] = next;
    await this.#broker?.sweep();
  }

  async #sweep(): Promise<void> {
    await this.#broker?.state.transactions.sweep();
    for (const who of this.model.producers) {
      if (who.partitions === null || this.#nowMs - who.startedMs <= TIMEOUT_MS) continue;
      this.model.ended(who, false);
      who.producer = { id: who.producer.id, epoch: who.producer.epoch + 1 };
      // Its owner does not know that epoch: only an InitProducerId goes on from here.
      await this.#initialise(who, this.#client(who));
    }
  }

  async #compare(client: TransactionClient): Promise<void> {
    const committed = this.#random.between(0, 3) > 0;
    const partition = this.#random.between(0, PARTITIONS - 1);
    const from = this.#random.between(this.model.start(partition), this.model.end(partition));
    const maxBytes = this.#random.between(0, 1) === 0 ? 1_000_000 : this.#random.between(1, 600);
    const seen = await readAll(client, { from, partition, committed, maxBytes });
    assertEquals(seen, this.model.visible(partition, committed, from));
    const { end, stable, start } = await client.fetch({ partition, offset: from });
    assertEquals([end, stable], [this.model.end(partition), this.model.stable(partition)]);
    assertEquals(start, this.model.start(partition));
    assertEquals(await client.offsetAt(-1, { partition }), stable);
    const offset = this.model.committedOffset;
    assertEquals(await client.committed("g"), [0, offset]);
    assertEquals(await client.committed("g", { stable: true }), this.model.isHeld ? [88, -1] : [0, offset]);
  }

  #records(): { value: string }[] {
    return Array.from({ length: this.#random.between(1, 3) }, () => ({ value: `v${this.#values++}` }));
  }
}

for (const round of [1, 2, 3]) {
  Deno.test(`Transactions agree with their model, round ${round}`, () =>
    withFolder(async (dataDir) => {
      const game = new Game(dataDir, new Random(`transactions ${round}`));
      await game.start();
      try {
        for (let i = 0; i < MOVES; i++) await game.move();
      } finally {
        await game.stop();
      }
    }));
}
