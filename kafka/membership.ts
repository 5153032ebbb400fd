/** A membership in a consumer group, over a connection of its own: what is to be done by one instance at a time is dealt out by Kafka.
 *
 *     JoinGroup → SyncGroup (the leader deals out) → Heartbeat … → LeaveGroup
 *
 * Eager: before a member joins anew it lets go of everything. It believes what it was told as long as a heartbeat that was sent less
 * than a session timeout ago has been answered, by the monotonic clock: Kafka gives its part away later than that. That clock stands
 * still while a machine sleeps, so what must never be done twice needs fencing besides (transactions.ts). Positions are not committed
 * here, and nothing is read. The number of a topic's partitions is asked when the leader deals out, not watched: an assignor that goes
 * by it needs a `rejoin` of any member when it changes.
 * @see {@link https://kafka.apache.org/protocol#The_Messages_JoinGroup}
 * @module */
import type { Buffer } from "node:buffer";
import { withDeadline } from "../deadline.ts";
import type { Logger } from "../logger.ts";
import { type Assignor, wholeTopics } from "./assignors.ts";
import type { Kafka } from "./client.ts";
import { errorName, type KafkaConnection, KafkaError, settlesWithin } from "./connection.ts";
import { findCoordinator } from "./coordinator.ts";
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type Partitions,
  type Subscription,
} from "./membership_protocol.ts";
import { noAnswer } from "./nodes.ts";
import { Sleep } from "./pause.ts";
import { isPassing } from "./positions.ts";

export { wholeTopics } from "./assignors.ts";
export type { Assignor, Member } from "./assignors.ts";
export type { Partitions } from "./membership_protocol.ts";

/** What a membership is for. The two callbacks alternate, `onAssigned` first. */
export interface MembershipOptions {
  readonly group: string;
  readonly topics: readonly string[];
  readonly log: Logger;
  /** Default: {@linkcode wholeTopics}. */
  readonly assign?: Assignor;
  /** After which Kafka gives what a silent member had to others; 6 s, the least that Kafka takes. */
  readonly sessionTimeoutMs?: number;
  /** Called with what this member has from now on, which may be nothing.
   * @param topics as in `partitions` */
  readonly onAssigned: (topics: ReadonlySet<string>, generation: number, partitions: Partitions) => void;
  /** Called at once when what was assigned last is no longer to be believed; something new may be assigned soon. */
  readonly onLost: () => void;
}

/** Rests between two heartbeats, and after one that failed. A rebalance is learned by a heartbeat, so others wait so long at most. */
const heartbeatMs = 500, retryHeartbeatMs = 100;
/** How long a request may take whose answer waits for nobody. */
const tryMs = 2_000;
/** How much longer than the slowest member an answer may take that waits for all of them. */
const marginMs = 5_000;
/** Pauses before joining again after failures: the first (none before the very first), and the longest. */
const firstPauseMs = 20, maxPauseMs = 1_000;
/** What passes is told in the log when it has not passed by then. */
const toldAfterMs = 2_000;
/** How long a request on its way is let be when the membership ends, and how long leaving may take. */
const graceMs = 200, leaveMs = 1_000;
/** What is told to a member that has to join anew, under the id it has or a new one. */
const rejoinErrors: ReadonlySet<string> = new Set(["REBALANCE_IN_PROGRESS", "ILLEGAL_GENERATION"]);
const lostIdErrors: ReadonlySet<string> = new Set(["UNKNOWN_MEMBER_ID", "FENCED_INSTANCE_ID"]);

// deno-lint-ignore no-explicit-any
type Untyped = any;

/** A member of a group, from now on until it is disposed of. Kafka's absence is waited out. */
export class GroupMembership implements AsyncDisposable {
  readonly #connection: KafkaConnection;
  readonly #options: MembershipOptions;
  readonly #assign: Assignor;
  readonly #sessionTimeoutMs: number;
  readonly #log: Logger;
  readonly #sleep = new Sleep();
  readonly #running: Promise<void>;
  #isClosing = false;
  #closed: Promise<void> | undefined;
  /** The node that coordinates the group, once known. */
  #coordinator: number | null = null;
  #memberId = "";
  #generation = -1;
  /** What was assigned and is believed. */
  #held: Partitions | null = null;
  /** What was assigned last, believed or not: told to the leader, who likes to leave it here. */
  #had: Omit<Subscription, "topics"> = { owned: new Map(), generation: -1 };
  /** Until when `#held` is believed, by `performance.now()`. */
  #leaseUntil = -Infinity;
  #leaseTimer: ReturnType<typeof setTimeout> | undefined;
  /** Failures in a row, when the first was, and what kind was told in the log. */
  #failures = 0;
  #failingSince = 0;
  #told: string | null = null;

