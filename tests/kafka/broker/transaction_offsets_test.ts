/** Offsets that a transaction commits: held back until it ends, and what else may happen to them meanwhile. @module */

import { assertEquals } from "@std/assert";
import { type Broker, startBroker } from "../../../kafka/broker/mod.ts";
import { makeTopic, optionsFor, withFolder } from "./harness.ts";
import { type Producer, TransactionClient } from "./transaction_client.ts";

const UNSTABLE = 88;

interface Given {
  readonly broker: Broker;
  readonly client: TransactionClient;
  readonly producer: Producer;
  readonly clock: { ms: number };
}

/** A broker, and a producer whose transaction may commit offsets of group "g". */
function withHolder(test: (given: Given) => Promise<void>): Promise<void> {
  return withFolder(async (dataDir) => {
    const clock = { ms: 1_700_000_000_000 };
    await using broker = await startBroker(optionsFor(dataDir, { now: () => clock.ms }));
    await makeTopic(broker, "t", { partitions: 2 });
    using client = await TransactionClient.connect(broker.port);
    const producer = await client.init();
    await client.addGroup(producer, "g");
    await test({ broker, client, producer, clock });
  });
}

Deno.test("Offsets of a transaction count from its commit on; until then they are unstable to who asks for stable ones", () =>
  withHolder(async ({ client, producer }) => {
    await client.commitPlainly("g", [[0, 3]]);
    assertEquals(await client.commitOffsets(producer, "g", [[0, 7]]), [0]);
    assertEquals(await client.committed("g"), [0, 3]);
    assertEquals(await client.committed("g", { stable: true }), [UNSTABLE, -1]);
    assertEquals(await client.committed("g", { partition: 1, stable: true }), [0, -1]);
    assertEquals(await client.end(producer, true), 0);
    assertEquals(await client.committed("g", { stable: true }), [0, 7]);
  }));

Deno.test("Offsets of an aborted transaction never were", () =>
  withHolder(async ({ client, producer }) => {
    await client.commitOffsets(producer, "g", [[0, 7], [1, 8]]);
    assertEquals(await client.end(producer, false), 0);
    assertEquals(await client.committed("g", { stable: true }), [0, -1]);
    await client.addGroup(producer, "g");
    await client.commitOffsets(producer, "g", [[0, 9]]);
    await client.init(); // fences
    assertEquals(await client.committed("g", { stable: true }), [0, -1]);
  }));

Deno.test("The last offset a transaction committed for a partition is the one that counts", () =>
  withHolder(async ({ client, producer }) => {
    for (const offset of [7, 9, 8]) await client.commitOffsets(producer, "g", [[0, offset]]);
    await client.end(producer, true);
    assertEquals(await client.committed("g"), [0, 8]);
  }));

Deno.test("A commit outside of the transaction that came later wins", () =>
  withHolder(async ({ client, producer }) => {
    await client.commitOffsets(producer, "g", [[0, 7], [1, 7]]);
    await client.commitPlainly("g", [[0, 50]]);
    assertEquals(await client.committed("g", { stable: true }), [UNSTABLE, -1]);
    await client.end(producer, true);
    assertEquals(await client.committed("g"), [0, 50]);
    assertEquals(await client.committed("g", { partition: 1 }), [0, 7]);
  }));

Deno.test("Of two transactions the later offset wins, whichever ends first", () =>
  withHolder(async ({ broker, client, producer }) => {
    using other = await TransactionClient.connect(broker.port, { id: "other" });
    const second = await other.init();
    await other.addGroup(second, "g");
    await client.commitOffsets(producer, "g", [[0, 1], [1, 1]]);
    await other.commitOffsets(second, "g", [[0, 2], [1, 2]]);
    await client.commitOffsets(producer, "g", [[1, 3]]);
    await other.end(second, true);
    await client.end(producer, true);
    assertEquals(await client.committed("g"), [0, 2]);
    assertEquals(await client.committed("g", { partition: 1 }), [0, 3]);
  }));

Deno.test("TxnOffsetCommit is refused without a transaction, a group in it, or the right epoch", () =>
  withHolder(async ({ client, producer }) => {
    for (const version of [0, 1, 2, 3]) {
      const commit = (who: Producer, groupId = "g") =>
        client.commitOffsets(who, groupId, [[0, 1], [9, 1]], version);
      assertEquals(await commit(producer), [0, 3], `v${version}`);
      assertEquals(await commit(producer, "other"), [48, 3]);
      assertEquals(await commit(producer, ""), [24, 3]);
      assertEquals(await commit({ ...producer, id: 99 }), [49, 3]);
      assertEquals(await commit({ ...producer, epoch: 1 }), [47, 3]);
      assertEquals(await commit({ ...producer, epoch: -1 }), [47, 3]);
    }
    await client.end(producer, true);
    assertEquals(await client.commitOffsets(producer, "g", [[0, 1]]), [48]);
  }));

