import { assertEquals } from "@std/assert";
import { makeTopic, withBroker } from "../harness.ts";
import { hex16, hex32, hex64, type RawClient } from "../raw_client.ts";
import { breakable, Encoding, initialise } from "./transaction_requests.ts";

const VERSIONS = [0, 1, 2, 3];

interface Wish {
  readonly id?: string;
  readonly producerId?: number;
  readonly epoch?: number;
  readonly topics?: Readonly<
    Record<string, readonly (readonly [partition: number, metadata: string | null])[]>
  >;
}

/** A body that commits offset 5 of group "g". */
function bodyOf(
  encoding: Encoding,
  { id = "tx", producerId = 0, epoch = 0, topics = { t: [[0, "m"]] } }: Wish = {},
) {
  const { version } = encoding;
  const partition = (index: number, metadata: string | null) =>
    hex32(index) + hex64(5) + (version >= 2 ? hex32(3) : "") +
    (metadata === null ? encoding.nullString() : encoding.string(metadata));
  return encoding.string(id) + encoding.string("g") + hex64(producerId) + hex16(epoch) +
    (version >= 3 ? hex32(-1) + encoding.string("") + encoding.nullString() : "") +
    encoding.array(
      Object.entries(topics).map(([name, items]) =>
        encoding.string(name) + encoding.array(items.map(([index, metadata]) => partition(index, metadata)))
      ),
    );
}

async function addGroup(client: RawClient): Promise<void> {
  await initialise(client);
  const adding = new Encoding(25, 0);
  await adding.ask(client, adding.claim(0, 0) + adding.string("g"));
}

Deno.test("TxnOffsetCommit answers v0 to v3, each partition in its place, and keeps all it was told", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { partitions: 2 });
    await addGroup(client);
    for (const version of VERSIONS) {
      const encoding = new Encoding(28, version);
      const topics = { t: [[1, null], [9, "m"], [0, "m"]], nope: [[0, "m"]] } as const;
      assertEquals(
        await encoding.ask(client, bodyOf(encoding, { topics })),
        encoding.errors({ t: [[1, 0], [9, 3], [0, 0]], nope: [[0, 3]] }),
        `v${version}`,
      );
    }
    const ending = new Encoding(26, 0);
    await ending.ask(client, ending.claim(0, 0) + "01");
    assertEquals(broker.state.offsets.fetchAll("g"), [
      { topic: "t", partition: 0, offset: 5, leaderEpoch: 3, metadata: "m" },
      { topic: "t", partition: 1, offset: 5, leaderEpoch: 3, metadata: "" },
    ]);
  }));

Deno.test("TxnOffsetCommit refuses wrong producers, which no version knows as fenced, and notes that are too long", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    await addGroup(client);
    for (const version of VERSIONS) {
      const encoding = new Encoding(28, version);
      const cases: [wish: Wish, error: number][] = [
        [{ epoch: 1 }, 47],
        [{ producerId: 1 }, 49],
        [{ id: "other" }, 49],
        [{ id: "" }, 42],
      ];
      for (const [wish, error] of cases) {
        assertEquals(
          await encoding.ask(client, bodyOf(encoding, wish)),
          encoding.errors({ t: [[0, error]] }),
          `v${version}`,
        );
      }
    }
    const encoding = new Encoding(28, 2);
    const long = { t: [[0, "x".repeat(4_097)]] } as const;
    assertEquals(
      await encoding.ask(client, bodyOf(encoding, { topics: long })),
      encoding.errors({ t: [[0, 12]] }),
    );
  }));

Deno.test("TxnOffsetCommit makes clients ask again when the disk does not take it", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    await addGroup(client);
    const disk = breakable(broker.state.store);
    disk.failing = true;
    for (const version of VERSIONS) {
      const encoding = new Encoding(28, version);
      assertEquals(
        await encoding.ask(client, bodyOf(encoding)),
        encoding.errors({ t: [[0, 16]] }),
        `v${version}`,
      );
    }
    disk.failing = false;
    assertEquals(broker.state.offsets.isHeld("g", "t", 0), false);
  }));
