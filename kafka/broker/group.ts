/** The group coordinator: all consumer groups of the broker, found by name.
 *
 * Here are the checks that need no group, the bounds, the waiting of parked requests and what has to be on
 * disk before an answer leaves. What a group does with a request is in group_state.ts, what is stored of it
 * in offsets.ts, what is told of it in group_views.ts.
 * @module */

import { type Clock, systemClock, type Timer } from "./group_clock.ts";
import {
  type Answer,
  type GroupError,
  type JoinAnswer,
  joinRefusal,
  type JoinRequest,
  type MemberClaim,
  type SyncAnswer,
  syncRefusal,
  type SyncRequest,
} from "./group_messages.ts";
import type { GroupRules } from "./group_rules.ts";
import { Group, type GroupState } from "./group_state.ts";
import {
  CONSUMER_TYPE,
  deadGroup,
  description,
  type GroupDescription,
  type GroupListing,
  listing,
  subscribedTopics,
} from "./group_views.ts";
import { type BrokerLogger, silentBrokerLogger } from "./logger.ts";
import type { Offsets } from "./offsets.ts";

/** Session timeouts a member may ask for, in milliseconds, as in Kafka. */
const sessionTimeoutMs = { min: 6_000, max: 1_800_000 };
/** Characters of a group id; Kafka has no limit but that of its strings. */
const maxGroupId = 1_000;
/** Characters of an instance id: Kafka's own limit. */
const maxInstanceId = 249;
/** Protocols a member may offer; clients know three or four. */
const maxProtocols = 100;
/** Time between two counts of all groups' memory, in milliseconds. */
const recountMs = 1_000;
/** Groups whose offsets are looked through in one write. */
const sweepBatch = 200;

/** How the groups are kept; all but `offsets` have sensible values of their own. Times are milliseconds. */
export interface GroupsOptions extends Partial<Omit<GroupRules, "clock" | "room">> {
  readonly offsets: Offsets;
  readonly logger?: BrokerLogger;
  readonly clock?: Clock;
  /** How long offsets of a group without members are kept: 7 days, offsets.retention.minutes of Kafka. */
  readonly offsetsRetentionMs?: number;
  /** How often expired offsets are looked for: 10 minutes. */
  readonly sweepMs?: number;
  /** Groups with members or stored offsets: 10,000. Beyond it a new one is refused. */
  readonly maxGroups?: number;
  /** Memory for the members of all groups: 256 MiB. Beyond it what would take more is refused. */
  readonly maxBytes?: number;
}

/** All groups. Dispose of it before the store: it has timers, and parked requests to answer. */
export class Groups implements Disposable {
  readonly #offsets: Offsets;
  readonly #logger: BrokerLogger;
  readonly #rules: GroupRules;
  readonly #offsetsRetentionMs: number;
  readonly #sweepMs: number;
  readonly #maxGroups: number;
  readonly #maxBytes: number;
  /** Bytes each group took when last counted: at the end of a request, at a change of generation. */
  readonly #counted = new Map<string, number>();
  #bytes = 0;
  #recountedAt = 0;
  readonly #groups = new Map<string, Group>();
  /** Writes of generations that are under way; nobody is told of a generation before it is on disk. */
  readonly #saving = new Map<string, Promise<void>>();
  /** When a group was last used by someone who is not a member of it, in milliseconds since the epoch. */
  readonly #usedAt = new Map<string, number>();
  #sweepTimer: Timer | null = null;
  #closed = false;

