/** Driver of kafkajs, with the codecs that its users plug in.
 *
 * Left out, as the library has none of it: consuming without a group, static members, the cooperative assignor, deleting offsets of a
 * group, incremental configs, log directories. @module */
import kafkajs, { type Admin, Kafka, logLevel, type Producer, type Transaction } from "kafkajs";
import { codecs } from "../../../kafka/codecs.ts";
import type { NewRecord, Place, ProduceOptions } from "../driver_protocol.ts";
import { KafkajsMember, readAlone } from "./kafkajs_member.ts";
import { serveDriver, toBytes } from "./serve.ts";

const { CompressionTypes, ConfigResourceTypes, Partitioners } = kafkajs;
Object.assign(kafkajs.CompressionCodecs, codecs);

const kafka = new Kafka({
  clientId: "kafkajs",
  brokers: [Deno.args[0]!],
  logLevel: logLevel.NOTHING,
  retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 15 },
});
const members = new Map<string, KafkajsMember>();
const transactions = new Map<string, { producer: Producer; open?: Transaction }>();
const topicType = ConfigResourceTypes.TOPIC;

const codecTypes = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};

async function withAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

interface Message {
  key: string | null;
  value: ReturnType<typeof toBytes>;
  partition?: number;
  timestamp?: string;
  headers?: Record<string, string | string[] | undefined>;
}

/** A header that is there more than once is an array to kafkajs. */
function message(record: NewRecord): Message {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of record.headers ?? []) {
    const text = value ?? "";
    const before = headers[name];
    headers[name] = before === undefined ? text : [before, text].flat();
  }
  return {
    key: record.key ?? null,
    value: toBytes(record.value),
    ...(record.partition === undefined ? {} : { partition: record.partition }),
    ...(record.timestamp === undefined ? {} : { timestamp: String(record.timestamp) }),
    ...(record.headers ? { headers } : {}),
  };
}

type Send = (
  batch: { topic: string; messages: Message[] },
) => Promise<{ partition: number; baseOffset?: string }[]>;

/** Sends all in one request and works out where each went: kafkajs tells the first offset of each partition. */
async function sendAll(
  send: Send,
  chosen: Map<unknown, number>,
  topic: string,
  records: readonly NewRecord[],
): Promise<{ records: Place[] }> {
  const messages = records.map(message);
  const answers = await send({ topic, messages });
  const next = new Map(answers.map(({ partition, baseOffset }) => [partition, Number(baseOffset ?? -1)]));
  return {
    records: messages.map((each) => {
      const partition = each.partition ?? chosen.get(each) ?? 0;
      const offset = next.get(partition) ?? -1;
      if (offset >= 0) next.set(partition, offset + 1);
      return { partition, offset };
    }),
  };
}

/** The default partitioner, which here tells what it chose. */
function watched(chosen: Map<unknown, number>) {
  return () => {
    const choose = Partitioners.DefaultPartitioner();
    return (args: Parameters<typeof choose>[0]) => {
      const partition = choose(args);
      chosen.set(args.message, partition);
      return partition;
    };
  };
}

async function produce(
  args: { topic: string; records: readonly NewRecord[] } & ProduceOptions,
): Promise<{ records: Place[] }> {
  const { topic, records, codec = "none", idempotent = false, acks = -1 } = args;
  const chosen = new Map<unknown, number>();
  const producer = kafka.producer({
    createPartitioner: watched(chosen),
    allowAutoTopicCreation: false,
    idempotent,
  });
  await producer.connect();
  try {
    const send: Send = (batch) => producer.send({ ...batch, acks, compression: codecTypes[codec] });
    return await sendAll(send, chosen, topic, records);
  } finally {
    await producer.disconnect();
  }
}

function transaction(handle: string): Transaction {
  const open = transactions.get(handle)?.open;
  if (!open) throw new Error(`No transaction ${handle} is open`);
  return open;
}

function member(name: string): KafkajsMember {
  const found = members.get(name);
  if (!found) throw new Error(`No member ${name}`);
  return found;
}

