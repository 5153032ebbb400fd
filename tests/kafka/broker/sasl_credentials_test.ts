import { assert, assertEquals, assertNotEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  deriveKeys,
  isUserName,
  madeUpKeys,
  makeKeys,
  parseUsers,
  userLine,
} from "../../../kafka/broker/sasl_credentials.ts";

// Salt, iterations and password of RFC 7677, the keys from Python's hashlib.
const SALT = "W22ZaJ0SNY7soEsUEjb6gQ==";
const SHA256 = `SCRAM-SHA-256$4096:${SALT}$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:` +
  "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
const SHA512 = `SCRAM-SHA-512$4096:${SALT}$` +
  "6AAub3065EYRmyFpM2RNwqK+eGnrkYuEWbXn19LsEmBqzu8QaCXNc1FwpnX9NhH2hK/60dzj9DoO5DvVkOHbvg==:" +
  "jZHbYjC1aHh0/hKbxyBuGFjDrgjgKTT1esA7awWiKcRZ0o/0b1yWEebBeSVkkCFewf91nLDfKF24mvD5nmE6rA==";

Deno.test("deriveKeys() gives the keys that others derive, and parseUsers() and userLine() are each other's inverse", async () => {
  const line = `user:${SHA256},${SHA512}`;
  const keys = parseUsers(`# users\n\n${line}\r\n`).get("user")!;
  assertEquals(userLine("user", keys), line);
  for (const [mechanism, stored] of keys) {
    const { storedKey, serverKey } = await deriveKeys(mechanism, "pencil", stored);
    assertEquals([...storedKey], [...stored.storedKey], mechanism);
    assertEquals([...serverKey], [...stored.serverKey], mechanism);
  }
});

Deno.test("makeKeys() takes another salt for each mechanism and each time", async () => {
  const [first, second] = [await makeKeys("secret"), await makeKeys("secret")];
  const salts = [...first.values(), ...second.values()].map(({ salt }) => salt.toHex());
  assertEquals([new Set(salts).size, [...first.keys()].join()], [4, "SCRAM-SHA-256,SCRAM-SHA-512"]);
  assert(!userLine("a", first).includes("secret"));
});

Deno.test("parseUsers() names the first line that is wrong, and shows nothing of it", () => {
  const cases: [text: string, says: string][] = [
    ["just-a-name", "line 1: found no name before a colon"],
    [`# all\nuser:${SHA256}\n:${SHA256}`, "line 3: found no name"],
    [` user:${SHA256}`, "line 1: found no name"],
    ["user:hunter2", "line 1: found keys that are not SCRAM-SHA-256 or SCRAM-SHA-512"],
    ["user:", "line 1: found keys"],
    [`user:${SHA256}:`, "line 1: found keys"],
    [`user:${SHA256},`, "line 1: found keys"],
    [`user:${SHA256.replace("256", "1")}`, "line 1: found keys"],
    [`user:${SHA256},${SHA256}`, "line 1: found SCRAM-SHA-256 twice"],
    [`user:${SHA256.replace("4096", "4095")}`, "line 1: found 4095 iterations (allowed: 4096..1000000)"],
    [`user:${SHA256.replace("4096", "9999999")}`, "line 1: found 9999999 iterations"],
    [`user:${SHA256.replace("WG5", "WG!")}`, "line 1: found a salt or a key of SCRAM-SHA-256"],
    [`user:${SHA256.replace(SALT, "AAAA")}`, "line 1: found a salt or a key of SCRAM-SHA-256"],
    [`user:${SHA256.replace("WG5d", "")}`, "line 1: found a key of SCRAM-SHA-256 that has not 32 bytes"],
    [`user:${SHA256}\nuser:${SHA512}`, "line 2: found a name that an earlier line has"],
  ];
  for (const [text, says] of cases) {
    const { message } = assertThrows(() => parseUsers(text), Error);
    assertStringIncludes(message, says);
    assert(!/hunter2|WG5d|W22Z/.test(message), message);
  }
  assertEquals(parseUsers("").size, 0);
});

Deno.test("isUserName() allows what a line can hold", () => {
  for (const name of ["a", "bike-7", "a,b=c", "Jürgen Müller", "x".repeat(255)]) {
    assert(isUserName(name), name);
  }
  for (const name of ["", "a:b", "a\nb", " a", "a ", "#a", "a\0", "x".repeat(256)]) {
    assert(!isUserName(name), name);
  }
});

Deno.test("madeUpKeys() look like a user's, stay the same for a name, and fit no password", async () => {
  const secret = new Uint8Array(32).fill(7);
  const like = (await makeKeys("x", 5000)).get("SCRAM-SHA-512")!;
  const made = madeUpKeys("SCRAM-SHA-512", "nobody", secret, like);
  const again = madeUpKeys("SCRAM-SHA-512", "nobody", secret, like);
  assertEquals([made.iterations, made.salt.length, made.storedKey.length], [5000, 16, 64]);
  assertEquals([...made.salt], [...again.salt]);
  assertNotEquals([...made.storedKey], [...again.storedKey]);
  const other = madeUpKeys("SCRAM-SHA-512", "somebody", secret, like);
  assertNotEquals([...made.salt], [...other.salt]);
  assertEquals(madeUpKeys("SCRAM-SHA-256", "nobody", secret).iterations, 8192);
});