  /** Reads the groups stored so far; all of them start without members. */
  constructor(options: GroupsOptions) {
    this.#offsets = options.offsets;
    this.#logger = options.logger ?? silentBrokerLogger;
    this.#rules = {
      clock: options.clock ?? systemClock,
      initialRebalanceDelayMs: options.initialRebalanceDelayMs ?? 100,
      newMemberTimeoutMs: options.newMemberTimeoutMs ?? 300_000,
      maxMembers: options.maxMembers ?? 1_000,
      maxGroupBytes: options.maxGroupBytes ?? 32 * 1024 * 1024,
      room: () => this.#room(),
      uuid: options.uuid ?? (() => crypto.randomUUID()),
    };
    this.#offsetsRetentionMs = options.offsetsRetentionMs ?? 7 * 86_400_000;
    this.#sweepMs = options.sweepMs ?? 600_000;
    this.#maxGroups = options.maxGroups ?? 10_000;
    this.#maxBytes = options.maxBytes ?? 256 * 1024 * 1024;
    for (const stored of this.#offsets.groups()) {
      const emptySince = stored.emptySince ?? this.#rules.clock.now(); // it had members when the broker ended
      this.#groups.set(stored.id, this.#make({ ...stored, emptySince }));
      this.#usedAt.set(stored.id, emptySince);
    }
    this.#scheduleSweep();
  }

  /** Number of groups with members or stored offsets. */
  get size(): number {
    return this.#groups.size;
  }

  /** How many of them are in each state. */
  states(): Map<GroupState, number> {
    const counts = new Map<GroupState, number>();
    for (const { state } of this.#groups.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
    return counts;
  }

  /** Takes a member into a group, which may take as long as its rebalance.
   * @param signal aborts when the connection is gone. The member stays what it is: its session decides.
   * @returns null if the connection went first */
  async join(groupId: string, request: JoinRequest, signal: AbortSignal): Promise<JoinAnswer | null> {
    const refusal = this.#closed ? "COORDINATOR_NOT_AVAILABLE" : checkJoin(groupId, request);
    if (refusal !== "NONE") return joinRefusal(refusal, request.memberId);
    const isNew = request.memberId === "";
    const group = isNew ? this.#open(groupId) : this.#groups.get(groupId);
    if (!group) return joinRefusal(isNew ? "GROUP_MAX_SIZE_REACHED" : "UNKNOWN_MEMBER_ID", request.memberId);
    const answered = parked<JoinAnswer>(signal, (answer) => group.join(request, answer));
    this.#count(group);
    const told = await answered;
    await this.#saving.get(groupId);
    return told;
  }

  /** Gives a member its assignment, which may take until the leader has decided; `signal` and null as in
   * {@link join}. */
  sync(groupId: string, request: SyncRequest, signal: AbortSignal): Promise<SyncAnswer | null> {
    const group = this.#groups.get(groupId);
    if (!group) {
      return Promise.resolve(syncRefusal(groupId === "" ? "INVALID_GROUP_ID" : "UNKNOWN_MEMBER_ID"));
    }
    const answered = parked<SyncAnswer>(signal, (answer) => group.sync(request, answer));
    this.#count(group);
    return answered;
  }

  /** Keeps a member alive; REBALANCE_IN_PROGRESS tells it to join anew. */
  heartbeat(groupId: string, claim: MemberClaim): GroupError {
    if (groupId === "") return "INVALID_GROUP_ID";
    return this.#groups.get(groupId)?.heartbeat(claim) ?? "UNKNOWN_MEMBER_ID";
  }

  /** Removes members. @returns one error per leaver, in order */
  leave(groupId: string, leavers: readonly Pick<MemberClaim, "memberId" | "instanceId">[]): GroupError[] {
    const group = this.#groups.get(groupId);
    if (!group) return leavers.map(() => "UNKNOWN_MEMBER_ID");
    const errors = group.leave(leavers);
    this.#count(group);
    return errors;
  }

  /** Tells whether the sender may commit offsets in a group now; one nobody joined is made on the spot.
   * @param inTransaction whether they are held back until a transaction ends (TxnOffsetCommit) */
  checkCommit(groupId: string, claim: MemberClaim, inTransaction = false): GroupError {
    if (this.#closed) return "COORDINATOR_NOT_AVAILABLE";
    if (!isStorable(groupId)) return "INVALID_GROUP_ID";
    const known = this.#groups.get(groupId);
    if (!known && claim.generation >= 0) return "ILLEGAL_GENERATION";
    const group = known ?? this.#open(groupId);
    if (!group) return "GROUP_MAX_SIZE_REACHED";
    const error = inTransaction ? group.commitInTransaction(claim) : group.commit(claim);
    if (error === "NONE" && group.state === "Empty") this.#usedAt.set(groupId, this.#rules.clock.now());
    return error;
  }

  /** What is known of a group; one that is unknown, or was only named, is Dead. */
  describe(groupId: string): GroupDescription {
    const group = this.#known(groupId);
    return group === undefined ? deadGroup(groupId) : description(group);
  }

  /** All groups. */
  list(): GroupListing[] {
    return Array.from(this.#groups.values()).filter((group) => !this.#isUnused(group)).map(listing);
  }

  /** Forgets groups without members, and all their offsets, also those a transaction holds back.
   * @returns an error for each group, in order
   * @throws {StorageError} if nothing reached the disk: then nothing is forgotten */
  async delete(groupIds: readonly string[]): Promise<GroupError[]> {
    const gone: Group[] = [];
    const check = (groupId: string): GroupError => {
      const group = this.#known(groupId);
      if (group === undefined) return "GROUP_ID_NOT_FOUND";
      return group.state === "Empty" ? "NONE" : "NON_EMPTY_GROUP";
    };
    const forget = (groupId: string): void => {
      const group = this.#groups.get(groupId);
      if (group === undefined) return;
      gone.push(group);
      this.#forget(group);
    };
    const undo = (): void => {
      for (const group of gone) {
        this.#groups.set(group.id, group);
        this.#usedAt.set(group.id, group.emptySince);
      }
    };
    const errors = await this.#offsets.deleteGroups(groupIds, { check, forget, undo });
    for (const group of gone) {
      group.close();
      // Offsets that were committed while this was being written belong to a new group of that name.
      if (this.#offsets.hasOffsets(group.id) && this.#open(group.id)) {
        this.#usedAt.set(group.id, this.#rules.clock.now());
      }
    }
    return errors;
  }

  /** Tells whether offsets of a group may be deleted, and those of which topics may not.
   * @returns `subscribed` null for every topic */
  checkOffsetDelete(groupId: string): { error: GroupError; subscribed: ReadonlySet<string> | null } {
    const nothing: ReadonlySet<string> = new Set();
    if (groupId === "") return { error: "INVALID_GROUP_ID", subscribed: nothing };
    const group = this.#known(groupId);
    if (group === undefined) return { error: "GROUP_ID_NOT_FOUND", subscribed: nothing };
    if (group.state === "Empty") return { error: "NONE", subscribed: nothing };
    if (group.protocolType !== CONSUMER_TYPE) return { error: "NON_EMPTY_GROUP", subscribed: nothing };
    return { error: "NONE", subscribed: subscribedTopics(group) };
  }

  /** Forgets offsets whose time is over and the groups nothing is left of. Runs by itself, never throws. */
  async sweep(): Promise<void> {
    const beforeMs = this.#rules.clock.now() - this.#offsetsRetentionMs;
    const idle = [...this.#groups.values()].filter((group) => this.#isIdle(group, beforeMs));
    for (let from = 0; from < idle.length && !this.#closed; from += sweepBatch) {
      const ids = idle.slice(from, from + sweepBatch).map(({ id }) => id);
      const forgotten = await this.#offsets.expire(ids, beforeMs).catch((error) => {
        this.#logger.warn("cannot expire committed offsets", { error });
        return [];
      });
      for (const id of forgotten) {
        const group = this.#groups.get(id);
        if (group && this.#isIdle(group, beforeMs)) this.#forget(group);
      }
    }
  }

  /** Stops every timer and answers whoever is parked. */
  [Symbol.dispose](): void {
    this.#closed = true;
    if (this.#sweepTimer !== null) this.#rules.clock.clearTimer(this.#sweepTimer);
    this.#sweepTimer = null;
    for (const group of this.#groups.values()) group.close();
    this.#groups.clear(); // what still comes in finds no group that would start a timer
  }

  /** The group of that name, made if there is room for it. */
  #open(groupId: string): Group | undefined {
    const known = this.#groups.get(groupId);
    if (known) return known;
    if (this.#groups.size >= this.#maxGroups) this.#dropUnused();
    if (this.#groups.size >= this.#maxGroups) return undefined;
    const emptySince = this.#rules.clock.now();
    const group = this.#make({ id: groupId, generation: 0, protocolType: null, emptySince });
    this.#groups.set(groupId, group);
    return group;
  }

  #make(stored: { id: string; generation: number; protocolType: string | null; emptySince: number }): Group {
    return new Group(stored, this.#rules, (group) => this.#save(group));
  }

  #save(group: Group): void {
    this.#count(group); // members came or went
    const { id, generation, protocolType } = group;
    const emptySince = group.state === "Empty" ? group.emptySince : null;
    // On a full disk groups go on: the ids of their members are random, so a repeated generation fools
    // nobody.
    const saved = this.#offsets.saveGroup({ id, generation, protocolType, emptySince }).catch((error) =>
      this.#logger.warn("cannot store the generation of a group", { group: id, generation, error })
    ).finally(() => {
      if (this.#saving.get(id) === saved) this.#saving.delete(id);
    });
    this.#saving.set(id, saved);
  }

  #count(group: Group): void {
    const bytes = group.bytes;
    this.#bytes += bytes - (this.#counted.get(group.id) ?? 0);
    this.#counted.set(group.id, bytes);
  }

  /** Bytes left for members. Announced ones go without a word, so before it says none it counts anew, but not
   * at every request of a crowd. */
  #room(): number {
    const nowMs = this.#rules.clock.now();
    if (this.#bytes >= this.#maxBytes && Math.abs(nowMs - this.#recountedAt) >= recountMs) {
      this.#recountedAt = nowMs;
      for (const group of this.#groups.values()) this.#count(group);
    }
    return this.#maxBytes - this.#bytes;
  }

  /** Groups that were named once and never came to anything. */
  #dropUnused(): void {
    for (const group of this.#groups.values()) {
      if (this.#isUnused(group)) this.#forget(group);
    }
  }

  #isUnused(group: Group): boolean {
    return group.vacant && group.generation === 0 && !this.#usedAt.has(group.id);
  }

  #known(groupId: string): Group | undefined {
    const group = this.#groups.get(groupId);
    return group === undefined || this.#isUnused(group) ? undefined : group;
  }

  #forget(group: Group): void {
    this.#groups.delete(group.id);
    this.#usedAt.delete(group.id);
    this.#bytes -= this.#counted.get(group.id) ?? 0;
    this.#counted.delete(group.id);
  }

  #isIdle(group: Group, beforeMs: number): boolean {
    const lastUse = Math.max(group.emptySince, this.#usedAt.get(group.id) ?? 0);
    return group.vacant && lastUse < beforeMs && !this.#saving.has(group.id);
  }

  #scheduleSweep(): void {
    this.#sweepTimer = this.#rules.clock.setTimer(() => {
      this.#sweepTimer = null;
      this.sweep().finally(() => this.#closed || this.#scheduleSweep());
    }, this.#sweepMs);
  }
}

function checkJoin(groupId: string, request: JoinRequest): GroupError {
  if (groupId === "" || !isStorable(groupId)) return "INVALID_GROUP_ID";
  const { min, max } = sessionTimeoutMs;
  if (request.sessionTimeoutMs < min || request.sessionTimeoutMs > max) return "INVALID_SESSION_TIMEOUT";
  if (request.protocols.length > maxProtocols) return "INVALID_REQUEST";
  return (request.instanceId?.length ?? 0) > maxInstanceId ? "INVALID_REQUEST" : "NONE";
}

/** Whether a group id can be a key: SQLite's text ends at a NUL when it is read. */
function isStorable(groupId: string): boolean {
  return groupId.length <= maxGroupId && !groupId.includes("\0");
}

/** Waits for an answer as long as there is a connection for it.
 * @returns null if the connection went first; an answer that comes later is dropped */
function parked<T>(signal: AbortSignal, start: (answer: Answer<T>) => void): Promise<T | null> {
  return new Promise((resolve) => {
    const gone = () => resolve(null);
    signal.addEventListener("abort", gone, { once: true });
    start((told) => {
      signal.removeEventListener("abort", gone);
      resolve(told);
    });
    if (signal.aborted) gone();
  });
}
