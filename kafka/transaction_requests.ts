/** What a transactional producer says to Kafka's coordinators: of its transactional id, and of the groups whose offsets it commits.
 *
 *     InitProducerId → AddPartitionsToTxn, AddOffsetsToTxn → (Produce) TxnOffsetCommit → EndTxn
 *
 * Each is one try. Two are written by hand, as the library knows them only without what matters here: which producer asks for its next
 * epoch (KIP-360), and which member of a group commits (KIP-447). Left out: when to try again, and the order of things
 * (transactions.ts); records (transaction_writes.ts).
 * @see {@link https://cwiki.apache.org/confluence/display/KAFKA/KIP-98+-+Exactly+Once+Delivery+and+Transactional+Messaging}
 * @module */
import Decoder from "kafkajs/src/protocol/decoder.js";
import Encoder from "kafkajs/src/protocol/encoder.js";
import { requests } from "kafkajs/src/protocol/requests/index.js";
import { withDeadline } from "../deadline.ts";
import { errorName, type KafkaConnection, KafkaError } from "./connection.ts";
import { checkAnswer, findCoordinator } from "./coordinator.ts";
import { noAnswer } from "./nodes.ts";

/** A producer id with its epoch. */
export interface ProducerIdentity {
  readonly id: number;
  readonly epoch: number;
}

/** Positions of a group, which count once the transaction is committed. */
export interface GroupOffsets {
  readonly group: string;
  /** Who commits: refused when the group has gone on without it. Default: nobody, which any group takes. */
  readonly member?: { readonly id: string; readonly generation: number };
  readonly topics: readonly {
    readonly topic: string;
    /** `offset`: the next one to read; `metadata`: a note that is kept with it, default none. */
    readonly partitions: readonly {
      readonly partition: number;
      readonly offset: number;
      readonly metadata?: string;
    }[];
  }[];
}

/** The transactional id is somebody else's by now, or the coordinator took it away as a transaction took too long, or nobody has
 * called `init`. A transaction whose commit was on its way may have been committed before. */
export class Fenced extends KafkaError {
  constructor(transactionalId: string, options?: ErrorOptions) {
    super(
      "PRODUCER_FENCED",
      `Cannot send as ${transactionalId}: another producer has it, or it was not asked for`,
      options,
    );
    this.name = "Fenced";
  }
}

// deno-lint-ignore no-explicit-any
type Untyped = any;

const groupType = 0, transactionType = 1;
/** Kafka's own topic of transactions: one to describe when only the nodes are wanted. */
const anyTopic = "__transaction_state";
/** How the coordinator says that an epoch is not the newest, by version of the request. */
const fencing: ReadonlySet<string> = new Set(["INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED"]);

/** The coordinators of one transactional id, over a connection. */
export class TransactionRequests {
  readonly #connection: KafkaConnection;
  readonly #id: string;
  /** Nodes that coordinate, by `group:` or `id:`. */
  readonly #coordinators = new Map<string, number>();
  /** Whether the connection has been told where nodes are. */
  #knowsNodes = false;

  constructor(connection: KafkaConnection, transactionalId: string) {
    this.#connection = connection;
    this.#id = transactionalId;
  }

  /** Looks for nodes and coordinators again next time. */
  forget(): void {
    this.#coordinators.clear();
    this.#knowsNodes = false;
  }

