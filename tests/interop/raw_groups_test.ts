/** Members of a group on the embedded broker and on Apache Kafka: the same joins, syncs, heartbeats, commits and leaves,
 * some of them parked while others come, and the transcripts of both side by side.
 *
 * Ids are written as M1, M2 … in the order of their coming. Left out: real clients, which have suites of their own.
 * @module */
import { assertEquals } from "@std/assert";
import { ApacheKafka } from "../apache_kafka.ts";
import { eventually } from "../eventually.ts";
import { ProtocolClient } from "../protocol/client.ts";
import type { Value, Values } from "../protocol/codec.ts";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";

const COMMIT = 8, COORDINATOR = 10, JOIN = 11, BEAT = 12, LEAVE = 13, SYNC = 14, DESCRIBE = 15, CREATE = 19;

/** One protocol with a byte of metadata. */
const speaks = (name: string, metadata = 0) => ({ protocols: [{ name, metadata: Uint8Array.of(metadata) }] });
const assigned = (memberId: string, byte: number) => ({ memberId, assignment: Uint8Array.of(byte) });

/** One group on one broker; each of its members has a connection of its own, as Kafka answers one request at a time. */
class Transcript implements Disposable {
  readonly lines: string[] = [];
  readonly #ids = new Map<string, string>();
  readonly #clients: ProtocolClient[] = [];

  private constructor(readonly group: string, clients: ProtocolClient[]) {
    this.#clients = clients;
  }

  static async open(group: string, port: number): Promise<Transcript> {
    const clients = await Promise.all(Array.from({ length: 5 }, () => ProtocolClient.connect(port)));
    return new Transcript(group, clients);
  }

  /** Writes down what was answered. */
  async says(what: string, answer: Promise<Values>): Promise<Values> {
    const told = await answer;
    const { memberId } = told;
    if (typeof memberId === "string" && memberId !== "" && !this.#ids.has(memberId)) {
      this.#ids.set(memberId, `M${this.#ids.size + 1}`);
    }
    let line = JSON.stringify(plain(told));
    for (const [id, name] of this.#ids) line = line.replaceAll(id, name);
    // Kafka names members in no order that means something.
    const { members, ...rest } = JSON.parse(line) as { members?: unknown[] };
    const named = members?.map((member) => JSON.stringify(member)).sort() ?? [];
    this.lines.push([what, JSON.stringify(rest), ...named].join(" "));
    return told;
  }

  join(client: number, more: Values = {}, version = 7): Promise<Values> {
    return this.#ask(client, JOIN, version, {
      ...{ sessionTimeoutMs: 60_000, rebalanceTimeoutMs: 10_000, memberId: "", protocolType: "consumer" },
      ...{ ...speaks("range"), ...more },
    });
  }

  /** Announces a member. @returns its id */
  async announced(client: number): Promise<string> {
    return String((await this.says("announced", this.join(client))).memberId);
  }

  sync(
    client: number,
    generationId: number,
    memberId: string,
    more: Values = {},
    version = 3,
  ): Promise<Values> {
    return this.#ask(client, SYNC, version, { generationId, memberId, assignments: [], ...more });
  }

  beat(client: number, generationId: number, memberId: string, more: Values = {}): Promise<Values> {
    return this.#ask(client, BEAT, 3, { generationId, memberId, ...more });
  }

  commit(client: number, generation: number, memberId: string, more: Values = {}): Promise<Values> {
    const topics = [{
      name: "t",
      partitions: [{ partitionIndex: 0, committedOffset: 5, committedMetadata: null }],
    }];
    return this.#ask(client, COMMIT, 7, { generationIdOrMemberEpoch: generation, memberId, topics, ...more });
  }

  leave(client: number, ...members: Values[]): Promise<Values> {
    return this.#ask(client, LEAVE, 3, { members });
  }

  /** Waits until the group is in a state, with so many members. */
  async becomes(state: string, members: number): Promise<void> {
    await eventually(`${state} with ${members}`, async () => {
      const { groups } = await this.#ask(4, DESCRIBE, 4, { groups: [this.group] });
      const [found] = groups as Values[];
      return found?.groupState === state && (found.members as Values[]).length === members;
    });
    this.lines.push(`became ${state} with ${members}`);
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client[Symbol.dispose]();
  }

  #ask(client: number, key: number, version: number, values: Values): Promise<Values> {
    const asked = this.#clients[client];
    if (asked === undefined) throw new RangeError(`There is no client ${client}`);
    return asked.ask(key, version, key === DESCRIBE ? values : { groupId: this.group, ...values });
  }
}

