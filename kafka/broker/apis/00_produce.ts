/** Produce (key 0), versions 3–11, flexible from 9.
 *     request  => transactional_id:NULLABLE_STRING acks:INT16 timeout_ms:INT32
 *                 [name:STRING [index:INT32 records:RECORDS]]
 *     response => [name:STRING [index:INT32 error_code:INT16 base_offset:INT64 log_append_time_ms:INT64
 *                 log_start_offset:INT64 (v5+) [batch_index:INT32 message:NULLABLE_STRING] (v8+)
 *                 error_message:NULLABLE_STRING (v8+)]]
 *                 throttle_time_ms:INT32
 * Versions 0–2 are advertised and refused, as Apache Kafka 4 does: older librdkafka takes a range that begins at 0 for
 * knowledge of its codecs (KAFKA-18659). acks=1 and acks=all mean the same: on disk, as BROKER_SYNC says.
 * A transactional batch is taken if its transaction is open and has the partition in it.
 * @see {@link https://kafka.apache.org/protocol#The_Messages_Produce} @module */

import { checkBatch, type RecordError, type Refusal, refusal } from "../batch_checks.ts";
import type { AppendResult, NewBatch } from "../log.ts";
import type { Partition } from "../partition.ts";
import { type ErrorCode, errorName, errors } from "../wire/error_codes.ts";
import type { WireReader } from "../wire/reader.ts";
import type { WireWriter } from "../wire/writer.ts";
import { type Answer, type Api, type BrokerState, CloseConnection, itemError } from "./mod.ts";

interface PartitionProduce {
  readonly index: number;
  readonly records: Uint8Array | null;
  result: AppendResult;
  message: string | null;
  recordErrors: readonly RecordError[];
  partition: Partition | undefined;
}

interface TopicProduce {
  readonly name: string;
  readonly partitions: PartitionProduce[];
}

interface ProduceRequest {
  readonly version: number;
  readonly transactionalId: string | null;
  readonly acks: number;
  readonly topics: TopicProduce[];
}

export const produce: Api = {
  key: 0,
  name: "Produce",
  versions: [0, 11],
  servedFrom: 3,
  flexibleFrom: 9,
  pipelined: true,
  async handle({ version, body, broker }, out): Promise<Answer> {
    const request = readRequest(version, body);
    const batches = new Map<PartitionProduce, NewBatch>();
    const later: Promise<void>[] = [];
    for (const topic of request.topics) {
      for (const wanted of topic.partitions) {
        const settle = (checked: NewBatch | Refusal): void => {
          if ("error" in checked) refuse(wanted, checked);
          else batches.set(wanted, checked);
        };
        const checked = check(request, topic.name, wanted, broker);
        if (checked instanceof Promise) later.push(checked.then(settle));
        else settle(checked);
      }
    }
    if (later.length > 0 || turns.size > 0) await inTurn(request, later);
    if (batches.size > 0) await append(batches, broker);
    if (request.acks === 0) {
      closeOnError(request);
      return "none";
    }
    writeAnswer(request, out);
  },
};

function readRequest(version: number, body: WireReader): ProduceRequest {
  const transactionalId = body.nullableString();
  const acks = body.int16();
  body.int32(); // timeout_ms: there are no replicas to wait for
  const topics = body.structs(() => ({
    name: body.string(),
    partitions: body.structs((): PartitionProduce => ({
      index: body.int32(),
      records: body.nullableBytes(),
      result: { error: errors.NONE, baseOffset: -1, appendTimeMs: -1 },
      message: null,
      recordErrors: [],
      partition: undefined,
    })),
  }));
  body.tags();
  return { version, transactionalId, acks, topics };
}

/** Partitions to which a big batch is on its way, whose checks take a while. */
const turns = new Map<Partition, Promise<unknown>>();

/** Waits for the checks that are not done yet, and for those of the batches before them to the same partitions: what
 * one producer sends stays in order. */
