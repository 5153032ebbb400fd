import { assertEquals } from "@std/assert";
import { withBroker } from "../harness.ts";
import { compact, hex16, hex32, hex64, str } from "../raw_client.ts";

Deno.test("InitProducerId answers v0 to v4 with a new id and epoch 0", () =>
  withBroker(async (_broker, client) => {
    let id = 0;
    for (const version of [0, 1]) {
      const answer = await client.ask({ key: 22, version, body: "ffff" + hex32(60_000) });
      assertEquals(answer, hex32(0) + hex16(0) + hex64(id++) + hex16(0), `v${version}`);
    }
    const two = await client.ask({ key: 22, version: 2, flexible: true, body: "00" + hex32(60_000) + "00" });
    assertEquals(two, hex32(0) + hex16(0) + hex64(id++) + hex16(0) + "00");
    for (const version of [3, 4]) {
      const body = "00" + hex32(60_000) + hex64(-1) + hex16(-1) + "00";
      const answer = await client.ask({ key: 22, version, flexible: true, body });
      assertEquals(answer, hex32(0) + hex16(0) + hex64(id++) + hex16(0) + "00", `v${version}`);
    }
  }));

const tx = { old: str("tx"), flexible: compact("tx") };
const refused = hex64(-1) + hex16(-1);

Deno.test("InitProducerId gives a transactional id its next epoch, in v0 to v4", () =>
  withBroker(async (_broker, client) => {
    let epoch = 0;
    for (const version of [0, 1]) {
      const answer = await client.ask({ key: 22, version, body: tx.old + hex32(60_000) });
      assertEquals(answer, hex32(0) + hex16(0) + hex64(0) + hex16(epoch++), `v${version}`);
    }
    for (const version of [2, 3, 4]) {
      const body = tx.flexible + hex32(60_000) + (version >= 3 ? hex64(-1) + hex16(-1) : "") + "00";
      const answer = await client.ask({ key: 22, version, flexible: true, body });
      assertEquals(answer, hex32(0) + hex16(0) + hex64(0) + hex16(epoch++) + "00", `v${version}`);
    }
  }));

Deno.test("InitProducerId answers a producer that names its epoch, and its repetition, and fences others", () =>
  withBroker(async (_broker, client) => {
    const ask = async (version: number, producerId: number, epoch: number) =>
      (await client.ask({
        ...{ key: 22, version, flexible: true },
        body: tx.flexible + hex32(60_000) + hex64(producerId) + hex16(epoch) + "00",
      })).slice(8);
    const granted = (epoch: number) => hex16(0) + hex64(0) + hex16(epoch) + "00";
    assertEquals(await ask(4, 7, 3), granted(0), "the id is new, whatever the producer was before");
    assertEquals(await ask(4, 0, 0), granted(1));
    assertEquals(await ask(4, 0, 0), granted(1), "sent again");
    assertEquals(await ask(3, 0, 1), granted(2));
    for (const [version, error] of [[3, 47], [4, 90]] as const) {
      for (const [producerId, epoch] of [[0, 0], [0, 3], [9, 2]] as const) {
        assertEquals(await ask(version, producerId, epoch), hex16(error) + refused + "00", `v${version}`);
      }
      assertEquals(await ask(version, 0, -1), hex16(42) + refused + "00", "an id without an epoch");
      assertEquals(await ask(version, -1, 0), hex16(42) + refused + "00", "an epoch without an id");
    }
    assertEquals(await ask(4, 0, 2), granted(3), "nothing of this took the epoch from its owner");
  }));

Deno.test("InitProducerId refuses empty, long and unstorable ids, and timeouts out of range", () =>
  withBroker(async (_broker, client) => {
    const error = async (id: string, timeoutMs: number) =>
      parseInt(
        (await client.ask({ key: 22, version: 1, body: str(id) + hex32(timeoutMs) })).slice(8, 12),
        16,
      );
    assertEquals(await error("", 60_000), 42);
    assertEquals(await error("x".repeat(1_001), 60_000), 42);
    assertEquals(await error("a\0b", 60_000), 42);
    for (const timeoutMs of [0, -1, 900_001]) assertEquals(await error("tx", timeoutMs), 50);
    assertEquals(await error("tx", 900_000), 0);
  }));

Deno.test("InitProducerId makes clients ask again when the disk does not take a transactional id", () =>
  withBroker(async (broker, client) => {
    let failing = false;
    broker.state.store.beforeCommit(() => {
      if (failing) throw new Error("disk full");
    });
    const ask = async () =>
      (await client.ask({ key: 22, version: 0, body: tx.old + hex32(60_000) })).slice(8);
    assertEquals(await ask(), hex16(0) + hex64(0) + hex16(0));
    failing = true;
    assertEquals(await ask(), hex16(16) + refused);
    failing = false;
    assertEquals(await ask(), hex16(0) + hex64(0) + hex16(1), "the failed one took no epoch");
  }));

Deno.test("InitProducerId tells when the ids cannot be reserved on disk", () =>
  withBroker(async (broker, client) => {
    let failing = true;
    broker.state.store.beforeCommit(() => {
      if (failing) throw new Error("disk full");
    });
    const body = "ffff" + hex32(60_000);
    assertEquals(
      await client.ask({ key: 22, version: 0, body }),
      hex32(0) + hex16(56) + hex64(-1) + hex16(-1),
    );
    failing = false;
    assertEquals((await client.ask({ key: 22, version: 0, body })).slice(8, 12), hex16(0));
    const counted = broker.metrics().requests.filter(({ api }) => api === "InitProducerId");
    assertEquals(counted, [
      { api: "InitProducerId", error: "KAFKA_STORAGE_ERROR", count: 1 },
      { api: "InitProducerId", error: "NONE", count: 1 },
    ]);
  }));
