/** SaslHandshake (key 17), versions 0–1, never flexible.
 *     request  => mechanism:STRING
 *     response => error_code:INT16 [mechanism:STRING]
 * Version 0 would be followed by tokens without Kafka's header; it is advertised as Kafka does, and refused with
 * UNSUPPORTED_VERSION, as no client uses it. On a connection that needs no login, or has one, the answer is
 * ILLEGAL_SASL_STATE.
 * @see {@link https://cwiki.apache.org/confluence/display/KAFKA/KIP-43} @module */

import { errors } from "../wire/error_codes.ts";
import type { Api } from "./mod.ts";

export const saslHandshake: Api = {
  key: 17,
  name: "SaslHandshake",
  versions: [0, 1],
  flexibleFrom: Infinity,
  handle({ version, body, authentication }, out) {
    const mechanism = body.string();
    const answer = authentication?.handshake(version, mechanism);
    out.errorCode(answer?.error ?? errors.ILLEGAL_SASL_STATE);
    out.array(answer?.mechanisms ?? [], (name) => out.string(name));
    return answer?.refusal === undefined ? undefined : { refusal: answer.refusal };
  },
};
