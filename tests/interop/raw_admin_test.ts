/** The same requests to the embedded broker and to Apache Kafka, and the answers of both side by side: administration,
 * groups and committed offsets, with what each refuses and why.
 *
 * Left out: where the embedded broker differs on purpose (settings of the broker itself, topics made by asking for them,
 * sizes it bounds), and what other suites compare (records, transactions).
 * @module */
import { assertEquals } from "@std/assert";
import { ApacheKafka } from "../apache_kafka.ts";
import { ProtocolClient } from "../protocol/client.ts";
import type { Values } from "../protocol/codec.ts";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";
import { Pair } from "./side_by_side.ts";

const CREATE = 19,
  DELETE = 20,
  RECORDS = 21,
  CONFIGS = 32,
  ALTER = 33,
  LOG_DIRS = 35,
  PARTITIONS = 37,
  INCREMENTAL = 44;
const METADATA = 3, COMMIT = 8, OFFSETS = 9, COORDINATOR = 10, JOIN = 11, LEAVE = 13, SYNC = 14, CLUSTER = 60;
const DESCRIBE = 15, LIST = 16, DELETE_GROUPS = 42, OFFSET_DELETE = 47;

interface TopicWish {
  readonly name: string;
  readonly partitions?: number;
  readonly replicas?: number;
  readonly configs?: Readonly<Record<string, string | null>>;
  readonly assignments?: readonly [partition: number, ...brokers: number[]][];
}

function create(wishes: readonly TopicWish[], validateOnly = false): Values {
  const topics = wishes.map(({ name, partitions = 1, replicas = 1, configs = {}, assignments = [] }) => ({
    name,
    numPartitions: partitions,
    replicationFactor: replicas,
    assignments: assignments.map(([partitionIndex, ...brokerIds]) => ({ partitionIndex, brokerIds })),
    configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
  }));
  return { topics, timeoutMs: 25_000, validateOnly };
}

/** Makes topics on both brokers and waits until both serve them. */
async function makeTopics(pair: Pair, ...wishes: TopicWish[]): Promise<void> {
  await pair.same(`make ${wishes.map(({ name }) => name)}`, CREATE, 4, create(wishes));
  await metadata(pair, ...wishes.map(({ name }) => name));
}

function metadata(pair: Pair, ...names: string[]): Promise<void> {
  return pair.agree(`metadata of ${names}`, METADATA, 12, {
    topics: names.map((name) => ({ name })),
    allowAutoTopicCreation: false,
    includeTopicAuthorizedOperations: true,
  });
}

const manual = (...assignments: [number, ...number[]][]) => ({ partitions: -1, replicas: -1, assignments });

const settingsToTry: [name: string, value: string | null, isTaken: boolean][] = [
  ["retention.seconds", "1", false],
  ["retention.ms", null, false],
  ["retention.ms", "1h", false],
  ["retention.ms", "-2", false],
  ["retention.ms", "", false],
  ["retention.ms", " 5 ", true],
  ["retention.bytes", "-5", true],
  ["cleanup.policy", "", true],
  ["cleanup.policy", " compact , delete ", true],
  ["compression.type", "brotli", false],
  ["compression.type", "gzip", true],
  ["compression.zstd.level", "99", false],
  ["message.timestamp.type", "Now", false],
  ["message.format.version", "2.0", false],
  ["min.insync.replicas", "0", false],
  ["min.insync.replicas", "2", true],
  ["segment.bytes", "100", false],
  ["segment.bytes", "99999999999", false],
  ["preallocate", "yes", false],
  ["preallocate", "TRUE", true],
  ["min.cleanable.dirty.ratio", "1.5", false],
  ["leader.replication.throttled.replicas", "0:1", true],
];

