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

Deno.test("InitProducerId refuses a transactional id", () =>
  withBroker(async (_broker, client) => {
    const none = hex64(-1) + hex16(-1);
    assertEquals(
      await client.ask({ key: 22, version: 0, body: str("tx") + hex32(60_000) }),
      hex32(0) + hex16(53) + none,
    );
    const body = compact("tx") + hex32(60_000) + hex64(-1) + hex16(-1) + "00";
    assertEquals(
      await client.ask({ key: 22, version: 4, flexible: true, body }),
      hex32(0) + hex16(53) + none + "00",
    );
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
