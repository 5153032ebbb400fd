import { assertEquals } from "@std/assert";
import type { Broker } from "../../../../kafka/broker/mod.ts";
import { makeTopic, withBroker } from "../harness.ts";
import { compact, hex16, hex32, str } from "../raw_client.ts";

const NO_OPERATIONS = "80000000";
const NO_ID = "00".repeat(16);

interface Wanted {
  readonly name?: string;
  readonly uuid?: string;
}

/** null asks for all topics. */
function bodyOf(version: number, topics: readonly Wanted[] | null, mayCreate = false): string {
  const flexible = version >= 9;
  const items = (topics ?? []).map(({ name, uuid = NO_ID }) =>
    (version >= 10 ? uuid : "") +
    (name === undefined ? "00" : flexible ? compact(name) : str(name)) + (flexible ? "00" : "")
  );
  const count = topics === null
    ? (flexible ? "00" : "ffffffff")
    : flexible
    ? hex16(items.length + 1).slice(2)
    : hex32(items.length);
  return count + items.join("") + (version >= 4 ? (mayCreate ? "01" : "00") : "") +
    (version >= 8 && version <= 10 ? "00" : "") + (version >= 8 ? "00" : "") + (flexible ? "00" : "");
}

interface Topic extends Wanted {
  readonly error?: number;
  readonly partitions?: number;
}

function answerOf(version: number, broker: Broker, topics: readonly Topic[]): string {
  const flexible = version >= 9;
  const text = flexible ? compact : str;
  const tags = flexible ? "00" : "";
  const count = (n: number): string => flexible ? hex16(n + 1).slice(2) : hex32(n);
  const nodes = count(1) + hex32(1);
  const partition = (number: number): string =>
    hex16(0) + hex32(number) + hex32(1) + (version >= 7 ? hex32(0) : "") + nodes + nodes +
    (version >= 5 ? count(0) : "") + tags;
  const topic = ({ name, uuid = NO_ID, error = 0, partitions = 0 }: Topic): string =>
    hex16(error) + (name === undefined ? "00" : text(name)) + (version >= 10 ? uuid : "") +
    (version >= 1 ? "00" : "") +
    count(partitions) + Array.from({ length: partitions }, (_, number) => partition(number)).join("") +
    (version >= 8 ? NO_OPERATIONS : "") + tags;
  return (version >= 3 ? hex32(0) : "") + count(1) + hex32(1) + text("127.0.0.1") + hex32(broker.port) +
    (version >= 1 ? (flexible ? "00" : "ffff") : "") + tags + (version >= 2 ? text(broker.clusterId) : "") +
    (version >= 1 ? hex32(1) : "") + count(topics.length) + topics.map(topic).join("") +
    (version >= 8 && version <= 10 ? NO_OPERATIONS : "") + tags;
}

Deno.test("Metadata answers v0 to v12, each in its format: one topic, all, none, an unknown one", () =>
  withBroker(async (broker, client) => {
    const uuid = await makeTopic(broker, "t", { partitions: 2 });
    const known = { name: "t", uuid, partitions: 2 };
    for (let version = 0; version <= 12; version++) {
      const ask = (topics: readonly Wanted[] | null) =>
        client.ask({ key: 3, version, flexible: version >= 9, body: bodyOf(version, topics) });
      assertEquals(await ask([{ name: "t" }]), answerOf(version, broker, [known]), `v${version} one`);
      const all = version === 0 ? [] : null;
      assertEquals(await ask(all), answerOf(version, broker, [known]), `v${version} all`);
      if (version >= 1) assertEquals(await ask([]), answerOf(version, broker, []), `v${version} none`);
      if (version >= 4) {
        assertEquals(
          await ask([{ name: "u" }]),
          answerOf(version, broker, [{ name: "u", error: 3 }]),
          `v${version}`,
        );
      }
    }
  }));

