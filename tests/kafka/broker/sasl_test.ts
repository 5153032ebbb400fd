/** Logins over a real socket: who gets in, what is served before, and what it costs to try. @module */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Authenticator } from "../../../kafka/broker/sasl.ts";
import { makeKeys, parseUsers, userLine } from "../../../kafka/broker/sasl_credentials.ts";
import { eventually, within } from "../../eventually.ts";
import { frameOf, hex32, RawClient, str } from "./raw_client.ts";
import { handshake, logIn, sendToken } from "./sasl_client.ts";
import { passwords, usersText, withUsers } from "./users.ts";

const METADATA = { key: 3, version: 1, body: "00000000" };
const WRONG = "wrong user name or password";
const mechanisms = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

Deno.test("every user logs in with every mechanism, and is served then", () =>
  withUsers({}, async ({ broker }) => {
    for (const mechanism of mechanisms) {
      for (const [name, password] of Object.entries(passwords)) {
        using client = await RawClient.connect(broker.port);
        assertEquals((await logIn(client, mechanism, name, password)).error, 0, `${mechanism} ${name}`);
        await client.ask(METADATA);
      }
    }
    const { authentications } = broker.metrics();
    assertEquals(
      authentications.filter(({ outcome }) => outcome === "success").map(({ count }) => count),
      [2, 2, 2],
    );
    assertEquals(authentications.every(({ outcome, count }) => outcome === "success" || count === 0), true);
  }));

Deno.test("a wrong password and an unknown user are told alike, and end the connection", () =>
  withUsers({}, async ({ broker, refusals }) => {
    for (const mechanism of mechanisms) {
      for (const name of ["alice", "nobody", "b,o=b"]) {
        using client = await RawClient.connect(broker.port);
        const { error, message } = await logIn(client, mechanism, name, "wrong");
        assertEquals([error, message], [58, `Authentication with ${mechanism} failed: ${WRONG}`]);
        await client.closed();
      }
    }
    assertEquals(refusals.length, 9);
    assert(refusals.every((line) => /^sasl (PLAIN|SCRAM-SHA-\d+): wrong user name or password$/.test(line)));
    const failures = broker.metrics().authentications.filter(({ outcome }) => outcome === "failure");
    assertEquals(failures.map(({ count }) => count), [3, 3, 3]);
  }));

Deno.test("somebody who does not exist has a salt too, the same after a restart", () =>
  withUsers({}, async ({ broker }) => {
    const firstOf = async (name: string) => {
      using client = await RawClient.connect(broker.port);
      await handshake(client, "SCRAM-SHA-256");
      return (await sendToken(client, `n,,n=${name},r=abc`)).token.replace(/^r=[^,]+/, "");
    };
    const [once, again, other, real] = [
      await firstOf("nobody"),
      await firstOf("nobody"),
      await firstOf("nobody2"),
      await firstOf("alice"),
    ];
    assertEquals(once, again);
    assert(once !== other);
    assertEquals(once.length, real.length);
    const directory = { users: new Map(), refresh: () => Promise.resolve() };
    const secret = new Uint8Array(32).fill(1);
    const salts = [1, 2].map(() =>
      new Authenticator({ directory, secret }).keysOf("SCRAM-SHA-256", "nobody").salt.toHex()
    );
    assertEquals(salts[0], salts[1]);
  }));

Deno.test("a token of PLAIN that makes no sense fails with what is wrong about it", () =>
  withUsers({}, async ({ broker }) => {
    const cases: [token: string, says: string][] = [
      ["", "found 1 parts"],
      ["alice", "found 1 parts in the token of PLAIN, wanted 3"],
      ["\0alice\0secret\0", "found 4 parts"],
      ["\0\0secret", WRONG],
      ["\0alice\0", WRONG],
      ["root\0alice\0secret", "an authorization id that is not the user name"],
      ["\0alice\0" + "x".repeat(9_000), "found a token of 9007 bytes, allowed: 8192"],
    ];
    for (const [token, says] of cases) {
      using client = await RawClient.connect(broker.port);
      await handshake(client, "PLAIN");
      const { error, message } = await sendToken(client, token);
      assertEquals(error, 58);
      assertStringIncludes(message ?? "", says);
      await client.closed();
    }
    using client = await RawClient.connect(broker.port);
    await handshake(client, "PLAIN");
    assertEquals((await sendToken(client, "alice\0alice\0secret")).error, 0, "one's own authorization id");
  }));

Deno.test("nothing but ApiVersions is served before the login", () =>
  withUsers({}, async ({ broker, refusals }) => {
    const wanted = "wanted SaslHandshake with one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512";
    for (const before of [0, 1]) {
      using client = await RawClient.connect(broker.port);
      await client.ask({ key: 18, version: 0, body: "" });
      if (before === 1) await handshake(client, "PLAIN");
      await client.send(METADATA);
      await client.closed();
      assertEquals(refusals.at(-1), `sasl Metadata: found a request before the login, ${wanted}`);
    }
    using sneaky = await RawClient.connect(broker.port);
    const plain = new TextEncoder().encode("\0alice\0wrong");
    const sent = [
      frameOf({ key: 17, version: 1, body: str("PLAIN") }, 1),
      frameOf({ key: 36, version: 1, body: hex32(plain.length) + plain.toHex() }, 2),
      frameOf(METADATA, 3),
    ];
    await sneaky.write(Uint8Array.from(sent.flatMap((frame) => [...frame])));
    await sneaky.answer(false, 1);
    assertStringIncludes(await sneaky.answer(false, 2), "003a");
    await sneaky.closed();
  }));

