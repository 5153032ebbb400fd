/** Producers that go on whatever dies under them: after a lost connection they send again what had no answer, the same
 * batches under the same sequences, as idempotent producers of real clients do. What they are told goes to a
 * {@linkcode Ledger}. Any other error than a lost connection is an error of {@linkcode Producer.stop}. @module */
import { eventually, pause } from "../eventually.ts";
import { batchOf } from "../kafka/broker/batches.ts";
import { ConnectionLost, ProtocolClient } from "../protocol/client.ts";
import type { Values } from "../protocol/codec.ts";
import type { Random } from "../random.ts";
import type { Ledger, Transaction } from "./ledger.ts";

/** Where and what a producer writes. */
export interface ProducerOptions {
  readonly port: number;
  readonly name: string;
  readonly topic: string;
  readonly partitions: number;
  readonly random: Random;
  readonly ledger: Ledger;
}

/** A topic in which transactional producers keep the positions of their groups; nothing is written to it. */
export const positionsTopic = "positions";

interface Batch {
  readonly partition: number;
  readonly sequence: number;
  readonly values: readonly string[];
}

/** Requests of one producer that may be on their way at once, for one partition. */
const maxInFlight = 5;
/** How long a broker may be away, in milliseconds: one that does not come back must not keep a test for ever. */
const patienceMs = 120_000;
const TRANSACTIONAL = 0x10;
const CONCURRENT_TRANSACTIONS = 51;
const noAnswer = new Set(["ConnectionLost"]);

/** What both kinds have in common: a connection that comes back. */
export abstract class Producer implements AsyncDisposable {
  /** Batches or transactions finished so far. */
  done = 0;
  /** How often the connection was lost under a request. */
  lost = 0;
  protected readonly options: ProducerOptions;
  protected producerId = -1;
  protected epoch = -1;
  protected readonly sequences: number[];
  #working: Promise<void> | undefined;
  #client: ProtocolClient | undefined;
  #stopped = false;
  #isGivenUp = false;
  #failed: unknown;

  protected constructor(options: ProducerOptions) {
    this.options = options;
    this.sequences = Array.from({ length: options.partitions }, () => 0);
  }

