/** ApiVersions (key 18), versions 0–4, flexible from 3.
 *     request  => client_software_name:STRING client_software_version:STRING (both v3+)
 *     response => error_code:INT16 [api_key:INT16 min_version:INT16 max_version:INT16] throttle_time_ms:INT32 (v1+)
 * Its answers carry response header v0 in every version, and a version that is not known here is answered too, in
 * the format of v0 with UNSUPPORTED_VERSION (connection.ts asks {@link unsupportedApiVersions} for it): the client then
 * tries again with one of the versions named. Left out: features, all of which would invite clients to
 * protocols that are not served (transactions v2, KIP-848 and share groups).
 * @see {@link https://cwiki.apache.org/confluence/display/KAFKA/KIP-511} @module */

import { errors } from "../wire/error_codes.ts";
import type { WireWriter } from "../wire/writer.ts";
import type { Api } from "./mod.ts";

const SOFTWARE = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

/** The API over a list that is complete only after this module was loaded. */
export function apiVersions(list: () => readonly Api[]): Api {
  return {
    key: 18,
    name: "ApiVersions",
    versions: [0, 4],
    flexibleFrom: 3,
    handle({ version, body }, out) {
      let error: number = errors.NONE;
      if (version >= 3) {
        const name = body.string();
        const softwareVersion = body.string();
        body.tags();
        if (!SOFTWARE.test(name) || !SOFTWARE.test(softwareVersion)) error = errors.INVALID_REQUEST;
      }
      out.errorCode(error);
      out.structs(error === errors.NONE ? list() : [], (api) => range(api, out));
      if (version >= 1) out.int32(0); // throttle_time_ms
      out.tags();
    },
    fail({ version }, out, errorCode) {
      out.errorCode(errorCode);
      out.structs([], () => {});
      if (version >= 1) out.int32(0);
      out.tags();
    },
  };
}

/** Writes the answer to a version of ApiVersions that is not served: v0, error 35 and what is served instead.
 * @param out a writer of the old encoding */
export function unsupportedApiVersions(list: readonly Api[], out: WireWriter): void {
  out.errorCode(errors.UNSUPPORTED_VERSION);
  out.structs(list, (api) => range(api, out));
}

function range(api: Api, out: WireWriter): void {
  out.int16(api.key);
  out.int16(api.versions[0]);
  out.int16(api.versions[1]);
}
