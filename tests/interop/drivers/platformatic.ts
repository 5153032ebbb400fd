/** Driver of @platformatic/kafka: its consumer is a stream.
 *
 * Left out, as the library has none of it: consuming without a group (who reads alone has a group of its own), validating a
 * topic without making it. @module */
import { Buffer } from "node:buffer";
import { Admin, Consumer, type Message, type MessageToProduce, Producer } from "@platformatic/kafka";
import project from "../../../deno.json" with { type: "json" };
import type { NewRecord, Ops, Place } from "../driver_protocol.ts";
import { base, Member, readAlone } from "./platformatic_member.ts";
import { serveDriver, toBytes } from "./serve.ts";

type Transaction = Awaited<ReturnType<Producer["beginTransaction"]>>;

const topicType = 2;
const operations = { set: 0, delete: 1, append: 2, subtract: 3 };

const members = new Map<string, Member>();
const transactions = new Map<
  string,
  { producer: Producer; open?: Transaction }
>();

async function withAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Admin(base);
  try {
    return await work(admin);
  } finally {
    await admin.close();
  }
}

/** Absent, not null, is what the library takes for a key or value that is not there. */
function message(topic: string, record: NewRecord): MessageToProduce {
  const [key, value] = [toBytes(record.key ?? null), toBytes(record.value)];
  const { partition, timestamp, headers } = record;
  return {
    topic,
    ...(key === null ? {} : { key }),
    ...(value === null ? {} : { value }),
    ...(partition === undefined ? {} : { partition }),
    ...(timestamp === undefined ? {} : { timestamp: BigInt(timestamp) }),
    ...(headers
      ? { headers: new Map(headers.map(([name, value]) => [Buffer.from(name), toBytes(value)!])) }
      : {}),
  };
}

/** The library tells the first offset of each partition. */
function places(
  records: readonly NewRecord[],
  offsets: readonly { partition: number; offset: bigint }[] | undefined,
): { records: Place[] } {
  const next = new Map(offsets?.map(({ partition, offset }) => [partition, Number(offset)]));
  const only = next.size === 1 ? [...next.keys()][0]! : 0;
  return {
    records: records.map(({ partition = only }) => {
      const offset = next.get(partition) ?? -1;
      next.set(partition, offset + 1);
      return { partition, offset };
    }),
  };
}

async function produce(args: Ops["produce"][0]): Promise<Ops["produce"][1]> {
  const { topic, records, codec = "none", idempotent = false, acks = -1 } = args;
  const producer = new Producer({ ...base, autocreateTopics: false, idempotent });
  try {
    const messages = records.map((record) => message(topic, record));
    const { offsets } = await producer.send({ messages, acks, compression: codec });
    return places(records, offsets);
  } finally {
    await producer.close();
  }
}

/** Kafka's number, from the errors that the library nests. */
function codeOf(error: unknown): number | null {
  if (typeof error !== "object" || error === null) return null;
  const { apiCode, cause, errors, message } = error as Record<string, unknown>;
  if (typeof apiCode === "number" && apiCode !== -1) return apiCode;
  if (String(message).startsWith("Unknown topic ")) return 3; // the library's own word for it
  return [cause, errors].flat().map(codeOf).find((found) => found !== null) ?? null;
}

function transaction(handle: string): Transaction {
  const open = transactions.get(handle)?.open;
  if (!open) throw new Error(`No transaction ${handle} is open`);
  return open;
}

const resource = (topic: string) => ({ resourceType: topicType, resourceName: topic } as const);

