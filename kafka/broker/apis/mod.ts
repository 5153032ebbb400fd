/** The list of the APIs this broker serves. Dispatch, the check of versions and the ApiVersions answer all come from
 * it, so an API is served exactly when it has its line here.
 * @see {@link https://kafka.apache.org/protocol#protocol_api_keys} @module */

import type { Groups } from "../group.ts";
import type { Log } from "../log.ts";
import type { Offsets } from "../offsets.ts";
import type { ProducerIds } from "../producers.ts";
import type { Store } from "../store.ts";
import type { BrokerLogger } from "../logger.ts";
import type { WireReader } from "../wire/reader.ts";
import type { WireWriter } from "../wire/writer.ts";
import { apiVersions } from "./18_api_versions.ts";

/** What an API works on: one broker, shared by all of its connections. */
export interface BrokerState {
  readonly nodeId: number;
  /** Where clients reach this broker: what Metadata and FindCoordinator tell them. */
  readonly host: string;
  readonly port: number;
  readonly clusterId: string;
  readonly store: Store;
  readonly log: Log;
  readonly producerIds: ProducerIds;
  readonly groups: Groups;
  readonly offsets: Offsets;
  readonly logger: BrokerLogger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** One request, its header already read. */
export interface ApiRequest {
  readonly version: number;
  /** The fields of the body, from the first one on; its top-level tagged fields are read by the API with `tags()`. */
  readonly body: WireReader;
  readonly clientId: string | null;
  /** As Kafka shows it: `/127.0.0.1`. */
  readonly clientHost: string;
  /** Aborts when the connection is gone: whoever waits, stops. */
  readonly signal: AbortSignal;
  readonly broker: BrokerState;
}

/** One API of the protocol. */
export interface Api {
  readonly key: number;
  readonly name: string;
  /** What ApiVersions advertises. */
  readonly versions: readonly [min: number, max: number];
  /** First version in the flexible encoding; Infinity for none. */
  readonly flexibleFrom: number;
  /** May run while earlier requests of its connection that also have this flag are not answered yet. All others run
   * one at a time, as in Kafka. */
  readonly pipelined?: boolean;
  /** Reads the body, writes the body of the answer (top-level `tags()` included).
   * @returns "none" when there is no answer to send (Produce with acks=0)
   * @throws {WireError} if the body is malformed: the connection is closed. Anything else thrown is answered by
   * `fail`, or closes the connection when there is none. */
  handle(request: ApiRequest, out: WireWriter): Answer | Promise<Answer>;
  /** Writes the answer that says `errorCode` in the format of this API and version. `request.body` begins anew. */
  fail?(request: ApiRequest, out: WireWriter, errorCode: number): void;
}

export type Answer = void | "none";

/** Every API served, by key. One line each. */
export const apis: readonly Api[] = [
  apiVersions(() => apis),
];

const byKey: ReadonlyMap<number, Api> = new Map(apis.map((api) => [api.key, api]));

/** The API for a key, or undefined when it is not served. */
export function apiOf(key: number): Api | undefined {
  return byKey.get(key);
}

/** Whether an API is served in a version. */
export function serves(api: Api, version: number): boolean {
  return version >= api.versions[0] && version <= api.versions[1];
}
