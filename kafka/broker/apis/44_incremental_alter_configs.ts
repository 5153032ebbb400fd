/** IncrementalAlterConfigs (key 44), versions 0–1, flexible from 1 (KIP-339): changes settings one by one.
 *     request  => [resource_type:INT8 resource_name:STRING [name:STRING config_operation:INT8 value:NULLABLE_STRING]]
 *                 validate_only:BOOL
 *     response => throttle_time_ms:INT32
 *                 [error_code:INT16 error_message:NULLABLE_STRING resource_type:INT8 resource_name:STRING]
 * Operations: 0 sets, 1 deletes (back to the default), 2 appends to a list, 3 takes from a list; a list that is not
 * set is that of its default. A topic acts on its new settings when it is answered; of the broker nothing can be
 * changed. @see {@link https://kafka.apache.org/protocol#The_Messages_IncrementalAlterConfigs} @module */

import {
  alterBroker,
  alterTopic,
  eachOnce,
  invalid,
  nodeProblem,
  nullProblem,
  type Resource,
  resourceTypes,
  twiceProblem,
  unknownType,
  writeOutcomes,
} from "../config_changes.ts";
import type { TopicConfigs } from "../topic_configs.ts";
import type { ConfigChange, TopicProblem } from "../topics.ts";
import { errors } from "../wire/error_codes.ts";
import type { WireReader } from "../wire/reader.ts";
import type { Api, BrokerState } from "./mod.ts";

const SET = 0;
const DELETE = 1;
const APPEND = 2;
const SUBTRACT = 3;

interface Step {
  readonly name: string;
  readonly operation: number;
  readonly value: string | null;
}

interface Wanted extends Resource {
  readonly steps: readonly Step[];
}

export const incrementalAlterConfigs: Api = {
  key: 44,
  name: "IncrementalAlterConfigs",
  versions: [0, 1],
  flexibleFrom: 1,
  async handle({ body, broker }, out) {
    const resources = body.structs(() => readResource(body));
    const validateOnly = body.bool();
    body.tags();
    writeOutcomes(out, await eachOnce(resources, (resource) => alter(resource, validateOnly, broker)));
  },
};

function readResource(body: WireReader): Wanted {
  return {
    type: body.int8(),
    name: body.string(),
    steps: body.structs(() => ({
      name: body.string(),
      operation: body.int8(),
      value: body.nullableString(),
    })),
  };
}

async function alter(
  { type, name, steps }: Wanted,
  validateOnly: boolean,
  broker: BrokerState,
): Promise<TopicProblem | undefined> {
  const keys = steps.map((step) => step.name);
  const empty = steps.filter(({ operation, value }) => operation !== DELETE && value === null);
  const wrong = twiceProblem(keys) ?? nullProblem(empty.map((step) => step.name));
  if (wrong !== undefined) return wrong;
  switch (type) {
    case resourceTypes.TOPIC:
      return await alterTopic(name, changeBy(steps, broker.log.topics.configs), validateOnly, broker);
    case resourceTypes.BROKER:
      return alterBroker(name, keys, broker);
    case resourceTypes.BROKER_LOGGER:
      return nodeProblem(name, broker.nodeId, "Node", ",") ?? loggerProblem(keys);
    default:
      return unknownType(type);
  }
}

function loggerProblem([logger]: readonly string[]): TopicProblem | undefined {
  if (logger === undefined) return undefined;
  return { error: errors.INVALID_CONFIG, message: `Logger ${logger} does not exist!` };
}

/** The change of a topic's settings that takes the steps in turn. */
function changeBy(steps: readonly Step[], configs: TopicConfigs): ConfigChange {
  return (set) => {
    const wanted = new Map(set);
    for (const step of steps) {
      const wrong = take(step, wanted, configs);
      if (wrong !== undefined) return wrong;
    }
    return wanted;
  };
}

/** Takes one step. @returns why it cannot be taken */
function take(
  { name, operation, value }: Step,
  wanted: Map<string, string>,
  configs: TopicConfigs,
): TopicProblem | undefined {
  if (operation === SET) wanted.set(name, value ?? "");
  else if (operation === DELETE) wanted.delete(name);
  else if (operation !== APPEND && operation !== SUBTRACT) {
    return invalid(`Unknown operation type ${operation}`);
  } else {
    const items = configs.items(name, wanted);
    if (items === undefined) {
      const verb = operation === APPEND ? "APPEND" : "SUBTRACT";
      const message = `Can't ${verb} to key ${name} because its type is not LIST.`;
      return { error: errors.INVALID_CONFIG, message };
    }
    const given = new Set((value ?? "").split(",").map((item) => item.trim()));
    const next = operation === APPEND
      ? [...new Set([...items, ...given])]
      : items.filter((item) => !given.has(item));
    wanted.set(name, next.join(","));
  }
  return undefined;
}
