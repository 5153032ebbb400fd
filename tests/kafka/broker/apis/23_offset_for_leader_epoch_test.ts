import { assertEquals } from "@std/assert";
import { makeTopic, produceRecords, withBroker } from "../harness.ts";
import { compact, hex16, hex32, hex64, str } from "../raw_client.ts";

/** Partition, current leader epoch, leader epoch asked for. */
const WANTED = [[0, -1, 0], [0, 0, 0], [0, -1, 5], [0, -1, -1], [0, 3, 0], [0, -7, 0], [9, -1, 0]] as const;
/** Error, partition, leader epoch, end offset. */
const FOUND = [
  [0, 0, 0, 2],
  [0, 0, 0, 2],
  [0, 0, -1, -1],
  [0, 0, -1, -1],
  [75, 0, -1, -1],
  [74, 0, -1, -1],
  [3, 9, -1, -1],
] as const;

Deno.test("OffsetForLeaderEpoch answers v2 to v4: the one epoch ends where the log ends", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    await produceRecords(client, "t", [{ value: "a" }, { value: "b" }]);
    for (const version of [2, 3, 4]) {
      const flexible = version >= 4;
      const tags = flexible ? "00" : "";
      const count = (items: number) => flexible ? hex16(items + 1).slice(2) : hex32(items);
      const topics = (name: string, partitions: string[]) =>
        count(1) + (flexible ? compact(name) : str(name)) + count(partitions.length) +
        partitions.map((partition) => partition + tags).join("") + tags + tags;
      const wanted = WANTED.map((fields) => fields.map(hex32).join(""));
      const found = FOUND.map(([error, partition, epoch, end]) =>
        hex16(error) + hex32(partition) + hex32(epoch) + hex64(end)
      );
      const ask = (body: string) =>
        client.ask({ key: 23, version, flexible, body: (version >= 3 ? hex32(-1) : "") + body });
      assertEquals(await ask(topics("t", wanted)), hex32(0) + topics("t", found), `v${version}`);
      const unknown = hex16(3) + hex32(0) + hex32(-1) + hex64(-1);
      assertEquals(
        await ask(topics("nope", [wanted[0] ?? ""])),
        hex32(0) + topics("nope", [unknown]),
        `v${version}`,
      );
    }
  }));
