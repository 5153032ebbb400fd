import { assertEquals } from "@std/assert";
import { withBroker } from "../harness.ts";
import { hex32, str } from "../raw_client.ts";
import { withUsers } from "../users.ts";

const MECHANISMS = hex32(3) + str("PLAIN") + str("SCRAM-SHA-256") + str("SCRAM-SHA-512");

Deno.test("SaslHandshake v1 takes each mechanism that it names", async () => {
  for (const mechanism of ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]) {
    await withUsers({}, async ({ client }) => {
      assertEquals(await client.ask({ key: 17, version: 1, body: str(mechanism) }), "0000" + MECHANISMS);
    });
  }
});

Deno.test("SaslHandshake refuses another mechanism and v0 with what it takes, and closes", async () => {
  for (const mechanism of ["GSSAPI", "", "scram-sha-256", "SCRAM-SHA-256-PLUS"]) {
    await withUsers({}, async ({ client, refusals }) => {
      assertEquals(await client.ask({ key: 17, version: 1, body: str(mechanism) }), "0021" + MECHANISMS);
      await client.closed();
      assertEquals(refusals, [
        `sasl found mechanism "${mechanism}", wanted one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512`,
      ]);
    });
  }
  await withUsers({}, async ({ client, refusals }) => {
    assertEquals(await client.ask({ key: 17, version: 0, body: str("PLAIN") }), "0023" + MECHANISMS);
    await client.closed();
    assertEquals(refusals, ["sasl found SaslHandshake v0, which raw tokens follow, wanted v1"]);
  });
});

Deno.test("SaslHandshake is out of order a second time, after the login, and where nobody has to log in", async () => {
  const outOfOrder = "0022" + "00000000";
  await withUsers({}, async ({ client }) => {
    await client.ask({ key: 17, version: 1, body: str("PLAIN") });
    assertEquals(await client.ask({ key: 17, version: 1, body: str("SCRAM-SHA-256") }), outOfOrder);
    await client.closed();
  });
  await withUsers({}, async ({ client, logIn }) => {
    await logIn();
    assertEquals(await client.ask({ key: 17, version: 1, body: str("PLAIN") }), outOfOrder);
    await client.ask({ key: 18, version: 0, body: "" });
  });
  await withBroker(async (_broker, client) => {
    for (const version of [0, 1]) {
      assertEquals(await client.ask({ key: 17, version, body: str("PLAIN") }), outOfOrder);
    }
  });
});