Deno.test("before the login requests are few, short and soon", () =>
  withUsers({ limits: { setUpMs: 2_000 } }, async ({ broker, client, refusals }) => {
    using many = await RawClient.connect(broker.port);
    for (let i = 0; i < 16; i++) await many.ask({ key: 18, version: 0, body: "" });
    await many.send({ key: 18, version: 0, body: "" });
    await many.closed();
    assertEquals(refusals.pop(), "sasl ApiVersions: found more than 16 requests before the login");
    using long = await RawClient.connect(broker.port);
    await long.write(Uint8Array.fromHex("00010000"));
    await long.closed();
    assertEquals(
      refusals.pop(),
      "protocol Cannot read frame as its length is 65536, allowed are 0..32768",
    );
    await client.closed();
    assertEquals(refusals.pop(), "sasl the login was not done in 2000 ms");
    using logged = await RawClient.connect(broker.port);
    await logIn(logged, "PLAIN", "alice", "secret");
    const body = hex32(2) + str("a".repeat(32_000)) + str("b".repeat(32_000));
    await logged.ask({ key: 3, version: 1, body }); // more than is taken before
    using late = await RawClient.connect(broker.port);
    await late.closed(); // its time, which began later, is over
    await logged.ask(METADATA);
  }));

Deno.test("users come and go with their file; whoever is removed loses the connection", () =>
  withUsers({}, async ({ broker, client, usersFile, refusals, lines, logIn: logInAlice }) => {
    await logInAlice();
    const later = await userLine("later", await makeKeys("x"));
    await Deno.writeTextFile(usersFile, (await usersText()) + later + "\n");
    await eventually("the new user to log in", async () => {
      using other = await RawClient.connect(broker.port);
      return (await logIn(other, "SCRAM-SHA-512", "later", "x")).error === 0;
    });
    await client.ask(METADATA);
    await Deno.writeTextFile(usersFile, "alice: hunter2\n");
    await eventually("the line about it", () => lines.includes("cannot read users, the old ones stay"));
    await client.ask(METADATA);
    await Deno.writeTextFile(usersFile, later + "\n");
    await within("the end of alice", 30_000, client.closed());
    assertEquals(refusals.at(-1), 'sasl user "alice" was removed');
    using again = await RawClient.connect(broker.port);
    assertEquals((await logIn(again, "PLAIN", "alice", "secret")).error, 58);
    assertEquals(lines.filter((line) => line === "cannot read users, the old ones stay").length, 1);
  }));

Deno.test("a flood of passwords does not hold up requests, nor those who log in with SCRAM", () =>
  withUsers({ limits: { setUpMs: 120_000 } }, async ({ broker, client, logIn: logInAlice }) => {
    await logInAlice();
    const flood = Array.from({ length: 150 }, async () => {
      using guesser = await RawClient.connect(broker.port);
      return (await logIn(guesser, "PLAIN", "alice", "guess")).error;
    });
    let slowest = 0;
    let done = false;
    const floodBegan = performance.now();
    const all = Promise.all(flood).finally(() => done = true);
    while (!done) {
      const began = performance.now();
      await client.ask(METADATA);
      slowest = Math.max(slowest, performance.now() - began);
    }
    assertEquals(new Set(await all), new Set([58]));
    const tookMs = performance.now() - floodBegan;
    assert(slowest < tookMs / 3, `a request waited ${slowest} ms of the ${tookMs} ms of the flood`);
  }));

Deno.test("a full broker gives up who has not logged in for those who come", () =>
  withUsers({ limits: { maxConnections: 3 } }, async ({ broker, client, refusals, logIn: logInAlice }) => {
    await logInAlice();
    using idle = await RawClient.connect(broker.port);
    using second = await RawClient.connect(broker.port);
    await second.ask({ key: 18, version: 0, body: "" });
    using third = await RawClient.connect(broker.port);
    assertEquals((await logIn(third, "SCRAM-SHA-256", "alice", "secret")).error, 0);
    await idle.closed();
    assertEquals(refusals, ["limit there are too many connections, and this one had no login yet"]);
    await logIn(second, "SCRAM-SHA-256", "alice", "secret");
    using fourth = await RawClient.connect(broker.port);
    await fourth.closed();
    assertEquals(refusals.at(-1), "limit there are 3 connections");
    await client.ask(METADATA);
  }));

Deno.test("PLAIN is not offered where somebody could listen in", async () => {
  const directory = { users: parseUsers(await usersText()), refresh: () => Promise.resolve() };
  const authenticator = new Authenticator({ directory, secret: new Uint8Array(32) });
  const begin = () => authenticator.begin(false, new AbortController().signal);
  const { error, mechanisms, refusal } = begin().handshake(1, "PLAIN");
  assertEquals([error, mechanisms], [33, ["SCRAM-SHA-256", "SCRAM-SHA-512"]]);
  assertEquals(refusal, 'found mechanism "PLAIN", wanted one of SCRAM-SHA-256, SCRAM-SHA-512');
  assertEquals(begin().handshake(1, "SCRAM-SHA-256").error, 0);
});

Deno.test("Authenticator.check() leaves the queue when the connection goes", async () => {
  const users = parseUsers(await usersText());
  const directory = { users, refresh: () => Promise.resolve() };
  const authenticator = new Authenticator({ directory, secret: new Uint8Array(32) });
  const gone = new AbortController();
  const stays = new AbortController().signal;
  const running = [1, 2, 3].map(() => authenticator.check("alice", "secret", stays));
  const left = authenticator.check("alice", "secret", gone.signal).then(() => "checked", () => "left");
  const last = authenticator.check("alice", "wrong", stays);
  gone.abort();
  assertEquals(await left, "left");
  assertEquals(await Promise.all(running), [true, true, true]);
  assertEquals(await last, false);
});