async function topics(pair: Pair): Promise<void> {
  await makeTopics(pair, { name: "t", partitions: 2 }, { name: "a.b" });
  const names = ["a b", "..", ".", "", "x".repeat(250), "a_b", "t", "x".repeat(249)];
  await pair.same("names", CREATE, 4, create(names.map((name) => ({ name })), true));
  await pair.same("a name twice", CREATE, 4, create([{ name: "u" }, { name: "v" }, { name: "u" }], true));
  const counts: TopicWish[] = [0, -2, -1].map((partitions, at) => ({ name: `p${at}`, partitions }));
  const replicas: TopicWish[] = [0, -2, -1].map((replicas, at) => ({ name: `r${at}`, replicas }));
  await pair.same("counts", CREATE, 4, create([...counts, ...replicas], true));
  const set = settingsToTry.map(([key, value, isTaken], at) => ({
    name: `s${at}`,
    configs: { [key]: value },
    isTaken,
  }));
  await pair.same("settings refused", CREATE, 7, create(set.filter(({ isTaken }) => !isTaken), true));
  await pair.same("settings", CREATE, 4, create(set, true));
  const lags = { "min.compaction.lag.ms": "10", "max.compaction.lag.ms": "5" };
  await pair.same("lags", CREATE, 4, create([{ name: "lags", configs: lags }], true));
  await pair.same(
    "assignments",
    CREATE,
    4,
    create([
      { name: "a0", assignments: [[0, 1]] },
      { name: "a1", ...manual([0, 2]) },
      { name: "a2", ...manual([0]) },
      { name: "a3", ...manual([0, 1, 1]) },
      { name: "a4", ...manual([0, 1], [2, 1]) },
      { name: "a5", ...manual([0, 1], [0, 1]) },
      { name: "a6", ...manual([0, 1], [1, 1]) },
      { name: "a7", partitions: 1, replicas: -1, assignments: [[0, 1]] },
    ], true),
  );
  await metadata(pair, "t", "nobody", "a b", "a_b", "");
  await pair.same("metadata by an unknown id", METADATA, 12, {
    topics: [{ topicId: "ab".repeat(16), name: null }],
    allowAutoTopicCreation: false,
  });
}

async function partitionsAndDeletion(pair: Pair): Promise<void> {
  await makeTopics(pair, { name: "grow" }, { name: "gone" });
  const grow = (count: number, assignments: number[][] | null = null, name = "grow") => ({
    name,
    count,
    assignments: assignments?.map((brokerIds) => ({ brokerIds })) ?? null,
  });
  const ask = (what: string, validateOnly: boolean, ...topics: Values[]) =>
    pair.same(what, PARTITIONS, 3, { topics, timeoutMs: 25_000, validateOnly });
  for (const count of [1, 0, -1]) await ask(`${count} partitions`, false, grow(count));
  await ask("partitions of a topic twice", false, grow(2), grow(3));
  for (const assignments of [[], [[2]], [[1, 1]], [[]], [[1], [1]]]) {
    await ask(`assignments ${JSON.stringify(assignments)}`, false, grow(2, assignments));
  }
  await ask("partitions, only checked", true, grow(2));
  await ask("partitions", false, grow(2, [[1]]));
  await metadata(pair, "grow");
  const dropped = (version: number, topics: Values[]) => ({
    ...(version >= 6 ? { topics } : { topicNames: topics.map(({ name }) => name ?? "") }),
    timeoutMs: 25_000,
  });
  const id = "ab".repeat(16);
  await pair.same("deletion refused", DELETE, 6, dropped(6, [{ name: "grow", topicId: id }, { name: null }]));
  await pair.same("deletion of unknown", DELETE, 6, dropped(6, [{ name: "x" }, { name: null, topicId: id }]));
  await pair.same(
    "deletion twice",
    DELETE,
    6,
    dropped(6, [{ name: "gone" }, { name: "x" }, { name: "gone" }]),
  );
  await pair.same("deletion", DELETE, 5, dropped(5, [{ name: "gone" }, { name: "x" }]));
  await metadata(pair, "gone");
  const items = (...pairs: [number, number][]) =>
    pairs.map(([partitionIndex, offset]) => ({ partitionIndex, offset }));
  await makeTopics(pair, { name: "compacted", configs: { "cleanup.policy": "compact" } });
  const wishes = {
    topics: [
      { name: "grow", partitions: items([0, -1], [1, 5], [2, 0]) },
      { name: "compacted", partitions: items([0, -1]) },
      { name: "x", partitions: items([0, 0]) },
    ],
    timeoutMs: 25_000,
  };
  await pair.agree("records", RECORDS, 2, wishes);
  await pair.agree("folders", LOG_DIRS, 4, {
    topics: [{ topic: "grow", partitions: [0, 1, 9] }, { topic: "x", partitions: [0] }],
  });
}

