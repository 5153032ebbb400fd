/** The settings a topic can have: name, type, default and check, as Apache Kafka names them.
 *
 * Acted on: retention.ms, retention.bytes, max.message.bytes, message.timestamp.type and
 * message.timestamp.after.max.ms. The rest is kept and listed, as tools expect to find it, where ignoring it does
 * no harm (there are no segments here, and one replica). Refused rather than ignored: compaction and recompression.
 * @see {@link https://kafka.apache.org/documentation/#topicconfigs} @module */

/** Largest int64, Kafka's way of saying "never". */
const NEVER = "9223372036854775807";

/** One setting; `check` returns what is wrong with a value, or undefined. */
interface ConfigRule {
  readonly name: string;
  readonly fallback: string;
  readonly check: (value: string) => string | undefined;
}

/** Defaults that belong to a broker rather than to Kafka. */
export interface TopicDefaults {
  /** Age after which records go, in milliseconds; −1 for never. */
  readonly retentionMs: number;
  /** Size of a partition beyond which its oldest records go, in bytes; −1 for any. */
  readonly retentionBytes: number;
  /** Largest batch that any topic may allow, in bytes. */
  readonly maxBatchBytes: number;
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

  /** What is wrong with a value given for a topic, or undefined. */
  problem(name: string, value: string | null): string | undefined {
    const rule = this.#rules.get(name);
    if (rule === undefined) return `Unknown topic config name: ${name}`;
    if (value === null) return `Null value not supported for topic config: ${name}`;
    const wrong = rule.check(value);
    return wrong === undefined ? undefined : `Invalid value ${value} for topic config ${name}: ${wrong}`;
  }

  /** Every setting of a topic by name: its value, and whether it was set for the topic. */
  list(set: ReadonlyMap<string, string>): { name: string; value: string; isSet: boolean }[] {
    return [...this.#rules.values()].map(({ name, fallback }) => ({
      name,
      value: set.get(name) ?? fallback,
      isSet: set.has(name),
    }));
  }

  /** The settings that are acted on. */
  settings(set: ReadonlyMap<string, string>): TopicSettings {
    const value = (name: string): string => set.get(name) ?? this.#rules.get(name)?.fallback ?? "";
    return {
      retentionMs: Number(value("retention.ms")),
      retentionBytes: Number(value("retention.bytes")),
      maxMessageBytes: Number(value("max.message.bytes")),
      appendTime: value("message.timestamp.type") === "LogAppendTime",
      timestampAheadMs: Number(value("message.timestamp.after.max.ms")),
      timestampBehindMs: Number(value("message.timestamp.before.max.ms")),
      deletes: policies(value("cleanup.policy")).includes("delete"),
      compacts: policies(value("cleanup.policy")).includes("compact"),
      minCompactionLagMs: Number(value("min.compaction.lag.ms")),
      maxCompactionLagMs: Number(value("max.compaction.lag.ms")),
      minDirtyRatio: Number(value("min.cleanable.dirty.ratio")),
      deleteRetentionMs: Number(value("delete.retention.ms")),
    };
  }
}

function rulesFor(defaults: TopicDefaults): ConfigRule[] {
  return [
    { name: "cleanup.policy", fallback: "delete", check: cleanupPolicy },
    only("compression.type", ["producer"], "batches are stored as producers compressed them"),
    integer("delete.retention.ms", "86400000", 0),
    integer("file.delete.delay.ms", "60000", 0),
    integer("flush.messages", NEVER, 1),
    integer("flush.ms", NEVER, 0),
    integer("index.interval.bytes", "4096", 0),
    integer("max.compaction.lag.ms", NEVER, 1),
    integer(
      "max.message.bytes",
      String(Math.min(1_048_588, defaults.maxBatchBytes)),
      0,
      defaults.maxBatchBytes,
    ),
    integer("message.timestamp.after.max.ms", "3600000", 0),
    integer("message.timestamp.before.max.ms", NEVER, 0),
    only("message.timestamp.type", ["CreateTime", "LogAppendTime"]),
    { name: "min.cleanable.dirty.ratio", fallback: "0.5", check: ratio },
    integer("min.compaction.lag.ms", "0", 0),
    integer("min.insync.replicas", "1", 1, 1),
    only("preallocate", ["false", "true"]),
    integer("retention.bytes", String(defaults.retentionBytes), -1),
    integer("retention.ms", String(defaults.retentionMs), -1),
    integer("segment.bytes", "1073741824", 1),
    integer("segment.index.bytes", "10485760", 4),
    integer("segment.jitter.ms", "0", 0),
    integer("segment.ms", "604800000", 1),
    only("unclean.leader.election.enable", ["false", "true"]),
  ];
}

function integer(name: string, fallback: string, min: number, max = Number(NEVER)): ConfigRule {
  const check = (value: string): string | undefined => {
    const read = /^[+-]?\d{1,19}$/.test(value) ? Number(value) : NaN;
    return read >= min && read <= max ? undefined : `must be an integer in ${min}..${max}`;
  };
  return { name, fallback, check };
}

/** The first of the allowed values is the default. */
function only(name: string, allowed: readonly [string, ...string[]], why = ""): ConfigRule {
  const check = (value: string): string | undefined =>
    allowed.includes(value) ? undefined : `must be ${allowed.join(" or ")}${why && `, as ${why}`}`;
  return { name, fallback: allowed[0], check };
}

function cleanupPolicy(value: string): string | undefined {
  const known = policies(value).every((policy) => policy === "delete" || policy === "compact");
  return known ? undefined : "must be delete, compact or both";
}

function policies(value: string): string[] {
  return value.split(",").map((policy) => policy.trim());
}

function ratio(value: string): string | undefined {
  const read = Number(value);
  return value.trim() !== "" && read >= 0 && read <= 1 ? undefined : "must be a number in 0..1";
}
