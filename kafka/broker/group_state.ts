/** One consumer group of the classic protocol: its state machine, without sockets, wire or disk.
 *
 *     Empty → PreparingRebalance → CompletingRebalance → Stable
 *
 * A join or sync that has to wait is parked as a callback on its member and answered by the event that ends
 * the wait. Only Leave, the session and rebalance timeouts remove members; a lost connection changes nothing.
 * Left out: the KIP-848 protocol, and transactions' pending offsets.
 * @see {@link https://cwiki.apache.org/confluence/display/KAFKA/KIP-134} for the delay of a first rebalance,
 * KIP-345 for static members, KIP-394 for MEMBER_ID_REQUIRED, KIP-814 for skipAssignment. @module */

import { Alarm } from "./group_clock.ts";
import {
  answerJoin,
  answerSync,
  type Member,
  memberBytes,
  Members,
  protocolBytes,
  sameProtocols,
} from "./group_members.ts";
import {
  type Answer,
  type GroupError,
  type JoinAnswer,
  joinRefusal,
  type JoinRequest,
  type MemberClaim,
  noBytes,
  type SyncAnswer,
  syncRefusal,
  type SyncRequest,
  termsOf,
} from "./group_messages.ts";
import type { GroupRules } from "./group_rules.ts";
import { Sessions } from "./group_sessions.ts";
import { JoinBarrier } from "./join_barrier.ts";

/** Where a group stands. */
export type GroupState = "Empty" | "PreparingRebalance" | "CompletingRebalance" | "Stable";

/** The longest part of a client's own name that goes into a member id, in characters. */
const maxIdPrefix = 249;

/** A consumer group. `changed` is called within each change of generation, before anyone is told. */
export class Group {
  readonly id: string;
  readonly members = new Members();
  state: GroupState = "Empty";
  /** Never goes back, not even over a restart: the owner stores it when `changed` is called. */
  generation: number;
  protocolType: string | null;
  protocol: string | null = null;
  /** When the group lost its last member, in milliseconds since the epoch. */
  emptySince: number;
  readonly #rules: GroupRules;
  readonly #changed: (group: Group) => void;
  readonly #sessions: Sessions;
  /** Members of this generation that have not asked for their assignment. */
  readonly #unsynced = new Set<string>();
  /** Ends the wait for members to join; set while PreparingRebalance. */
  readonly #barrier: JoinBarrier;
  /** Ends the wait for the members in `#unsynced`. */
  readonly #syncDeadline: Alarm;

  constructor(
    stored: { id: string; generation: number; protocolType: string | null; emptySince: number },
    rules: GroupRules,
    changed: (group: Group) => void,
  ) {
    this.id = stored.id;
    this.generation = stored.generation;
    this.protocolType = stored.protocolType;
    this.emptySince = stored.emptySince;
    this.#rules = rules;
    this.#changed = changed;
    this.#barrier = new JoinBarrier(rules.clock, () => this.#completeJoin());
    this.#syncDeadline = new Alarm(rules.clock);
    this.#sessions = new Sessions(rules.clock, (member) => this.#drop([member]));
  }

  /** True while nobody is in the group or on the way into it. */
  get vacant(): boolean {
    return this.state === "Empty" && this.#sessions.announced === 0;
  }

  /** About the bytes of memory it takes. */
  get bytes(): number {
    return this.members.bytes() + this.#sessions.announced * memberBytes;
  }

  /** Takes a member in, or back. `answer` may be called much later, or within this call. */
  join(request: JoinRequest, answer: Answer<JoinAnswer>): void {
    const refusal = this.#refuse(request);
    if (refusal !== "NONE") {
      answer(joinRefusal(refusal, refusal === "GROUP_MAX_SIZE_REACHED" ? "" : request.memberId));
    } else if (request.memberId !== "") {
      this.#joinKnown(request, answer);
    } else if (request.instanceId !== null) {
      const old = this.members.byInstance(request.instanceId);
      if (old) this.#replaceStatic(old, request, answer);
      else this.#admit(this.#newId(request.instanceId), request, answer);
    } else if (request.requireKnownMemberId) {
      const memberId = this.#newId(request.clientId);
      this.#sessions.announce(memberId, request.sessionTimeoutMs, () => this.#completeJoinIfAllCame());
      answer(joinRefusal("MEMBER_ID_REQUIRED", memberId));
    } else {
      this.#admit(this.#newId(request.clientId), request, answer);
    }
  }