  /** The next epoch of the transactional id; what its producer before has open is aborted.
   * @param own given: only if nobody else has asked for one since
   * @throws {Fenced} if somebody has; UNSUPPORTED_VERSION where Kafka cannot tell (before 2.5) */
  async initProducerId(
    own: ProducerIdentity | null,
    { transactionTimeoutMs, timeoutMs }: { transactionTimeoutMs: number; timeoutMs: number },
  ): Promise<ProducerIdentity> {
    const args = { transactionalId: this.#id, transactionTimeout: transactionTimeoutMs, own };
    const options = { timeoutMs, definition: initProducerIdRequest };
    const answer = await this.#ask("InitProducerId", args, options);
    this.#check(answer.errorCode, "get a producer id");
    return { id: Number(answer.producerId), epoch: answer.producerEpoch };
  }

  /** Takes partitions into the transaction, which begins with the first ones. */
  async addPartitions(
    producer: ProducerIdentity,
    partitions: ReadonlyMap<string, readonly number[]>,
    timeoutMs: number,
  ): Promise<void> {
    const topics = [...partitions].map(([topic, partitions]) => ({ topic, partitions }));
    const answer = await this.#ask("AddPartitionsToTxn", { ...this.#claim(producer), topics }, { timeoutMs });
    const refused: [code: number, where: string][] = answer.errors.flatMap((topic: Untyped) =>
      topic.partitionErrors.map((part: Untyped) => [part.errorCode, `${topic.topic}/${part.partition}`])
    );
    // The others are only told that they were not tried.
    refused.sort(([a], [b]) => Number(isNotTried(a)) - Number(isNotTried(b)));
    for (const [code, where] of refused) this.#check(code, `write to ${where}`);
  }

  /** Lets the transaction commit offsets of a group. */
  async addGroup(producer: ProducerIdentity, groupId: string, timeoutMs: number): Promise<void> {
    const answer = await this.#ask("AddOffsetsToTxn", { ...this.#claim(producer), groupId }, { timeoutMs });
    this.#check(answer.errorCode, `commit offsets of ${groupId}`);
  }

  /** Hands offsets over to the group's coordinator, which holds them back until the transaction ends. */
  async commitOffsets(producer: ProducerIdentity, offsets: GroupOffsets, timeoutMs: number): Promise<void> {
    const { group, member, topics } = offsets;
    const args = { ...this.#claim(producer), groupId: group, member, topics };
    const options = { timeoutMs, definition: txnOffsetCommitRequest };
    const answer = await this.#ask("TxnOffsetCommit", args, options, group);
    for (const { topic, partitions } of answer.topics) {
      for (const { partition, errorCode } of partitions) {
        checkAnswer(errorCode, `commit the offset of ${group} in ${topic}/${partition}`);
      }
    }
  }

  /** Commits or aborts; done again it is answered the same. */
  async end(producer: ProducerIdentity, commit: boolean, timeoutMs: number): Promise<void> {
    const args = { ...this.#claim(producer), transactionResult: commit };
    const answer = await this.#ask("EndTxn", args, { timeoutMs });
    this.#check(answer.errorCode, commit ? "commit" : "abort");
  }

  #claim({ id, epoch }: ProducerIdentity) {
    return { transactionalId: this.#id, producerId: String(id), producerEpoch: epoch };
  }

  /** @throws {KafkaError} for any code but 0; {@link Fenced} if that is what the transaction's coordinator says */
  #check(code: number, action: string): void {
    if (fencing.has(errorName(code) ?? "")) throw new Fenced(this.#id);
    checkAnswer(code, `${action} as ${this.#id}`);
  }

  /** Asks a coordinator; all of it takes as long as `timeoutMs` at most. @param group whose; default: the transactional id's */
  #ask(
    api: string,
    args: unknown,
    { timeoutMs, definition }: { timeoutMs: number; definition?: unknown },
    group?: string,
  ): Promise<Untyped> {
    const options = definition === undefined ? { timeoutMs } : { timeoutMs, definition };
    const asked = this.#coordinator(group, timeoutMs)
      .then((node) => this.#connection.ask(node, api, args, options));
    return withDeadline(asked, timeoutMs, () => noAnswer(api, timeoutMs));
  }

  async #coordinator(group: string | undefined, timeoutMs: number): Promise<number> {
    const key = group === undefined ? `id:${this.#id}` : `group:${group}`;
    const known = this.#coordinators.get(key);
    if (known !== undefined) return known;
    // A node can be reached by its id once metadata has said where it is.
    if (!this.#knowsNodes) await this.#connection.metadata([anyTopic]);
    this.#knowsNodes = true;
    const type = group === undefined ? transactionType : groupType;
    const node = await findCoordinator(this.#connection, group ?? this.#id, { timeoutMs, type });
    this.#coordinators.set(key, node);
    return node;
  }
}

function isNotTried(code: number): boolean {
  return code === 0 || errorName(code) === "OPERATION_NOT_ATTEMPTED";
}

/** InitProducerId (key 22), version 4; below 3 the library's own:
 *     request  => transactional_id:COMPACT_NULLABLE_STRING transaction_timeout_ms:INT32 producer_id:INT64 producer_epoch:INT16
 *     response => throttle_time_ms:INT32 error_code:INT16 producer_id:INT64 producer_epoch:INT16 */
const initProducerIdRequest = flexible(22, "InitProducerId", [3, 4], {
  before: (version, { own }) => {
    if (!own) return requests.InitProducerId.protocol({ version: Math.min(version, 1) });
    const message = `Cannot ask for the next epoch: Kafka knows InitProducerId up to ${version}, 3 is wanted`;
    throw new KafkaError("UNSUPPORTED_VERSION", message);
  },
  encode(encoder, { transactionalId, transactionTimeout, own }) {
    encoder.writeUVarIntString(transactionalId).writeInt32(transactionTimeout);
    encoder.writeInt64(String(own?.id ?? -1)).writeInt16(own?.epoch ?? -1);
  },
  decode: (decoder) => ({
    errorCode: decoder.readInt16(),
    producerId: decoder.readInt64().toString(),
    producerEpoch: decoder.readInt16(),
  }),
});

/** TxnOffsetCommit (key 28), version 3; below it the library's own, without the member:
 *     request  => transactional_id:COMPACT_STRING group_id:COMPACT_STRING producer_id:INT64 producer_epoch:INT16 generation_id:INT32
 *                 member_id:COMPACT_STRING group_instance_id:COMPACT_NULLABLE_STRING [name:COMPACT_STRING [partition:INT32
 *                 offset:INT64 leader_epoch:INT32 metadata:COMPACT_NULLABLE_STRING]]
 *     response => throttle_time_ms:INT32 [name:COMPACT_STRING [partition:INT32 error_code:INT16]] */
const txnOffsetCommitRequest = flexible(28, "TxnOffsetCommit", [3], {
  before: (version) => requests.TxnOffsetCommit.protocol({ version: Math.min(version, 1) }),
  encode(encoder, { transactionalId, groupId, producerId, producerEpoch, member, topics }) {
    encoder.writeUVarIntString(transactionalId).writeUVarIntString(groupId);
    encoder.writeInt64(producerId).writeInt16(producerEpoch);
    encoder.writeInt32(member?.generation ?? -1).writeUVarIntString(member?.id ?? "").writeUVarIntString(
      null,
    );
    encoder.writeUVarInt(topics.length + 1);
    for (const { topic, partitions } of topics) {
      encoder.writeUVarIntString(topic).writeUVarInt(partitions.length + 1);
      for (const { partition, offset, metadata = "" } of partitions) {
        encoder.writeInt32(partition).writeInt64(String(offset)).writeInt32(-1).writeUVarIntString(metadata)
          .writeUVarInt(0);
      }
      encoder.writeUVarInt(0);
    }
  },
  decode: (decoder) => ({
    topics: decoder.readUVarIntArray(() => {
      const topic = decoder.readUVarIntString();
      const partitions = decoder.readUVarIntArray(() => {
        const part = { partition: decoder.readInt32(), errorCode: decoder.readInt16() };
        decoder.readTaggedFields();
        return part;
      });
      decoder.readTaggedFields();
      return { topic, partitions };
    }),
  }),
});

/** A request in the form in which the library keeps its own, with the tagged fields of flexible versions, all of them empty.
 * @param before what serves where Kafka knows only versions below `versions` */
function flexible(
  apiKey: number,
  apiName: string,
  versions: readonly number[],
  { before, encode, decode }: {
    before: (version: number, args: Untyped) => (args: Untyped) => Untyped;
    encode: (encoder: Untyped, args: Untyped) => void;
    decode: (decoder: Untyped) => Untyped;
  },
) {
  const protocol = ({ version: apiVersion }: { version: number }) => (args: Untyped) =>
    apiVersion < versions[0]! ? before(apiVersion, args)(args) : {
      request: {
        apiKey,
        apiName,
        apiVersion,
        encode: () => {
          const encoder = new Encoder().writeUVarInt(0); // the header's
          encode(encoder, args);
          return Promise.resolve(encoder.writeUVarInt(0));
        },
      },
      response: {
        decode: (bytes: Uint8Array) => {
          const decoder = new Decoder(bytes);
          decoder.readTaggedFields(); // the header's
          decoder.readInt32();
          return Promise.resolve(decode(decoder));
        },
      },
    };
  return { versions, protocol };
}
