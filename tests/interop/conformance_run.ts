/** Runs scenarios: every one, for every client that can, on every broker; several at a time, as most of each is waiting.
 *
 * A run starts when its test asks for it, and the next ones of the list with it, so the order of tests is kept, one test alone
 * is possible, and a machine is used. Drivers and brokers are shared by the runs and ended by {@linkcode Conformance.close}.
 * Left out: what is run (scenarios/) and for whom (conformance_clients.ts). @module */
import type { Admin } from "kafkajs";
import { plainKafka } from "../clients.ts";
import { eventually, within } from "../eventually.ts";
import type { Client } from "./conformance_clients.ts";
import { Driver, type DriverCommand } from "./driver.ts";
import type { Feature } from "./driver_protocol.ts";
import type { Context, Scenario } from "./scenarios/mod.ts";

/** A broker to be; opened when the first run needs it. */
export interface BrokerUnderTest {
  readonly name: string;
  open(): Promise<AsyncDisposable & { readonly bootstrap: string }>;
}

/** One scenario for one client on one broker. */
export interface Run {
  readonly client: Client;
  readonly broker: BrokerUnderTest;
  readonly scenario: Scenario;
}

/** Runs at a time. */
const lanes = 6;
/** Longest that one scenario may take, in milliseconds. */
const scenarioMs = 400_000;

interface OpenBroker {
  readonly bootstrap: string;
  readonly admin: Admin;
  close(): Promise<void>;
}

/** Starts a client's driver, asks what it can do, and ends it.
 * @throws {Error} when it cannot be started */
export async function featuresOf(client: Client): Promise<ReadonlySet<Feature>> {
  // Port 9 discards: no broker is needed to say hello.
  await using driver = await Driver.start(client.name, await client.command(), "127.0.0.1:9");
  return driver.features;
}

/** All runs, and what they share. */
export class Conformance {
  readonly #runs: readonly Run[];
  readonly #clients: readonly Client[];
  readonly #brokers = new Map<string, Promise<OpenBroker>>();
  readonly #drivers = new Map<string, Promise<Driver>>();
  readonly #commands = new Map<string, Promise<DriverCommand>>();
  readonly #started = new Map<Run, Promise<Error | null>>();
  #busy = 0;
  #next = 0;
  #closing = false;

  /** @param clients those this machine has */
  constructor(runs: readonly Run[], clients: readonly Client[]) {
    this.#runs = runs;
    this.#clients = clients;
  }

  /** What became of a run; starts it, and others, when nobody has.
   * @throws {Error} what went wrong in it */
  async outcome(run: Run): Promise<void> {
    const started = this.#started.get(run) ?? this.#start(run);
    this.#next = Math.max(this.#next, this.#runs.indexOf(run) + 1);
    this.#fill();
    const error = await started;
    if (error) throw error;
  }

  /** Ends every driver and broker, after the runs that are on their way.
   * @throws {AggregateError} of the drivers that did not end well */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#started.values());
    // A driver that could not be started has failed its runs already.
    const drivers = await Promise.all([...this.#drivers.values()].map((each) => each.catch(() => null)));
    const ends = await Promise.allSettled(drivers.map((driver) => driver?.close()));
    const brokers = await Promise.all([...this.#brokers.values()].map((each) => each.catch(() => null)));
    await Promise.all(brokers.map((broker) => broker?.close()));
    const errors = ends.filter((end) => end.status === "rejected").map(({ reason }) => reason);
    if (errors.length > 0) throw new AggregateError(errors, errors.map(({ message }) => message).join("\n"));
  }

  /** The shared driver of a client on a broker. */
  async driver(client: Client, broker: BrokerUnderTest): Promise<Driver> {
    const { bootstrap } = await this.#broker(broker);
    return await kept(this.#drivers, `${client.name} on ${broker.name}`, async () => {
      return Driver.start(client.name, await this.#command(client), bootstrap);
    });
  }

  #fill(): void {
    while (this.#busy < lanes && this.#next < this.#runs.length && !this.#closing) {
      const run = this.#runs[this.#next++]!;
      if (!this.#started.has(run)) this.#start(run);
    }
  }

  #start(run: Run): Promise<Error | null> {
    this.#busy++;
    const outcome = this.#run(run).then(() => null, (error: Error) => error).finally(() => {
      this.#busy--;
      this.#fill();
    });
    this.#started.set(run, outcome);
    return outcome;
  }

  async #run({ client, broker, scenario }: Run): Promise<void> {
    const driver = await this.driver(client, broker);
    const { bootstrap, admin } = await this.#broker(broker);
    const deferred: (() => Promise<unknown>)[] = [];
    const name = (what: string) =>
      `${client.name.replace(/\W+/g, "")}-${what}-${crypto.randomUUID().slice(0, 8)}`;
    const context: Context = {
      bootstrap,
      admin,
      name,
      topic: async (what, { partitions = 1, configs = {} } = {}) => {
        const topic = name(what);
        const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
        await admin.createTopics({
          waitForLeaders: false,
          timeout: 25_000,
          topics: [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries }],
        });
        await visible(admin, topic, partitions);
        return topic;
      },
      peer: async (...features) => {
        for (const other of this.#clients) {
          if (other.name === client.name) continue;
          const peer = await this.driver(other, broker);
          if (peer.has(...features)) return peer;
        }
        return null;
      },
      everyone: async (...features) => {
        const drivers = await Promise.all(this.#clients.map((each) => this.driver(each, broker)));
        return drivers.filter((each) => each.has(...features));
      },
      start: async (other = bootstrap) => {
        const started = await Driver.start(client.name, await this.#command(client), other);
        deferred.push(() => started.close());
        return started;
      },
      defer: (work) => void deferred.push(work),
    };
    try {
      await within(`the end of the scenario`, scenarioMs, scenario.run(driver, context));
    } finally {
      for (const work of deferred.reverse()) await work();
    }
  }

  #command(client: Client): Promise<DriverCommand> {
    return kept(this.#commands, client.name, async () => await client.command());
  }

  #broker(broker: BrokerUnderTest): Promise<OpenBroker> {
    return kept(this.#brokers, broker.name, async () => {
      const opened = await broker.open();
      const admin = plainKafka(opened.bootstrap).admin();
      await admin.connect();
      const close = async () => {
        await admin.disconnect();
        await opened[Symbol.asyncDispose]();
      };
      return { bootstrap: opened.bootstrap, admin, close };
    });
  }
}

/** Waits until a topic is what it was made as: on Apache Kafka that takes a moment longer than making it. */
async function visible(admin: Admin, topic: string, partitions: number): Promise<void> {
  await eventually(`topic ${topic}`, async () => {
    const { topics: [found] } = await admin.fetchTopicMetadata({ topics: [topic] });
    if (found?.partitions.length !== partitions) return false;
    // Its leader is known before it leads, and a client that is told so sends all again: ask every partition.
    return (await admin.fetchTopicOffsets(topic)).length === partitions;
  });
}

/** The promise of `key`, made by the first who asks. */
function kept<T>(map: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  let promise = map.get(key);
  if (!promise) map.set(key, promise = make());
  return promise;
}