  /** Gives a member its assignment as soon as the leader has decided; `answer` as in {@link join}. */
  sync(request: SyncRequest, answer: Answer<SyncAnswer>): void {
    const member = this.members.find(request.memberId, request.instanceId);
    if (typeof member === "string") return answer(syncRefusal(member));
    const error = this.#checkSync(request);
    if (error !== "NONE") return answer(syncRefusal(error));
    this.#synced(member.id);
    if (this.state === "Stable") return answer(this.#assignmentOf(member));
    member.syncing?.(syncRefusal("REBALANCE_IN_PROGRESS")); // its own earlier request, from a lost connection
    member.syncing = answer;
    this.#sessions.stop(member);
    if (member.id === this.members.leader) this.#assign(request.assignments);
  }

  /** Keeps a member alive and tells it whether it has to rejoin. */
  heartbeat(claim: MemberClaim): GroupError {
    const member = this.members.find(claim.memberId, claim.instanceId);
    if (typeof member === "string") return member;
    if (claim.generation !== this.generation) return "ILLEGAL_GENERATION";
    this.#sessions.touch(member);
    return this.state === "PreparingRebalance" ? "REBALANCE_IN_PROGRESS" : "NONE";
  }

  /** Removes members, found by id or (with an empty id) by instance id.
   * @returns one error per leaver, in order */
  leave(leavers: readonly Pick<MemberClaim, "memberId" | "instanceId">[]): GroupError[] {
    let left = false;
    let announced = false;
    const errors = leavers.map(({ memberId, instanceId }): GroupError => {
      if (memberId !== "" && this.#sessions.forget(memberId)) {
        announced = true;
        return "NONE";
      }
      // Admin tools know only the name of a static member.
      const named = memberId === "" && instanceId !== null;
      const member = named
        ? this.members.byInstance(instanceId) ?? "UNKNOWN_MEMBER_ID"
        : this.members.find(memberId, instanceId);
      if (typeof member === "string") return member;
      this.#remove(member);
      left = true;
      return "NONE";
    });
    if (left) this.#rebalance();
    else if (announced) this.#completeJoinIfAllCame();
    return errors;
  }

  /** Tells whether the sender may commit offsets now; a member's commit counts as a heartbeat. */
  commit(claim: MemberClaim): GroupError {
    const { memberId, instanceId, generation } = claim;
    if (generation < 0 && this.state === "Empty") return "NONE"; // admin tools and consumers without a group
    const member = this.members.find(memberId, instanceId);
    if (typeof member === "string") return member;
    if (generation !== this.generation) return "ILLEGAL_GENERATION";
    // The member knows this generation but has no partitions in it yet: what it commits could be another's.
    if (this.state === "CompletingRebalance") return "REBALANCE_IN_PROGRESS";
    this.#sessions.touch(member);
    return "NONE";
  }

  /** The same for offsets that a transaction holds back: a producer that names no member is believed, as the
   * transaction fences its rivals, and one that does is heard in any state of its generation (KIP-447). */
  commitInTransaction(claim: MemberClaim): GroupError {
    const { memberId, instanceId, generation } = claim;
    if (generation < 0 && memberId === "" && instanceId === null) return "NONE";
    if (generation < 0 && this.state === "Empty") return "NONE";
    const member = this.members.find(memberId, instanceId);
    if (typeof member === "string") return member;
    return generation === this.generation ? "NONE" : "ILLEGAL_GENERATION";
  }

  /** Stops every timer and answers whoever is parked. */
  close(): void {
    this.#barrier.stop();
    this.#syncDeadline.stop();
    this.#sessions.close(this.members);
    for (const member of this.members) {
      answerJoin(member, joinRefusal("COORDINATOR_NOT_AVAILABLE", member.id));
      answerSync(member, syncRefusal("COORDINATOR_NOT_AVAILABLE"));
    }
  }

  #refuse(request: JoinRequest): GroupError {
    const { memberId, instanceId, protocolType, protocols } = request;
    const { maxMembers, maxGroupBytes } = this.#rules;
    const old = memberId !== ""
      ? this.members.get(memberId)
      : instanceId !== null
      ? this.members.byInstance(instanceId)
      : undefined;
    const comes = !old && !this.#sessions.isAnnounced(memberId);
    if (comes && this.members.size + this.#sessions.announced >= maxMembers) return "GROUP_MAX_SIZE_REACHED";
    const grownBy = protocolBytes(protocols) - (old ? protocolBytes(old.terms.protocols) : 0);
    const room = Math.min(maxGroupBytes - this.members.protocolBytes(), this.#rules.room());
    if (grownBy > 0 && grownBy > room) return "GROUP_MAX_SIZE_REACHED";
    if (protocolType === "" || protocols.length === 0) return "INCONSISTENT_GROUP_PROTOCOL";
    if (this.members.size === 0) return "NONE";
    return protocolType === this.protocolType && this.members.supportAny(protocols)
      ? "NONE"
      : "INCONSISTENT_GROUP_PROTOCOL";
  }

  #joinKnown(request: JoinRequest, answer: Answer<JoinAnswer>): void {
    const { memberId, instanceId, protocols } = request;
    if (instanceId === null && this.#sessions.forget(memberId)) return this.#admit(memberId, request, answer);
    const member = this.members.find(memberId, instanceId);
    if (typeof member === "string") return answer(joinRefusal(member, memberId));
    const changed = !sameProtocols(member.terms.protocols, protocols);
    const leads = this.members.leader === memberId;
    // In CompletingRebalance the member just missed its answer; in Stable a leader rejoins to have partitions
    // dealt anew, because it saw something that changes the assignment.
    const asksAgain = this.state === "CompletingRebalance" && !changed ||
      this.state === "Stable" && !changed && !leads;
    if (asksAgain) {
      this.#sessions.touch(member);
      return answer(this.#joined(member));
    }
    this.#renew(member, request, answer);
    this.#rebalance();
  }

  #admit(memberId: string, request: JoinRequest, answer: Answer<JoinAnswer>): void {
    const member: Member = {
      ...{ id: memberId, instanceId: request.instanceId, terms: termsOf(request), assignment: noBytes },
      ...{ joining: answer, syncing: null, isNew: true, session: null },
    };
    if (this.members.size === 0) this.protocolType = request.protocolType;
    this.#barrier.met();
    this.members.add(member);
    // Clients give up on a join and try anew without the id they were about to get: what they leave must not
    // stay.
    this.#sessions.start(member, this.#rules.newMemberTimeoutMs);
    this.#rebalance();
  }

  #renew(member: Member, request: JoinRequest, answer: Answer<JoinAnswer>): void {
    answerJoin(member, joinRefusal("REBALANCE_IN_PROGRESS", member.id)); // its own earlier request
    member.terms = termsOf(request);
    member.joining = answer;
    if (!member.isNew) this.#sessions.stop(member);
  }

  /** A static member starts again under its name: the newcomer takes over id, assignment and leadership. */
  #replaceStatic(old: Member, request: JoinRequest, answer: Answer<JoinAnswer>): void {
    const oldLeader = this.members.leader ?? "";
    this.#sessions.stop(old);
    answerJoin(old, joinRefusal("FENCED_INSTANCE_ID", old.id));
    answerSync(old, syncRefusal("FENCED_INSTANCE_ID"));
    const member: Member = {
      ...{ ...old, id: this.#newId(request.instanceId ?? ""), terms: termsOf(request) },
      ...{ joining: answer, isNew: false, session: null },
    };
    this.members.replace(old, member);
    if (this.#unsynced.delete(old.id)) this.#unsynced.add(member.id);
    if (this.state !== "Stable" || this.members.selectProtocol() !== this.protocol) return this.#rebalance();
    const told = this.#joined(member);
    const leads = told.leader === member.id;
    if (leads && request.canSkipAssignment) answerJoin(member, { ...told, skipAssignment: true });
    // An older client that finds itself the leader would deal out partitions anew: it is told the old
    // leader's id.
    else if (leads) answerJoin(member, { ...told, leader: oldLeader, members: [] });
    else answerJoin(member, told);
    this.#sessions.start(member);
  }

  #rebalance(): void {
    if (this.state === "PreparingRebalance") return this.#completeJoinIfAllCame();
    const { initialRebalanceDelayMs } = this.#rules;
    if (this.state === "CompletingRebalance") {
      for (const member of this.members) member.assignment = noBytes;
      this.#answerSyncs(() => syncRefusal("REBALANCE_IN_PROGRESS"));
    }
    this.#barrier.stop();
    this.#syncDeadline.stop();
    this.#unsynced.clear();
    const isFirst = this.state === "Empty";
    this.state = "PreparingRebalance";
    const timeoutMs = this.members.rebalanceTimeoutMs();
    if (isFirst) return this.#barrier.beginFirst(initialRebalanceDelayMs, timeoutMs);
    this.#barrier.begin(timeoutMs);
    this.#completeJoinIfAllCame();
  }

  #completeJoinIfAllCame(): void {
    const all = !this.#barrier.isFirst && this.#sessions.announced === 0 && this.members.allJoining();
    if (this.state === "PreparingRebalance" && all) this.#completeJoin();
  }

