/** A data folder with topics, offsets and groups over it, under a test's clock, that can be closed and opened
 * again.
 * @module */
import { Groups, type GroupsOptions } from "../../../kafka/broker/group.ts";
import { silentBrokerLogger } from "../../../kafka/broker/logger.ts";
import { Offsets } from "../../../kafka/broker/offsets.ts";
import { Store } from "../../../kafka/broker/store.ts";
import { type Topic, Topics } from "../../../kafka/broker/topics.ts";
import { FakeClock } from "./fake_clock.ts";

/** The part of a broker that groups live in. */
export class StoredGroups implements AsyncDisposable {
  readonly clock: FakeClock;
  readonly store: Store;
  readonly topics: Topics;
  readonly offsets: Offsets;
  readonly groups: Groups;

  private constructor(store: Store, clock: FakeClock, options: Partial<GroupsOptions>) {
    const now = () => clock.now();
    const defaults = { retentionMs: -1, retentionBytes: -1, maxBatchBytes: 1_000_000 };
    this.clock = clock;
    this.store = store;
    this.topics = new Topics(store, { cacheBytes: 0, defaults, now });
    this.offsets = new Offsets(store, this.topics, now);
    this.groups = new Groups({ offsets: this.offsets, clock, ...options });
  }

  static async open(
    dataDir: string,
    options: Partial<GroupsOptions> = {},
    clock = new FakeClock(),
  ): Promise<StoredGroups> {
    const store = await Store.open({ dataDir, sync: "normal", logger: silentBrokerLogger });
    return new StoredGroups(store, clock, options);
  }

  /** The topic of that name, made with three partitions if it is missing. */
  async topic(name: string): Promise<Topic> {
    return (await this.topics.create({ name, partitions: 3, configs: new Map() })).topic;
  }

  /** Commits one offset for partition 0 of a topic. */
  async commit(groupId: string, topic: Topic, offset: number): Promise<void> {
    await this.offsets.commit(groupId, [{ topic, partition: 0, offset, leaderEpoch: 0, metadata: "" }]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.groups[Symbol.dispose]();
    await this.store[Symbol.asyncDispose]();
  }
}

/** Runs `test` with an empty folder that is gone afterwards. */
export async function withFolder(test: (dataDir: string) => Promise<void>): Promise<void> {
  const dataDir = await Deno.makeTempDir({ prefix: "groups-" });
  try {
    await test(dataDir);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
}
