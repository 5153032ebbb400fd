/** Who a connection belongs to: SASL with PLAIN and SCRAM, asked for by SaslHandshake and SaslAuthenticate.
 *
 *     connection.ts → apis/17, apis/36 → Authentication (one connection) → Authenticator (one listener) → users
 *
 * One failed attempt ends its connection, after the answer. Whether a name exists shows neither in the words nor in
 * the time of an answer. Deriving keys from a password (PLAIN) runs off the event loop, few at a time. Left out: raw
 * tokens without Kafka's header (handshake v0), authenticating again on a connection (KIP-368), OAUTHBEARER, GSSAPI.
 * @see {@link https://kafka.apache.org/protocol#sasl_handshake} {@link https://www.rfc-editor.org/rfc/rfc4616} @module */

import { timingSafeEqual } from "node:crypto";
import {
  deriveKeys,
  hmac,
  madeUpKeys,
  type ScramKeys,
  type ScramMechanism,
  scramMechanisms,
} from "./sasl_credentials.ts";
import { SaslFailure, type SaslRound, ScramExchange } from "./sasl_scram.ts";
import type { UserDirectory } from "./sasl_users.ts";
import { type ErrorCode, errors } from "./wire/error_codes.ts";

export { SaslFailure } from "./sasl_scram.ts";

type Mechanism = "PLAIN" | ScramMechanism;

/** How logins went on one listener, since the start. */
export interface AuthenticationCount {
  readonly mechanism: string;
  readonly outcome: "success" | "failure";
  readonly count: number;
}

/** Answer to SaslHandshake. */
export interface HandshakeAnswer {
  readonly error: ErrorCode;
  readonly mechanisms: readonly string[];
  /** Why the connection ends after this answer, if it does. */
  readonly refusal?: string;
}

/** Answer to SaslAuthenticate. */
export interface AuthenticateAnswer {
  readonly error: ErrorCode;
  readonly message: string | null;
  readonly bytes: Uint8Array;
  readonly refusal?: string;
}

/** What a listener asks of who connects. */
export interface AuthenticatorOptions {
  readonly directory: UserDirectory;
  /** Makes salts for names that do not exist; the same after a restart, or a salt that changed would tell. */
  readonly secret: Uint8Array;
  /** Time that every failed attempt takes at least, in milliseconds: 100. */
  readonly failureMs?: number;
}

/** Longest token; the ones of PLAIN and SCRAM have some hundred bytes. */
const MAX_TOKEN_BYTES = 8 * 1024;
/** Requests before the login: ApiVersions, a handshake and two or three rounds are usual. */
const MAX_EARLY_REQUESTS = 16;
/** Passwords whose keys are derived at a time, in threads of the runtime. */
const MAX_DERIVING = 2;
const FAILURE_MS = 100;
/** What may be asked before the login: SaslHandshake, ApiVersions, SaslAuthenticate. */
const EARLY_APIS: ReadonlySet<number> = new Set([17, 18, 36]);
const NO_BYTES = new Uint8Array(0);
const WRONG = "wrong user name or password";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What the connections of one listener share. */
export class Authenticator {
  readonly directory: UserDirectory;
  readonly failureMs: number;
  readonly #secret: Uint8Array;
  readonly #deriving = new Gate(MAX_DERIVING);
  readonly #counts = new Map<string, { success: number; failure: number }>();

  constructor({ directory, secret, failureMs = FAILURE_MS }: AuthenticatorOptions) {
    this.directory = directory;
    this.failureMs = failureMs;
    this.#secret = secret;
  }

  /** Begins with a connection.
   * @param isPrivate whether nobody can listen in on it: TLS or loopback. Elsewhere PLAIN is not offered, as it
   * sends the password.
   * @param signal aborts when the connection is gone */
  begin(isPrivate: boolean, signal: AbortSignal): Authentication {
    return new Authentication(this, isPrivate, signal);
  }