  #completeJoin(): void {
    const { clock } = this.#rules;
    this.#barrier.stop();
    this.#syncDeadline.stop();
    for (const member of [...this.members]) {
      if (member.joining === null && member.instanceId === null) this.#remove(member);
    }
    if (this.members.size > 0 && !this.members.electLeader()) {
      // Only static members, all of them away: wait until they are back or their sessions have ended.
      return this.#barrier.extend(this.members.rebalanceTimeoutMs());
    }
    this.generation++;
    this.protocol = this.members.selectProtocol();
    this.state = this.members.size > 0 ? "CompletingRebalance" : "Empty";
    if (this.state === "Empty") this.emptySince = clock.now();
    this.#changed(this);
    for (const member of this.members) {
      answerJoin(member, this.#joined(member));
      member.isNew = false;
      this.#unsynced.add(member.id);
      this.#sessions.start(member);
    }
    if (this.state === "Empty") return;
    this.#syncDeadline.set(this.members.rebalanceTimeoutMs(), () => {
      this.#drop(Array.from(this.members).filter(({ id }) => this.#unsynced.has(id)));
    });
  }

  #assign(assignments: SyncRequest["assignments"]): void {
    const byMember = new Map(assignments.map(({ memberId, assignment }) => [memberId, assignment]));
    this.state = "Stable";
    for (const member of this.members) member.assignment = byMember.get(member.id) ?? noBytes;
    this.#answerSyncs((member) => this.#assignmentOf(member));
  }

  #checkSync(request: SyncRequest): GroupError {
    if (request.generation !== this.generation) return "ILLEGAL_GENERATION";
    if (clash(request.protocolType, this.protocolType) || clash(request.protocol, this.protocol)) {
      return "INCONSISTENT_GROUP_PROTOCOL";
    }
    if (this.state === "PreparingRebalance") return "REBALANCE_IN_PROGRESS";
    if (this.state === "Stable" || request.memberId !== this.members.leader) return "NONE";
    const bytes = request.assignments.reduce((sum, { assignment }) => sum + assignment.length, 0);
    return bytes > Math.min(this.#rules.maxGroupBytes, this.#rules.room()) ? "INVALID_REQUEST" : "NONE";
  }

  /** The current generation as `member` is told of it. */
  #joined(member: Member): JoinAnswer {
    const { generation, protocolType, protocol } = this;
    const leader = this.members.leader ?? "";
    return {
      ...{ error: "NONE", generation, protocolType, protocol, leader, skipAssignment: false },
      ...{ memberId: member.id, members: leader === member.id ? this.members.describe(protocol) : [] },
    };
  }

  #assignmentOf(member: Member): SyncAnswer {
    const { protocolType, protocol } = this;
    return { error: "NONE", protocolType, protocol, assignment: member.assignment };
  }

  /** Answers every parked sync; from here on the members have to show that they live. */
  #answerSyncs(tell: (member: Member) => SyncAnswer): void {
    for (const member of this.members) {
      if (answerSync(member, tell(member))) this.#sessions.start(member);
    }
  }

  #synced(memberId: string): void {
    this.#unsynced.delete(memberId);
    if (this.#unsynced.size === 0) this.#syncDeadline.stop();
  }

  #drop(members: Iterable<Member>): void {
    for (const member of [...members]) this.#remove(member);
    this.#rebalance();
  }

  #remove(member: Member): void {
    this.#sessions.stop(member);
    this.#unsynced.delete(member.id);
    this.members.remove(member);
    answerJoin(member, joinRefusal("UNKNOWN_MEMBER_ID", ""));
    answerSync(member, syncRefusal("UNKNOWN_MEMBER_ID"));
  }

  #newId(prefix: string): string {
    return `${prefix.slice(0, maxIdPrefix)}-${this.#rules.uuid()}`;
  }
}

function clash(given: string | null, own: string | null): boolean {
  return given !== null && own !== null && given !== own;
}
