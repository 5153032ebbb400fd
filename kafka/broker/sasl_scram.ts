/** The server's side of SCRAM: two messages in, two out, no password and no state but this exchange.
 *
 *     client-first  n,,n=<name>,r=<nonce>            server-first  r=<nonce><ours>,s=<salt>,i=<iterations>
 *     client-final  c=<header>,r=<nonce>,p=<proof>   server-final  v=<signature>
 *
 * Left out: channel binding (`p=…` is refused, so no mechanism "-PLUS" is offered) and acting for somebody else (an
 * authorization id that is not the name).
 * @see {@link https://www.rfc-editor.org/rfc/rfc5802} {@link https://www.rfc-editor.org/rfc/rfc7677} @module */

import { timingSafeEqual } from "node:crypto";
import { fromBase64, hash, hmac, type ScramKeys, type ScramMechanism } from "./sasl_credentials.ts";

/** Why an authentication failed; the message goes to the client, so it tells nothing about which users there are. */
export class SaslFailure extends Error {
  override readonly name = "SaslFailure";
}

/** What one round brought: bytes for the client, and after the last round who it is. */
export interface SaslRound {
  readonly reply: Uint8Array;
  readonly user?: string;
}

/** The keys to check a name against: made-up ones where there is no such user. */
export type KeysOf = (name: string) => ScramKeys;

/** Characters of a nonce: printable ASCII but the comma. */
const NONCE = /^[\x21-\x2b\x2d-\x7e]{1,1024}$/;
const NONCE_BYTES = 24;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

interface First {
  /** What precedes the bare message; the client repeats it in its last one. */
  readonly header: string;
  readonly bare: string;
  readonly user: string;
  readonly nonce: string;
}

interface Begun extends First {
  readonly keys: ScramKeys;
  readonly serverFirst: string;
}

/** One exchange. */
export class ScramExchange {
  readonly #mechanism: ScramMechanism;
  readonly #keysOf: KeysOf;
  readonly #ownNonce: string;
  #begun: Begun | undefined;

  /** @param ownNonce for tests */
  constructor(mechanism: ScramMechanism, keysOf: KeysOf, ownNonce = randomNonce()) {
    this.#mechanism = mechanism;
    this.#keysOf = keysOf;
    this.#ownNonce = ownNonce;
  }

  /** Takes the client's next message.
   * @throws {SaslFailure} if it is malformed, or the proof is wrong */
  next(message: Uint8Array): SaslRound {
    const text = decode(message);
    return this.#begun === undefined ? this.#begin(text) : this.#finish(text, this.#begun);
  }

  #begin(text: string): SaslRound {
    const first = readFirst(text);
    const keys = this.#keysOf(first.user);
    const salt = new Uint8Array(keys.salt).toBase64();
    const serverFirst = `r=${first.nonce}${this.#ownNonce},s=${salt},i=${keys.iterations}`;
    this.#begun = { ...first, keys, serverFirst };
    return { reply: encoder.encode(serverFirst) };
  }

  #finish(text: string, { header, bare, user, nonce, keys, serverFirst }: Begun): SaslRound {
    const match = /^(c=([^,]*),r=([^,]*)(?:,[a-zA-Z]=[^,]*)*),p=([^,]*)$/.exec(text);
    if (match === null) throw new SaslFailure("found a malformed last message of SCRAM");
    const [, withoutProof, binding, repeated, proof] = match;
    if (binding !== encoder.encode(header).toBase64()) {
      throw new SaslFailure("found another channel binding than in the first message of SCRAM");
    }
    if (repeated !== nonce + this.#ownNonce) throw new SaslFailure("found another nonce than was sent");
    const exchanged = `${bare},${serverFirst},${withoutProof}`;
    const given = fromBase64(proof!);
    const isRight = given !== undefined && this.#isRight(given, keys, exchanged);
    if (!isRight) throw new SaslFailure("wrong user name or password");
    const signature = new Uint8Array(hmac(this.#mechanism, keys.serverKey, exchanged)).toBase64();
    return { reply: encoder.encode(`v=${signature}`), user };
  }

  #isRight(proof: Uint8Array, { storedKey }: ScramKeys, exchanged: string): boolean {
    const signature = hmac(this.#mechanism, storedKey, exchanged);
    if (proof.byteLength !== signature.byteLength) return false;
    const clientKey = signature.map((byte, i) => byte ^ proof[i]!);
    return timingSafeEqual(hash(this.#mechanism, clientKey), storedKey);
  }
}

function readFirst(text: string): First {
  const match = /^(([nyp])(?:=([^,]*))?,(?:a=([^,]*))?,)(n=([^,]*),r=([^,]*)(?:,[a-zA-Z]=[^,]*)*)$/.exec(
    text,
  );
  if (match === null) throw new SaslFailure("found a malformed first message of SCRAM");
  const [, header, flag, binding, authzid, bare, name, nonce] = match;
  if (flag === "p") throw new SaslFailure("found channel binding, which is not offered");
  if (binding !== undefined) throw new SaslFailure("found a malformed first message of SCRAM");
  const user = readName(name!);
  if (authzid !== undefined && authzid !== "" && readName(authzid) !== user) {
    throw new SaslFailure("found an authorization id that is not the user name");
  }
  if (!NONCE.test(nonce!)) throw new SaslFailure("found a malformed nonce");
  return { header: header!, bare: bare!, user, nonce: nonce! };
}

/** A name in which "," is written "=2C" and "=" is written "=3D"; any other "=" is an error (RFC 5802, section 5.1). */
function readName(written: string): string {
  if (written === "" || /=(?!2C|3D)/.test(written)) throw new SaslFailure("found a malformed user name");
  return written.replaceAll("=2C", ",").replaceAll("=3D", "=");
}

function decode(message: Uint8Array): string {
  try {
    return utf8.decode(message);
  } catch {
    throw new SaslFailure("found a message of SCRAM that is not UTF-8");
  }
}

function randomNonce(): string {
  return crypto.getRandomValues(new Uint8Array(NONCE_BYTES)).toBase64();
}
