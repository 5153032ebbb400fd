import { assertEquals } from "@std/assert";
import { withBroker } from "../harness.ts";
import { breakable, Encoding, initialise } from "./transaction_requests.ts";

const COMMIT = "01";
const ABORT = "00";

Deno.test("EndTxn answers v0 to v3: what is open, its repetition, the opposite, and nothing", () =>
  withBroker(async (_broker, client) => {
    for (const [epoch, version] of [0, 1, 2, 3].entries()) {
      await initialise(client);
      const encoding = new Encoding(26, version);
      const adding = new Encoding(25, version);
      const end = (how: string) => encoding.ask(client, encoding.claim(0, epoch) + how);
      const add = () => adding.ask(client, adding.claim(0, epoch) + adding.string("g"));
      assertEquals(await end(COMMIT), encoding.error(48), `v${version}: nothing is open`);
      for (const [how, opposite] of [[COMMIT, ABORT], [ABORT, COMMIT]] as const) {
        assertEquals(await add(), adding.error(0), `v${version}`);
        assertEquals(await end(how), encoding.error(0), `v${version}`);
        assertEquals(await end(how), encoding.error(0), `v${version} again`);
        assertEquals(await end(opposite), encoding.error(48), `v${version} opposite`);
      }
    }
  }));

Deno.test("EndTxn tells wrong producers apart, and makes clients ask again when the disk does not take it", () =>
  withBroker(async (broker, client) => {
    await initialise(client);
    const disk = breakable(broker.state.store);
    const adding = new Encoding(25, 0);
    await adding.ask(client, adding.claim(0, 0) + adding.string("g"));
    for (const version of [0, 1, 2, 3]) {
      const encoding = new Encoding(26, version);
      const fenced = version >= 2 ? 90 : 47;
      const cases: [claim: string, error: number][] = [
        [encoding.claim(0, 1), fenced],
        [encoding.claim(1, 0), 49],
        [encoding.claim(0, 0, "other"), 49],
        [encoding.claim(0, 0, ""), 42],
      ];
      for (const [claim, error] of cases) {
        assertEquals(await encoding.ask(client, claim + COMMIT), encoding.error(error), `v${version}`);
      }
      disk.failing = true;
      assertEquals(
        await encoding.ask(client, encoding.claim(0, 0) + COMMIT),
        encoding.error(16),
        `v${version}`,
      );
      disk.failing = false;
    }
    assertEquals(broker.state.transactions.ongoing, 1);
  }));
