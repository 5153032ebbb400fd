import { assert, assertEquals, assertRejects } from "@std/assert";
import { KafkaError, requestTimeoutMs } from "../../kafka/connection.ts";
import { unknownOffset } from "../../kafka/cursor.ts";
import { CommittedPositions } from "../../kafka/positions.ts";
import { plainKafka } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { BrokerProxy, type Frame, metadataApi } from "./broker_proxy.ts";
import { SplitCluster } from "./split_cluster.ts";
import { connect, TestBroker } from "./test_broker.ts";

const offsetCommitApi = 8, offsetFetchApi = 9, findCoordinatorApi = 10;
const groupLoadInProgress = 14, coordinatorNotAvailable = 15, notCoordinator = 16, groupForbidden = 30;

/** Positions of a broker through a proxy. */
class Ground implements AsyncDisposable {
  readonly #parts = new AsyncDisposableStack();
  broker!: TestBroker;
  proxy!: BrokerProxy;
  positions!: CommittedPositions;

  static async open(options: { timeoutMs?: number } = {}): Promise<Ground> {
    const ground = new Ground(), parts = ground.#parts;
    ground.broker = parts.use(await TestBroker.open());
    ground.proxy = parts.use(new BrokerProxy({ hostname: "127.0.0.1", port: ground.broker.broker.port }));
    ground.positions = parts.use(
      new CommittedPositions(parts.use(connect(ground.proxy.bootstrap)), options),
    );
    await ground.broker.createTopic("t", 3);
    return ground;
  }

  /** The next answers of an API hold an error, `times` of them. */
  fail(api: number, error: number, times: number): void {
    this.proxy.onAnswer = (answer) => {
      if (answer.api !== api || times-- <= 0) return "pass";
      return withError(answer, error);
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

/** An answer with an error in place of its own: behind the throttle time, or at its end. */
function withError({ api, bytes }: Frame, error: number): Uint8Array {
  const at = api === findCoordinatorApi ? 12 : bytes.length - 2;
  new DataView(bytes.buffer, bytes.byteOffset).setInt16(at, error);
  return bytes;
}

Deno.test("CommittedPositions.read() has what was committed, by group and topic", async () => {
  await using ground = await Ground.open();
  const { positions } = ground;
  await ground.broker.createTopic("other");
  assertEquals(await positions.read("viewer-a", "t"), null);
  await positions.commit("viewer-a", "t", [5, unknownOffset, 7]);
  assertEquals(await positions.read("viewer-a", "t"), [5, unknownOffset, 7]);
  await positions.commit("viewer-a", "t", [unknownOffset, 2 ** 40]);
  assertEquals(await positions.read("viewer-a", "t"), [5, 2 ** 40, 7], "those that are not known stay");
  await positions.commit("viewer-a", "t", [3]);
  assertEquals(await positions.read("viewer-a", "t"), [3, 2 ** 40, 7], "also back");
  assertEquals(await positions.read("viewer-b", "t"), null);
  assertEquals(await positions.read("viewer-a", "other"), null);
  const commits = ground.proxy.count(offsetCommitApi);
  await positions.commit("viewer-a", "t", [unknownOffset, unknownOffset]);
  assertEquals(ground.proxy.count(offsetCommitApi), commits, "nothing is asked for nothing");
});

Deno.test("CommittedPositions needs no membership, and is seen by other clients", async () => {
  await using ground = await Ground.open();
  await ground.positions.commit("viewer-a", "t", [1, 2, 3]);
  const admin = plainKafka(ground.broker.bootstrap).admin();
  await admin.connect();
  try {
    const [found] = await admin.fetchOffsets({ groupId: "viewer-a", topics: ["t"] });
    assertEquals(found!.partitions.map(({ offset }) => offset), ["1", "2", "3"]);
    const { groups: [group] } = await admin.describeGroups(["viewer-a"]);
    assertEquals([group!.state, group!.members], ["Empty", []]);
  } finally {
    await admin.disconnect();
  }
});

Deno.test("CommittedPositions.commit() says what Kafka refuses, and tries it once", async () => {
  await using ground = await Ground.open();
  const { positions } = ground;
  const missing = await assertRejects(() => positions.commit("viewer-a", "missing", [1]), KafkaError);
  assertEquals(missing.code, "UNKNOWN_TOPIC_OR_PARTITION");
  const beyond = await assertRejects(() => positions.commit("viewer-a", "t", [1, 1, 1, 1]), KafkaError);
  assertEquals(beyond.code, "UNKNOWN_TOPIC_OR_PARTITION");
  ground.fail(offsetCommitApi, groupForbidden, 1);
  const forbidden = await assertRejects(() => positions.commit("viewer-b", "t", [1]), KafkaError);
  assertEquals(forbidden.code, "GROUP_AUTHORIZATION_FAILED");
  assertEquals(ground.proxy.count(offsetCommitApi), 3);
});

Deno.test("CommittedPositions.commit() leaves a group alone that a consumer has joined", async () => {
  await using ground = await Ground.open();
  const consumer = plainKafka(ground.broker.bootstrap).consumer({ groupId: "viewer-a", maxWaitTimeInMs: 50 });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic: "t" });
    const joined = Promise.withResolvers<void>();
    consumer.on(consumer.events.GROUP_JOIN, () => joined.resolve());
    await consumer.run({ eachMessage: () => Promise.resolve() });
    await joined.promise;
    const refused = await assertRejects(() => ground.positions.commit("viewer-a", "t", [1]), KafkaError);
    assertEquals(refused.code, "UNKNOWN_MEMBER_ID");
  } finally {
    await consumer.disconnect();
  }
});