/** Kafka's number, from the causes and lists that kafkajs wraps errors in. */
function codeOf(error: unknown): number | null {
  if (typeof error !== "object" || error === null) return null;
  const { code, errorCode, cause, originalError, error: inner, errors, groups, partitions } = error as Record<
    string,
    unknown
  >;
  for (const number of [code, errorCode]) if (typeof number === "number" && number !== 0) return number;
  const within = [cause, originalError, inner, errors, groups, partitions].flat();
  return within.map(codeOf).find((found) => found !== null) ?? null;
}

const handlers: Parameters<typeof serveDriver>[0] = {
  hello: () =>
    Promise.resolve({
      client: "kafkajs",
      version: "2.2.4",
      features: [
        ...["produce", "consume", "listOffsets", "offsets", "headers", "timestamps", "tombstones"],
        ...["nullKeys", "idempotent", "acks0", "transactions", "txnOffsets", "isolation", "largeMessages"],
        ...[
          "groups",
          "groupSeek",
          "assignor:roundrobin",
          "unknownTopic",
          "fetchLimit",
          "txnTimeout",
          "validateOnly",
        ],
        ...["gzip", "snappy", "lz4", "zstd"].map((codec) => `codec:${codec}`),
        ...Object.keys(handlers).filter((op) => /^(?!listOffsets)[a-z]+[A-Z]/.test(op)).map((op) =>
          `admin:${op}`
        ),
      ],
    }),
  produce,
  consume: (args) => readAlone(kafka, args),
  listOffsets: ({ topic, partition, at }) =>
    withAdmin(async (admin) => {
      const all = typeof at === "number"
        ? await admin.fetchTopicOffsetsByTimestamp(topic, at)
        : (await admin.fetchTopicOffsets(topic)).map(({ partition, low, high }) => ({
          partition,
          offset: at === "earliest" ? low : high,
        }));
      return { offset: Number(all.find((each) => each.partition === partition)!.offset) };
    }),
  "group.join": async (args) => {
    const joined = new KafkajsMember(kafka, args);
    members.set(args.member, joined);
    await joined.start();
    return {};
  },
  "group.state": ({ member: name }) => Promise.resolve(member(name).state()),
  "group.commit": async ({ member: name }) => (await member(name).commit(), {}),
  "group.seek": ({ member: name, ...to }) => (member(name).seek(to), Promise.resolve({})),
  "group.leave": async ({ member: name }) => {
    await member(name).leave();
    members.delete(name);
    return {};
  },
  "txn.open": async ({ handle, transactionalId, timeoutMs = 60_000 }) => {
    const producer = kafka.producer({
      transactionalId,
      idempotent: true,
      maxInFlightRequests: 1,
      transactionTimeout: timeoutMs,
      createPartitioner: Partitioners.DefaultPartitioner,
      retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 15 },
    });
    await producer.connect();
    transactions.set(handle, { producer });
    return {};
  },
  "txn.begin": async ({ handle }) => {
    const held = transactions.get(handle)!;
    held.open = await held.producer.transaction();
    return {};
  },
  "txn.send": ({ handle, topic, records }) =>
    sendAll((batch) => transaction(handle).send(batch), new Map(), topic, records),
  "txn.sendOffsets": async ({ handle, group, offsets }) => {
    const topics = [...new Set(offsets.map(({ topic }) => topic))].map((topic) => ({
      topic,
      partitions: offsets.filter((each) => each.topic === topic).map(({ partition, offset }) => ({
        partition,
        offset: String(offset),
      })),
    }));
    await transaction(handle).sendOffsets({ consumerGroupId: group, topics });
    return {};
  },
  "txn.commit": async ({ handle }) => (await transaction(handle).commit(), {}),
  "txn.abort": async ({ handle }) => (await transaction(handle).abort(), {}),
  "txn.close": async ({ handle }) => {
    await transactions.get(handle)!.producer.disconnect();
    transactions.delete(handle);
    return {};
  },
  createTopics: ({ topics, validateOnly = false }) =>
    withAdmin(async (admin) => {
      const made = await admin.createTopics({
        validateOnly,
        waitForLeaders: !validateOnly,
        topics: topics.map(({ name, partitions, configs }) => ({
          topic: name,
          numPartitions: partitions,
          replicationFactor: 1,
          configEntries: Object.entries(configs ?? {}).map(([name, value]) => ({ name, value })),
        })),
      });
      // kafkajs makes this one error a plain `false`.
      if (!made) throw Object.assign(new Error("The topic is there already"), { code: 36 });
      return {};
    }),
  deleteTopics: ({ names }) =>
    withAdmin(async (admin) => (await admin.deleteTopics({ topics: [...names] }), {})),
  listTopics: () => withAdmin(async (admin) => ({ names: await admin.listTopics() })),
  describeTopic: ({ name }) =>
    withAdmin(async (admin) => {
      const { topics: [topic] } = await admin.fetchTopicMetadata({ topics: [name] });
      return { partitions: topic!.partitions.map(({ partitionId }) => ({ partition: partitionId })) };
    }),
  createPartitions: ({ name, count }) =>
    withAdmin(async (admin) => {
      await admin.createPartitions({ topicPartitions: [{ topic: name, count }] });
      return {};
    }),
  deleteRecords: ({ topic, offsets }) =>
    withAdmin(async (admin) => {
      await admin.fetchTopicMetadata({ topics: [topic] }); // or kafkajs does not know where to
      await admin.deleteTopicRecords({
        topic,
        partitions: Object.entries(offsets).map(([partition, offset]) => ({
          partition: Number(partition),
          offset: String(offset),
        })),
      });
      return {};
    }),
  describeConfigs: ({ topic }) =>
    withAdmin(async (admin) => {
      const resources = [{ type: topicType, name: topic }];
      const { resources: [found] } = await admin.describeConfigs({ resources, includeSynonyms: true });
      return {
        configs: Object.fromEntries(
          found!.configEntries.map(({ configName, configValue }) => [configName, configValue]),
        ),
      };
    }),
  alterConfigs: ({ topic, set }) =>
    withAdmin(async (admin) => {
      const configEntries = Object.entries(set).map(([name, value]) => ({ name, value }));
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: topicType, name: topic, configEntries }],
      });
      return {};
    }),
  listGroups: () =>
    withAdmin(async (admin) => ({
      groups: (await admin.listGroups()).groups.map(({ groupId }) => ({ group: groupId })),
    })),
  describeGroup: ({ group }) =>
    withAdmin(async (admin) => {
      const { groups: [found] } = await admin.describeGroups([group]);
      const members = found!.members.map(({ memberId, clientId, memberAssignment }) => {
        // An empty array when the group is on its way to a new generation.
        const decoded = memberAssignment.length > 0
          ? kafkajs.AssignerProtocol.MemberAssignment.decode(memberAssignment)
          : null;
        const assigned = Object.entries(decoded?.assignment ?? {}).flatMap(([topic, partitions]) =>
          partitions.map((partition) => ({ topic, partition }))
        );
        return { memberId, clientId, assigned };
      });
      return { state: found!.state, protocol: found!.protocol, members };
    }),
  deleteGroups: ({ groups }) => withAdmin(async (admin) => (await admin.deleteGroups([...groups]), {})),
  groupOffsets: ({ group, topic }) =>
    withAdmin(async (admin) => {
      const found = await admin.fetchOffsets({ groupId: group, topics: [topic] });
      return {
        offsets: found.flatMap(({ topic, partitions }) =>
          partitions.map(({ partition, offset, metadata }) => ({
            topic,
            partition,
            offset: Number(offset),
            metadata,
          }))
        ),
      };
    }),
  alterGroupOffsets: ({ group, offsets }) =>
    withAdmin(async (admin) => {
      for (const topic of new Set(offsets.map((each) => each.topic))) {
        const partitions = offsets.filter((each) => each.topic === topic).map(({ partition, offset }) => ({
          partition,
          offset: String(offset),
        }));
        await admin.setOffsets({ groupId: group, topic, partitions });
      }
      return {};
    }),
  describeCluster: () =>
    withAdmin(async (admin) => {
      const { clusterId, brokers } = await admin.describeCluster();
      return { clusterId, brokers: brokers.length };
    }),
};

await serveDriver(handlers, codeOf, async () => {
  await Promise.all([...members.values()].map((each) => each.leave()));
  await Promise.all([...transactions.values()].map(({ producer }) => producer.disconnect()));
});