async function settings(pair: Pair): Promise<void> {
  const configs = { "cleanup.policy": " compact , delete ", "retention.ms": " 5 ", "preallocate": "TRUE" };
  await makeTopics(pair, { name: "cfg" }, { name: "set", configs });
  const described = (name: string, type = 2, configurationKeys: string[] | null = null) => ({
    resources: [{ resourceType: type, resourceName: name, configurationKeys }],
    includeSynonyms: true,
    includeDocumentation: true,
  });
  // Of Kafka's defaults this one alone is set for all brokers, by a feature of its own.
  const names = (await settingNames(pair, described("cfg"))).filter((name) => name !== "min.insync.replicas");
  for (const name of ["cfg", "set"]) {
    for (const version of [1, 2, 3, 4]) {
      const values: Values = described(name, 2, names);
      if (version < 3) delete values.includeDocumentation;
      await pair.agree(`settings of ${name} v${version}`, CONFIGS, version, values);
    }
  }
  for (const [type, name] of [[2, "x"], [2, "a b"], [2, ""], [4, "2"], [4, "x"], [8, "2"]] as const) {
    await pair.same(`settings of ${type} ${name}`, CONFIGS, 4, described(name, type));
  }
  const now = (what: string) => pair.agree(what, CONFIGS, 4, described("cfg", 2, names));
  const alter = async (what: string, set: [string, string | null][], name = "cfg", validateOnly = false) => {
    const configs = set.map(([key, value]) => ({ name: key, value }));
    await pair.same(what, ALTER, 2, {
      resources: [{ resourceType: 2, resourceName: name, configs }],
      validateOnly,
    });
    await now(what);
  };
  await alter("altered", [["retention.bytes", "100"], ["segment.ms", "9"]]);
  await alter("altered, only checked", [["retention.bytes", "200"]], "cfg", true);
  await alter("altered to nonsense", [["retention.bytes", "x"]]);
  await alter("altered to nothing", [["retention.bytes", null]]);
  await alter("altered by an unknown name", [["nope", "1"]]);
  await alter("altered twice", [["retention.ms", "1"], ["retention.ms", "2"]]);
  for (const name of ["nobody", "a b", ""]) await alter(`altered ${name}`, [["retention.ms", "1"]], name);
  await alter("all taken back", []);
  const step = async (what: string, ...steps: [string, number, string | null][]) => {
    const configs = steps.map(([name, configOperation, value]) => ({ name, configOperation, value }));
    const resources = [{ resourceType: 2, resourceName: "cfg", configs }];
    await pair.same(what, INCREMENTAL, 1, { resources, validateOnly: false });
    await now(what);
  };
  await step("set and appended", ["retention.ms", 0, "1000"], ["cleanup.policy", 2, "compact"]);
  await step("deleted and subtracted", ["retention.ms", 1, null], ["cleanup.policy", 3, "delete"]);
  await step("appended what is there", ["cleanup.policy", 2, "delete,compact"]);
  await step("subtracted what is not", ["cleanup.policy", 3, "foo"]);
  await step("subtracted all", ["cleanup.policy", 3, "compact,delete"]);
  await step("deleted", ["cleanup.policy", 1, "x"], ["nope", 1, null]);
  await step("subtracted from the default", ["cleanup.policy", 3, "compact"]);
  await step("null", ["retention.ms", 0, null], ["cleanup.policy", 2, null]);
  await step("appended to a number", ["retention.ms", 2, "1"]);
  await step("subtracted from the unknown", ["nope", 3, "1"]);
  await step("unknown", ["nope", 0, "1"]);
  await step("twice", ["retention.ms", 0, "1"], ["retention.ms", 1, null]);
}