/** A copy with bytes as hex digits, without what every answer has. */
function plain(value: Value | undefined): unknown {
  if (value instanceof Uint8Array) return value.toHex();
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).filter(([name]) => name !== "throttleTimeMs");
  return Object.fromEntries(fields.map(([name, field]) => [name, plain(field)]));
}

/** A static member is replaced, again and again. */
async function staticMembers(t: Transcript): Promise<void> {
  const named = { groupInstanceId: "i1" };
  const first = await t.says("join", t.join(0, named));
  const id = String(first.memberId);
  await t.says("sync", t.sync(0, 1, id, { ...named, assignments: [assigned(id, 1)] }));
  const second = await t.says("replaced, v7", t.join(1, named));
  await t.says("fenced beat", t.beat(0, 1, id, named));
  await t.says("unknown beat", t.beat(0, 1, id));
  await t.says("fenced sync", t.sync(0, 1, id, named));
  await t.says("fenced commit", t.commit(0, 1, id, named));
  await t.says("fenced leave", t.leave(0, { memberId: id, ...named }));
  await t.says("sync", t.sync(1, 1, String(second.memberId), named));
  const third = await t.says("replaced, v9", t.join(2, named, 9));
  await t.says("sync", t.sync(2, 1, String(third.memberId), named));
  const fourth = await t.says("other metadata", t.join(2, { ...named, ...speaks("range", 7) }));
  await t.says("sync", t.sync(2, 1, String(fourth.memberId), named));
  await t.says("other protocol", t.join(2, { ...named, ...speaks("roundrobin") }));
  await t.says("unknown name", t.beat(0, 1, "x", { groupInstanceId: "i9" }));
  await t.says("another id", t.join(3, { ...named, memberId: "x" }));
  await t.says("another name", t.join(3, { memberId: "x", groupInstanceId: "i9" }));
  const nobody = { memberId: "", groupInstanceId: "i9" };
  await t.says("leave by name", t.leave(3, { memberId: "", ...named }, nobody));
  await t.becomes("Empty", 0);
}

/** Members come, leave and are silent while others are parked. */
async function dynamicMembers(t: Transcript): Promise<void> {
  const a = await t.announced(0);
  await t.says("join", t.join(0, { memberId: a }));
  await t.says("commit before the assignment", t.commit(0, 1, a));
  await t.says("beat before the assignment", t.beat(0, 1, a));
  await t.says("join repeated", t.join(0, { memberId: a }));
  await t.says("sync", t.sync(0, 1, a, { assignments: [assigned(a, 10), assigned("nobody", 11)] }));
  await t.says("sync repeated", t.sync(0, 1, a, { assignments: [assigned(a, 12)] }));
  await t.says("sync of another generation", t.sync(0, 7, a));
  const names = { protocolType: "consumer", protocolName: "range" };
  await t.says("sync of another type", t.sync(0, 1, a, { ...names, protocolType: "x" }, 5));
  await t.says("sync of another protocol", t.sync(0, 1, a, { ...names, protocolName: "x" }, 5));
  await t.says("sync v5", t.sync(0, 1, a, names, 5));
  await t.says("join of another type", t.join(1, { protocolType: "connect" }));
  await t.says("join of another protocol", t.join(1, speaks("sticky")));
  const b = await t.announced(1);
  await t.says("beat while one is announced", t.beat(0, 1, a));
  const joins = t.join(1, { memberId: b });
  await t.becomes("PreparingRebalance", 2);
  await t.says("beat while rebalancing", t.beat(0, 1, a));
  await t.says("commit while rebalancing", t.commit(0, 1, a));
  await t.says("sync while rebalancing", t.sync(0, 1, a));
  await t.says("beat of who joins", t.beat(2, 1, b));
  await t.says("rejoin", t.join(0, { memberId: a, ...speaks("range", 1) }));
  await t.says("join", joins);
  await threeMembers(t, a, b);
}

