/** A client that does everything right while others do everything wrong, and must notice nothing of them: it produces
 * numbers as an idempotent producer, reads them back as they come, and is the member of a group that beats and commits.
 * Every answer with an error, every closed connection, every record that is missing, late or there twice is an error of
 * {@linkcode GoodClient.stop}. @module */
import { batchOf } from "../kafka/broker/batches.ts";
import { pause } from "../eventually.ts";
import { ProtocolClient } from "../protocol/client.ts";
import type { Value, Values } from "../protocol/codec.ts";
import { readBatches } from "../protocol/record_batches.ts";

/** Its topic, with settings of its own for all that a broker-wide setting could change. */
export const goodTopic = "good";
const groupId = "good-group";
const settings = {
  "retention.ms": "-1",
  "retention.bytes": "-1",
  "cleanup.policy": "delete",
  "max.message.bytes": "1048588",
};
const keepConfigs = Object.entries(settings).map(([name, value]) => ({ name, value }));

/** The client; it works from {@linkcode GoodClient.open} on. */
export class GoodClient {
  /** Numbers that were acknowledged: 0 up to this one, each once. */
  produced = 0;
  /** Numbers that were read. */
  consumed = 0;
  /** Longest time from sending a number to its acknowledgement, in milliseconds. */
  slowestMs = 0;
  readonly #clients: ProtocolClient[] = [];
  readonly #working: Promise<unknown>;
  #stopped = false;
  #failed: unknown;

  private constructor(
    readonly port: number,
    producer: ProtocolClient,
    reader: ProtocolClient,
    member: ProtocolClient,
  ) {
    this.#clients.push(producer, reader, member);
    const jobs = [this.#produce(producer), this.#consume(reader), this.#belong(member)];
    this.#working = Promise.all(jobs.map((job) =>
      job.catch((error) => {
        this.#failed ??= error;
        this.#stopped = true;
      })
    ));
  }

  static async open(port: number): Promise<GoodClient> {
    const [producer, reader, member] = await Promise.all(
      [1, 2, 3].map(() => ProtocolClient.connect(port, "good")),
    );
    const topics = [{ name: goodTopic, numPartitions: 1, replicationFactor: 1, configs: keepConfigs }];
    const { topics: made } = await producer!.ask(19, 4, { topics, timeoutMs: 10_000 });
    if ((made as Values[])[0]?.errorCode !== 0) throw new Error(`Cannot make topic: ${JSON.stringify(made)}`);
    return new GoodClient(port, producer!, reader!, member!);
  }

  /** Ends it once everything that was produced was read.
   * @throws {Error} with the first thing that went wrong */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#working;
    for (const client of this.#clients) client[Symbol.dispose]();
    if (this.#failed !== undefined) {
      throw new Error("The good client noticed something", { cause: this.#failed });
    }
  }

  async #produce(client: ProtocolClient): Promise<void> {
    const { producerId, producerEpoch } = ok(
      await client.ask(22, 1, { transactionalId: null, transactionTimeoutMs: 60_000 }),
    );
    while (!this.#stopped) {
      const records = batchOf([{ value: String(this.produced), timestamp: Date.now() }], {
        producerId: Number(producerId),
        epoch: Number(producerEpoch),
        sequence: this.produced,
      });
      const topicData = [{ name: goodTopic, partitionData: [{ index: 0, records }] }];
      const sent = performance.now();
      const partition = firstPartition(
        await client.ask(0, 8, { acks: -1, timeoutMs: 10_000, topicData }),
        "responses",
        "partitionResponses",
      );
      if (partition.baseOffset !== this.produced) {
        throw new Error(`Number ${this.produced} is at offset ${partition.baseOffset}`);
      }
      this.slowestMs = Math.max(this.slowestMs, performance.now() - sent);
      this.produced++;
      await pause(2);
    }
  }

  async #consume(client: ProtocolClient): Promise<void> {
    while (!this.#stopped || this.consumed < this.produced) {
      const numbers = await readNumbers(client, this.consumed, 200);
      for (const { offset, value } of numbers) {
        if (offset < this.consumed) continue; // the beginning of a batch that was read in part
        if (offset !== this.consumed || value !== String(offset)) {
          throw new Error(`Number ${value} is at offset ${offset}, expected was ${this.consumed}`);
        }
        this.consumed++;
      }
    }
  }

  async #belong(client: ProtocolClient): Promise<void> {
    const joined = ok(
      await client.ask(11, 2, {
        groupId,
        sessionTimeoutMs: 30_000,
        rebalanceTimeoutMs: 30_000,
        protocolType: "consumer",
        protocols: [{ name: "range", metadata: new Uint8Array(2) }],
      }),
    );
    const { memberId, generationId } = joined as { memberId: string; generationId: number };
    const assignments = [{ memberId, assignment: Uint8Array.of(1) }];
    ok(await client.ask(14, 1, { groupId, generationId, memberId, assignments }));
    let committed = -1;
    do {
      ok(await client.ask(12, 1, { groupId, generationId, memberId }));
      committed = this.consumed;
      const partitions = [{ partitionIndex: 0, committedOffset: committed, committedMetadata: "" }];
      firstPartition(
        await client.ask(8, 3, {
          groupId,
          generationIdOrMemberEpoch: generationId,
          memberId,
          topics: [{ name: goodTopic, partitions }],
        }),
        "topics",
        "partitions",
      );
      await pause(20);
    } while (!this.#stopped);
    const { committedOffset } = firstPartition(
      await client.ask(9, 5, { groupId, topics: [{ name: goodTopic, partitionIndexes: [0] }] }),
      "topics",
      "partitions",
    );
    if (committedOffset !== committed) throw new Error(`Committed ${committed}: found ${committedOffset}`);
  }
}

/** Values of the good topic from an offset on, waiting at most `maxWaitMs` for one. */
export async function readNumbers(
  client: ProtocolClient,
  fetchOffset: number,
  maxWaitMs: number,
): Promise<{ offset: number; value: string | null }[]> {
  const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes: 1_000_000 }];
  const topics = [{ topic: goodTopic, partitions }];
  const answer = await client.ask(1, 4, { maxWaitMs, minBytes: 1, topics });
  const { records } = firstPartition(answer, "responses", "partitions");
  return readBatches((records ?? new Uint8Array(0)) as Uint8Array).flatMap((batch) => batch.records);
}

function firstPartition(answer: Values, topics: string, partitions: string): Values {
  const [topic] = answer[topics] as Values[];
  const [partition] = topic?.[partitions] as Values[];
  return ok(partition!);
}

function ok(answer: Values): Values {
  if (answer.errorCode !== 0) {
    throw new Error(`Error ${answer.errorCode as Value} in ${JSON.stringify(answer)}`);
  }
  return answer;
}
