/** What is kept of a user's password: salted keys for SCRAM, never the password. And the text form of it, one user a
 * line, in the words of RFC 5803, which PostgreSQL writes too:
 *
 *     name:SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>,SCRAM-SHA-512$…
 *
 * Left out: SASLprep. Kafka and its clients take names and passwords as the UTF-8 they are given.
 * @see {@link https://www.rfc-editor.org/rfc/rfc5802#section-3} @module */

import { createHash, createHmac, pbkdf2 } from "node:crypto";
import { promisify } from "node:util";

/** The mechanisms with salted keys, as SASL names them. */
export const scramMechanisms = ["SCRAM-SHA-256", "SCRAM-SHA-512"] as const;
export type ScramMechanism = typeof scramMechanisms[number];

/** What a server keeps of a password for one mechanism. */
export interface ScramKeys {
  /** At least 4096. */
  readonly iterations: number;
  readonly salt: Uint8Array;
  /** H(HMAC(salted password, "Client Key")), as long as the hash. */
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** One user: keys by mechanism, at least one. */
export type UserKeys = ReadonlyMap<ScramMechanism, ScramKeys>;

/** Users by name. */
export type Users = ReadonlyMap<string, UserKeys>;

const hashes = {
  "SCRAM-SHA-256": { name: "sha256", bytes: 32 },
  "SCRAM-SHA-512": { name: "sha512", bytes: 64 },
} as const;
/** The least that RFC 7677 allows, and a bound for what a line may make the broker compute. */
const ITERATIONS = { min: 4096, max: 1_000_000 };
/** Twice the least: some milliseconds for every login of a client. */
const DEFAULT_ITERATIONS = 8192;
const SALT_BYTES = 16;
/** No colon, as that ends the name, no control characters, no space at the ends. */
const NAME = /^(?!#)(?!\s)[^:\p{Cc}]{1,255}(?<!\s)$/u;

const derive = promisify(pbkdf2);

/** HMAC with the hash of a mechanism. */
export function hmac(mechanism: ScramMechanism, key: Uint8Array, text: string | Uint8Array): Uint8Array {
  return createHmac(hashes[mechanism].name, key).update(text).digest();
}

/** The hash of a mechanism. */
export function hash(mechanism: ScramMechanism, bytes: Uint8Array): Uint8Array {
  return createHash(hashes[mechanism].name).update(bytes).digest();
}

/** Length of the keys of a mechanism, in bytes. */
export function keyBytes(mechanism: ScramMechanism): number {
  return hashes[mechanism].bytes;
}

/** Derives the keys of a password, off the event loop. */
export async function deriveKeys(
  mechanism: ScramMechanism,
  password: string | Uint8Array,
  { salt, iterations }: Pick<ScramKeys, "salt" | "iterations">,
): Promise<ScramKeys> {
  const { name, bytes } = hashes[mechanism];
  const salted = await derive(password, salt, iterations, bytes, name);
  const storedKey = hash(mechanism, hmac(mechanism, salted, "Client Key"));
  return { iterations, salt, storedKey, serverKey: hmac(mechanism, salted, "Server Key") };
}

/** Makes new keys of a password for every mechanism, each with a random salt. */
export async function makeKeys(password: string, iterations = DEFAULT_ITERATIONS): Promise<UserKeys> {
  const keys = new Map<ScramMechanism, ScramKeys>();
  for (const mechanism of scramMechanisms) {
    const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
    keys.set(mechanism, await deriveKeys(mechanism, password, { salt, iterations }));
  }
  return keys;
}

/** Keys that no password has, alike for a name as long as `secret` and `like` are: what somebody who tries a name that
 * does not exist is shown instead of "no such user".
 * @param like the keys of a real user, whose form is taken */
export function madeUpKeys(
  mechanism: ScramMechanism,
  name: string,
  secret: Uint8Array,
  like?: ScramKeys,
): ScramKeys {
  const { iterations = DEFAULT_ITERATIONS, salt } = like ?? {};
  const made = hmac("SCRAM-SHA-512", secret, `${mechanism} ${name}`);
  const bytes = keyBytes(mechanism);
  return {
    iterations,
    salt: made.subarray(0, Math.min(salt?.byteLength ?? SALT_BYTES, made.byteLength)),
    storedKey: crypto.getRandomValues(new Uint8Array(bytes)),
    serverKey: crypto.getRandomValues(new Uint8Array(bytes)),
  };
}

/** Whether a name can have a line of its own. */
export function isUserName(name: string): boolean {
  return NAME.test(name);
}

/** The line of a user, without a line end. */
export function userLine(name: string, keys: UserKeys): string {
  const base64 = (bytes: Uint8Array): string => new Uint8Array(bytes).toBase64();
  const parts = [...keys].map(([mechanism, { iterations, salt, storedKey, serverKey }]) =>
    `${mechanism}$${iterations}:${base64(salt)}$${base64(storedKey)}:${base64(serverKey)}`
  );
  return `${name}:${parts.join(",")}`;
}

/** Reads lines of users; empty ones and those that begin with # are passed over.
 * @throws {Error} with the number of the first line that is none, and never with what it holds */
export function parseUsers(text: string): Users {
  const users = new Map<string, UserKeys>();
  for (const [i, raw] of text.replace(/^\uFEFF/, "").split("\n").entries()) {
    const line = raw.replace(/\r$/, "");
    if (line.trim() === "" || line.startsWith("#")) continue;
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0));
    const keys = parseKeys(line.slice(colon + 1));
    if (!isUserName(name) || typeof keys === "string") {
      const found = typeof keys === "string" && isUserName(name) ? keys : "no name before a colon";
      throw new Error(`line ${i + 1}: found ${found}, wanted a line that \`tailrace user NAME\` prints`);
    }
    if (users.has(name)) throw new Error(`line ${i + 1}: found a name that an earlier line has`);
    users.set(name, keys);
  }
  return users;
}

/** @returns what is wrong, when something is */
function parseKeys(text: string): UserKeys | string {
  const keys = new Map<ScramMechanism, ScramKeys>();
  for (const part of text.split(",")) {
    const match = /^(SCRAM-SHA-(?:256|512))\$(\d{1,7}):([^$:]+)\$([^$:]+):([^$:]+)$/.exec(part.trim());
    if (match === null) return "keys that are not SCRAM-SHA-256 or SCRAM-SHA-512";
    const mechanism = match[1] as ScramMechanism;
    const iterations = Number(match[2]);
    if (iterations < ITERATIONS.min || iterations > ITERATIONS.max) {
      return `${iterations} iterations (allowed: ${ITERATIONS.min}..${ITERATIONS.max})`;
    }
    const [salt, storedKey, serverKey] = [match[3], match[4], match[5]].map((part) => fromBase64(part!));
    if (!salt || !storedKey || !serverKey || salt.byteLength < 8 || salt.byteLength > 64) {
      return `a salt or a key of ${mechanism} that is not base64`;
    }
    const bytes = keyBytes(mechanism);
    if (storedKey.byteLength !== bytes || serverKey.byteLength !== bytes) {
      return `a key of ${mechanism} that has not ${bytes} bytes`;
    }
    if (keys.has(mechanism)) return `${mechanism} twice`;
    keys.set(mechanism, { iterations, salt, storedKey, serverKey });
  }
  return keys;
}

/** Bytes of strict base64, or undefined. */
export function fromBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
  } catch {
    return undefined;
  }
}
