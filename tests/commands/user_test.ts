import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { CommandError } from "../../commands/run.ts";
import { type PasswordSource, user } from "../../commands/user.ts";
import { deriveKeys, parseUsers } from "../../kafka/broker/sasl_credentials.ts";
import { runCli } from "./cli.ts";

/** Whether a line is alice's and holds the keys of a password. */
async function fits(line: string, password: string): Promise<boolean> {
  const keys = parseUsers(line).get("alice")!;
  for (const [mechanism, stored] of keys) {
    const derived = await deriveKeys(mechanism, password, stored);
    if (new Uint8Array(derived.storedKey).toHex() !== new Uint8Array(stored.storedKey).toHex()) return false;
  }
  return keys.size === 2;
}

Deno.test("tailrace user prints a line that holds the keys of the password, and not the password", async () => {
  for (const stdin of ["secret", "secret\n", "secret\r\n", "secret\nmore\n"]) {
    const { code, stdout, stderr } = await runCli(["user", "alice"], { stdin });
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^alice:SCRAM-SHA-256\$8192:[^\n]+,SCRAM-SHA-512\$8192:[^\n]+\n$/);
    assert(await fits(stdout, "secret"), stdin);
    assert(!stdout.includes("secret"));
  }
  const { code, stdout, stderr } = await runCli(["user", "alice"], { stdin: "\n" });
  assertEquals([code, stdout], [1, ""]);
  assertStringIncludes(stderr, "Cannot make user alice: found no password on stdin, wanted one line");
});

/** Asks for a password as on a terminal where `keys` are pressed. */
async function typed(keys: string): Promise<{ line: string; prompts: string; raw: boolean[] }> {
  const bytes = [...new TextEncoder().encode(keys)];
  const raw: boolean[] = [];
  const source: PasswordSource = {
    isTerminal: () => true,
    setRaw: (isRaw) => void raw.push(isRaw),
    read(into) {
      const byte = bytes.shift();
      if (byte === undefined) return Promise.resolve(null);
      into[0] = byte;
      return Promise.resolve(1);
    },
  };
  let [line, prompts] = ["", ""];
  const run = { out: (text: string) => void (line += text), signal: new AbortController().signal };
  await user("alice", run, source, (text) => prompts += text);
  return { line, prompts, raw };
}

Deno.test("user() asks twice on a terminal, shows nothing, and takes back what was typed wrong", async () => {
  const { line, prompts, raw } = await typed("sü\x7fecrex\bt\rsecret\r");
  assert(await fits(line, "secret"));
  assertEquals(prompts, "Password of alice: \nOnce more: \n");
  assertEquals(raw, [true, false, true, false]);
  await assertRejects(() => typed("one\rtwo\r"), CommandError, "found two different passwords");
  await assertRejects(() => typed("one\x03"), CommandError, "No user was made");
  await assertRejects(() => typed("\r\r"), CommandError, "found no password");
  await assertRejects(() => typed("x".repeat(2000)), CommandError, "more than 1024 bytes");
});
