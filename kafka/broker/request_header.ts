/** The header of a request: v1, or v2 with tagged fields for the flexible versions of an API.
 * @see {@link https://kafka.apache.org/protocol#protocol_messages} @module */

import { type Api, apiOf, CloseConnection, serves } from "./apis/mod.ts";
import { WireReader } from "./wire/reader.ts";

/** Key of the one API that is answered in every version. */
export const API_VERSIONS = 18;

/** What a request says before its body. */
export interface RequestHeader {
  readonly api: Api;
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  /** Whether the body is in the flexible encoding. */
  readonly flexible: boolean;
  /** Where the body begins in the frame. */
  readonly bodyAt: number;
}

/** Reads the header of a frame.
 * @throws {WireError} if the frame ends within it
 * @throws {CloseConnection} if the API or its version is not served: there is no format to answer in */
export function readHeader(frame: Uint8Array<ArrayBuffer>): RequestHeader {
  const header = new WireReader(frame, false);
  const key = header.int16();
  const version = header.int16();
  const correlationId = header.int32();
  const api = apiOf(key);
  const isUnknownApiVersions = key === API_VERSIONS && api !== undefined && !serves(api, version);
  if (api === undefined || (!serves(api, version) && !isUnknownApiVersions)) {
    throw new CloseConnection(`Cannot serve api ${key} version ${version}`);
  }
  const clientId = header.oldNullableString();
  const flexible = version >= api.flexibleFrom && !isUnknownApiVersions;
  let bodyAt = frame.byteLength - header.remaining;
  if (flexible) {
    const tagged = new WireReader(frame.subarray(bodyAt), true);
    tagged.tags();
    bodyAt = frame.byteLength - tagged.remaining;
  }
  return { api, version, correlationId, clientId, flexible, bodyAt };
}