async function inTurn(request: ProduceRequest, later: readonly Promise<void>[]): Promise<void> {
  const partitions = request.topics.flatMap((topic) => topic.partitions.flatMap((p) => p.partition ?? []));
  const before = partitions.flatMap((partition) => turns.get(partition) ?? []);
  const turn = Promise.all([...before, ...later]);
  for (const partition of partitions) turns.set(partition, turn);
  await turn;
  for (const partition of partitions) {
    if (turns.get(partition) === turn) turns.delete(partition);
  }
}

/** The checks of one partition, in Kafka's order. */
function check(
  request: ProduceRequest,
  topic: string,
  wanted: PartitionProduce,
  broker: BrokerState,
): NewBatch | Refusal | Promise<NewBatch | Refusal> {
  if (request.acks < -1 || request.acks > 1) {
    return refusal(errors.INVALID_REQUIRED_ACKS, `acks must be -1, 0 or 1, not ${request.acks}`);
  }
  const partition = broker.log.partition(topic, wanted.index);
  if (partition === undefined) {
    return refusal(errors.UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition");
  }
  wanted.partition = partition;
  const bytes = wanted.records;
  if (bytes === null || bytes.byteLength === 0) return refusal(errors.INVALID_RECORD, "There is no batch");
  const checked = checkBatch(request.version, partition, bytes, broker.now());
  return checked instanceof Promise
    ? checked.then((batch) => inTransaction(request, batch, broker))
    : inTransaction(request, checked, broker);
}

/** A transactional batch; one without a producer belongs to no transaction, and Kafka takes it as any other. */
function inTransaction(
  { version, transactionalId }: ProduceRequest,
  batch: NewBatch | Refusal,
  { transactions }: BrokerState,
): NewBatch | Refusal {
  if ("error" in batch || !batch.header.isTransactional) return batch;
  if (transactionalId === null) {
    return refusal(
      errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
      "A transactional batch needs a transactional id",
    );
  }
  const { partition, header: { producerId: id, producerEpoch: epoch } } = batch;
  if (id < 0) return batch;
  const admit = (): ErrorCode => {
    const error = transactions.admits(transactionalId, { id, epoch }, partition);
    // KIP-890: newer clients are told that aborting is enough.
    return error === errors.INVALID_TXN_STATE && version >= 11 ? errors.TRANSACTION_ABORTABLE : error;
  };
  return { ...batch, admit };
}

async function append(batches: ReadonlyMap<PartitionProduce, NewBatch>, broker: BrokerState): Promise<void> {
  const wanted = [...batches.keys()];
  try {
    const results = await broker.log.append([...batches.values()]);
    for (const [i, partition] of wanted.entries()) {
      const result = results[i];
      if (result === undefined) continue;
      partition.result = result;
      if (result.error !== errors.NONE) partition.message = errorName(result.error);
    }
  } catch (error) {
    const code = itemError(error, "Produce", broker);
    for (const partition of wanted) refuse(partition, refusal(code, errorName(code)));
  }
}

/** There is no answer that could tell a client with acks=0: it notices the closed connection. */
function closeOnError(request: ProduceRequest): void {
  for (const { partitions } of request.topics) {
    const failed = partitions.find(({ result }) => result.error !== errors.NONE);
    if (failed === undefined) continue;
    throw new CloseConnection(
      `Cannot append with acks=0: ${errorName(failed.result.error)} ${failed.message}`,
    );
  }
}

function writeAnswer({ version, topics }: ProduceRequest, out: WireWriter): void {
  out.structs(topics, ({ name, partitions }) => {
    out.string(name);
    out.structs(partitions, ({ index, result, message, recordErrors, partition }) => {
      out.int32(index);
      out.errorCode(result.error);
      out.int64(result.baseOffset);
      out.int64(result.appendTimeMs);
      if (version >= 5) out.int64(partition?.start ?? -1);
      if (version >= 8) {
        out.structs(recordErrors, (wrong) => {
          out.int32(wrong.index);
          out.nullableString(wrong.message);
        });
        out.nullableString(message);
      }
    });
  });
  out.int32(0); // throttle_time_ms
  out.tags();
}

function refuse(wanted: PartitionProduce, { error, message, records }: Refusal): void {
  wanted.result = { error: error as AppendResult["error"], baseOffset: -1, appendTimeMs: -1 };
  wanted.message = message;
  wanted.recordErrors = records ?? [];
}
