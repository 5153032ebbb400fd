/** SaslAuthenticate (key 36), versions 0–2, flexible from 2.
 *     request  => auth_bytes:BYTES
 *     response => error_code:INT16 error_message:NULLABLE_STRING auth_bytes:BYTES session_lifetime_ms:INT64 (v1+)
 * One round of the mechanism that SaslHandshake chose. After a failure the answer leaves, then the connection ends.
 * Left out: a session's lifetime (0: for as long as the connection).
 * @see {@link https://cwiki.apache.org/confluence/display/KAFKA/KIP-152} @module */

import type { AuthenticateAnswer } from "../sasl.ts";
import { errors } from "../wire/error_codes.ts";
import type { Api } from "./mod.ts";

const NOT_ASKED: AuthenticateAnswer = {
  error: errors.ILLEGAL_SASL_STATE,
  message: "Cannot log in: this broker has no users and asks nobody who it is",
  bytes: new Uint8Array(0),
};

export const saslAuthenticate: Api = {
  key: 36,
  name: "SaslAuthenticate",
  versions: [0, 2],
  flexibleFrom: 2,
  async handle({ version, body, authentication }, out) {
    const token = body.bytes();
    body.tags();
    const answer = await authentication?.authenticate(token) ?? NOT_ASKED;
    out.errorCode(answer.error);
    out.nullableString(answer.message);
    out.bytes(answer.bytes);
    if (version >= 1) out.int64(0); // session_lifetime_ms
    out.tags();
    return answer.refusal === undefined ? undefined : { refusal: answer.refusal };
  },
  fail({ version }, out, errorCode) {
    out.errorCode(errorCode);
    out.nullableString(null);
    out.bytes(new Uint8Array(0));
    if (version >= 1) out.int64(0);
    out.tags();
  },
};