Deno.test("TxnOffsetCommit v3 checks the member that it names, and believes a producer that names none", () =>
  withHolder(async ({ broker, client, producer }) => {
    const commit = (memberId: string, generationId: number, groupInstanceId: string | null = null) =>
      client.commitOffsets(producer, "g", [[0, 1]], 3, { memberId, generationId, groupInstanceId });
    assertEquals(await commit("nobody", 3), [22], "the group is unknown");
    assertEquals(await commit("nobody", -1), [0], "the group has no members");
    using member = await TransactionClient.connect(broker.port);
    const join = (memberId: string) =>
      member.ask(11, 5, {
        ...{ groupId: "g", sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 10_000, memberId },
        groupInstanceId: null,
        protocolType: "consumer",
        protocols: [{ name: "range", metadata: new Uint8Array(0) }],
      });
    const memberId = String((await join("")).memberId);
    const generation = Number((await join(memberId)).generationId);
    assertEquals(await commit(memberId, generation), [0], "before it knows its partitions, too");
    assertEquals(await commit(memberId, generation + 1), [22]);
    assertEquals(await commit("nobody", generation), [25]);
    assertEquals(await commit("", generation), [25]);
    assertEquals(await commit("", -1), [0]);
    assertEquals(await commit(memberId, generation, "instance"), [25]);
  }));

Deno.test("A topic that is deleted takes the offsets with it that are held back for it", () =>
  withHolder(async ({ broker, client, producer }) => {
    await client.commitOffsets(producer, "g", [[0, 7]]);
    const topic = broker.state.log.topics.byName("t");
    if (topic !== undefined) await broker.state.log.topics.delete(topic);
    await makeTopic(broker, "t");
    assertEquals(await client.end(producer, true), 0);
    assertEquals(await client.committed("g", { stable: true }), [0, -1]);
  }));

Deno.test("A group is not forgotten while a transaction holds offsets of it back", () =>
  withHolder(async ({ broker, client, producer }) => {
    await client.commitOffsets(producer, "g", [[0, 7]]);
    assertEquals(await broker.state.offsets.expire(["g"], Infinity), []);
    assertEquals(broker.state.offsets.groups().map(({ id }) => id), ["g"]);
    await client.end(producer, true);
    assertEquals(await client.committed("g"), [0, 7]);
    assertEquals(await broker.state.offsets.expire(["g"], Number.MAX_SAFE_INTEGER), ["g"]);
  }));

Deno.test("OffsetFetch v8 tells of unstable offsets group by group, also when all are asked for", () =>
  withHolder(async ({ client, producer }) => {
    await client.commitPlainly("g", [[0, 3], [1, 4]]);
    await client.commitPlainly("calm", [[0, 5]]);
    await client.commitOffsets(producer, "g", [[0, 7]]);
    const fetched = async (requireStable: boolean) => {
      const groups = [{ groupId: "g", topics: null }, { groupId: "calm", topics: null }];
      const answer = await client.ask(9, 8, { groups, requireStable });
      const told = answer.groups as { topics: { partitions: Record<string, number>[] }[] }[];
      return told.map(({ topics }) =>
        topics[0]?.partitions.map(({ committedOffset, errorCode }) => [committedOffset, errorCode])
      );
    };
    assertEquals(await fetched(true), [[[-1, UNSTABLE], [4, 0]], [[5, 0]]]);
    assertEquals(await fetched(false), [[[3, 0], [4, 0]], [[5, 0]]]);
  }));

Deno.test("OffsetDelete and DeleteGroups take what is held back with them, whatever the transaction does then", () =>
  withHolder(async ({ client, producer }) => {
    await client.commitOffsets(producer, "g", [[0, 7], [1, 8]]);
    const topics = [{ name: "t", partitions: [{ partitionIndex: 0 }] }];
    assertEquals((await client.ask(47, 0, { groupId: "g", topics })).errorCode, 0);
    assertEquals(await client.committed("g", { stable: true }), [0, -1]);
    assertEquals(await client.committed("g", { partition: 1, stable: true }), [UNSTABLE, -1]);
    await client.end(producer, true);
    assertEquals(await client.committed("g"), [0, -1]);
    assertEquals(await client.committed("g", { partition: 1 }), [0, 8]);
    await client.addGroup(producer, "g");
    await client.commitOffsets(producer, "g", [[1, 9]]);
    await client.ask(42, 2, { groupsNames: ["g"] });
    await client.end(producer, true);
    assertEquals(await client.committed("g", { partition: 1, stable: true }), [0, -1]);
  }));