  constructor(kafka: Kafka, options: MembershipOptions) {
    this.#connection = kafka.connect();
    this.#options = options;
    this.#assign = options.assign ?? wholeTopics;
    this.#sessionTimeoutMs = options.sessionTimeoutMs ?? 6_000;
    this.#log = options.log.child({ group: options.group });
    this.#running = this.#run();
  }

  /** Of the newest assignment; −1 before the first. */
  get generation(): number {
    return this.#generation;
  }

  /** As Kafka gave it; "" while there is none. */
  get memberId(): string {
    return this.#memberId;
  }

  /** What this member has now, null while it cannot know. True at this very moment, also in a process that was stopped for a minute and
   * goes on with something else than the call of `onLost`. */
  get assigned(): Partitions | null {
    return performance.now() < this.#leaseUntil ? this.#held : null;
  }

  /** Lets go of everything, and joins anew: when somebody else turned out to have what this member believed to have. */
  rejoin(): void {
    this.#lose("asked to join anew");
    this.#sleep.wake();
  }

  /** Lets go of everything and leaves the group, so that others have its part at once. */
  [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isClosing) {
      this.#isClosing = true;
      this.#sleep.close();
      this.#lose("the end of the membership");
    }
    return this.#closed ??= this.#close();
  }

  async #close(): Promise<void> {
    // A join that waits for others would hold back what is sent after it; one without an id yet is about to get one.
    if (!await settlesWithin(this.#running, graceMs)) await this.#connection.reset();
    await this.#running;
    if (this.#memberId !== "" && this.#coordinator !== null) await this.#leave(this.#coordinator);
    await this.#connection[Symbol.asyncDispose]();
  }

  async #leave(coordinator: number): Promise<void> {
    const args = { groupId: this.#options.group, memberId: this.#memberId };
    const left = this.#connection.ask(coordinator, "LeaveGroup", args, { timeoutMs: leaveMs });
    try {
      await withDeadline(left, leaveMs, () => noAnswer("LeaveGroup", leaveMs));
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      this.#log.debug("group not left, so others wait for the session timeout", { error });
    }
  }

  async #run(): Promise<void> {
    while (!this.#isClosing) {
      try {
        await this.#join();
        await this.#stay();
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        this.#lose(error.message);
        if (!this.#isClosing) await this.#recover(error);
      }
    }
  }

  async #recover(error: KafkaError): Promise<void> {
    const { code } = error;
    if (lostIdErrors.has(code)) this.#memberId = "";
    const isUsual = isPassing(error) || rejoinErrors.has(code) || lostIdErrors.has(code);
    const failures = this.#failures++, now = performance.now();
    if (failures === 0) this.#failingSince = now;
    const kind = isUsual ? "it passes" : code;
    if (kind !== this.#told && (!isUsual || now - this.#failingSince > toldAfterMs)) {
      this.#told = kind;
      this.#log.warn(
        code === "INCONSISTENT_GROUP_PROTOCOL"
          ? "group cannot be joined as its members are of another kind"
          : "group cannot be joined now",
        { error },
      );
    }
    const mayBeAtOnce = failures === 0 && (rejoinErrors.has(code) || lostIdErrors.has(code));
    if (!mayBeAtOnce) await this.#sleep.for(Math.min(firstPauseMs * 2 ** failures, maxPauseMs));
  }

  /** Becomes a member of a new generation, and learns what it has there. */
  async #join(): Promise<void> {
    const { group, topics } = this.#options;
    const joined = await this.#joinGroup({ topics, ...this.#had });
    const { generationId, leaderId, members }: Untyped = joined;
    const groupAssignment = leaderId === this.#memberId ? await this.#deal(members) : [];
    const args = { groupId: group, generationId, memberId: this.#memberId, groupAssignment };
    const synced = await this.#ask("SyncGroup", args, this.#sessionTimeoutMs + marginMs);
    const partitions = this.#read(synced.memberAssignment);
    this.#generation = generationId;
    // The answers above may be old by now. This one says that the generation still is the group's, and since when at least.
    await this.#beat();
    this.#hold(partitions);
  }

  async #joinGroup(subscription: Subscription): Promise<Untyped> {
    const metadata = encodeSubscription(subscription);
    const ask = () =>
      this.#ask("JoinGroup", {
        groupId: this.#options.group,
        sessionTimeout: this.#sessionTimeoutMs,
        // No shorter: who does not come back still believes in what it had for as long.
        rebalanceTimeout: this.#sessionTimeoutMs,
        memberId: this.#memberId,
        protocolType: "consumer",
        groupProtocols: [{ name: this.#assign.name, metadata }],
      }, this.#sessionTimeoutMs + marginMs);
    let answer = await ask();
    if (errorName(answer.errorCode) === "MEMBER_ID_REQUIRED") {
      this.#memberId = answer.memberId;
      answer = await ask();
    }
    check(answer.errorCode, "JoinGroup");
    this.#memberId = answer.memberId;
    return answer;
  }

  /** Deals out everything that the members want, as the leader of the group. */
  async #deal(
    joined: readonly { memberId: string; memberMetadata: Uint8Array }[],
  ): Promise<{ memberId: string; memberAssignment: Buffer }[]> {
    const members = joined.flatMap(({ memberId, memberMetadata }) => {
      try {
        return [{ id: memberId, ...decodeSubscription(memberMetadata) }];
      } catch (error) { // it gets nothing, and the others what there is
        this.#log.warn("member of the group cannot be read", { member: memberId, error });
        return [];
      }
    });
    const wanted = [...new Set(members.flatMap(({ topics }) => topics))];
    const { topics } = await this.#connection.metadata(wanted);
    const partitions = new Map(
      topics.map(({ name, partitions }) => [name, partitions.map(({ partition }) => partition)]),
    );
    const dealt = this.#assign.assign(members, partitions);
    return [...dealt].map(([memberId, part]) => ({ memberId, memberAssignment: encodeAssignment(part) }));
  }

  /** @throws {KafkaError} for bytes that are no assignment */
  #read(assignment: Uint8Array): Partitions {
    try {
      return decodeAssignment(assignment);
    } catch (cause) {
      throw new KafkaError("UNREADABLE", "Cannot read what the leader of the group assigned", { cause });
    }
  }

  /** Sends heartbeats until what is held was lost.
   * @throws {KafkaError} when it has to be, as the group goes on without it */
  async #stay(): Promise<void> {
    let restMs = heartbeatMs;
    while (this.#held && !this.#isClosing) {
      await this.#sleep.for(restMs);
      if (!this.#held || this.#isClosing) return;
      try {
        await this.#beat();
        restMs = heartbeatMs;
      } catch (error) {
        if (!(error instanceof KafkaError) || !isPassing(error)) throw error;
        restMs = retryHeartbeatMs; // Kafka has not given anything away yet
      }
    }
  }

  /** Shows that this member lives, and learns that the group still has it. */
  async #beat(): Promise<void> {
    const sentAt = performance.now();
    const args = {
      groupId: this.#options.group,
      groupGenerationId: this.#generation,
      memberId: this.#memberId,
    };
    await this.#ask("Heartbeat", args, tryMs);
    if (this.#isClosing) return;
    this.#leaseUntil = sentAt + this.#sessionTimeoutMs;
    clearTimeout(this.#leaseTimer);
    const leftMs = this.#leaseUntil - performance.now();
    if (leftMs <= 0) return this.#endLease();
    this.#leaseTimer = setTimeout(() => this.#endLease(), leftMs);
  }

  #endLease(): void {
    if (this.#held) this.#log.warn("group membership lost as no heartbeat was answered for too long");
    this.#lose("no answered heartbeat");
    this.#sleep.wake();
  }

  #hold(partitions: Partitions): void {
    if (this.#isClosing || performance.now() >= this.#leaseUntil) return;
    this.#held = partitions;
    this.#had = { owned: partitions, generation: this.#generation };
    this.#failures = 0;
    this.#told = null;
    const generation = this.#generation, topics = new Set(partitions.keys());
    this.#log.info("group joined", { generation, topics: [...topics] });
    this.#options.onAssigned(topics, generation, partitions);
  }

  #lose(reason: string): void {
    clearTimeout(this.#leaseTimer);
    this.#leaseUntil = -Infinity;
    if (!this.#held) return;
    this.#held = null;
    this.#log.debug("group assignment let go", { generation: this.#generation, reason });
    this.#options.onLost();
  }

  /** Asks the coordinator of the group.
   * @throws {KafkaError} for an error in the answer, too; but MEMBER_ID_REQUIRED, which holds the id */
  async #ask(api: string, args: unknown, timeoutMs: number): Promise<Untyped> {
    const ask = async () => {
      this.#coordinator ??= await this.#findCoordinator();
      // It took a while; nothing more is begun for a membership that has ended.
      if (this.#isClosing) {
        throw new KafkaError("UNREACHABLE", `Cannot ask ${api} as the membership has ended`);
      }
      return await this.#connection.ask(this.#coordinator, api, args, { timeoutMs });
    };
    try {
      const answer = await withDeadline(ask(), timeoutMs, () => noAnswer(api, timeoutMs));
      if (errorName(answer.errorCode) !== "MEMBER_ID_REQUIRED") check(answer.errorCode, api);
      return answer;
    } catch (error) {
      if (error instanceof KafkaError && isPassing(error) && !this.#isClosing) this.#coordinator = null;
      throw error;
    }
  }

  async #findCoordinator(): Promise<number> {
    const { group, topics } = this.#options;
    await this.#connection.metadata(topics); // a node can be reached by its id once metadata has said where it is
    return await findCoordinator(this.#connection, group, { timeoutMs: tryMs });
  }
}

/** @throws {KafkaError} for any code but 0 */
function check(code: number, api: string): void {
  const error = errorName(code);
  if (error) throw new KafkaError(error, `Kafka answered ${error} to ${api}`);
}
