/** Metadata (key 3), versions 0–12, flexible from 9.
 *     request  => [topic_id:UUID (v10+) name:STRING (nullable v10+)] (null: all, from v1; in v0 an empty array is all)
 *                 allow_auto_topic_creation:BOOL (v4+) include_cluster_authorized_operations:BOOL (v8–10)
 *                 include_topic_authorized_operations:BOOL (v8+)
 *     response => throttle_time_ms:INT32 (v3+) [node_id:INT32 host:STRING port:INT32 rack:NULLABLE_STRING (v1+)]
 *                 cluster_id:NULLABLE_STRING (v2+) controller_id:INT32 (v1+)
 *                 [error_code:INT16 name:STRING topic_id:UUID (v10+) is_internal:BOOL (v1+)
 *                 [error_code:INT16 partition_index:INT32 leader_id:INT32 leader_epoch:INT32 (v7+) replica_nodes isr_nodes
 *                 offline_replicas (v5+)] topic_authorized_operations:INT32 (v8+)]
 *                 cluster_authorized_operations:INT32 (v8–10)
 * A missing topic is made when the client allows it, and is in the answer at once. Look-up by id from v12.
 * From v12 on ids win over names. Left out: authorization, so whoever asks for authorized operations is told all.
 * @see {@link https://kafka.apache.org/protocol#The_Messages_Metadata} @module */

import { LEADER_EPOCH } from "../log.ts";
import { operations } from "../operations.ts";
import { nameProblem, type Topic } from "../topics.ts";
import { type ErrorCode, errors } from "../wire/error_codes.ts";
import { WireError, type WireReader } from "../wire/reader.ts";
import type { WireWriter } from "../wire/writer.ts";
import { type Api, type BrokerState, itemError } from "./mod.ts";

const NO_ID = "0".repeat(32);

interface Wanted {
  readonly uuid: string;
  readonly name: string | null;
}

interface Described extends Wanted {
  readonly error: ErrorCode;
  readonly topic: Topic | undefined;
}

/** Authorized operations as they are told. */
interface Operations {
  readonly cluster: number;
  readonly topic: number;
}

const unasked: Operations = { cluster: operations.unasked, topic: operations.unasked };

export const metadata: Api = {
  key: 3,
  name: "Metadata",
  versions: [0, 12],
  flexibleFrom: 9,
  async handle({ version, body, broker }, out) {
    const wanted = readTopics(version, body);
    const mayCreate = version >= 4 ? body.bool() : true;
    const ofCluster = version >= 8 && version <= 10 && body.bool();
    const ofTopics = version >= 8 && body.bool();
    body.tags();
    const topics: Described[] = [];
    if (wanted === null) {
      for (const topic of broker.log.topics) topics.push(described(topic));
    } else {
      for (const one of wanted) topics.push(await describe(one, mayCreate, broker));
    }
    write(version, out, topics, broker, {
      cluster: ofCluster ? operations.cluster : operations.unasked,
      topic: ofTopics ? operations.topic : operations.unasked,
    });
  },
  fail({ version, broker }, out, _errorCode) {
    // There is no place for an error of the whole request: an answer without topics lets the client ask again.
    write(version, out, [], broker, unasked);
  },
};

/** The topics asked for, each once; null for all. */
function readTopics(version: number, body: WireReader): Wanted[] | null {
  const read = body.nullableStructs((): Wanted => {
    const uuid = version >= 10 ? body.uuid() : NO_ID;
    const name = version >= 10 ? body.nullableString() : body.string();
    if (name === null && (version < 12 || uuid === NO_ID)) {
      throw new WireError("Cannot read Metadata request as a topic has neither name nor id");
    }
    return { uuid, name };
  });
  if (read === null || (version === 0 && read.length === 0)) return null;
  const byId = version < 12 ? [] : read.filter(({ uuid }) => uuid !== NO_ID);
  const wanted = byId.length === 0 ? read : byId.map(({ uuid }) => ({ uuid, name: null }));
  return [...new Map(wanted.map((one) => [one.name ?? `\0${one.uuid}`, one])).values()];
}

async function describe(wanted: Wanted, mayCreate: boolean, broker: BrokerState): Promise<Described> {
  const { topics } = broker.log;
  if (wanted.name === null) {
    const topic = topics.byId(wanted.uuid);
    return topic === undefined ? failed(wanted, errors.UNKNOWN_TOPIC_ID) : described(topic);
  }
  const existing = topics.byName(wanted.name);
  if (existing !== undefined) return described(existing);
  const asked = {
    name: wanted.name,
    partitions: broker.defaultPartitions,
    configs: new Map<string, string>(),
  };
  if (!mayCreate) {
    return failed(wanted, nameProblem(wanted.name)?.error ?? errors.UNKNOWN_TOPIC_OR_PARTITION);
  }
  const problem = topics.problem(asked);
  if (problem !== undefined) return failed(wanted, problem.error);
  try {
    const { topic } = await topics.create(asked);
    broker.logger.info("topic made for a client that asked for it", { topic: wanted.name });
    return described(topic);
  } catch (error) {
    return failed(wanted, itemError(error, "Metadata", broker));
  }
}

function described(topic: Topic): Described {
  return { error: errors.NONE, uuid: topic.uuid, name: topic.name, topic };
}

function failed(wanted: Wanted, error: ErrorCode): Described {
  return {
    uuid: error === errors.UNKNOWN_TOPIC_ID ? wanted.uuid : NO_ID,
    name: wanted.name,
    error,
    topic: undefined,
  };
}

function write(
  version: number,
  out: WireWriter,
  topics: readonly Described[],
  broker: BrokerState,
  allowed: Operations,
): void {
  if (version >= 3) out.int32(0); // throttle_time_ms
  out.structs([broker], ({ nodeId, host, port }) => {
    out.int32(nodeId);
    out.string(host);
    out.int32(port);
    if (version >= 1) out.nullableString(null); // rack
  });
  if (version >= 2) out.nullableString(broker.clusterId);
  if (version >= 1) out.int32(broker.nodeId); // controller_id
  out.structs(topics, (topic) => writeTopic(version, out, topic, broker.nodeId, allowed.topic));
  if (version >= 8 && version <= 10) out.int32(allowed.cluster);
  out.tags();
}

function writeTopic(
  version: number,
  out: WireWriter,
  { error, name, uuid, topic }: Described,
  nodeId: number,
  allowed: number,
): void {
  out.errorCode(error);
  out.nullableString(name); // null only from v12 on, where it may be
  if (version >= 10) out.uuid(uuid);
  if (version >= 1) out.bool(false); // is_internal
  out.structs(topic?.partitions ?? [], ({ number }) => {
    out.int16(errors.NONE);
    out.int32(number);
    out.int32(nodeId); // leader_id
    if (version >= 7) out.int32(LEADER_EPOCH);
    out.array([nodeId], (id) => out.int32(id)); // replica_nodes
    out.array([nodeId], (id) => out.int32(id)); // isr_nodes
    if (version >= 5) out.array([], () => {}); // offline_replicas
  });
  if (version >= 8) out.int32(error === errors.UNKNOWN_TOPIC_ID ? operations.unasked : allowed);
}
