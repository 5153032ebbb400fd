import { assertEquals } from "@std/assert";
import { withBroker } from "../harness.ts";
import { compact, hex16, hex32, str } from "../raw_client.ts";

Deno.test("FindCoordinator answers v0 to v4 with this node, for groups and transactions", () =>
  withBroker(async (broker, client) => {
    const node = hex32(1) + str("127.0.0.1") + hex32(broker.port);
    const flexibleNode = hex32(1) + compact("127.0.0.1") + hex32(broker.port);
    assertEquals(await client.ask({ key: 10, version: 0, body: str("g") }), hex16(0) + node);
    for (const type of ["00", "01"]) {
      for (const version of [1, 2]) {
        const answer = await client.ask({ key: 10, version, body: str("g") + type });
        assertEquals(answer, hex32(0) + hex16(0) + str("NONE") + node, `v${version}`);
      }
      const three = await client.ask({
        key: 10,
        version: 3,
        flexible: true,
        body: compact("g") + type + "00",
      });
      assertEquals(three, hex32(0) + hex16(0) + compact("NONE") + flexibleNode + "00");
      const body = type + "03" + compact("g") + compact("h") + "00";
      const four = await client.ask({ key: 10, version: 4, flexible: true, body });
      const found = (key: string): string => compact(key) + flexibleNode + hex16(0) + compact("") + "00";
      assertEquals(four, hex32(0) + "03" + found("g") + found("h") + "00");
    }
  }));

Deno.test("FindCoordinator refuses other types", () =>
  withBroker(async (_broker, client) => {
    const answer = await client.ask({ key: 10, version: 1, body: str("g") + "02" });
    const message = str("There is no coordinator of that type");
    assertEquals(answer, hex32(0) + hex16(42) + message + hex32(-1) + str("") + hex32(-1));
  }));
