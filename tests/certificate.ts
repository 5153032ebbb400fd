/** Certificates for tests: an authority, and a server's key with a certificate of it for 127.0.0.1 and localhost.
 *
 * Made anew in each run, with WebCrypto and a few lines of DER, so that no key lies in the repository and no program is
 * needed. Left out: everything that these two certificates have not got.
 * @see {@link https://www.rfc-editor.org/rfc/rfc5280#section-4.1} @module */

/** PEM texts. */
export interface TestCertificate {
  /** Of the authority: what clients are to trust. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

const ecdsa = { name: "ECDSA", namedCurve: "P-256" } as const;
const ECDSA_WITH_SHA256 = "2a8648ce3d040302";
const COMMON_NAME = "550403", BASIC_CONSTRAINTS = "551d13", SUBJECT_ALT_NAME = "551d11";

/** Makes the two certificates, valid for some days. */
export async function makeCertificate(): Promise<TestCertificate> {
  const [authority, server] = [await newKey(), await newKey()];
  const isAuthority = extension(BASIC_CONSTRAINTS, der(0x30, "0101ff"));
  const names = der(0x30, der(0x82, textHex("localhost")), der(0x87, "7f000001"));
  const ca = await certificate("tests", authority.publicKey, authority.privateKey, isAuthority);
  const own = await certificate(
    "localhost",
    server.publicKey,
    authority.privateKey,
    [
      extension(BASIC_CONSTRAINTS, der(0x30)),
      extension(SUBJECT_ALT_NAME, names),
    ].join(""),
  );
  const key = new Uint8Array(await crypto.subtle.exportKey("pkcs8", server.privateKey));
  return {
    ca: pem("CERTIFICATE", ca),
    certificate: pem("CERTIFICATE", own),
    key: pem("PRIVATE KEY", key),
  };
}

/** The same as files of a folder: `ca.pem`, `cert.pem`, `key.pem`. */
export async function writeCertificate(folder: string): Promise<TestCertificate> {
  const made = await makeCertificate();
  await Deno.writeTextFile(`${folder}/ca.pem`, made.ca);
  await Deno.writeTextFile(`${folder}/cert.pem`, made.certificate);
  await Deno.writeTextFile(`${folder}/key.pem`, made.key);
  return made;
}

function newKey(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ecdsa, true, ["sign", "verify"]) as Promise<CryptoKeyPair>;
}

async function certificate(
  subject: string,
  publicKey: CryptoKey,
  signer: CryptoKey,
  extensions: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm = der(0x30, der(0x06, ECDSA_WITH_SHA256));
  const serial = der(0x02, "01" + crypto.getRandomValues(new Uint8Array(8)).toHex());
  const valid = der(0x30, time(Date.now() - 86_400_000), time(Date.now() + 3 * 86_400_000));
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey)).toHex();
  const body = der(
    0x30,
    der(0xa0, der(0x02, "02")), // version 3
    serial,
    algorithm,
    name("tests"),
    valid,
    name(subject),
    spki,
    der(0xa3, der(0x30, extensions)),
  );
  const hash = { name: "ECDSA", hash: "SHA-256" };
  const raw = new Uint8Array(await crypto.subtle.sign(hash, signer, Uint8Array.fromHex(body)));
  const signature = der(0x30, integer(raw.subarray(0, 32)), integer(raw.subarray(32)));
  return Uint8Array.fromHex(der(0x30, body, algorithm, der(0x03, "00" + signature)));
}

/** One value: tag, length, content; in hex, as all of these are. */
function der(tag: number, ...contents: string[]): string {
  const content = contents.join("");
  const length = content.length / 2;
  const size = length < 128 ? hex(length) : length < 256 ? "81" + hex(length) : "82" + hex(length, 4);
  return hex(tag) + size + content;
}

function extension(id: string, value: string): string {
  return der(0x30, der(0x06, id), der(0x04, value));
}

function name(commonName: string): string {
  return der(0x30, der(0x31, der(0x30, der(0x06, COMMON_NAME), der(0x0c, textHex(commonName)))));
}

/** `YYMMDDHHMMSSZ` */
function time(ms: number): string {
  return der(0x17, textHex(new Date(ms).toISOString().replace(/^..|[-:T]|\.\d+/g, "")));
}

/** A positive number without needless zeros in front. */
function integer(bytes: Uint8Array): string {
  const digits = bytes.toHex().replace(/^(00)+/, "");
  return der(0x02, Number.parseInt(digits.slice(0, 2), 16) >= 128 ? "00" + digits : digits);
}

function hex(value: number, digits = 2): string {
  return value.toString(16).padStart(digits, "0");
}

function textHex(text: string): string {
  return new TextEncoder().encode(text).toHex();
}

function pem(label: string, bytes: Uint8Array<ArrayBuffer>): string {
  const lines = bytes.toBase64().replace(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}
