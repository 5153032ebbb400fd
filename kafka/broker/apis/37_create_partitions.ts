/** CreatePartitions (key 37), versions 0–3, flexible from 2: adds partitions to topics.
 *     request  => [name:STRING count:INT32 [[broker_id:INT32]] (null: the broker decides)] timeout_ms:INT32
 *                 validate_only:BOOL
 *     response => throttle_time_ms:INT32 [name:STRING error_code:INT16 error_message:NULLABLE_STRING]
 * `count` is what the topic is to have in all. New partitions can be used as soon as they are answered.
 * Left out: more than one replica. @see {@link https://kafka.apache.org/protocol#The_Messages_CreatePartitions}
 * @module */

import { invalid } from "../config_changes.ts";
import { assignmentProblem, type TopicProblem } from "../topics.ts";
import { errorName, errors } from "../wire/error_codes.ts";
import type { WireReader } from "../wire/reader.ts";
import { type Api, type BrokerState, itemError } from "./mod.ts";

interface Wanted {
  readonly name: string;
  readonly count: number;
  readonly assignments: number[][] | null;
}

export const createPartitions: Api = {
  key: 37,
  name: "CreatePartitions",
  versions: [0, 3],
  flexibleFrom: 2,
  async handle({ body, broker }, out) {
    const topics = body.structs(() => readTopic(body));
    body.int32(); // timeout_ms: done when answered
    const validateOnly = body.bool();
    body.tags();
    const outcomes: { name: string; problem: TopicProblem | undefined }[] = [];
    for (const [name, [wanted, again]] of Map.groupBy(topics, (topic) => topic.name)) {
      if (wanted === undefined) continue;
      const twice = again !== undefined;
      const problem = twice ? invalid("Duplicate topic name.") : await grow(wanted, validateOnly, broker);
      outcomes.push({ name, problem });
    }
    out.int32(0); // throttle_time_ms
    out.structs(outcomes, ({ name, problem }) => {
      out.string(name);
      out.errorCode(problem?.error ?? errors.NONE);
      out.nullableString(problem?.message ?? null);
    });
    out.tags();
  },
};

function readTopic(body: WireReader): Wanted {
  return {
    name: body.string(),
    count: body.int32(),
    assignments: body.nullableStructs(() => body.array(() => body.int32())),
  };
}

async function grow(
  { name, count, assignments }: Wanted,
  validateOnly: boolean,
  broker: BrokerState,
): Promise<TopicProblem | undefined> {
  const { topics } = broker.log;
  const topic = topics.byName(name);
  if (topic === undefined) {
    return { error: errors.UNKNOWN_TOPIC_OR_PARTITION, message: "The topic does not exist." };
  }
  const wrong = topics.growthProblem(topic, count) ??
    assignmentsProblem(assignments, count - topic.partitions.length, broker.nodeId);
  if (wrong !== undefined || validateOnly) return wrong;
  try {
    return await topics.addPartitions(topic, count);
  } catch (error) {
    const code = itemError(error, "CreatePartitions", broker);
    return { error: code, message: errorName(code) };
  }
}

function assignmentsProblem(
  assignments: number[][] | null,
  added: number,
  nodeId: number,
): TopicProblem | undefined {
  if (assignments === null) return undefined;
  const wrong = assignments.length !== added
    ? `Attempted to add ${added} additional partition(s), but only ${assignments.length} assignment(s) were specified.`
    : assignments.map((brokers) => assignmentProblem(brokers, nodeId)).find((problem) => problem);
  return wrong === undefined ? undefined : { error: errors.INVALID_REPLICA_ASSIGNMENT, message: wrong };
}