const handlers: Parameters<typeof serveDriver>[0] = {
  hello: () =>
    Promise.resolve({
      client: "@platformatic/kafka",
      version: project.imports["@platformatic/kafka"].split("@").at(-1)!,
      features: [
        ...["produce", "consume", "listOffsets", "offsets", "headers", "timestamps"],
        ...["idempotent", "acks0", "transactions", "txnOffsets", "isolation", "largeMessages"],
        ...[
          "nullKeys",
          "tombstones",
          "groups",
          "static",
          "assignor:roundrobin",
          "cooperative",
          "fetchWait",
          "unknownTopic",
          "fetchLimit",
        ],
        ...["gzip", "snappy", "lz4", "zstd"].map((codec) => `codec:${codec}`),
        ...Object.keys(handlers).filter((op) => /^(?!listOffsets)[a-z]+[A-Z]/.test(op))
          .map((op) => `admin:${op}`),
      ],
    }),
  produce,
  consume: readAlone,
  listOffsets: ({ topic, partition, at, isolation }) =>
    withAdmin(async (admin) => {
      const timestamp = BigInt(at === "earliest" ? -2 : at === "latest" ? -1 : at);
      const found = await admin.listOffsets({
        topics: [{ name: topic, partitions: [{ partitionIndex: partition, timestamp }] }],
        isolationLevel: isolation === "read_committed" ? 1 : 0,
      });
      const { offset, timestamp: foundAt } = found[0]!.partitions[0]!;
      return { offset: Number(offset), timestamp: Number(foundAt) };
    }),
  "group.join": async (args) => {
    const joined = new Member(args);
    members.set(args.member, joined);
    await joined.start(args);
    return {};
  },
  "group.state": ({ member }) => {
    const { assigned, records } = members.get(member)!;
    return Promise.resolve({ assigned, records });
  },
  "group.commit": async ({ member }) => (await members.get(member)!.commit(), {}),
  "group.leave": async ({ member }) => {
    await members.get(member)!.leave();
    members.delete(member);
    return {};
  },
  // The library asks for its producer id when it begins.
  "txn.open": ({ handle, transactionalId }) => {
    transactions.set(handle, { producer: new Producer({ ...base, transactionalId, idempotent: true }) });
    return Promise.resolve({});
  },
  "txn.begin": async ({ handle }) => {
    const held = transactions.get(handle)!;
    // Unless it is told, it claims to be producer 0, and Kafka takes it for a fenced one.
    held.open = await held.producer.beginTransaction({ producerId: -1n, producerEpoch: -1 });
    return {};
  },
  "txn.send": async ({ handle, topic, records }) => {
    const messages = records.map((record) => message(topic, record));
    return places(records, (await transaction(handle).send({ messages })).offsets);
  },
  "txn.sendOffsets": async ({ handle, group, offsets }) => {
    const consumer = new Consumer({ ...base, groupId: group });
    try {
      const coordinatorId = await consumer.findGroupCoordinator();
      await transaction(handle).addConsumer(consumer);
      for (const { topic, partition, offset } of offsets) {
        // The library commits the place after a message that was read.
        const metadata = { consumer: { coordinatorId, groupId: group, generationId: -1, memberId: "" } };
        await transaction(handle).addOffset(
          { topic, partition, offset: BigInt(offset - 1), metadata } as unknown as Message,
        );
      }
    } finally {
      await consumer.close(true);
    }
    return {};
  },
  "txn.commit": async ({ handle }) => (await transaction(handle).commit(), {}),
  "txn.abort": async ({ handle }) => (await transaction(handle).abort(), {}),
  "txn.close": async ({ handle }) => {
    await transactions.get(handle)!.producer.close(true);
    transactions.delete(handle);
    return {};
  },
  createTopics: ({ topics, validateOnly }) =>
    withAdmin(async (admin) => {
      if (validateOnly) throw new Error("The library cannot validate only");
      for (const { name, partitions, configs } of topics) {
        await admin.createTopics({
          topics: [name],
          partitions,
          replicas: 1,
          configs: Object.entries(configs ?? {}).map(([name, value]) => ({ name, value })),
        });
      }
      return {};
    }),
  deleteTopics: ({ names }) =>
    withAdmin(async (admin) => (await admin.deleteTopics({ topics: [...names] }), {})),
  listTopics: () => withAdmin(async (admin) => ({ names: await admin.listTopics() })),
  describeTopic: ({ name }) =>
    withAdmin(async (admin) => {
      const { topics } = await admin.metadata({ topics: [name], autocreateTopics: false });
      const { id, partitions } = topics.get(name)!;
      return { id, partitions: partitions.map((_, partition) => ({ partition })) };
    }),
  createPartitions: ({ name, count }) =>
    withAdmin(async (admin) => {
      // The library wants to be told where each new one goes.
      const { brokers, topics } = await admin.metadata({ topics: [name], autocreateTopics: false });
      const added = Math.max(0, count - topics.get(name)!.partitions.length);
      const assignments = Array.from({ length: added }, () => ({ brokerIds: [...brokers.keys()] }));
      await admin.createPartitions({ topics: [{ name, count, assignments }] });
      return {};
    }),
  deleteRecords: ({ topic, offsets }) =>
    withAdmin(async (admin) => {
      const partitions = Object.entries(offsets).map(([partition, offset]) => ({
        partition: Number(partition),
        offset: BigInt(offset),
      }));
      const [found] = await admin.deleteRecords({ topics: [{ name: topic, partitions }] });
      const low = found!.partitions.map(({ partition, lowWatermark }) =>
        [partition, Number(lowWatermark)] as const
      );
      return { low: Object.fromEntries(low) };
    }),
  describeConfigs: ({ topic }) =>
    withAdmin(async (admin) => {
      const [found] = await admin.describeConfigs({ resources: [resource(topic)], includeSynonyms: true });
      return { configs: Object.fromEntries(found!.configs.map(({ name, value }) => [name, value ?? null])) };
    }),
  alterConfigs: ({ topic, set }) =>
    withAdmin(async (admin) => {
      const configs = Object.entries(set).map(([name, value]) => ({ name, value }));
      await admin.alterConfigs({ resources: [{ ...resource(topic), configs }] });
      return {};
    }),
  incrementalAlterConfigs: ({ topic, delete: deleted = [], ...values }) =>
    withAdmin(async (admin) => {
      const changed = (["set", "append", "subtract"] as const).flatMap((operation) =>
        Object.entries(values[operation] ?? {}).map(([name, value]) => ({
          name,
          value,
          configOperation: operations[operation],
        }))
      );
      const gone = deleted.map((name) => ({ name, value: null, configOperation: operations.delete }));
      const configs = [...changed, ...gone] as never[];
      await admin.incrementalAlterConfigs({ resources: [{ ...resource(topic), configs }] });
      return {};
    }),
  listGroups: () =>
    withAdmin(async (admin) => ({
      groups: [...(await admin.listGroups()).values()].map(({ id, state }) => ({
        group: id,
        state: spelt(state),
      })),
    })),
  describeGroup: ({ group }) =>
    withAdmin(async (admin) => {
      const found = (await admin.describeGroups({ groups: [group] })).get(group)!;
      const members = [...found.members.values()].map(({ id, clientId, assignments }) => ({
        memberId: id,
        clientId,
        assigned: [...assignments?.values() ?? []].flatMap(({ topic, partitions }) =>
          partitions.map((partition) => ({ topic, partition }))
        ),
      }));
      return { state: spelt(found.state), protocol: found.protocol, members };
    }),
  deleteGroups: ({ groups }) =>
    withAdmin(async (admin) => (await admin.deleteGroups({ groups: [...groups] }), {})),
  groupOffsets: ({ group, topic, partitions }) =>
    withAdmin(async (admin) => {
      const topics = [{ name: topic, partitionIndexes: [...partitions] }];
      const [found] = await admin.listConsumerGroupOffsets({ groups: [{ groupId: group, topics }] });
      return {
        offsets: found!.topics.flatMap(({ name, partitions }) =>
          partitions.map(({ partitionIndex, committedOffset, metadata }) => ({
            topic: name,
            partition: partitionIndex,
            offset: Number(committedOffset),
            metadata: metadata ?? null,
          }))
        ),
      };
    }),
  alterGroupOffsets: ({ group, offsets }) =>
    withAdmin(async (admin) => {
      const topics = [...new Set(offsets.map(({ topic }) => topic))].map((name) => ({
        name,
        partitionOffsets: offsets.filter(({ topic }) => topic === name).map(({ partition, offset }) => ({
          partition,
          offset: BigInt(offset),
        })),
      }));
      await admin.alterConsumerGroupOffsets({ groupId: group, topics });
      return {};
    }),
  deleteGroupOffsets: ({ group, topic, partitions }) =>
    withAdmin(async (admin) => {
      const topics = [{ name: topic, partitionIndexes: [...partitions] }];
      await admin.deleteConsumerGroupOffsets({ groupId: group, topics });
      return {};
    }),
  describeCluster: () =>
    withAdmin(async (admin) => {
      const { id, brokers } = await admin.metadata({});
      return { clusterId: id, brokers: brokers.size };
    }),
  describeLogDirs: ({ topic }) =>
    withAdmin(async (admin) => {
      const { topics } = await admin.metadata({ topics: [topic] });
      const partitions = topics.get(topic)!.partitions.map((_, partition) => partition);
      const found = await admin.describeLogDirs({ topics: [{ name: topic, partitions }] });
      const sizes = found.flatMap(({ results }) => results).flatMap(({ topics }) => topics)
        .flatMap(({ partitions }) => partitions).map(({ partitionSize }) => Number(partitionSize));
      return { bytes: sizes.reduce((sum, size) => sum + size, 0) };
    }),
};

/** The library writes states in capitals: PREPARING_REBALANCE. */
function spelt(state: string): string {
  return state.toLowerCase().replace(/(^|_)([a-z])/g, (_, __, letter: string) => letter.toUpperCase());
}

await serveDriver(handlers, codeOf, async () => {
  await Promise.all([...members.values()].map((each) => each.leave()));
  await Promise.all([...transactions.values()].map(({ producer }) => producer.close(true)));
});
