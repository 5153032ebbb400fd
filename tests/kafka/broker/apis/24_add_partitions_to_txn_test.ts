import { assertEquals } from "@std/assert";
import { makeTopic, withBroker } from "../harness.ts";
import { hex32 } from "../raw_client.ts";
import { breakable, Encoding, initialise } from "./transaction_requests.ts";

const VERSIONS = [0, 1, 2, 3];

/** Topics by name, with partition numbers. */
function topicsOf(encoding: Encoding, topics: Readonly<Record<string, readonly number[]>>): string {
  return encoding.array(
    Object.entries(topics).map(([name, partitions]) =>
      encoding.string(name) + encoding.array(partitions.map(hex32), { structs: false })
    ),
  );
}

Deno.test("AddPartitionsToTxn answers v0 to v3, each partition in its place", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { partitions: 2 });
    await makeTopic(broker, "u");
    await initialise(client);
    for (const version of VERSIONS) {
      const encoding = new Encoding(24, version);
      assertEquals(
        await encoding.ask(client, encoding.claim(0, 0) + topicsOf(encoding, { t: [1, 0], u: [0] })),
        encoding.errors({ t: [[1, 0], [0, 0]], u: [[0, 0]] }),
        `v${version}`,
      );
    }
  }));

Deno.test("AddPartitionsToTxn adds nothing when one partition is unknown", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    await initialise(client);
    for (const version of VERSIONS) {
      const encoding = new Encoding(24, version);
      assertEquals(
        await encoding.ask(client, encoding.claim(0, 0) + topicsOf(encoding, { t: [0, 7], nope: [0] })),
        encoding.errors({ t: [[0, 55], [7, 3]], nope: [[0, 3]] }),
        `v${version}`,
      );
    }
    assertEquals(broker.state.transactions.ongoing, 0);
  }));

Deno.test("AddPartitionsToTxn tells wrong producers apart, fenced ones by version", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    await initialise(client);
    for (const version of VERSIONS) {
      const encoding = new Encoding(24, version);
      const fenced = version >= 2 ? 90 : 47;
      const cases: [claim: string, error: number][] = [
        [encoding.claim(0, 1), fenced],
        [encoding.claim(0, -1), fenced],
        [encoding.claim(1, 0), 49],
        [encoding.claim(Number.MAX_SAFE_INTEGER, 0), 49],
        [encoding.claim(0, 0, "other"), 49],
        [encoding.claim(0, 0, ""), 42],
      ];
      for (const [claim, error] of cases) {
        const answer = await encoding.ask(client, claim + topicsOf(encoding, { t: [0] }));
        assertEquals(answer, encoding.errors({ t: [[0, error]] }), `v${version}`);
      }
    }
  }));

Deno.test("AddPartitionsToTxn makes clients ask again when the disk does not take it", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    await initialise(client);
    const disk = breakable(broker.state.store);
    const encoding = new Encoding(24, 3);
    const body = encoding.claim(0, 0) + topicsOf(encoding, { t: [0] });
    disk.failing = true;
    assertEquals(await encoding.ask(client, body), encoding.errors({ t: [[0, 16]] }));
    disk.failing = false;
    assertEquals(broker.state.transactions.ongoing, 0);
    assertEquals(await encoding.ask(client, body), encoding.errors({ t: [[0, 0]] }));
  }));
