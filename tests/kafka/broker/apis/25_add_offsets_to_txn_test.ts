import { assertEquals } from "@std/assert";
import { withBroker } from "../harness.ts";
import { breakable, Encoding, initialise } from "./transaction_requests.ts";

Deno.test("AddOffsetsToTxn answers v0 to v3 and tells wrong producers apart", () =>
  withBroker(async (_broker, client) => {
    await initialise(client);
    for (const version of [0, 1, 2, 3]) {
      const encoding = new Encoding(25, version);
      const fenced = version >= 2 ? 90 : 47;
      const cases: [claim: string, error: number][] = [
        [encoding.claim(0, 0), 0],
        [encoding.claim(0, 1), fenced],
        [encoding.claim(1, 0), 49],
        [encoding.claim(0, 0, "other"), 49],
        [encoding.claim(0, 0, ""), 42],
      ];
      for (const [claim, error] of cases) {
        const answer = await encoding.ask(client, claim + encoding.string("g"));
        assertEquals(answer, encoding.error(error), `v${version}`);
      }
    }
  }));

Deno.test("AddOffsetsToTxn bounds the groups of a transaction and survives a full disk", () =>
  withBroker(async (broker, client) => {
    await initialise(client);
    const encoding = new Encoding(25, 3);
    const add = (group: string) => encoding.ask(client, encoding.claim(0, 0) + encoding.string(group));
    const disk = breakable(broker.state.store);
    disk.failing = true;
    assertEquals(await add("g"), encoding.error(16));
    disk.failing = false;
    for (let i = 0; i < 1_000; i++) assertEquals(await add(`g${i}`), encoding.error(0));
    assertEquals(await add("one more"), encoding.error(44));
    assertEquals(await add("g7"), encoding.error(0));
    for (const group of ["x".repeat(1_001), "a\0b"]) {
      const old = new Encoding(25, 0);
      assertEquals(await old.ask(client, old.claim(0, 0) + old.string(group)), old.error(24));
    }
  }));
