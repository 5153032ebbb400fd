/** What AlterConfigs and IncrementalAlterConfigs have in common: which resources there are, and how a change of one is
 * checked, made and answered. Topics can be changed; the broker is told what it is when it starts.
 * Left out: the resources of client metrics and groups, and loggers, of which this broker has none.
 * @see {@link https://cwiki.apache.org/confluence/display/KAFKA/KIP-339} @module */

import { type BrokerState, itemError } from "./apis/mod.ts";
import { type ConfigChange, nameProblem, type TopicProblem } from "./topics.ts";
import { type ErrorCode, errorName, errors } from "./wire/error_codes.ts";
import type { WireWriter } from "./wire/writer.ts";

/** Kinds of resources that have settings, as requests number them. */
export const resourceTypes = { TOPIC: 2, BROKER: 4, BROKER_LOGGER: 8 } as const;

/** One resource of a request. */
export interface Resource {
  readonly type: number;
  readonly name: string;
}

/** What became of one resource. */
export interface ResourceOutcome extends Resource {
  readonly error: ErrorCode;
  readonly message: string | null;
}

/** Runs `change` for each resource in turn; those named more than once are refused. */
export async function eachOnce<T extends Resource>(
  resources: readonly T[],
  change: (resource: T) => Promise<TopicProblem | undefined>,
): Promise<ResourceOutcome[]> {
  const outcomes: ResourceOutcome[] = [];
  const groups = Map.groupBy(resources, ({ type, name }) => `${type} ${name}`);
  for (const [, [resource, again]] of groups) {
    if (resource === undefined) continue;
    const { type, name } = resource;
    const wrong = again === undefined
      ? await change(resource)
      : invalid("Each resource must appear at most once.");
    outcomes.push({ type, name, error: wrong?.error ?? errors.NONE, message: wrong?.message ?? null });
  }
  return outcomes;
}

/** Changes what is set for a topic, or only checks the change.
 * @returns what is against it */
export async function alterTopic(
  name: string,
  change: ConfigChange,
  validateOnly: boolean,
  broker: BrokerState,
): Promise<TopicProblem | undefined> {
  const { topics } = broker.log;
  if (name === "") return invalid("Default topic resources are not allowed.");
  const wrong = nameProblem(name);
  if (wrong !== undefined) return wrong;
  const topic = topics.byName(name);
  if (topic === undefined) {
    return { error: errors.UNKNOWN_TOPIC_OR_PARTITION, message: `The topic '${name}' does not exist.` };
  }
  if (validateOnly) {
    const tried = topics.tryChange(topic, change);
    return tried instanceof Map ? undefined : tried;
  }
  try {
    return await topics.alter(topic, change);
  } catch (error) {
    const code = itemError(error, "AlterConfigs", broker);
    return { error: code, message: errorName(code) };
  }
}

/** Why settings of the broker cannot be changed, or undefined when none is named. */
export function alterBroker(
  name: string,
  keys: readonly string[],
  broker: BrokerState,
): TopicProblem | undefined {
  const wrong = name === "" ? undefined : nodeProblem(name, broker.nodeId, "Node", ",");
  if (wrong !== undefined) return wrong;
  if (keys.length === 0) return undefined;
  return invalid(`Cannot update these configs dynamically: [${keys.join(", ")}]`);
}

/** Why a resource name is not that of this node, in Kafka's words. */
export function nodeProblem(
  name: string,
  nodeId: number,
  what: "Node" | "Broker",
  rest: string,
): TopicProblem | undefined {
  if (!/^[+-]?\d{1,9}$/.test(name)) return invalid(`${what} id must be an integer, but it is: ${name}`);
  if (Number(name) === nodeId) return undefined;
  return invalid(`Unexpected broker id, expected ${nodeId}${rest} but received ${name}`);
}

/** Why there are no resources of a kind. */
export function unknownType(type: number): TopicProblem {
  return invalid(`Unknown resource type ${type}`);
}

/** Names that were given without a value, if any. */
export function nullProblem(keys: readonly string[]): TopicProblem | undefined {
  return keys.length === 0 ? undefined : invalid(`Null value not supported for : ${keys.join(", ")}`);
}

/** What is told of settings named twice for one resource. */
export function twiceProblem(keys: readonly string[]): TopicProblem | undefined {
  return new Set(keys).size === keys.length ? undefined : invalid("Error due to duplicate config keys");
}

/** INVALID_REQUEST with a message. */
export function invalid(message: string): TopicProblem {
  return { error: errors.INVALID_REQUEST, message };
}

/** The answer of both APIs; its body ends with it. */
export function writeOutcomes(out: WireWriter, outcomes: readonly ResourceOutcome[]): void {
  out.int32(0); // throttle_time_ms
  out.structs(outcomes, ({ type, name, error, message }) => {
    out.errorCode(error);
    out.nullableString(message);
    out.int8(type);
    out.string(name);
  });
  out.tags();
}
