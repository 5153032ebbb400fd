/** Bodies and answers of the transaction APIs in hex, in both encodings. @module */

import { compact, hex16, hex32, hex64, type RawClient, str } from "../raw_client.ts";

/** How a version of an API is written. */
export class Encoding {
  readonly #flexible: boolean;

  constructor(readonly key: number, readonly version: number) {
    this.#flexible = version >= 3;
  }

  /** The tagged fields of a struct. */
  get tags(): string {
    return this.#flexible ? "00" : "";
  }

  string(value: string): string {
    return this.#flexible ? compact(value) : str(value);
  }

  nullString(): string {
    return this.#flexible ? "00" : "ffff";
  }

  /** An array; structs end with their tagged fields, primitives do not. */
  array(items: readonly string[], { structs = true } = {}): string {
    const count = this.#flexible ? hex16(items.length + 1).slice(2) : hex32(items.length);
    return count + items.map((item) => item + (structs ? this.tags : "")).join("");
  }

  /** Transactional id, producer id and epoch. */
  claim(producerId: number, epoch: number, id = "tx"): string {
    return this.string(id) + hex64(producerId) + hex16(epoch);
  }

  /** One topic and the errors of its partitions, as AddPartitionsToTxn and TxnOffsetCommit answer. */
  errors(topics: Readonly<Record<string, readonly (readonly [partition: number, error: number])[]>>): string {
    return hex32(0) + this.array(
      Object.entries(topics).map(([name, partitions]) =>
        this.string(name) + this.array(partitions.map(([index, error]) => hex32(index) + hex16(error)))
      ),
    ) + this.tags;
  }

  /** The one error that AddOffsetsToTxn and EndTxn answer. */
  error(code: number): string {
    return hex32(0) + hex16(code) + this.tags;
  }

  ask(client: RawClient, body: string): Promise<string> {
    return client.ask({
      ...{ key: this.key, version: this.version, flexible: this.#flexible },
      body: body + this.tags,
    });
  }
}

/** InitProducerId of "tx"; the first one of a broker is producer 0 with epoch 0. */
export async function initialise(client: RawClient): Promise<void> {
  await client.ask({ key: 22, version: 0, body: str("tx") + hex32(60_000) });
}

/** A broker whose commits fail while `failing` is set. */
export function breakable(store: { beforeCommit(work: () => void): void }): { failing: boolean } {
  const disk = { failing: false };
  store.beforeCommit(() => {
    if (disk.failing) throw new Error("disk full");
  });
  return disk;
}
