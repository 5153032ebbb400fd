/** Tasks for the partitions of a topic, each run by one instance at a time: a membership in a group, and a task for each partition that it
 * was given.
 *
 * A rebalance takes everything away for a moment, mostly to give it back. So a task goes on until it is known that its partition is
 * somebody else's, or nothing was given for a while; what it writes until then is its own matter: a task has to be one that
 * its successor fences (transactions.ts). Left out: what a task does.
 * @module */
import type { Logger } from "../../logger.ts";
import type { Assignor } from "../assignors.ts";
import type { Kafka } from "../client.ts";
import { GroupMembership } from "../membership.ts";

/** What a task has to do with its group. */
export interface Ownership {
  /** Whether the partition is known to be this instance's at this very moment: only then its task may fence another one. */
  readonly isOwner: () => boolean;
  /** To be called once somebody else turns out to have it; the task is disposed of then. */
  readonly onFenced: () => void;
}

/** What the tasks are. */
export interface PartitionTasksOptions {
  readonly group: string;
  readonly topic: string;
  readonly assign: Assignor;
  readonly log: Logger;
  /** After which others take over from an instance that says nothing, ms; default 6,000, the least that Kafka takes. */
  readonly sessionTimeoutMs?: number;
  /** For how long a task goes on of which it is not known whose it is, ms; default: as long. */
  readonly doubtMs?: number;
  /** Begins the task of a partition, without waiting for anything. */
  readonly open: (partition: number, ownership: Ownership) => AsyncDisposable;
}

/** The tasks of one instance, from now on. */
export class PartitionTasks implements AsyncDisposable {
  readonly #options: PartitionTasksOptions;
  readonly #doubtMs: number;
  readonly #membership: GroupMembership;
  /** Partitions that were given last. */
  #given: ReadonlySet<number> = new Set();
  readonly #running = new Map<number, AsyncDisposable>();
  readonly #closing = new Map<number, Promise<void>>();
  #doubtTimer: ReturnType<typeof setTimeout> | undefined;
  #disposed: Promise<void> | undefined;

  constructor(kafka: Kafka, options: PartitionTasksOptions) {
    const { group, topic, assign, log, sessionTimeoutMs = 6_000 } = options;
    this.#options = options;
    this.#doubtMs = options.doubtMs ?? sessionTimeoutMs;
    this.#membership = new GroupMembership(kafka, {
      group,
      topics: [topic],
      assign,
      log,
      sessionTimeoutMs,
      onAssigned: (_, __, partitions) => this.#give(partitions.get(topic) ?? []),
      onLost: () => {
        this.#doubtTimer = setTimeout(() => this.#give([]), this.#doubtMs);
      },
    });
  }

  /** Of which a task runs here, ascending. */
  get partitions(): readonly number[] {
    return [...this.#running.keys()].sort((a, b) => a - b);
  }

  /** Has everything dealt out anew, when there are more partitions or fewer. */
  rejoin(): void {
    this.#membership.rejoin();
  }

  /** Ends the tasks, then leaves the group: others begin after the last that these have written. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposed ??= this.#dispose();
  }

  async #dispose(): Promise<void> {
    this.#give([]);
    await Promise.all(this.#closing.values());
    await this.#membership[Symbol.asyncDispose]();
    clearTimeout(this.#doubtTimer);
  }

  #give(partitions: readonly number[]): void {
    clearTimeout(this.#doubtTimer);
    const had = this.#given;
    this.#given = new Set(this.#disposed ? [] : partitions);
    for (const partition of had.union(this.#given).union(new Set(this.#running.keys()))) {
      this.#look(partition);
    }
  }

  /** Opens or closes the task of a partition, as it has to be now. */
  #look(partition: number): void {
    const task = this.#running.get(partition);
    if (this.#given.has(partition) === (task !== undefined) || this.#closing.has(partition)) return;
    if (task) this.#close(partition, task);
    else {
      const opened = this.#options.open(partition, {
        isOwner: () => this.#isOurs(partition),
        onFenced: () => this.#fenced(partition, opened),
      });
      this.#running.set(partition, opened);
    }
  }

  #close(partition: number, task: AsyncDisposable): void {
    this.#running.delete(partition);
    const closed = Promise.resolve(task[Symbol.asyncDispose]()).finally(() => {
      this.#closing.delete(partition);
      this.#look(partition); // it may have come back meanwhile
    });
    this.#closing.set(partition, closed);
  }

  #isOurs(partition: number): boolean {
    return this.#membership.assigned?.get(this.#options.topic)?.includes(partition) ?? false;
  }

  #fenced(partition: number, task: AsyncDisposable): void {
    if (this.#running.get(partition) !== task) return;
    const { topic, log } = this.#options, isOurs = this.#isOurs(partition);
    log.info("task ends as somebody else has its partition", { topic, partition, isOurs });
    this.#given = new Set([...this.#given].filter((given) => given !== partition));
    this.#close(partition, task);
    if (isOurs) this.#membership.rejoin();
  }
}