async function settingNames(pair: Pair, values: Values): Promise<string[]> {
  const [ours, theirs] = (await pair.ask(CONFIGS, 4, values)).map(({ results }) => {
    const [found] = results as Values[];
    return (found?.configs as Values[]).map(({ name }) => String(name)).sort();
  });
  assertEquals(ours, theirs, "the names of all settings");
  return ours ?? [];
}

/** A consumer's metadata: it reads topic "t". */
const readsT = Uint8Array.fromHex("0001" + "00000001" + "0001" + "74" + "ffffffff");

async function groups(pair: Pair): Promise<void> {
  await pair.agree("a coordinator", COORDINATOR, 4, { keyType: 0, coordinatorKeys: ["g", ""] });
  await pair.agree("offsets of nobody", OFFSETS, 8, {
    groups: [{ groupId: "g", topics: null }],
    requireStable: false,
  });
  await pair.same("types of coordinators", COORDINATOR, 2, { key: "g", keyType: 0 });
  for (let version = 0; version <= 5; version++) {
    const more = version >= 3 ? { includeAuthorizedOperations: true } : {};
    await pair.same(`unknown groups v${version}`, DESCRIBE, version, { groups: ["nobody", ""], ...more });
  }
  await pair.same("deletion of unknown groups", DELETE_GROUPS, 2, { groupsNames: ["nobody", "", "nobody"] });
  for (const groupId of ["nobody", ""]) {
    const topics = [{ name: "t", partitions: [{ partitionIndex: 0 }] }];
    await pair.same(`offset deletion of "${groupId}"`, OFFSET_DELETE, 0, { groupId, topics });
  }
  const joining = {
    groupId: "g",
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 30_000,
    protocolType: "consumer",
  };
  const protocols = [{ name: "range", metadata: readsT }];
  for (
    const wrong of [
      { groupId: "" },
      { sessionTimeoutMs: 5_999 },
      { sessionTimeoutMs: 1_800_001 },
      {
        protocolType: "",
      },
      { protocols: [] },
      { memberId: "x" },
    ]
  ) {
    await pair.same(`join with ${JSON.stringify(wrong)}`, JOIN, 5, {
      ...joining,
      memberId: "",
      protocols,
      ...wrong,
    });
  }
  for (const side of [pair.ours, pair.theirs]) {
    const told = await side.client.ask(JOIN, 5, { ...joining, memberId: "", protocols });
    side.memberId = String(told.memberId);
  }
  const seen = async (what: string) => {
    for (let version = 0; version <= 5; version++) {
      const more = version >= 3 ? { includeAuthorizedOperations: version === 4 } : {};
      await pair.same(`${what} v${version}`, DESCRIBE, version, { groups: ["g"], ...more });
      const filters = { ...(version >= 4 && { statesFilter: [] }), ...(version >= 5 && { typesFilter: [] }) };
      await pair.same(`${what}, listed v${version}`, LIST, version, filters);
    }
  };
  await seen("announced");
  await pair.same("join", JOIN, 5, (side) => ({ ...joining, protocols, memberId: side.memberId }));
  await seen("joined");
  const assignment = Uint8Array.of(0xab);
  await pair.same("sync", SYNC, 3, ({ memberId }) => ({
    ...{ groupId: "g", generationId: 1, memberId, assignments: [{ memberId, assignment }] },
  }));
  await seen("stable");
  for (const statesFilter of [["stable"], ["Empty"], ["nonsense"], ["STABLE", "empty"]]) {
    await pair.same(`listed by ${statesFilter}`, LIST, 5, { statesFilter, typesFilter: [] });
  }
  for (const typesFilter of [["CLASSIC"], ["consumer"], ["nonsense"]]) {
    await pair.same(`listed by ${typesFilter}`, LIST, 5, { statesFilter: [], typesFilter });
  }
  await pair.same("deletion of a stable group", DELETE_GROUPS, 2, { groupsNames: ["g", "nobody"] });
  await offsets(pair);
  await pair.same("leave", LEAVE, 3, ({ memberId }) => ({ groupId: "g", members: [{ memberId }] }));
  await seen("left");
  await pair.same("deletion", DELETE_GROUPS, 1, { groupsNames: ["g"] });
  await seen("deleted");
}