  /** Waits until so many more batches or transactions were finished. */
  async more(count: number, timeoutMs = 60_000): Promise<void> {
    const wanted = this.done + count;
    await eventually(`${count} more of ${this.options.name}`, () => {
      return this.#failed !== undefined || this.done >= wanted;
    }, timeoutMs);
    if (this.#failed !== undefined) await this.stop();
  }

  /** Ends it when what it has begun is finished.
   * @throws {Error} with the first answer that was an error */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#working;
    this.#client?.[Symbol.dispose]();
    if (this.#failed !== undefined) throw new Error(`${this.options.name} failed`, { cause: this.#failed });
  }

  /** Ends it at once, also when there is no broker any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = this.#isGivenUp = true;
    this.#client?.[Symbol.dispose]();
    await this.#working;
  }

  /** One round of work; called again and again. */
  protected abstract round(): Promise<void>;

  protected begin(): void {
    this.#working = (async () => {
      while (!this.#stopped) await this.round();
    })().catch((error) => void (this.#failed = error));
  }

  /** Runs a step until it has an answer; it must be one that may be repeated. */
  protected async untilAnswered<T>(step: (client: ProtocolClient) => Promise<T>): Promise<T> {
    const began = performance.now();
    while (true) {
      try {
        this.#client ??= await ProtocolClient.connect(this.options.port, this.options.name);
        return await step(this.#client);
      } catch (error) {
        if (!noAnswer.has((error as Error).name)) throw error;
        this.#client = undefined;
        this.lost++;
        if (this.#isGivenUp || performance.now() - began > patienceMs) throw error;
        await pause(3);
      }
    }
  }

  /** Sends batches in order, all at once, and notes the offsets. */
  protected async produce(
    client: ProtocolClient,
    batches: readonly Batch[],
    transactionalId: string | null,
  ): Promise<void> {
    const answers = await Promise.allSettled(
      batches.map((batch) => client.ask(0, 8, this.#request(batch, transactionalId))),
    );
    for (const [i, answer] of answers.entries()) {
      const { partition, values } = batches[i]!;
      if (answer.status === "rejected") throw answer.reason;
      const [topic] = answer.value.responses as Values[];
      const [told] = topic!.partitionResponses as Values[];
      check(told!, `produce of ${values[0]}`);
      this.options.ledger.acknowledged(this.options.topic, partition, Number(told!.baseOffset), values);
    }
  }

  /** The next batch of a partition; `values` tells its records. */
  protected batch(partition: number, values: readonly string[]): Batch {
    const sequence = this.sequences[partition]!;
    this.sequences[partition] = sequence + values.length;
    return { partition, sequence, values };
  }

  #request({ partition, sequence, values }: Batch, transactionalId: string | null): Values {
    const timestamp = Date.now();
    const records = batchOf(values.map((value) => ({ key: this.options.name, value, timestamp })), {
      producerId: this.producerId,
      epoch: this.epoch,
      sequence,
      attributes: transactionalId === null ? 0 : TRANSACTIONAL,
    });
    const topicData = [{ name: this.options.topic, partitionData: [{ index: partition, records }] }];
    return { transactionalId, acks: -1, timeoutMs: 10_000, topicData };
  }
}

/** Numbers `name:0`, `name:1`, … of each partition, several batches on their way at once. */
export class IdempotentProducer extends Producer {
  #unanswered: Batch[] = [];

  static async open(options: ProducerOptions): Promise<IdempotentProducer> {
    const producer = new IdempotentProducer(options);
    const told = await producer.untilAnswered((client) =>
      client.ask(22, 1, { transactionalId: null, transactionTimeoutMs: 60_000 })
    );
    check(told, "producer id");
    producer.producerId = Number(told.producerId);
    producer.epoch = Number(told.producerEpoch);
    producer.begin();
    return producer;
  }

  protected override async round(): Promise<void> {
    const { random, partitions, name } = this.options;
    for (let partition = 0; partition < partitions; partition++) {
      for (let n = random.between(0, maxInFlight); n > 0; n--) {
        const first = this.sequences[partition]!;
        const values = Array.from(
          { length: random.between(1, 4) },
          (_, i) => `${name}:${partition}:${first + i}`,
        );
        this.#unanswered.push(this.batch(partition, values));
      }
    }
    await this.untilAnswered((client) => this.produce(client, this.#unanswered, null));
    this.done += this.#unanswered.length;
    this.#unanswered = [];
  }
}

/** Transactions over several partitions with the position of a group in each; some are given up, and now and then the
 * producer begins anew under its transactional id, as a program that was started again does. */
export class TransactionalProducer extends Producer {
  #number = 0;

  static async open(options: ProducerOptions): Promise<TransactionalProducer> {
    const producer = new TransactionalProducer(options);
    await producer.#init();
    producer.begin();
    return producer;
  }

  protected override async round(): Promise<void> {
    const { name, random, partitions, ledger } = this.options;
    const number = ++this.#number;
    const chosen = Array.from({ length: partitions }, (_, partition) => partition)
      .filter(() => random.between(0, 2) > 0);
    if (chosen.length === 0) chosen.push(0);
    let count = 0;
    const batches = chosen.flatMap((partition) =>
      Array.from(
        { length: random.between(1, 2) },
        () =>
          this.batch(
            partition,
            Array.from({ length: random.between(1, 3) }, () => `${name}:${number}:${count++}`),
          ),
      )
    );
    const transaction = ledger.begun(name, number, batches.flatMap(({ values }) => values));
    await this.#addPartitions(chosen);
    await this.untilAnswered((client) => this.produce(client, batches, name));
    if (random.between(1, 20) === 1) return await this.#startAnew(transaction);
    await this.#commitPosition(number);
    await this.#end(transaction, random.between(1, 10) <= 7);
    this.done++;
  }

  async #init(): Promise<void> {
    const told = await this.#patiently(
      "producer id",
      (client) => client.ask(22, 1, { transactionalId: this.options.name, transactionTimeoutMs: 60_000 }),
    );
    this.producerId = Number(told.producerId);
    this.epoch = Number(told.producerEpoch);
    this.sequences.fill(0);
  }

  async #addPartitions(partitions: readonly number[]): Promise<void> {
    const request = {
      v3AndBelowTransactionalId: this.options.name,
      v3AndBelowProducerId: this.producerId,
      v3AndBelowProducerEpoch: this.epoch,
      v3AndBelowTopics: [{ name: this.options.topic, partitions: [...partitions] }],
    };
    await this.#patiently("partitions of a transaction", async (client) => {
      const told = await client.ask(24, 1, request);
      const [topic] = told.resultsByTopicV3AndBelow as Values[];
      const results = topic!.resultsByPartition as Values[];
      return { errorCode: results.map((each) => each.partitionErrorCode).find((code) => code !== 0) ?? 0 };
    });
  }

  async #commitPosition(number: number): Promise<void> {
    const ids = { transactionalId: this.options.name, groupId: this.options.name, ...this.#identity() };
    await this.#patiently("offsets of a transaction", (client) => client.ask(25, 1, ids));
    const partitions = [{ partitionIndex: 0, committedOffset: number, committedMetadata: "" }];
    await this.#patiently("offset commit of a transaction", async (client) => {
      const told = await client.ask(28, 2, { ...ids, topics: [{ name: positionsTopic, partitions }] });
      const [topic] = told.topics as Values[];
      return (topic!.partitions as Values[])[0]!;
    });
  }

  async #end(transaction: Transaction, committed: boolean): Promise<void> {
    const request = { transactionalId: this.options.name, ...this.#identity(), committed };
    let isLost = false;
    const told = await this.untilAnswered(async (client) => {
      try {
        return await client.ask(26, 1, request);
      } catch (error) {
        if (!(error instanceof ConnectionLost) || this.options.random.between(0, 1) === 0) throw error;
        isLost = true; // half of them do not ask again but begin anew
        return { errorCode: 0 };
      }
    });
    if (isLost) {
      await this.#init();
      this.options.ledger.ended(transaction, committed ? "unknown" : "aborted");
      return;
    }
    check(told, `end of transaction ${this.options.name}:${transaction.number}`);
    this.options.ledger.ended(transaction, committed ? "committed" : "aborted");
  }

  /** The new epoch gives up what the old one had open. */
  async #startAnew(transaction: Transaction): Promise<void> {
    await this.#init();
    this.options.ledger.ended(transaction, "aborted");
  }

  /** Asks again while the transaction before is still being ended. */
  async #patiently(what: string, ask: (client: ProtocolClient) => Promise<Values>): Promise<Values> {
    while (true) {
      const told = await this.untilAnswered(ask);
      if (told.errorCode !== CONCURRENT_TRANSACTIONS) return check(told, what);
      await pause(2);
    }
  }

  #identity(): { producerId: number; producerEpoch: number } {
    return { producerId: this.producerId, producerEpoch: this.epoch };
  }
}

function check(told: Values, what: string): Values {
  if (told.errorCode !== 0) throw new Error(`Error ${told.errorCode} at ${what}`);
  return told;
}
