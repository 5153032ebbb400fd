/** DescribeConfigs (key 32), versions 1–4, flexible from 4.
 *     request  => [resource_type:INT8 resource_name:STRING [configuration_key:STRING] (null or none: all)]
 *                 include_synonyms:BOOL include_documentation:BOOL (v3+)
 *     response => throttle_time_ms:INT32 [error_code:INT16 error_message:NULLABLE_STRING resource_type:INT8
 *                 resource_name:STRING [name:STRING value:NULLABLE_STRING read_only:BOOL config_source:INT8
 *                 is_sensitive:BOOL [name:STRING value:NULLABLE_STRING source:INT8] config_type:INT8 (v3+)
 *                 documentation:NULLABLE_STRING (v3+)]]
 * Topics (type 2) and the broker (type 4, named by its number) with all their settings, defaults included. There are
 * no settings of all brokers (type 4 with an empty name) and no loggers (type 8): their lists are empty.
 * Left out: client metrics and groups. @see {@link https://kafka.apache.org/protocol#The_Messages_DescribeConfigs}
 * @module */

import { describeBroker } from "../broker_configs.ts";
import { invalid, nodeProblem, type Resource, resourceTypes } from "../config_changes.ts";
import type { DescribedConfig } from "../topic_configs.ts";
import { nameProblem, type TopicProblem } from "../topics.ts";
import { errors } from "../wire/error_codes.ts";
import type { WireReader } from "../wire/reader.ts";
import type { WireWriter } from "../wire/writer.ts";
import type { Api, BrokerState } from "./mod.ts";

interface Wanted extends Resource {
  /** Null for all. */
  readonly keys: ReadonlySet<string> | null;
}

/** How much of each setting is told. */
interface Detail {
  readonly version: number;
  readonly synonyms: boolean;
  readonly documentation: boolean;
}

export const describeConfigs: Api = {
  key: 32,
  name: "DescribeConfigs",
  versions: [1, 4],
  flexibleFrom: 4,
  handle({ version, body, broker }, out) {
    const resources = eachOnce(body.structs(() => readResource(body)));
    const synonyms = body.bool();
    const documentation = version >= 3 && body.bool();
    body.tags();
    out.int32(0); // throttle_time_ms
    out.structs(resources, (resource) => {
      writeResource(out, resource, describe(resource, broker), { version, synonyms, documentation });
    });
    out.tags();
  },
};

function readResource(body: WireReader): Wanted {
  const [type, name] = [body.int8(), body.string()];
  const keys = body.nullableArray(() => body.string()) ?? [];
  return { type, name, keys: keys.length === 0 ? null : new Set(keys) };
}

/** Each resource once, with all that is asked of it: its settings are far more than what asks for them. */
function eachOnce(resources: readonly Wanted[]): Wanted[] {
  const merged = new Map<string, Wanted>();
  for (const { type, name, keys } of resources) {
    const id = `${type} ${name}`;
    const before = merged.get(id)?.keys;
    const all = keys === null || before === null ? null : new Set([...before ?? [], ...keys]);
    merged.set(id, { type, name, keys: all });
  }
  return [...merged.values()];
}

function describe({ type, name }: Wanted, broker: BrokerState): DescribedConfig[] | TopicProblem {
  const { nodeId } = broker;
  switch (type) {
    case resourceTypes.TOPIC:
      return describeTopic(name, broker);
    case resourceTypes.BROKER:
      if (name === "") return [];
      return nodeProblem(name, nodeId, "Broker", " or empty string,") ?? describeNode(broker);
    case resourceTypes.BROKER_LOGGER:
      return nodeProblem(name, nodeId, "Broker", "") ?? [];
    default:
      return invalid(`There are no resources of type ${type}`);
  }
}

function describeTopic(name: string, { log: { topics } }: BrokerState): DescribedConfig[] | TopicProblem {
  const wrong = nameProblem(name);
  if (wrong !== undefined) return wrong;
  const topic = topics.byName(name);
  if (topic === undefined) return { error: errors.UNKNOWN_TOPIC_OR_PARTITION, message: "" };
  return topics.configs.list(topic.configs);
}

function describeNode({ nodeId, host, port, store, defaultPartitions, log }: BrokerState): DescribedConfig[] {
  const topicDefaults = log.topics.configs.list(new Map());
  return describeBroker({ nodeId, host, port, dataDir: store.dataDir, defaultPartitions, topicDefaults });
}

function writeResource(
  out: WireWriter,
  { type, name, keys }: Wanted,
  found: DescribedConfig[] | TopicProblem,
  detail: Detail,
): void {
  const isFound = Array.isArray(found);
  out.errorCode(isFound ? errors.NONE : found.error);
  out.nullableString(isFound ? "" : found.message);
  out.int8(type);
  out.string(name);
  const wanted = isFound ? found.filter((config) => keys === null || keys.has(config.name)) : [];
  out.structs(wanted, (config) => writeConfig(out, config, detail));
}

function writeConfig(out: WireWriter, config: DescribedConfig, detail: Detail): void {
  out.string(config.name);
  out.nullableString(config.value);
  out.bool(config.readOnly);
  out.int8(config.source);
  out.bool(false); // is_sensitive
  out.structs(detail.synonyms ? config.synonyms : [], ({ name, value, source }) => {
    out.string(name);
    out.nullableString(value);
    out.int8(source);
  });
  if (detail.version < 3) return;
  out.int8(config.type);
  out.nullableString(detail.documentation ? config.documentation : null);
}