Deno.test("CommittedPositions looks for a coordinator once, and again when that is no longer it", async () => {
  await using ground = await Ground.open();
  const { positions, proxy } = ground;
  for (let next = 1; next <= 5; next++) await positions.commit("viewer-a", "t", [next]);
  assertEquals([proxy.count(findCoordinatorApi), proxy.count(metadataApi)], [1, 1]);
  await positions.commit("viewer-b", "t", [1]);
  assertEquals([proxy.count(findCoordinatorApi), proxy.count(metadataApi)], [2, 1]);

  for (
    const [api, error] of [
      [findCoordinatorApi, coordinatorNotAvailable],
      [offsetCommitApi, notCoordinator],
      [offsetCommitApi, groupLoadInProgress],
      [offsetFetchApi, notCoordinator],
      [offsetFetchApi, groupLoadInProgress],
    ] as const
  ) {
    const group = `viewer-${api}-${error}`;
    ground.fail(api, error, 3);
    await positions.commit(group, "t", [6]);
    assertEquals(await positions.read(group, "t"), [6], group);
  }
});

Deno.test("CommittedPositions goes with a group's coordinator from node to node, also when the one before is dead", async () => {
  await using broker = await TestBroker.open();
  await broker.createTopic("t");
  await using cluster = new SplitCluster(broker.broker.port, 3);
  await using kafka = connect(cluster.node(1).bootstrap, cluster.node(2).bootstrap);
  await using positions = new CommittedPositions(kafka);
  let coordinator = 2;
  cluster.nodes.forEach((node, i) => {
    node.onAnswer = (answer) => {
      if (answer.api === findCoordinatorApi) return withCoordinator(answer, coordinator);
      const isOfGroup = answer.api === offsetCommitApi || answer.api === offsetFetchApi;
      return isOfGroup && coordinator !== i + 1 ? withError(answer, notCoordinator) : "pass";
    };
  });
  await positions.commit("viewer-a", "t", [1]);
  assertEquals([1, 2, 3].map((id) => cluster.node(id).count(offsetCommitApi)), [0, 1, 0]);
  coordinator = 3;
  await positions.commit("viewer-a", "t", [2]);
  assertEquals(await positions.read("viewer-a", "t"), [2]);
  assertEquals([1, 2, 3].map((id) => cluster.node(id).count(offsetCommitApi)), [0, 2, 1]);
  await cluster.node(3).stop();
  const waiting = positions.commit("viewer-a", "t", [3]);
  await new Promise((resolve) => setTimeout(resolve, 200));
  coordinator = 1;
  await waiting;
  assertEquals(await positions.read("viewer-a", "t"), [3]);
});

/** An answer to FindCoordinator that names another node: behind the throttle time, the error and its message. */
function withCoordinator({ bytes }: Frame, node: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setInt32(16 + Math.max(0, view.getInt16(14)), node);
  return bytes;
}

Deno.test("CommittedPositions goes on when the broker was away for a moment", async () => {
  await using ground = await Ground.open();
  const { positions, proxy } = ground;
  await positions.commit("viewer-a", "t", [1]);
  await proxy.stop();
  const committing = positions.commit("viewer-a", "t", [2]);
  const reading = positions.read("viewer-b", "t");
  await new Promise((resolve) => setTimeout(resolve, 100));
  proxy.start();
  await committing;
  assertEquals(await reading, null);
  assertEquals(await positions.read("viewer-a", "t"), [2]);
  proxy.onAnswer = ({ api }) => api === offsetCommitApi ? "cut" : "pass";
  const cut = positions.commit("viewer-a", "t", [3]);
  await eventually("a commit that was cut", () => proxy.count(offsetCommitApi) >= 3);
  proxy.onAnswer = () => "pass";
  await cut;
  assertEquals(await positions.read("viewer-a", "t"), [3]);
});

Deno.test("CommittedPositions fails in time when Kafka is away or silent", async () => {
  await using ground = await Ground.open({ timeoutMs: 2_000 });
  const { positions, proxy } = ground;
  await positions.commit("viewer-a", "t", [1]);
  const failsInTime = async () => {
    const began = performance.now();
    const read = await assertRejects(() => positions.read("viewer-a", "t"), KafkaError);
    const commit = await assertRejects(() => positions.commit("viewer-b", "t", [1]), KafkaError);
    assertEquals([read.code, commit.code], ["UNREACHABLE", "UNREACHABLE"]);
    const ms = performance.now() - began;
    assert(ms < requestTimeoutMs - 2_000, `${ms} ms`);
  };
  proxy.onAnswer = () => "drop";
  await failsInTime();
  proxy.onAnswer = () => "pass";
  await proxy.stop();
  await failsInTime();
  proxy.start();
  assertEquals(await positions.read("viewer-a", "t"), [1]);
});
