import { assertEquals, assertGreater } from "@std/assert";
import type { Broker } from "../../../../kafka/broker/mod.ts";
import { encodingOf } from "../encodings.ts";
import { makeTopic, produceRecords, withBroker } from "../harness.ts";
import { hex16, hex32, hex64 } from "../raw_client.ts";

type Topics = Readonly<Record<string, readonly number[]>>;

function bodyOf(version: number, topics: Topics | null): string {
  const { text, list, structs, nullList, tags } = encodingOf(version, 2);
  if (topics === null) return nullList + tags;
  return structs(Object.entries(topics).map(([name, numbers]) => text(name) + list(numbers.map(hex32)))) +
    tags;
}

/** The answer without the sizes of the disk, which are 16 bytes before `tail` from v4 on. */
function answerOf(version: number, broker: Broker, topics: Topics): { head: string; tail: string } {
  const { text, structs, list, tags } = encodingOf(version, 2);
  const items = Object.entries(topics).map(([name, numbers]) =>
    text(name) + structs(numbers.map((number) => {
      const bytes = broker.state.log.partition(name, number)?.bytes ?? -1;
      return hex32(number) + hex64(bytes) + hex64(0) + "00";
    }))
  );
  const folder = hex16(0) + text(broker.state.store.dataDir) + structs(items);
  const head = hex32(0) + (version >= 3 ? hex16(0) : "") + list([folder]);
  return { head, tail: tags + tags };
}

Deno.test("DescribeLogDirs v1 to v4 tells the sizes of partitions, of all or of some", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { partitions: 2 });
    await makeTopic(broker, "u");
    await produceRecords(client, "t", [{ value: "some bytes" }], {}, 1);
    assertGreater(broker.state.log.partition("t", 1)?.bytes ?? 0, 60);
    const wishes: [asked: Topics | null, found: Topics][] = [
      [null, { t: [0, 1], u: [0] }],
      [{}, {}],
      [{ t: [1, 7], x: [0] }, { t: [1] }],
      [{ t: [7] }, {}],
    ];
    for (let version = 1; version <= 4; version++) {
      for (const [asked, found] of wishes) {
        const body = bodyOf(version, asked);
        const answer = await client.ask({ key: 35, version, flexible: version >= 2, body });
        const { head, tail } = answerOf(version, broker, found);
        assertEquals(answer.slice(0, head.length), head, `v${version}`);
        const sizes = answer.slice(head.length, answer.length - tail.length);
        assertEquals(sizes.length, version >= 4 ? 32 : 0);
        if (version < 4) continue;
        const [total, usable] = [BigInt(`0x${sizes.slice(0, 16)}`), BigInt(`0x${sizes.slice(16)}`)];
        assertEquals(total >= usable && usable > 0n, true);
      }
    }
  }));