/** What a member of group "g" commits and others delete. */
async function offsets(pair: Pair): Promise<void> {
  const place = (name: string, ...numbers: number[]) => ({
    name,
    partitions: numbers.map((partitionIndex) => ({
      partitionIndex,
      committedOffset: 5,
      committedMetadata: "m",
    })),
  });
  const commit = (what: string, values: Values) =>
    pair.same(what, COMMIT, 7, ({ memberId }) => ({
      ...{ groupId: "g", generationIdOrMemberEpoch: 1, memberId },
      topics: [place("t", 0, 1, 9), place("a.b", 0), place("x", 0)],
      ...values,
    }));
  await commit("commit", {});
  await commit("commit of another generation", { generationIdOrMemberEpoch: 2 });
  await commit("commit of nobody", { memberId: "x" });
  await commit("commit without a member", { generationIdOrMemberEpoch: -1, memberId: "" });
  await commit("commit to no group", { groupId: "x", memberId: "x" });
  const deleted = (groupId: string) => ({
    groupId,
    topics: ["t", "a.b", "x"].map((name) => ({ name, partitions: [{ partitionIndex: 0 }] })),
  });
  await pair.same("offset deletion", OFFSET_DELETE, 0, deleted("g"));
  const asked = [{ groupId: "g", topics: null }, { groupId: "x", topics: null }];
  await pair.same("offsets", OFFSETS, 8, { groups: asked, requireStable: false });
}

async function cluster(pair: Pair): Promise<void> {
  for (const includeClusterAuthorizedOperations of [true, false]) {
    await pair.same("cluster v0", CLUSTER, 0, { includeClusterAuthorizedOperations });
    for (const endpointType of [0, 1, 2, 3]) {
      const values = { includeClusterAuthorizedOperations, endpointType };
      await pair.same(`cluster of type ${endpointType}`, CLUSTER, 1, values);
    }
  }
}

const { ignore } = requires("apache-kafka");

Deno.test({
  name: "the embedded broker answers administration and group requests as Apache Kafka does, field by field",
  ignore,
  fn: async (t) => {
    // As `tailrace broker` has them.
    await using kafka = await ApacheKafka.open({
      "log.retention.ms": "86400000",
      "log.retention.bytes": "1073741824",
    });
    await using service = await Service.open({ command: "broker", settings: { RETENTION_MS: "86400000" } });
    const [ours, theirs] = [service.bootstrap, kafka.bootstrap].map((it) => Number(it.split(":")[1]));
    using first = await ProtocolClient.connect(ours ?? 0);
    using second = await ProtocolClient.connect(theirs ?? 0);
    const pair = new Pair({ client: first, memberId: "" }, { client: second, memberId: "" });
    await t.step("topics", () => topics(pair));
    await t.step("partitions, records, deletion", () => partitionsAndDeletion(pair));
    await t.step("settings", () => settings(pair));
    await t.step("groups and offsets", () => groups(pair));
    await t.step("cluster", () => cluster(pair));
  },
});
