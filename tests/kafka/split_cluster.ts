/** One broker that looks like several nodes: a proxy for each, and answers to Metadata that give every partition to one of them.
 *
 * So a node can be dead, silent or slow while the others go on, and leaders can move. Left out: what a cluster does about it.
 * @see {@link https://kafka.apache.org/protocol#The_Messages_Metadata} versions 5 and 6
 * @module */
import { BrokerProxy, type Frame } from "./broker_proxy.ts";

/** Nodes 1 … n; each has its `onRequest`, `onAnswer`, `stop` and `start`. */
export class SplitCluster implements AsyncDisposable {
  readonly nodes: readonly BrokerProxy[];
  /** The node that leads a partition, null for none; at first partition p is led by node p mod n + 1. */
  leaderOf: (partition: number) => number | null;

  /** @param port the broker's */
  constructor(port: number, count: number) {
    this.nodes = Array.from({ length: count }, () => new BrokerProxy({ hostname: "127.0.0.1", port }));
    this.leaderOf = (partition) => partition % count + 1;
    for (const node of this.nodes) node.onMetadata = (answer) => this.#describe(answer);
  }

  /** The node of an id. */
  node(id: number): BrokerProxy {
    return this.nodes[id - 1]!;
  }

  /** Requests of an API at all nodes. */
  count(api: number): number {
    return this.nodes.reduce((sum, node) => sum + node.count(api), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node[Symbol.asyncDispose]();
  }

  #describe({ bytes, version }: Frame): Uint8Array {
    if (version < 5 || version > 6) {
      throw new RangeError(`Cannot read Metadata v${version}: 5 or 6 is wanted`);
    }
    const from = new Reading(bytes), to: number[] = [];
    to.push(...from.take(4 + 4 + 4)); // length, correlation, throttle time
    for (let brokers = from.int32(); brokers > 0; brokers--) {
      from.take(4);
      from.string();
      from.take(4);
      from.string();
    }
    to.push(...int32(this.nodes.length));
    for (const [i, { port }] of this.nodes.entries()) {
      to.push(...int32(i + 1), 0, 9, ...new TextEncoder().encode("127.0.0.1"), ...int32(port), 255, 255);
    }
    to.push(...from.string()); // cluster
    from.take(4);
    to.push(...int32(1)); // controller
    const topics = from.int32();
    to.push(...int32(topics));
    for (let i = 0; i < topics; i++) {
      to.push(...from.take(2), ...from.string(), ...from.take(1));
      const partitions = from.int32();
      to.push(...int32(partitions));
      for (let j = 0; j < partitions; j++) {
        from.take(2);
        const index = from.int32(), leader = this.leaderOf(index);
        from.take(4);
        to.push(0, leader === null ? 5 : 0, ...int32(index), ...int32(leader ?? -1)); // 5: no leader
        for (let lists = 0; lists < 3; lists++) {
          const length = from.int32();
          to.push(...int32(length), ...from.take(4 * length));
        }
      }
    }
    const answer = Uint8Array.from(to);
    new DataView(answer.buffer).setInt32(0, answer.length - 4);
    return answer;
  }
}

class Reading {
  #at = 0;

  constructor(readonly bytes: Uint8Array) {}

  take(count: number): Uint8Array {
    return this.bytes.subarray(this.#at, this.#at += count);
  }

  int32(): number {
    const bytes = this.take(4);
    return new DataView(bytes.buffer, bytes.byteOffset).getInt32(0);
  }

  /** With its length in front; −1 for null. */
  string(): Uint8Array {
    const bytes = this.bytes.subarray(this.#at);
    const length = new DataView(bytes.buffer, bytes.byteOffset).getInt16(0);
    return this.take(2 + Math.max(0, length));
  }
}

function int32(value: number): number[] {
  return [value >>> 24 & 255, value >>> 16 & 255, value >>> 8 & 255, value & 255];
}
