import { assertEquals } from "@std/assert";
import { withBroker } from "../harness.ts";
import { compact, hex32, str, uvarint } from "../raw_client.ts";
import { withUsers } from "../users.ts";

const token = (text: string) => new TextEncoder().encode(text).toHex();
const bytes = (text: string) => hex32(token(text).length / 2) + token(text);
const compactBytes = (text: string) => uvarint(token(text).length / 2 + 1) + token(text) + "00";
const RIGHT = "\0alice\0secret", WRONG = "\0alice\0wrong";
const LIFETIME = "0000000000000000";

const requests: [version: number, right: string, wrong: string][] = [
  [0, bytes(RIGHT), bytes(WRONG)],
  [1, bytes(RIGHT), bytes(WRONG)],
  [2, compactBytes(RIGHT), compactBytes(WRONG)],
];

for (const [version, right, wrong] of requests) {
  const flexible = version === 2;
  const end = version === 0 ? "" : LIFETIME;
  const ask = (body: string) => ({ key: 36, version, body, flexible });
  const plain = { key: 17, version: 1, body: str("PLAIN") };

  Deno.test(`SaslAuthenticate v${version} answers a right password with nothing more, a wrong one with 58 and the end`, async () => {
    await withUsers({}, async ({ client }) => {
      await client.ask(plain);
      const answer = await client.ask(ask(right));
      assertEquals(answer, flexible ? `00000001${LIFETIME}00` : "0000" + "ffff" + "00000000" + end);
      await client.ask({ key: 3, version: 1, body: "00000000" });
      const again = "Cannot log in: this connection is logged in already";
      assertEquals(
        await client.ask(ask(right)),
        flexible ? `0022${compact(again)}01${LIFETIME}00` : `0022${str(again)}00000000${end}`,
      );
    });
    await withUsers({}, async ({ client, refusals }) => {
      await client.ask(plain);
      const message = "Authentication with PLAIN failed: wrong user name or password";
      assertEquals(
        await client.ask(ask(wrong)),
        flexible ? `003a${compact(message)}01${LIFETIME}00` : `003a${str(message)}00000000${end}`,
      );
      await client.closed();
      assertEquals(refusals, ["sasl PLAIN: wrong user name or password"]);
    });
  });

  Deno.test(`SaslAuthenticate v${version} wants a handshake first, and users`, async () => {
    await withUsers({}, async ({ client, refusals }) => {
      const message = "Cannot log in: SaslHandshake comes first";
      assertEquals(
        await client.ask(ask(right)),
        flexible ? `0022${compact(message)}01${LIFETIME}00` : `0022${str(message)}00000000${end}`,
      );
      await client.closed();
      assertEquals(refusals, ["sasl found SaslAuthenticate without handshake"]);
    });
    await withBroker(async (_broker, client) => {
      const message = "Cannot log in: this broker has no users and asks nobody who it is";
      assertEquals(
        await client.ask(ask(right)),
        flexible ? `0022${compact(message)}01${LIFETIME}00` : `0022${str(message)}00000000${end}`,
      );
      await client.ask({ key: 18, version: 0, body: "" });
    });
  });
}
