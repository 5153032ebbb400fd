/** CreateTopics (key 19), versions 2–7, flexible from 5.
 *     request  => [name:STRING num_partitions:INT32 replication_factor:INT16
 *                 [partition_index:INT32 [broker_id:INT32]] [name:STRING value:NULLABLE_STRING]]
 *                 timeout_ms:INT32 validate_only:BOOL
 *     response => throttle_time_ms:INT32 [name:STRING topic_id:UUID (v7) error_code:INT16
 *                 error_message:NULLABLE_STRING num_partitions:INT32 replication_factor:INT16 (both v5+)
 *                 [name:STRING value:NULLABLE_STRING read_only:BOOL config_source:INT8 is_sensitive:BOOL] (v5+)]
 * A topic can be used as soon as it is answered. −1 partitions or replicas are the broker's defaults in every version.
 * Left out: more than one replica.
 * @see {@link https://kafka.apache.org/protocol#The_Messages_CreateTopics} @module */

import { assignmentProblem, type Topic, type TopicProblem } from "../topics.ts";
import { errorName, errors } from "../wire/error_codes.ts";
import type { WireReader } from "../wire/reader.ts";
import type { WireWriter } from "../wire/writer.ts";
import { type Api, type BrokerState, itemError } from "./mod.ts";

const NO_ID = "0".repeat(32);

interface Assignment {
  readonly index: number;
  readonly brokers: number[];
}

interface Wanted {
  readonly name: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly assignments: Assignment[];
  readonly configs: { name: string; value: string | null }[];
}

interface Outcome {
  readonly name: string;
  readonly error: number;
  readonly message: string | null;
  readonly uuid: string;
  readonly partitions: number;
  readonly configs: ReadonlyMap<string, string> | null;
}

export const createTopics: Api = {
  key: 19,
  name: "CreateTopics",
  versions: [2, 7],
  flexibleFrom: 5,
  async handle({ version, body, broker }, out) {
    const topics = body.structs(() => readTopic(body));
    body.int32(); // timeout_ms: done when answered
    const validateOnly = body.bool();
    body.tags();
    const outcomes: Outcome[] = [];
    const repeated: Outcome[] = [];
    for (const [name, [wanted, again]] of Map.groupBy(topics, (topic) => topic.name)) {
      if (again !== undefined) repeated.push(failed(name, errors.INVALID_REQUEST, "Duplicate topic name."));
      else if (wanted !== undefined) outcomes.push(await create(wanted, validateOnly, broker));
    }
    write(version, out, [...outcomes, ...repeated], broker);
  },
};

function readTopic(body: WireReader): Wanted {
  return {
    name: body.string(),
    partitions: body.int32(),
    replicas: body.int16(),
    assignments: body.structs(() => ({ index: body.int32(), brokers: body.array(() => body.int32()) })),
    configs: body.structs(() => ({ name: body.string(), value: body.nullableString() })),
  };
}

async function create(wanted: Wanted, validateOnly: boolean, broker: BrokerState): Promise<Outcome> {
  const { name } = wanted;
  const { topics } = broker.log;
  const problem = topics.newNameProblem(name) ?? configProblem(wanted, broker);
  if (problem !== undefined) return failed(name, problem.error, problem.message);
  const counted = countPartitions(wanted, broker);
  if (typeof counted !== "number") return failed(name, counted.error, counted.message);
  const configs = new Map(wanted.configs.map((config) => [config.name, config.value ?? ""]));
  if (validateOnly) {
    return { name, error: errors.NONE, message: null, uuid: NO_ID, partitions: counted, configs };
  }
  try {
    const { topic, existed } = await topics.create({ name, partitions: counted, configs });
    return existed
      ? failed(name, errors.TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`)
      : made(topic);
  } catch (error) {
    const code = itemError(error, "CreateTopics", broker);
    return failed(name, code, errorName(code));
  }
}

function configProblem({ configs }: Wanted, broker: BrokerState): TopicProblem | undefined {
  const empty = configs.filter(({ value }) => value === null).map(({ name }) => name);
  if (empty.length > 0) {
    const message = `Null value not supported for topic configs: ${empty.join(",")}`;
    return { error: errors.INVALID_CONFIG, message };
  }
  return broker.log.topics.configProblem(new Map(configs.map(({ name, value }) => [name, value ?? ""])));
}

function made(topic: Topic): Outcome {
  const { name, uuid, configs } = topic;
  return { name, uuid, error: errors.NONE, message: null, partitions: topic.partitions.length, configs };
}

/** The number of partitions, or what is wrong with the counts or assignments. */
function countPartitions(wanted: Wanted, broker: BrokerState): number | TopicProblem {
  const { partitions, replicas, assignments } = wanted;
  if (assignments.length > 0) return countAssigned(wanted, broker);
  if (replicas < -1 || replicas === 0) {
    const message = "Replication factor must be larger than 0, or -1 to use the default value.";
    return { error: errors.INVALID_REPLICATION_FACTOR, message };
  }
  if (partitions !== -1) {
    const problem = broker.log.topics.countProblem(partitions);
    if (problem !== undefined) return problem;
  }
  if (replicas > 1) {
    const message =
      `The target replication factor of ${replicas} cannot be reached because only 1 broker is there.`;
    return { error: errors.INVALID_REPLICATION_FACTOR, message };
  }
  const counted = partitions === -1 ? broker.defaultPartitions : partitions;
  return broker.log.topics.countProblem(counted) ?? counted;
}

function countAssigned(wanted: Wanted, broker: BrokerState): number | TopicProblem {
  const { partitions, replicas, assignments } = wanted;
  const other = replicas !== -1 ? "replication factor" : partitions !== -1 ? "numPartitions" : undefined;
  if (other !== undefined) {
    const message = `A manual partition assignment was specified, but ${other} was not set to -1.`;
    return { error: errors.INVALID_REQUEST, message };
  }
  const indexes = new Set(assignments.map(({ index }) => index));
  for (const { index, brokers } of assignments) {
    const wrong = indexes.size < assignments.length
      ? `Found multiple manual partition assignments for partition ${index}`
      : assignmentProblem(brokers, broker.nodeId) ??
        (index < 0 || index >= assignments.length
          ? "partitions should be a consecutive 0-based integer sequence"
          : undefined);
    if (wrong !== undefined) return { error: errors.INVALID_REPLICA_ASSIGNMENT, message: wrong };
  }
  return broker.log.topics.countProblem(assignments.length) ?? assignments.length;
}

function failed(name: string, error: number, message: string): Outcome {
  return { name, error, message, uuid: NO_ID, partitions: -1, configs: null };
}

function write(version: number, out: WireWriter, outcomes: readonly Outcome[], broker: BrokerState): void {
  out.int32(0); // throttle_time_ms
  out.structs(outcomes, ({ name, error, message, uuid, partitions, configs }) => {
    out.string(name);
    if (version >= 7) out.uuid(uuid);
    out.errorCode(error);
    out.nullableString(message);
    if (version < 5) return;
    out.int32(partitions);
    out.int16(error === errors.NONE ? 1 : -1); // replication_factor
    const listed = configs === null ? [] : broker.log.topics.configs.list(configs);
    out.structs(listed, (config) => {
      out.string(config.name);
      out.nullableString(config.value);
      out.bool(config.readOnly);
      out.int8(config.source);
      out.bool(false); // is_sensitive
    });
  });
  out.tags();
}
