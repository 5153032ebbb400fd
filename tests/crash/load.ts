/** The load of the crash tests of the broker: four idempotent producers, three transactional ones. @module */
import { ProtocolClient } from "../protocol/client.ts";
import type { Random } from "../random.ts";
import {
  IdempotentProducer,
  positionsTopic,
  type Producer,
  TransactionalProducer,
} from "./broker_producers.ts";
import type { Ledger } from "./ledger.ts";

/** Partitions of the topics that are written to. */
export const topics = { numbers: 3, accounts: 3 } as const;
/** Those of the transactional producers. */
export const transactionalIds = ["t1", "t2", "t3"];

/** Makes the topics and starts the producers. */
export async function openLoad(port: number, random: Random, ledger: Ledger): Promise<Producer[]> {
  const partitions = Object.entries({ ...topics, [positionsTopic]: 1 });
  const wanted = partitions.map(([name, numPartitions]) => ({ name, numPartitions, replicationFactor: 1 }));
  using client = await ProtocolClient.connect(port);
  await client.ask(19, 4, { topics: wanted, timeoutMs: 10_000 });
  const options = (name: string, topic: keyof typeof topics) => {
    return { port, name, topic, partitions: topics[topic], random, ledger };
  };
  return await Promise.all<Producer>([
    ...["i1", "i2", "i3", "i4"].map((name) => IdempotentProducer.open(options(name, "numbers"))),
    ...transactionalIds.map((name) => TransactionalProducer.open(options(name, "accounts"))),
  ]);
}
