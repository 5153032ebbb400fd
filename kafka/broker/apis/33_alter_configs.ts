/** AlterConfigs (key 33), versions 0–2, flexible from 2: replaces all that is set for a resource.
 *     request  => [resource_type:INT8 resource_name:STRING [name:STRING value:NULLABLE_STRING]] validate_only:BOOL
 *     response => throttle_time_ms:INT32
 *                 [error_code:INT16 error_message:NULLABLE_STRING resource_type:INT8 resource_name:STRING]
 * What is not named falls back to its default. A topic acts on its new settings when it is answered; of the broker
 * nothing can be changed. @see {@link https://kafka.apache.org/protocol#The_Messages_AlterConfigs} @module */

import {
  alterBroker,
  alterTopic,
  eachOnce,
  nullProblem,
  type Resource,
  resourceTypes,
  twiceProblem,
  unknownType,
  writeOutcomes,
} from "../config_changes.ts";
import type { TopicProblem } from "../topics.ts";
import type { WireReader } from "../wire/reader.ts";
import type { Api, BrokerState } from "./mod.ts";

interface Wanted extends Resource {
  readonly configs: readonly { readonly name: string; readonly value: string | null }[];
}

export const alterConfigs: Api = {
  key: 33,
  name: "AlterConfigs",
  versions: [0, 2],
  flexibleFrom: 2,
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
    configs: body.structs(() => ({ name: body.string(), value: body.nullableString() })),
  };
}

async function alter(
  { type, name, configs }: Wanted,
  validateOnly: boolean,
  broker: BrokerState,
): Promise<TopicProblem | undefined> {
  const keys = configs.map((config) => config.name);
  const wrong = twiceProblem(keys) ??
    nullProblem(configs.filter(({ value }) => value === null).map((config) => config.name));
  if (wrong !== undefined) return wrong;
  if (type === resourceTypes.BROKER) return alterBroker(name, keys, broker);
  if (type !== resourceTypes.TOPIC) return unknownType(type);
  const set = new Map(configs.map((config) => [config.name, config.value ?? ""]));
  return await alterTopic(name, () => set, validateOnly, broker);
}
