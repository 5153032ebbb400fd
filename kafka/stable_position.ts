/** The position that a group has committed, as no transaction is about to change it: OffsetFetch (key 9), version 7, for which the client
 * library is too old. It is flexible: a tag section, of no tags here, ends the header and every struct.
 *
 *     request  => group_id:COMPACT_STRING [name:COMPACT_STRING [partition:INT32]] require_stable:BOOLEAN
 *     response => throttle_time_ms:INT32 [name:COMPACT_STRING [partition:INT32 offset:INT64 leader_epoch:INT32
 *                 metadata:COMPACT_NULLABLE_STRING error_code:INT16]] error_code:INT16
 *
 * Kafka answers a commit of a transaction before its offsets can be seen (KIP-447): whoever goes on from a position that he or one before
 * him has committed in a transaction must ask like this, or what lies between is done twice. Where Kafka cannot tell (before 2.5) it is
 * asked as the library does. Left out: positions of viewers, which are in no transaction (positions.ts).
 * @see {@link https://cwiki.apache.org/confluence/display/KAFKA/KIP-447%3A+Producer+scalability+for+exactly+once+semantics}
 * @module */
import type { Buffer } from "node:buffer";
import Decoder from "kafkajs/src/protocol/decoder.js";
import Encoder from "kafkajs/src/protocol/encoder.js";
import { requests } from "kafkajs/src/protocol/requests/index.js";
import { type KafkaConnection, KafkaError } from "./connection.ts";
import { checkAnswer, findCoordinator } from "./coordinator.ts";
import { pause } from "./pause.ts";

/** Where a group is in a partition. */
export interface StablePosition {
  /** The next offset to read. */
  readonly offset: number;
  /** What was noted with it; "" for nothing. */
  readonly metadata: string;
}

const stableVersion = 7;
/** How long a try may take, and how long transactions that end are waited for, with which pauses, ms. */
const tryMs = 4_000, patienceMs = 2_000, pauseMs = 10;

// deno-lint-ignore no-explicit-any
type Untyped = any;

/** @param connection that has been told where nodes are, as by `metadata`
 * @returns null when the group has committed nothing of the partition
 * @throws {KafkaError} UNSTABLE_OFFSET_COMMIT when a transaction does not end, whatever Kafka refuses, and when it does not answer */
export async function stablePosition(
  connection: KafkaConnection,
  { group, topic, partition }: { group: string; topic: string; partition: number },
  signal: AbortSignal,
): Promise<StablePosition | null> {
  const node = await findCoordinator(connection, group, { timeoutMs: tryMs });
  const args = { groupId: group, topics: [{ topic, partitions: [{ partition }] }] };
  for (const deadline = performance.now() + patienceMs;;) {
    const answer = await connection.ask(node, "OffsetFetch", args, { timeoutMs: tryMs, definition });
    try {
      return readAnswer(answer, { group, topic, partition });
    } catch (error) {
      const passes = error instanceof KafkaError && error.code === "UNSTABLE_OFFSET_COMMIT";
      if (!passes || signal.aborted || performance.now() + pauseMs > deadline) throw error;
    }
    await pause(pauseMs, signal);
  }
}

function readAnswer(
  answer: Untyped,
  { group, topic, partition }: { group: string; topic: string; partition: number },
): StablePosition | null {
  const action = `read the position of ${group} in ${topic}/${partition}`;
  checkAnswer(answer.errorCode ?? 0, action);
  for (const { topic: name, partitions } of answer.responses) {
    for (const { partition: number, offset, metadata, errorCode } of partitions) {
      if (name !== topic || number !== partition) continue;
      checkAnswer(errorCode, action);
      return Number(offset) < 0 ? null : { offset: Number(offset), metadata: metadata ?? "" };
    }
  }
  return null;
}

const definition = {
  versions: [stableVersion],
  protocol: ({ version }: { version: number }) => (args: Untyped) =>
    version < stableVersion ? requests.OffsetFetch.protocol({ version: Math.min(version, 4) })(args) : {
      request: {
        apiKey: 9,
        apiName: "OffsetFetch",
        apiVersion: stableVersion,
        encode: () => Promise.resolve(encode(args)),
      },
      response: { decode: (bytes: Buffer) => Promise.resolve(decode(bytes)) },
    },
};

function encode({ groupId, topics }: Untyped): Untyped {
  const encoder = new Encoder();
  encoder.writeUVarInt(0).writeUVarIntString(groupId).writeUVarInt(topics.length + 1); // the header's tags first
  for (const { topic, partitions } of topics) {
    encoder.writeUVarIntString(topic).writeUVarInt(partitions.length + 1);
    for (const { partition } of partitions) encoder.writeInt32(partition);
    encoder.writeUVarInt(0);
  }
  return encoder.writeBoolean(true).writeUVarInt(0);
}

function decode(bytes: Buffer): Untyped {
  const decoder = new Decoder(bytes);
  decoder.readTaggedFields(); // the header's
  decoder.readInt32();
  const responses = decoder.readUVarIntArray(() => {
    const topic = decoder.readUVarIntString();
    const partitions = decoder.readUVarIntArray(() => {
      const partition = decoder.readInt32(), offset = decoder.readInt64().toString();
      decoder.readInt32();
      const metadata = decoder.readUVarIntString(), errorCode = decoder.readInt16();
      decoder.readTaggedFields();
      return { partition, offset, metadata, errorCode };
    });
    decoder.readTaggedFields();
    return { topic, partitions };
  });
  return { responses: responses ?? [], errorCode: decoder.readInt16() };
}