  /** The keys of a user, or made-up ones that look like those of some user. */
  keysOf(mechanism: ScramMechanism, name: string): ScramKeys {
    const { users } = this.directory;
    const made = madeUpKeys(mechanism, name, this.#secret, this.#likeness(mechanism, name));
    return users.get(name)?.get(mechanism) ?? made;
  }

  /** Whether a password is the one of a user. */
  async check(name: string, password: string, signal: AbortSignal): Promise<boolean> {
    const known = this.directory.users.get(name);
    const mechanism = scramMechanisms.find((mechanism) => known?.has(mechanism)) ?? scramMechanisms[0];
    const keys = this.keysOf(mechanism, name);
    const { storedKey } = await this.#deriving.run(signal, () => deriveKeys(mechanism, password, keys));
    return timingSafeEqual(storedKey, keys.storedKey);
  }

  count(mechanism: string, outcome: "success" | "failure"): void {
    const counts = this.#counts.get(mechanism) ?? { success: 0, failure: 0 };
    counts[outcome] += 1;
    this.#counts.set(mechanism, counts);
  }

  counts(): AuthenticationCount[] {
    return [...this.#counts].flatMap(([mechanism, { success, failure }]): AuthenticationCount[] => [
      { mechanism, outcome: "success", count: success },
      { mechanism, outcome: "failure", count: failure },
    ]);
  }

  /** Iterations and length of salt may differ from user to user; one is picked by the name. */
  #likeness(mechanism: ScramMechanism, name: string): ScramKeys | undefined {
    const all = [...this.directory.users.values()];
    const picked = hmac("SCRAM-SHA-256", this.#secret, `like ${name}`);
    const at = new DataView(picked.buffer, picked.byteOffset).getUint32(0);
    return all.length === 0 ? undefined : all[at % all.length]?.get(mechanism);
  }
}

/** The login of one connection. Its rounds come one after the other. */
export class Authentication {
  readonly #shared: Authenticator;
  readonly #isPrivate: boolean;
  readonly #signal: AbortSignal;
  #earlyRequests = 0;
  #mechanism: Mechanism | undefined;
  #scram: ScramExchange | undefined;
  #user: string | undefined;

  constructor(shared: Authenticator, isPrivate: boolean, signal: AbortSignal) {
    this.#shared = shared;
    this.#isPrivate = isPrivate;
    this.#signal = signal;
  }

  /** Who it is, once that is known. */
  get user(): string | undefined {
    return this.#user;
  }

  /** Whether the user it logged in as is there no more. */
  get isRevoked(): boolean {
    return this.#user !== undefined && !this.#shared.directory.users.has(this.#user);
  }

