/** Logging in over raw frames: what a client sends, worked out here a second time with WebCrypto, so that a mistake of
 * the broker's own code is not made twice. @module */

import { hex32, type RawClient, str } from "./raw_client.ts";

const encoder = new TextEncoder();
const hashes: Readonly<Record<string, string>> = {
  "SCRAM-SHA-256": "SHA-256",
  "SCRAM-SHA-512": "SHA-512",
};

/** What SaslAuthenticate v1 answered. */
export interface SaslAnswer {
  readonly error: number;
  readonly message: string | null;
  readonly token: string;
}

/** Asks for a mechanism; gives the error code. */
export async function handshake(client: RawClient, mechanism: string): Promise<number> {
  return Number.parseInt((await client.ask({ key: 17, version: 1, body: str(mechanism) })).slice(0, 4), 16);
}

/** Sends one token. */
export async function sendToken(client: RawClient, token: string): Promise<SaslAnswer> {
  const bytes = encoder.encode(token);
  const body = hex32(bytes.byteLength) + bytes.toHex();
  const answer = Uint8Array.fromHex(await client.ask({ key: 36, version: 1, body }));
  const view = new DataView(answer.buffer);
  const length = view.getInt16(2);
  const decoder = new TextDecoder();
  const at = 4 + Math.max(length, 0);
  const message = length < 0 ? null : decoder.decode(answer.subarray(4, at));
  return {
    error: view.getInt16(0),
    message,
    token: decoder.decode(answer.subarray(at + 4, at + 4 + view.getInt32(at))),
  };
}

/** Logs in; gives the last answer. With SCRAM the broker's signature is checked too. */
export async function logIn(
  client: RawClient,
  mechanism: string,
  name: string,
  password: string,
): Promise<SaslAnswer> {
  const error = await handshake(client, mechanism);
  if (error !== 0) return { error, message: null, token: "" };
  if (mechanism === "PLAIN") return await sendToken(client, `\0${name}\0${password}`);
  const bare = `n=${name.replaceAll("=", "=3D").replaceAll(",", "=2C")},r=${crypto.randomUUID()}`;
  const first = await sendToken(client, `n,,${bare}`);
  if (first.error !== 0) return first;
  const { final, signature } = await clientFinal(mechanism, password, bare, first.token);
  const last = await sendToken(client, final);
  if (last.error === 0 && last.token !== `v=${signature}`) throw new Error("The broker's signature is wrong");
  return last;
}

/** The client's last message, and the signature that the broker has to answer. */
export async function clientFinal(
  mechanism: string,
  password: string,
  bare: string,
  serverFirst: string,
  header = "n,,",
): Promise<{ final: string; signature: string }> {
  const hash = hashes[mechanism]!;
  const [, nonce, salt, iterations] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(serverFirst)!;
  const key = await crypto.subtle.importKey("raw", encoder.encode(password), "PBKDF2", false, ["deriveBits"]);
  const parameters = {
    name: "PBKDF2",
    hash,
    salt: Uint8Array.fromBase64(salt!),
    iterations: Number(iterations),
  };
  const bits = Number(hash.slice(4));
  const salted = new Uint8Array(await crypto.subtle.deriveBits(parameters, key, bits));
  const hmac = async (secret: Uint8Array<ArrayBuffer>, text: string) => {
    const imported = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash }, false, ["sign"]);
    return new Uint8Array(await crypto.subtle.sign("HMAC", imported, encoder.encode(text)));
  };
  const clientKey = await hmac(salted, "Client Key");
  const storedKey = new Uint8Array(await crypto.subtle.digest(hash, clientKey));
  const withoutProof = `c=${encoder.encode(header).toBase64()},r=${nonce}`;
  const exchanged = `${bare},${serverFirst},${withoutProof}`;
  const mask = await hmac(storedKey, exchanged);
  const proof = clientKey.map((byte, i) => byte ^ mask[i]!);
  const signature = (await hmac(await hmac(salted, "Server Key"), exchanged)).toBase64();
  return { final: `${withoutProof},p=${proof.toBase64()}`, signature };
}
