/** The table of the settings a topic can have: name, type, default, check, the broker setting behind it, and what it
 * does here. Names, types, checks and the wording of refusals are Apache Kafka's. What is done with them is said by
 * topic_configs.ts.
 * @see {@link https://kafka.apache.org/documentation/#topicconfigs} @module */

/** Types of settings as DescribeConfigs numbers them. */
export const configTypes = { BOOLEAN: 1, STRING: 2, INT: 3, LONG: 5, DOUBLE: 6, LIST: 7 } as const;
/** One of {@link configTypes}. */
export type ConfigType = typeof configTypes[keyof typeof configTypes];

/** Largest int64, Kafka's way of saying "never". */
const NEVER = "9223372036854775807";
const INT_MAX = 2_147_483_647;

/** One setting. */
export interface ConfigRule {
  readonly name: string;
  readonly type: ConfigType;
  readonly fallback: string;
  /** The broker's setting that a topic without one of its own follows, if there is one. */
  readonly brokerName: string | null;
  /** The fallback was chosen for this broker and is not Kafka's own. */
  readonly isChosen: boolean;
  /** Kafka's own default of the broker's setting, null where Kafka tells of none. */
  readonly usual: { readonly name: string; readonly value: string } | null;
  /** One sentence for DescribeConfigs. */
  readonly documentation: string;
  /** What is wrong with a value in its canonical form, or undefined. */
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

/** A value as it is listed: without the spaces that Kafka forgives. */
export function canonical(rule: ConfigRule, value: string): string {
  switch (rule.type) {
    case configTypes.STRING:
      return value;
    case configTypes.LIST:
      return listItems(value).join(",");
    case configTypes.BOOLEAN:
      return value.trim().toLowerCase();
    case configTypes.DOUBLE:
      return isDecimal(value) ? String(Number(value)) : value;
    default:
      return isInteger(value) ? String(BigInt(value.trim().replace(/^\+/, ""))) : value;
  }
}

/** The items of a list setting; none for an empty one. */
export function listItems(value: string): string[] {
  return value.trim() === "" ? [] : value.split(",").map((item) => item.trim());
}

/** All settings of a topic on a broker with these defaults, by name. */
export function rulesFor(defaults: TopicDefaults): ConfigRule[] {
  return [...retentionRules(defaults), ...sizeRules(defaults), ...timeRules(), ...storageRules()]
    .sort((left, right) => left.name < right.name ? -1 : 1);
}

function retentionRules(defaults: TopicDefaults): ConfigRule[] {
  const isOwnAge = defaults.retentionMs !== 604_800_000;
  return [
    rule("cleanup.policy", "delete", listOf("compact", "delete"), "log.cleanup.policy", {
      documentation:
        "delete: old records go by age and size. compact: of each key the newest record stays. " +
        "Both may be given; none keeps everything.",
    }),
    rule("delete.retention.ms", "86400000", long(0), "log.cleaner.delete.retention.ms", {
      documentation: "How long a tombstone can still be read after compaction.",
    }),
    rule("max.compaction.lag.ms", NEVER, long(1), "log.cleaner.max.compaction.lag.ms", {
      documentation: "Records older than this are compacted whatever part of the log is new.",
    }),
    rule("min.cleanable.dirty.ratio", "0.5", ratio(), "log.cleaner.min.cleanable.ratio", {
      documentation: "Part of the log that has to be new before it is compacted again.",
    }),
    rule("min.compaction.lag.ms", "0", long(0), "log.cleaner.min.compaction.lag.ms", {
      documentation: "Records younger than this are not compacted.",
    }),
    rule("retention.bytes", String(defaults.retentionBytes), long(), "log.retention.bytes", {
      usual: { name: "log.retention.bytes", value: "-1" },
      documentation: "Size of a partition beyond which its oldest records go; -1 for any size.",
    }),
    rule("retention.ms", String(defaults.retentionMs), long(-1), "log.retention.ms", {
      isChosen: isOwnAge,
      usual: isOwnAge ? { name: "log.retention.hours", value: "168" } : null, // as Kafka has it
      documentation: "Age after which records go; -1 for never.",
    }),
  ];
}

function sizeRules({ maxBatchBytes }: TopicDefaults): ConfigRule[] {
  const fallback = Math.min(1_048_588, maxBatchBytes);
  return [
    rule("max.message.bytes", String(fallback), int(0, maxBatchBytes), "message.max.bytes", {
      usual: { name: "message.max.bytes", value: "1048588" },
      documentation: "Largest batch that is taken, compressed as it comes.",
    }),
    rule("min.insync.replicas", "1", int(1), "min.insync.replicas", {
      documentation: "Kept, not acted on: the one replica there is suffices for acks=all.",
    }),
    rule("segment.bytes", "1073741824", int(1_048_576), "log.segment.bytes", noSegments),
    rule("segment.index.bytes", "10485760", int(4), "log.index.size.max.bytes", noSegments),
    rule("segment.jitter.ms", "0", long(0), null, noSegments),
    rule("segment.ms", "604800000", long(1), null, noSegments),
    rule("index.interval.bytes", "4096", int(0), "log.index.interval.bytes", noSegments),
    rule("file.delete.delay.ms", "60000", long(0), "log.segment.delete.delay.ms", noSegments),
    rule("preallocate", "false", bool(), "log.preallocate", noSegments),
  ];
}

function timeRules(): ConfigRule[] {
  return [
    rule("message.timestamp.after.max.ms", "3600000", long(0), "log.message.timestamp.after.max.ms", {
      documentation: "How far ahead of the broker's clock a record's time may lie.",
    }),
    rule("message.timestamp.before.max.ms", NEVER, long(0), "log.message.timestamp.before.max.ms", {
      documentation: "How far behind the broker's clock a record's time may lie.",
    }),
    rule(
      "message.timestamp.type",
      "CreateTime",
      oneOf("CreateTime", "LogAppendTime"),
      "log.message.timestamp.type",
      { documentation: "Whose clock gives a record its time: the producer's or the broker's." },
    ),
  ];
}

function storageRules(): ConfigRule[] {
  const codecs = oneOf("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer");
  const recompression = { documentation: "Kept, not acted on: batches stay as producers compressed them." };
  const sync = { documentation: "Kept, not acted on: the broker decides when it syncs." };
  const tiers = { documentation: "Kept, not acted on: there is no tiered storage." };
  const replication = { documentation: "Kept, not acted on: there is one replica." };
  return [
    rule("compression.gzip.level", "-1", gzipLevel(), "compression.gzip.level", recompression),
    rule("compression.lz4.level", "9", int(1, 17), "compression.lz4.level", recompression),
    rule("compression.type", "producer", codecs, "compression.type", recompression),
    rule("compression.zstd.level", "3", int(-131_072, 22), "compression.zstd.level", recompression),
    rule("flush.messages", NEVER, long(1), "log.flush.interval.messages", sync),
    rule("flush.ms", NEVER, long(0), null, sync),
    rule("follower.replication.throttled.replicas", "", replicas(), null, replication),
    rule("leader.replication.throttled.replicas", "", replicas(), null, replication),
    rule("local.retention.bytes", "-2", long(-2), "log.local.retention.bytes", tiers),
    rule("local.retention.ms", "-2", long(-2), "log.local.retention.ms", tiers),
    rule("remote.log.copy.disable", "false", bool(), null, tiers),
    rule("remote.log.delete.on.disable", "false", bool(), null, tiers),
    rule("remote.storage.enable", "false", noTiers(), null, tiers),
    rule("unclean.leader.election.enable", "false", bool(), "unclean.leader.election.enable", replication),
  ];
}

const noSegments = { documentation: "Kept, not acted on: logs have no segments here." };

type Kind = Pick<ConfigRule, "type" | "check">;
type More = Pick<ConfigRule, "documentation"> & Partial<Pick<ConfigRule, "isChosen" | "usual">>;

function rule(
  name: string,
  fallback: string,
  kind: Kind,
  brokerName: string | null,
  { documentation, ...more }: More,
): ConfigRule {
  const { usual = brokerName === null ? null : { name: brokerName, value: fallback } } = more;
  const { isChosen = usual !== null && usual.value !== fallback } = more;
  return { name, fallback, brokerName, isChosen, usual, documentation, ...kind };
}

function int(min: number, max = INT_MAX): Kind {
  const check = (value: string): string | undefined => {
    const isInt = isInteger(value) && Number(value) >= -INT_MAX - 1 && Number(value) <= INT_MAX;
    return isInt ? outside(Number(value), min, max) : "Not a number of type INT";
  };
  return { type: configTypes.INT, check };
}

function long(min?: number): Kind {
  const check = (value: string): string | undefined => {
    const isLong = isInteger(value) && BigInt.asIntN(64, BigInt(value)) === BigInt(value);
    return isLong ? outside(Number(value), min ?? -Infinity, Infinity) : "Not a number of type LONG";
  };
  return { type: configTypes.LONG, check };
}

function ratio(): Kind {
  const check = (value: string): string | undefined =>
    isDecimal(value) ? outside(Number(value), 0, 1) : "Not a number of type DOUBLE";
  return { type: configTypes.DOUBLE, check };
}

/** 1 to 9, or −1 for the codec's own choice. */
function gzipLevel(): Kind {
  const { check } = int(-1, 9);
  return {
    type: configTypes.INT,
    check: (value) => check(value) ?? (value === "0" ? "Level must be -1 or 1 to 9" : undefined),
  };
}

function outside(value: number, min: number, max: number): string | undefined {
  if (value < min) return `Value must be at least ${min}`;
  return value > max ? `Value must be no more than ${max}` : undefined;
}

function bool(): Kind {
  const check = (value: string): string | undefined =>
    value === "true" || value === "false" ? undefined : "Expected value to be either true or false";
  return { type: configTypes.BOOLEAN, check };
}

function noTiers(): Kind {
  const { type, check } = bool();
  return {
    type,
    check: (value) => check(value) ?? (value === "true" ? "There is no tiered storage" : undefined),
  };
}

function oneOf(...allowed: string[]): Kind {
  const check = (value: string): string | undefined =>
    allowed.includes(value) ? undefined : `String must be one of: ${allowed.join(", ")}`;
  return { type: configTypes.STRING, check };
}

function listOf(...allowed: string[]): Kind {
  const check = (value: string): string | undefined =>
    listItems(value).every((item) => allowed.includes(item))
      ? undefined
      : `String must be one of: ${allowed.join(", ")}`;
  return { type: configTypes.LIST, check };
}

function replicas(): Kind {
  const check = (value: string): string | undefined =>
    value === "*" || listItems(value).every((item) => /^\d+:\d+$/.test(item))
      ? undefined
      : "must be the literal '*' or a list of replicas in the format [partitionId]:[brokerId],...";
  return { type: configTypes.LIST, check };
}

function isInteger(value: string): boolean {
  return /^[+-]?\d{1,19}$/.test(value.trim());
}

function isDecimal(value: string): boolean {
  return /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$/.test(value.trim());
}
