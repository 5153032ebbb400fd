/** The settings of the broker as DescribeConfigs lists them, under Kafka's names: those that say something true about
 * this broker. None of them can be changed while it runs.
 * Left out: the names of what does not exist here (replication, quotas, the controller's quorum, share groups).
 * @see {@link https://kafka.apache.org/documentation/#brokerconfigs} @module */

import { configTypes } from "./topic_config_rules.ts";
import { type ConfigSource, configSources, type DescribedConfig } from "./topic_configs.ts";

const { BOOLEAN, INT, LONG, LIST } = configTypes;

/** What differs from one broker to the next. */
export interface BrokerFacts {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly defaultPartitions: number;
  /** What is set for a topic that sets nothing: its settings follow those of the broker. */
  readonly topicDefaults: readonly DescribedConfig[];
}

type Row = readonly [name: string, type: number, value: string | null, documentation: string];

const fixed: readonly Row[] = [
  ["auto.create.topics.enable", BOOLEAN, "true", "Clients may have topics made by asking for them."],
  ["connections.max.idle.ms", LONG, "600000", "Silence after which a connection is closed."],
  ["default.replication.factor", INT, "1", "Replicas of a topic made without a number."],
  ["delete.topic.enable", BOOLEAN, "true", "Topics can be deleted."],
  ["group.coordinator.rebalance.protocols", LIST, "classic", "Protocols of consumer groups."],
  ["group.initial.rebalance.delay.ms", INT, "100", "Wait of a new group for more members."],
  ["group.max.session.timeout.ms", INT, "1800000", "Longest session a member may ask for."],
  ["group.min.session.timeout.ms", INT, "6000", "Shortest session a member may ask for."],
  ["log.cleaner.enable", BOOLEAN, "true", "Topics that ask for compaction are compacted."],
  ["log.retention.hours", INT, "168", "Age after which records go, unless log.retention.ms says otherwise."],
  ["log.retention.minutes", INT, null, "Age after which records go, unless log.retention.ms says otherwise."],
  ["offset.metadata.max.bytes", INT, "4096", "Longest note beside a committed offset."],
  ["offsets.retention.check.interval.ms", LONG, "600000", "Time between two looks for expired offsets."],
  ["offsets.retention.minutes", INT, "10080", "How long the offsets of a group without members are kept."],
  ["producer.id.expiration.ms", INT, "86400000", "Silence after which a producer is forgotten."],
  ["transaction.max.timeout.ms", INT, "900000", "Longest transaction a producer may ask for."],
  [
    "transactional.id.expiration.ms",
    INT,
    "604800000",
    "Silence after which a transactional id is forgotten.",
  ],
];

/** All settings of the broker, by name. */
export function describeBroker(facts: BrokerFacts): DescribedConfig[] {
  const { nodeId, host, port, dataDir, defaultPartitions, topicDefaults } = facts;
  const address = `PLAINTEXT://${host}:${port}`;
  const partitions = defaultPartitions === 1 ? configSources.DEFAULT : configSources.STATIC_BROKER;
  const own = configSources.STATIC_BROKER;
  const described = [
    ...fixed.map((row) => config(row, configSources.DEFAULT)),
    config(["advertised.listeners", LIST, address, "Where clients connect to."], own),
    config(["broker.id", INT, String(nodeId), "Number of this node."], own),
    config(["listeners", LIST, address, "Where the broker listens."], own),
    config(["log.dirs", LIST, dataDir, "Folder of the data."], own),
    config(["node.id", INT, String(nodeId), "Number of this node."], own),
    config(
      ["num.partitions", INT, String(defaultPartitions), "Partitions of a topic made without a number."],
      partitions,
    ),
    config(["process.roles", LIST, "broker,controller", "The one node is both."], own),
    ...topicDefaults.flatMap(fromTopic),
  ];
  return described.sort((left, right) => left.name < right.name ? -1 : 1);
}

/** The broker's setting behind one of a topic's. */
function fromTopic({ synonyms, type, documentation, name }: DescribedConfig): DescribedConfig[] {
  const [behind] = synonyms;
  if (behind !== undefined) {
    const [key, value, source] = [behind.name, behind.value, behind.source];
    return [{ name: key, value, source, readOnly: true, type, documentation, synonyms }];
  }
  // Kafka has no default for it, as its default is told in hours.
  return name === "retention.ms"
    ? [config(["log.retention.ms", type, null, documentation], configSources.DEFAULT)]
    : [];
}

function config([name, type, value, documentation]: Row, source: ConfigSource): DescribedConfig {
  const synonyms = value === null ? [] : [{ name, value, source }];
  return { name, value, source, readOnly: true, type, documentation, synonyms };
}