  /** Why a request may not be served now, or undefined when it may. */
  refusalOf(apiKey: number): string | undefined {
    if (this.#user !== undefined) return undefined;
    this.#earlyRequests += 1;
    if (!EARLY_APIS.has(apiKey)) {
      return `found a request before the login, wanted SaslHandshake with one of ${
        this.#offered().join(", ")
      }`;
    }
    if (this.#earlyRequests <= MAX_EARLY_REQUESTS) return undefined;
    return `found more than ${MAX_EARLY_REQUESTS} requests before the login`;
  }

  handshake(version: number, mechanism: string): HandshakeAnswer {
    if (this.#user !== undefined) return { error: errors.ILLEGAL_SASL_STATE, mechanisms: [] };
    const mechanisms = this.#offered();
    if (this.#mechanism !== undefined) {
      return { error: errors.ILLEGAL_SASL_STATE, mechanisms: [], refusal: "found a second SaslHandshake" };
    }
    if (version === 0) {
      const refusal = "found SaslHandshake v0, which raw tokens follow, wanted v1";
      return { error: errors.UNSUPPORTED_VERSION, mechanisms, refusal };
    }
    const found = mechanisms.find((offered) => offered === mechanism);
    if (found === undefined) {
      const shown = JSON.stringify(mechanism.slice(0, 40));
      const refusal = `found mechanism ${shown}, wanted one of ${mechanisms.join(", ")}`;
      this.#shared.count("other", "failure");
      return { error: errors.UNSUPPORTED_SASL_MECHANISM, mechanisms, refusal };
    }
    this.#mechanism = found;
    return { error: errors.NONE, mechanisms };
  }

  /** One round. Never rejects; what makes no sense is a failure. */
  async authenticate(token: Uint8Array): Promise<AuthenticateAnswer> {
    if (this.#user !== undefined) return outOfOrder("this connection is logged in already");
    const mechanism = this.#mechanism;
    if (mechanism === undefined) {
      return {
        ...outOfOrder("SaslHandshake comes first"),
        refusal: "found SaslAuthenticate without handshake",
      };
    }
    const begunMs = performance.now();
    try {
      const { reply, user } = await this.#round(mechanism, token);
      if (user !== undefined) {
        this.#user = user;
        this.#shared.count(mechanism, "success");
      }
      return { error: errors.NONE, message: null, bytes: reply };
    } catch (error) {
      this.#shared.count(mechanism, "failure");
      // Alike for every reason, so that the time tells nothing, and guessing takes its time.
      await passed(begunMs + this.#shared.failureMs - performance.now(), this.#signal);
      if (!(error instanceof SaslFailure)) throw error;
      const message = `Authentication with ${mechanism} failed: ${error.message}`;
      const refusal = `${mechanism}: ${error.message}`;
      return { error: errors.SASL_AUTHENTICATION_FAILED, message, bytes: NO_BYTES, refusal };
    }
  }

  async #round(mechanism: Mechanism, token: Uint8Array): Promise<SaslRound> {
    if (token.byteLength > MAX_TOKEN_BYTES) {
      throw new SaslFailure(`found a token of ${token.byteLength} bytes, allowed: ${MAX_TOKEN_BYTES}`);
    }
    if (this.#scram === undefined) await this.#shared.directory.refresh();
    if (mechanism === "PLAIN") return await this.#plain(token);
    this.#scram ??= new ScramExchange(mechanism, (name) => this.#shared.keysOf(mechanism, name));
    return this.#scram.next(token);
  }

  /** `authorization id NUL name NUL password`. */
  async #plain(token: Uint8Array): Promise<SaslRound> {
    const parts = splitAtNul(token);
    if (parts.length !== 3) {
      throw new SaslFailure(`found ${parts.length} parts in the token of PLAIN, wanted 3`);
    }
    const [authzid, name, password] = parts as [string, string, string];
    if (name === "" || password === "") throw new SaslFailure(WRONG);
    if (authzid !== "" && authzid !== name) {
      throw new SaslFailure("found an authorization id that is not the user name");
    }
    if (!await this.#shared.check(name, password, this.#signal)) throw new SaslFailure(WRONG);
    return { reply: NO_BYTES, user: name };
  }

  #offered(): Mechanism[] {
    return this.#isPrivate ? ["PLAIN", ...scramMechanisms] : [...scramMechanisms];
  }
}

function outOfOrder(why: string): AuthenticateAnswer {
  return { error: errors.ILLEGAL_SASL_STATE, message: `Cannot log in: ${why}`, bytes: NO_BYTES };
}

function splitAtNul(token: Uint8Array): string[] {
  try {
    return utf8.decode(token).split("\0");
  } catch {
    throw new SaslFailure("found a token of PLAIN that is not UTF-8");
  }
}

/** Resolves after some time, or at once when `signal` aborts. */
function passed(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (ms <= 0 || signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}

/** Lets so many run at a time; the others wait in order, and leave when their connection goes. */
class Gate {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(width: number) {
    this.#free = width;
  }

  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await this.#turn(signal);
    else this.#free -= 1;
    try {
      return await work();
    } finally {
      const [next] = this.#waiting;
      if (next === undefined) this.#free += 1;
      else next();
    }
  }

  /** @throws {SaslFailure} when the signal aborts first */
  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(enter);
        reject(new SaslFailure("the connection is gone"));
      };
      const enter = (): void => {
        this.#waiting.delete(enter);
        signal.removeEventListener("abort", leave);
        resolve();
      };
      if (signal.aborted) return leave();
      this.#waiting.add(enter);
      signal.addEventListener("abort", leave);
    });
  }
}
