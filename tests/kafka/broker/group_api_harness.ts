/** The group APIs over a real store and a test's clock, asked with bytes and answering with bytes.
 * @module */
import type { Api, ApiRequest, BrokerState } from "../../../kafka/broker/apis/mod.ts";
import { serves } from "../../../kafka/broker/apis/mod.ts";
import { Log } from "../../../kafka/broker/log.ts";
import { silentBrokerLogger } from "../../../kafka/broker/logger.ts";
import { ProducerIds } from "../../../kafka/broker/producers.ts";
import { Transactions } from "../../../kafka/broker/transactions.ts";
import { WireReader } from "../../../kafka/broker/wire/reader.ts";
import { WireWriter } from "../../../kafka/broker/wire/writer.ts";
import type { FakeClock } from "./fake_clock.ts";
import { StoredGroups, withFolder } from "./stored_groups.ts";

/** What a test of an API gets. */
export interface ApiHarness {
  readonly clock: FakeClock;
  readonly stored: StoredGroups;
  readonly state: BrokerState;
  /** Sends the hex digits of a body, gives those of the answer's body, or "none". Client id "app". */
  ask(api: Api, version: number, body: string, signal?: AbortSignal): Promise<string>;
  /** The answer of `api.fail` to a body. */
  fail(api: Api, version: number, body: string, errorCode: number): string;
  /** As {@link ask}, for a request that waits for the first rebalance of a group. */
  askAfterDelay(api: Api, version: number, body: string): Promise<string>;
}

/** Runs `test` over an empty store. Member ids end in -1, -2 … */
export function withApis(test: (h: ApiHarness) => Promise<void>): Promise<void> {
  return withFolder(async (dataDir) => {
    let ids = 0;
    await using stored = await StoredGroups.open(dataDir, { uuid: () => String(++ids) });
    const { clock, store, topics, groups, offsets } = stored;
    const now = () => clock.now();
    const log = new Log(store, topics, now);
    const producerIds = new ProducerIds(store);
    const state: BrokerState = {
      ...{ nodeId: 1, host: "127.0.0.1", port: 9092, clusterId: "c", defaultPartitions: 1 },
      ...{ store, groups, offsets, now, logger: silentBrokerLogger },
      ...{ log, producerIds, transactions: new Transactions({ store, log, offsets, producerIds, now }) },
    };
    const requestOf = (api: Api, version: number, body: string, signal: AbortSignal): ApiRequest => {
      if (!serves(api, version)) throw new Error(`Cannot ask ${api.name} v${version}: it is not served`);
      const reader = new WireReader(Uint8Array.fromHex(body), version >= api.flexibleFrom);
      return { version, body: reader, clientId: "app", clientHost: "/127.0.0.1", signal, broker: state };
    };
    const ask: ApiHarness["ask"] = async (api, version, body, signal = new AbortController().signal) => {
      const request = requestOf(api, version, body, signal);
      const out = new WireWriter(version >= api.flexibleFrom);
      if (await api.handle(request, out) === "none") return "none";
      if (request.body.remaining > 0) throw new Error(`${request.body.remaining} bytes were not read`);
      return out.finish().toHex();
    };
    await test({
      ...{ clock, stored, state, ask },
      fail(api, version, body, errorCode) {
        const out = new WireWriter(version >= api.flexibleFrom);
        api.fail?.(requestOf(api, version, body, new AbortController().signal), out, errorCode);
        return out.finish().toHex();
      },
      askAfterDelay(api, version, body) {
        const asked = ask(api, version, body);
        clock.pass(200);
        return asked;
      },
    });
  });
}

const digits = (value: number, bytes: number) =>
  BigInt.asUintN(bytes * 8, BigInt(value)).toString(16).padStart(bytes * 2, "0");
const textDigits = (value: string) => new TextEncoder().encode(value).toHex();

export const i8 = (value: number): string => digits(value, 1);
export const i16 = (value: number): string => digits(value, 2);
export const i32 = (value: number): string => digits(value, 4);
export const i64 = (value: number): string => digits(value, 8);

/** Hex digits of the old encoding: strings, bytes (from hex digits) and arrays (of items in hex digits). */
export const old = {
  text: (value: string | null): string =>
    value === null ? i16(-1) : i16(textDigits(value).length / 2) + textDigits(value),
  bytes: (hex: string): string => i32(hex.length / 2) + hex,
  array: (...items: string[]): string => i32(items.length) + items.join(""),
  none: i32(-1),
};

/** The same in the flexible encoding, for lengths below 127. `struct` adds the empty set of tagged fields. */
export const flexible = {
  text: (value: string | null): string =>
    value === null ? i8(0) : i8(textDigits(value).length / 2 + 1) + textDigits(value),
  bytes: (hex: string): string => i8(hex.length / 2 + 1) + hex,
  array: (...items: string[]): string => i8(items.length + 1) + items.join(""),
  none: i8(0),
  struct: (...fields: string[]): string => fields.join("") + i8(0),
};
