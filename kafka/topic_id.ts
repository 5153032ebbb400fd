/** The id of a topic, which tells it from another one that had its name before: Metadata (key 3), version 10, for which the client library is
 * too old. It is flexible: a tag section, of no tags here, ends the header and every struct.
 *
 *     request  => [topic_id:UUID name:COMPACT_NULLABLE_STRING] allow_auto_topic_creation:BOOL
 *                 include_cluster_authorized_operations:BOOL include_topic_authorized_operations:BOOL
 *     response => throttle_time_ms:INT32 [node_id:INT32 host:COMPACT_STRING port:INT32 rack:COMPACT_NULLABLE_STRING]
 *                 cluster_id:COMPACT_NULLABLE_STRING controller_id:INT32
 *                 [error_code:INT16 name:COMPACT_NULLABLE_STRING topic_id:UUID …]
 *
 * Left out: what follows; connection.ts asks for it in the version that the library has.
 * @see {@link https://cwiki.apache.org/confluence/display/KAFKA/KIP-516%3A+Topic+Identifiers}
 * @module */
import { Buffer } from "node:buffer";
import Decoder from "kafkajs/src/protocol/decoder.js";
import Encoder from "kafkajs/src/protocol/encoder.js";
import { type KafkaConnection, KafkaError, requestTimeoutMs } from "./connection.ts";

const version = 10, idBytes = 16;

// deno-lint-ignore no-explicit-any
type Untyped = any;

/** 32 hex digits; null for a topic that is not there, and at nodes that know no ids (before Kafka 2.8).
 * @throws {KafkaError} when there is no answer */
export async function topicIdOf(connection: KafkaConnection, topic: string): Promise<string | null> {
  try {
    const asked = { timeoutMs: requestTimeoutMs, definition };
    return (await connection.ask(null, "Metadata", topic, asked)).id;
  } catch (error) {
    if (error instanceof KafkaError && error.code === "UNSUPPORTED_VERSION") return null;
    throw error;
  }
}

const definition = {
  versions: [version],
  protocol: ({ version: usable }: { version: number }) => {
    if (usable < version) throw new KafkaError("UNSUPPORTED_VERSION", "Kafka here has no ids of topics");
    return (topic: string) => ({
      request: { apiKey: 3, apiName: "Metadata", apiVersion: version, encode: () => encode(topic) },
      response: { decode: (bytes: Buffer) => Promise.resolve({ id: decode(bytes) }) },
    });
  },
};

function encode(topic: string): Promise<Untyped> {
  const encoder = new Encoder();
  encoder.writeUVarInt(0).writeUVarInt(2); // tags of the header; one topic
  encoder.writeBufferInternal(Buffer.alloc(idBytes));
  encoder.writeUVarIntString(topic).writeUVarInt(0);
  encoder.writeBoolean(false).writeBoolean(false).writeBoolean(false).writeUVarInt(0);
  return Promise.resolve(encoder);
}

function decode(bytes: Buffer): string | null {
  const decoder = new Decoder(bytes);
  const array = (read: () => void) => {
    for (let left = decoder.readUVarInt() - 1; left > 0; left--) read();
  };
  decoder.readTaggedFields();
  decoder.readInt32();
  array(() => {
    decoder.readInt32();
    decoder.readUVarIntString();
    decoder.readInt32();
    decoder.readUVarIntString();
    decoder.readTaggedFields();
  });
  decoder.readUVarIntString();
  decoder.readInt32();
  if (decoder.readUVarInt() < 2) return null;
  const error: number = decoder.readInt16();
  decoder.readUVarIntString();
  const id = Buffer.from(decoder.readBytes(idBytes)).toString("hex");
  return error !== 0 || /^0*$/.test(id) ? null : id;
}