/** A third member interrupts the sync of two, which go on as three, then shrink to one. */
async function threeMembers(t: Transcript, a: string, b: string): Promise<void> {
  const parked = t.sync(1, 2, b);
  await t.says("beat while parked", t.beat(2, 2, b));
  const c = await t.announced(3);
  const third = t.join(3, { memberId: c });
  await t.says("sync interrupted", parked);
  const joins = [t.join(0, { memberId: a }), t.join(1, { memberId: b }), third];
  for (const join of joins) await t.says("join of three", join);
  const syncs = [t.sync(1, 3, b), t.sync(3, 3, c)];
  await t.says("sync", t.sync(0, 3, a, { assignments: [assigned(a, 1), assigned(b, 2)] }));
  for (const sync of syncs) await t.says("sync of a follower", sync);
  await t.says("follower joins again", t.join(1, { memberId: b }));
  const again = t.join(0, { memberId: a });
  await t.becomes("PreparingRebalance", 3);
  await t.says("leave", t.leave(2, { memberId: b }));
  await t.says("leader joins again, without the silent one", again);
  await t.says("beat of the silent one", t.beat(3, 4, c));
  await t.says("sync", t.sync(0, 4, a, { assignments: [assigned(a, 1)] }));
  const d = await t.announced(1);
  const leaving = t.join(1, { memberId: d });
  await t.becomes("PreparingRebalance", 2);
  await t.says("leave of who joins", t.leave(2, { memberId: d }));
  await t.says("join of who left", leaving);
  await t.says("leave of the announced", t.leave(2, { memberId: await t.announced(3) }, { memberId: "x" }));
}

/** Waits until a broker coordinates groups, and makes the topic that offsets are committed for. */
async function prepare(port: number): Promise<void> {
  using client = await ProtocolClient.connect(port);
  await eventually("a coordinator", async () => {
    const { coordinators } = await client.ask(COORDINATOR, 4, { keyType: 0, coordinatorKeys: ["g"] });
    const { groups } = await client.ask(DESCRIBE, 0, { groups: ["g"] });
    return [...coordinators as Values[], ...groups as Values[]].every(({ errorCode }) => errorCode === 0);
  }, 60_000);
  const topic = { name: "t", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
  await client.ask(CREATE, 4, { topics: [topic], timeoutMs: 25_000, validateOnly: false });
}

const { ignore } = requires("apache-kafka");

Deno.test({
  name: "the embedded broker leads groups as Apache Kafka does, answer by answer",
  ignore,
  fn: async (t) => {
    await using kafka = await ApacheKafka.open();
    await using service = await Service.open({ command: "broker" });
    const ports = [service.bootstrap, kafka.bootstrap].map((it) => Number(it.split(":")[1]));
    for (const port of ports) await prepare(port);
    for (const scenario of [staticMembers, dynamicMembers]) {
      await t.step(scenario.name, async () => {
        const [ours, theirs] = await Promise.all(ports.map(async (port) => {
          using transcript = await Transcript.open(scenario.name, port);
          await scenario(transcript);
          return transcript.lines;
        }));
        assertEquals(ours, theirs);
      });
    }
  },
});