Deno.test("Metadata v12 finds topics by id", () =>
  withBroker(async (broker, client) => {
    const uuid = await makeTopic(broker, "t");
    const unknown = "ab".repeat(16);
    const answer = await client.ask({
      key: 3,
      version: 12,
      flexible: true,
      body: bodyOf(12, [{ uuid }, { uuid: unknown }]),
    });
    assertEquals(
      answer,
      answerOf(12, broker, [{ name: "t", uuid, partitions: 1 }, { uuid: unknown, error: 100 }]),
    );
  }));

Deno.test("Metadata makes a missing topic when the client allows it, below v4 always, and answers with it", () =>
  withBroker(async (broker, client) => {
    for (let version = 0; version <= 12; version++) {
      const name = `made-${version}`;
      const body = bodyOf(version, [{ name }], true);
      const answer = await client.ask({ key: 3, version, flexible: version >= 9, body });
      const uuid = broker.state.log.topics.byName(name)?.uuid ?? "not made";
      assertEquals(answer, answerOf(version, broker, [{ name, uuid, partitions: 3 }]), `v${version}`);
    }
  }, { defaultPartitions: 3 }));

Deno.test("Metadata refuses bad and colliding names and names each topic once", () =>
  withBroker(async (broker, client) => {
    const uuid = await makeTopic(broker, "a.b");
    const names = ["a b", "..", "", "x".repeat(250), "a_b", "a.b", "a.b"];
    const body = bodyOf(8, names.map((name) => ({ name })), true);
    const expected = [
      ...names.slice(0, 5).map((name) => ({ name, error: 17 })),
      { name: "a.b", uuid, partitions: 1 },
    ];
    assertEquals(await client.ask({ key: 3, version: 8, body }), answerOf(8, broker, expected));
    assertEquals(broker.state.log.topics.size, 1);
  }));

Deno.test("Metadata v8 to v12 tells what one may do, of topics and, to v10, of the cluster, when asked", () =>
  withBroker(async (broker, client) => {
    const uuid = await makeTopic(broker, "t");
    for (let version = 8; version <= 12; version++) {
      const asked = version >= 9 ? 2 : 0; // digits of the tagged fields after the flags
      const plain = bodyOf(version, [{ name: "t" }, { name: "u" }]);
      const flags = version <= 10 ? "0101" : "01";
      const at = plain.length - asked - flags.length;
      const body = plain.slice(0, at) + flags + plain.slice(at + flags.length);
      const answer = await client.ask({ key: 3, version, flexible: version >= 9, body });
      const expected = answerOf(version, broker, [{ name: "t", uuid, partitions: 1 }, {
        name: "u",
        error: 3,
      }]);
      const topics = expected.replaceAll(NO_OPERATIONS, hex32(3576));
      const end = asked + 8;
      const cluster = topics.slice(0, -end) + hex32(8096) + topics.slice(topics.length - asked);
      assertEquals(answer, version <= 10 ? cluster : topics, `v${version}`);
    }
  }));

Deno.test("Metadata v12 takes ids over names", () =>
  withBroker(async (broker, client) => {
    const uuid = await makeTopic(broker, "t");
    await makeTopic(broker, "u");
    const unknown = "ab".repeat(16);
    const body = bodyOf(12, [{ name: "u", uuid }, { name: "u" }, { name: "u", uuid: unknown }]);
    assertEquals(
      await client.ask({ key: 3, version: 12, flexible: true, body }),
      answerOf(12, broker, [{ name: "t", uuid, partitions: 1 }, { uuid: unknown, error: 100 }]),
    );
  }));

Deno.test("Metadata tells of a colliding name that it is unknown to those who do not create", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "a.b");
    const answer = await client.ask({
      key: 3,
      version: 8,
      body: bodyOf(8, [{ name: "a_b" }, { name: "a b" }]),
    });
    assertEquals(answer, answerOf(8, broker, [{ name: "a_b", error: 3 }, { name: "a b", error: 17 }]));
  }));
