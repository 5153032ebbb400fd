/** A member of a group for tests, that writes down what it is told. @module */
import type { Kafka } from "../../kafka/client.ts";
import { GroupMembership, type MembershipOptions, type Partitions } from "../../kafka/membership.ts";
import { type Logger, silentLogger } from "../../logger.ts";

/** What a member was told: partitions by topic, or null for a loss. */
export interface Told {
  readonly at: number;
  readonly generation: number;
  readonly partitions: Partitions | null;
}

/** A membership and its diary. */
export class TestMember implements AsyncDisposable {
  readonly membership: GroupMembership;
  /** What it was told so far, with the time by `performance.now()`. */
  readonly told: Told[] = [];

  constructor(
    kafka: Kafka,
    group: string,
    topics: readonly string[],
    options: Partial<MembershipOptions> & { log?: Logger } = {},
  ) {
    this.membership = new GroupMembership(kafka, {
      group,
      topics,
      log: silentLogger,
      onAssigned: (names, generation, partitions) => {
        if (this.has !== null) throw new Error("Told an assignment on top of another one");
        if ([...names].join() !== [...partitions.keys()].join()) {
          throw new Error("Told two different assignments");
        }
        this.told.push({ at: performance.now(), generation, partitions });
      },
      onLost: () => {
        if (this.has === null) throw new Error("Told a loss of nothing");
        this.told.push({ at: performance.now(), generation: -1, partitions: null });
      },
      ...options,
    });
  }

  /** The topics it was told that it has, sorted; null while it has not been told. */
  get has(): string[] | null {
    const partitions = this.told.at(-1)?.partitions;
    return partitions ? [...partitions.keys()].sort() : null;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.membership[Symbol.asyncDispose]();
  }
}

/** Fails when two of the members believed to have the same topic at the same time, by their diaries. */
export function assertOneOwner(members: readonly TestMember[]): void {
  const stays: { topic: string; member: number; from: number; to: number }[] = [];
  for (const [member, { told }] of members.entries()) {
    for (const [n, { at, partitions }] of told.entries()) {
      const to = told[n + 1]?.at ?? Infinity;
      for (const topic of partitions?.keys() ?? []) stays.push({ topic, member, from: at, to });
    }
  }
  stays.sort((a, b) => a.from - b.from);
  const owners = new Map<string, (typeof stays)[number]>();
  for (const stay of stays) {
    const before = owners.get(stay.topic);
    if (before && before.to > stay.from) {
      throw new Error(`Two had the same topic: ${JSON.stringify([before, stay])}`);
    }
    owners.set(stay.topic, stay);
  }
}
