/** The settings of topics on one broker: what is set, what is not, and what follows from both.
 *
 * Acted on: retention.ms, retention.bytes, cleanup.policy and what belongs to compaction, max.message.bytes,
 * message.timestamp.type and its bounds. The rest is kept and listed, as tools expect to find it: there are no segments
 * here, one replica (more in sync than there are is never asked for, as in Kafka), and batches stay as producers
 * compressed them.
 * Left out: settings of Kafka's that a broker takes while it runs; topics have their own. @module */

import {
  canonical,
  type ConfigRule,
  configTypes,
  listItems,
  rulesFor,
  type TopicDefaults,
} from "./topic_config_rules.ts";

export type { TopicDefaults } from "./topic_config_rules.ts";

/** Where a setting comes from, as DescribeConfigs and CreateTopics number it. */
export const configSources = { TOPIC: 1, STATIC_BROKER: 4, DEFAULT: 5 } as const;
/** One of {@link configSources}. */
export type ConfigSource = typeof configSources[keyof typeof configSources];

/** A setting under one of the names it goes by. */
export interface ConfigSynonym {
  readonly name: string;
  readonly value: string;
  readonly source: ConfigSource;
}

/** A setting as it is described. */
export interface DescribedConfig {
  readonly name: string;
  readonly value: string | null;
  readonly source: ConfigSource;
  readonly readOnly: boolean;
  /** As DescribeConfigs numbers types. */
  readonly type: number;
  readonly documentation: string;
  /** From the one that counts to the one that would last. */
  readonly synonyms: readonly ConfigSynonym[];
}

/** The settings a topic acts on. */
export interface TopicSettings {
  readonly retentionMs: number;
  readonly retentionBytes: number;
  readonly maxMessageBytes: number;
  readonly appendTime: boolean;
  /** How far ahead of the clock a record's time may lie, in milliseconds. */
  readonly timestampAheadMs: number;
  /** How far behind the clock a record's time may lie, in milliseconds. */
  readonly timestampBehindMs: number;
  /** Old records go by age and size (cleanup.policy has delete). */
  readonly deletes: boolean;
  /** Of each key the newest record is kept (cleanup.policy has compact). */
  readonly compacts: boolean;
  /** Records younger than this are not compacted, in milliseconds. */
  readonly minCompactionLagMs: number;
  /** Records older than this are compacted whatever the ratio, in milliseconds. */
  readonly maxCompactionLagMs: number;
  /** Part of a log that has to be new since it was last compacted, 0 to 1, before it is compacted again. */
  readonly minDirtyRatio: number;
  /** How long a tombstone stays readable after it was compacted, in milliseconds. */
  readonly deleteRetentionMs: number;
}

/** Names, defaults and checks of every topic setting of one broker. */
export class TopicConfigs {
  readonly #rules: ReadonlyMap<string, ConfigRule>;

  constructor(defaults: TopicDefaults) {
    this.#rules = new Map(rulesFor(defaults).map((rule) => [rule.name, rule]));
  }

  /** What is wrong with a set of values, alone or together, or undefined. */
  problem(set: ReadonlyMap<string, string>): string | undefined {
    for (const [name, value] of set) {
      const rule = this.#rules.get(name);
      if (rule === undefined) return `Unknown topic config name: ${name}`;
      const wrong = rule.check(canonical(rule, value));
      if (wrong !== undefined) return `Invalid value ${value} for configuration ${name}: ${wrong}`;
    }
    const { minCompactionLagMs, maxCompactionLagMs } = this.settings(set);
    if (minCompactionLagMs <= maxCompactionLagMs) return undefined;
    return `conflict topic config setting min.compaction.lag.ms (${minCompactionLagMs}) > ` +
      `max.compaction.lag.ms (${maxCompactionLagMs})`;
  }

  /** The items of a setting that is a list; undefined for a setting that is none, or unknown. */
  items(name: string, set: ReadonlyMap<string, string>): string[] | undefined {
    const rule = this.#rules.get(name);
    return rule?.type === configTypes.LIST ? listItems(set.get(name) ?? rule.fallback) : undefined;
  }

  /** Every setting of a topic, by name. */
  list(set: ReadonlyMap<string, string>): DescribedConfig[] {
    return Array.from(this.#rules.values(), (rule) => describe(rule, set.get(rule.name)));
  }

  /** The settings that are acted on. */
  settings(set: ReadonlyMap<string, string>): TopicSettings {
    const value = (name: string): string => {
      const rule = this.#rules.get(name);
      return rule === undefined ? "" : canonical(rule, set.get(name) ?? rule.fallback);
    };
    const policies = listItems(value("cleanup.policy"));
    return {
      retentionMs: Number(value("retention.ms")),
      retentionBytes: Number(value("retention.bytes")),
      maxMessageBytes: Number(value("max.message.bytes")),
      appendTime: value("message.timestamp.type") === "LogAppendTime",
      timestampAheadMs: Number(value("message.timestamp.after.max.ms")),
      timestampBehindMs: Number(value("message.timestamp.before.max.ms")),
      deletes: policies.includes("delete"),
      compacts: policies.includes("compact"),
      minCompactionLagMs: Number(value("min.compaction.lag.ms")),
      maxCompactionLagMs: Number(value("max.compaction.lag.ms")),
      minDirtyRatio: Number(value("min.cleanable.dirty.ratio")),
      deleteRetentionMs: Number(value("delete.retention.ms")),
    };
  }
}

function describe(rule: ConfigRule, set: string | undefined): DescribedConfig {
  const { name, fallback, type, documentation, brokerName, isChosen, usual } = rule;
  const fallbackSource = isChosen ? configSources.STATIC_BROKER : configSources.DEFAULT;
  const value = canonical(rule, set ?? fallback);
  const source = set === undefined ? fallbackSource : configSources.TOPIC;
  const synonyms: ConfigSynonym[] = set === undefined ? [] : [{ name, value, source: configSources.TOPIC }];
  if (brokerName !== null && isChosen) {
    synonyms.push({ name: brokerName, value: fallback, source: configSources.STATIC_BROKER });
  }
  if (usual !== null) synonyms.push({ ...usual, source: configSources.DEFAULT });
  return { name, value, source, readOnly: false, type, documentation, synonyms };
}
