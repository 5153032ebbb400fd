import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { deriveKeys, type ScramKeys, type ScramMechanism } from "../../../kafka/broker/sasl_credentials.ts";
import { SaslFailure, ScramExchange } from "../../../kafka/broker/sasl_scram.ts";
import { clientFinal } from "./sasl_client.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

// The exchange of RFC 7677, section 3. For SHA-512, which has none, the same inputs through Python's hashlib.
const CLIENT_NONCE = "rOprNGfwEbeRWgbNEkqO", OWN_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const SALT = "W22ZaJ0SNY7soEsUEjb6gQ==";
const vectors: [mechanism: ScramMechanism, proof: string, signature: string][] = [
  [
    "SCRAM-SHA-256",
    "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
  ],
  [
    "SCRAM-SHA-512",
    "gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
    "ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==",
  ],
];

function keys(mechanism: ScramMechanism, password = "pencil"): Promise<ScramKeys> {
  return deriveKeys(mechanism, password, { salt: Uint8Array.fromBase64(SALT), iterations: 4096 });
}

for (const [mechanism, proof, signature] of vectors) {
  Deno.test(`ScramExchange with ${mechanism} answers a published exchange to the letter`, async () => {
    const known = await keys(mechanism);
    const asked: string[] = [];
    const exchange = new ScramExchange(mechanism, (name) => (asked.push(name), known), OWN_NONCE);
    const first = exchange.next(encode(`n,,n=user,r=${CLIENT_NONCE}`));
    assertEquals(first.user, undefined);
    assertEquals(decode(first.reply), `r=${CLIENT_NONCE}${OWN_NONCE},s=${SALT},i=4096`);
    const last = exchange.next(encode(`c=biws,r=${CLIENT_NONCE}${OWN_NONCE},p=${proof}`));
    assertEquals([decode(last.reply), last.user, asked], [`v=${signature}`, "user", ["user"]]);
  });
}

/** Goes through an exchange with a client that is right, but for what the case says. */
async function exchangeOf(first: string, change = (final: string) => final, header = "n,,"): Promise<string> {
  const known = await keys("SCRAM-SHA-256");
  const exchange = new ScramExchange("SCRAM-SHA-256", () => known);
  const { reply } = exchange.next(encode(first));
  const bare = first.slice(first.indexOf("n=", 2));
  const { final } = await clientFinal("SCRAM-SHA-256", "pencil", bare, decode(reply), header);
  return exchange.next(encode(change(final))).user ?? "nobody";
}

Deno.test("ScramExchange takes names with commas and equal signs, extensions, and a client that knows of channel binding", async () => {
  assertEquals(await exchangeOf("n,,n=a=2Cb=3Dc,r=abc"), "a,b=c");
  assertEquals(await exchangeOf("n,,n=Jürgen 🚲,r=abc"), "Jürgen 🚲");
  assertEquals(await exchangeOf("n,,n=user,r=abc,x=later"), "user");
  assertEquals(await exchangeOf("y,,n=user,r=abc", undefined, "y,,"), "user");
  assertEquals(await exchangeOf("n,a=user,n=user,r=abc", undefined, "n,a=user,"), "user");
});

Deno.test("ScramExchange refuses a first message that is not one", () => {
  const cases: [first: string, says: string][] = [
    ["", "malformed first message"],
    ["garbage", "malformed first message"],
    ["n,,r=abc,n=user", "malformed first message"],
    ["n,,n=user", "malformed first message"],
    ["n=x,,n=user,r=abc", "malformed first message"],
    ["z,,n=user,r=abc", "malformed first message"],
    ["n,,m=must,n=user,r=abc", "malformed first message"],
    ["n,,n=,r=abc", "malformed user name"],
    ["n,,n=a=2cb,r=abc", "malformed user name"],
    ["n,,n=a=,r=abc", "malformed user name"],
    ["n,,n=user,r=", "malformed nonce"],
    ["n,,n=user,r=a b", "malformed nonce"],
    ["n,,n=user,r=ä", "malformed nonce"],
    [`n,,n=user,r=${"a".repeat(1025)}`, "malformed nonce"],
    ["p=tls-unique,,n=user,r=abc", "channel binding, which is not offered"],
    ["n,a=root,n=user,r=abc", "an authorization id that is not the user name"],
  ];
  for (const [first, says] of cases) {
    const exchange = new ScramExchange("SCRAM-SHA-256", () => {
      throw new Error("no keys are looked for");
    });
    assertStringIncludes(assertThrows(() => exchange.next(encode(first)), SaslFailure).message, says);
  }
  const exchange = new ScramExchange("SCRAM-SHA-256", () => {
    throw new Error("no keys are looked for");
  });
  assertThrows(() => exchange.next(Uint8Array.fromHex("6e2c2c6e3dff2c723d61")), SaslFailure, "not UTF-8");
});

Deno.test("ScramExchange refuses a last message with another header, nonce or proof", async () => {
  const cases: [change: (final: string) => string, says: string][] = [
    [(final) => final.replace("c=biws", "c=eSws"), "another channel binding"],
    [(final) => final.replace(/r=./, "r=X"), "another nonce"],
    [(final) => final.replace(/,p=/, "x,p="), "another nonce"],
    [(final) => final.replace(/p=.*/, "p="), "wrong user name or password"],
    [(final) => final.replace(/p=.*/, "p=AAAA"), "wrong user name or password"],
    [(final) => final.replace(/p=.*/, "p=!"), "wrong user name or password"],
    [
      (final) => final.replace(/p=(.)/, (_, c) => `p=${c === "A" ? "B" : "A"}`),
      "wrong user name or password",
    ],
    [(final) => final.replace(/,p=.*/, ""), "malformed last message"],
    [() => "", "malformed last message"],
  ];
  for (const [change, says] of cases) {
    const failure = await exchangeOf("n,,n=user,r=abc", change).then(() => null, (error) => error);
    assertEquals(failure instanceof SaslFailure, true, says);
    assertStringIncludes(failure.message, says);
  }
});

Deno.test("ScramExchange uses a nonce of its own in every exchange", async () => {
  const known = await keys("SCRAM-SHA-256");
  const nonces = Array.from({ length: 50 }, () => {
    const { reply } = new ScramExchange("SCRAM-SHA-256", () => known).next(encode("n,,n=u,r=abc"));
    return /^r=abc([^,]+),/.exec(decode(reply))?.[1];
  });
  assertEquals(new Set(nonces).size, 50);
  assertEquals(nonces.every((nonce) => nonce !== undefined && nonce.length >= 32), true);
});
