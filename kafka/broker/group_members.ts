/** The members of one consumer group: who they are, who leads, and which protocol all of them speak.
 *
 * Collections and votes only; when they are asked and what follows is for group_state.ts. The metadata and
 * assignment bytes are opaque here as everywhere in the broker.
 * @module */
import type { Timer } from "./group_clock.ts";
import type {
  Answer,
  GroupError,
  JoinAnswer,
  JoinedMember,
  MemberTerms,
  Protocol,
  SyncAnswer,
} from "./group_messages.ts";
import { noBytes } from "./group_messages.ts";

/** One member. `joining` and `syncing` hold the answers it waits for; both are null while it works or is
 * silent. */
export interface Member {
  readonly id: string;
  /** Name of a static member (KIP-345), null for a dynamic one. */
  readonly instanceId: string | null;
  /** What it said when it joined last. */
  terms: MemberTerms;
  assignment: Uint8Array;
  joining: Answer<JoinAnswer> | null;
  syncing: Answer<SyncAnswer> | null;
  /** Never yet part of a generation. */
  isNew: boolean;
  /** Ends the session when it runs out; null while a parked request keeps the member alive. */
  session: Timer | null;
}

/** Tells whether a member offers the same protocols in the same order with the same metadata. */
export function sameProtocols(left: readonly Protocol[], right: readonly Protocol[]): boolean {
  return left.length === right.length &&
    left.every((protocol, at) => {
      const other = right[at];
      return other !== undefined && protocol.name === other.name &&
        sameBytes(protocol.metadata, other.metadata);
    });
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

/** Answers a member's parked join, if there is one. */
export function answerJoin(member: Member, told: JoinAnswer): void {
  const answer = member.joining;
  member.joining = null;
  answer?.(told);
}

/** Answers a member's parked sync, if there is one. @returns false if there was none */
export function answerSync(member: Member, told: SyncAnswer): boolean {
  const answer = member.syncing;
  member.syncing = null;
  answer?.(told);
  return answer !== null;
}

/** Bytes that a list of protocols occupies in the group. */
export function protocolBytes(protocols: readonly Protocol[]): number {
  return protocols.reduce((sum, { name, metadata }) => sum + name.length + metadata.length, 0);
}

/** About the bytes of memory of a member without what it brings: ids, objects, a timer. */
export const memberBytes = 2048;

/** The members of a group in the order of their coming. */
export class Members implements Iterable<Member> {
  readonly #byId = new Map<string, Member>();
  readonly #byInstance = new Map<string, Member>();
  #leader: string | null = null;

  get size(): number {
    return this.#byId.size;
  }

  /** Id of the leader, null only without members. */
  get leader(): string | null {
    return this.#leader;
  }

  [Symbol.iterator](): Iterator<Member> {
    return this.#byId.values();
  }

  get(memberId: string): Member | undefined {
    return this.#byId.get(memberId);
  }

  byInstance(instanceId: string): Member | undefined {
    return this.#byInstance.get(instanceId);
  }

  /** The member that makes a claim, or why it is none; a static one is known by its name, and its id must
   * fit. */
  find(memberId: string, instanceId: string | null): Member | GroupError {
    if (instanceId === null) return this.#byId.get(memberId) ?? "UNKNOWN_MEMBER_ID";
    const member = this.#byInstance.get(instanceId);
    if (!member) return "UNKNOWN_MEMBER_ID";
    return member.id === memberId ? member : "FENCED_INSTANCE_ID";
  }

  /** Adds a member; the first one leads. */
  add(member: Member): void {
    this.#byId.set(member.id, member);
    if (member.instanceId !== null) this.#byInstance.set(member.instanceId, member);
    this.#leader ??= member.id;
  }

  /** Removes a member; if it led, the one that came first of the others does. */
  remove(member: Member): void {
    this.#byId.delete(member.id);
    if (member.instanceId !== null) this.#byInstance.delete(member.instanceId);
    if (this.#leader === member.id) this.#leader = this.#byId.keys().next().value ?? null;
  }

  /** Puts `member` in the place of `old`, leadership included. */
  replace(old: Member, member: Member): void {
    const led = this.#leader === old.id;
    this.#byId.delete(old.id);
    this.add(member);
    if (led) this.#leader = member.id;
  }

  /** True when every member waits for the next generation. */
  allJoining(): boolean {
    for (const member of this) if (member.joining === null) return false;
    return true;
  }

  /** Keeps the leader if it waits for the next generation, else takes the first member that does.
   * @returns false if no member waits */
  electLeader(): boolean {
    if (this.#leader !== null && this.#byId.get(this.#leader)?.joining) return true;
    for (const member of this) {
      if (member.joining === null) continue;
      this.#leader = member.id;
      return true;
    }
    return false;
  }

  /** The longest time any member may take to rejoin, in milliseconds; 0 without members. */
  rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const { terms } of this) longest = Math.max(longest, terms.rebalanceTimeoutMs);
    return longest;
  }

  /** Tells whether at least one of the protocols is spoken by all members. */
  supportAny(protocols: readonly Protocol[]): boolean {
    const common = this.#commonProtocols();
    return protocols.some(({ name }) => common.has(name));
  }

  /** The protocol that most members prefer among those all of them speak; on a tie the one voted for first.
   * Each member votes for the first of its list. */
  selectProtocol(): string | null {
    const common = this.#commonProtocols();
    const votes = new Map<string, number>();
    for (const { terms } of this) {
      const choice = terms.protocols.find(({ name }) => common.has(name));
      if (choice) votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1);
    }
    let selected: string | null = null;
    for (const [name, count] of votes) {
      if (selected === null || count > (votes.get(selected) ?? 0)) selected = name;
    }
    return selected;
  }

  /** All members as the leader is told, with their metadata for `protocol`. */
  describe(protocol: string | null): JoinedMember[] {
    return Array.from(this, ({ id, instanceId, terms }) => ({
      memberId: id,
      instanceId,
      metadata: terms.protocols.find(({ name }) => name === protocol)?.metadata ?? noBytes,
    }));
  }

  /** Bytes of all members' protocols. */
  protocolBytes(): number {
    let sum = 0;
    for (const { terms } of this) sum += protocolBytes(terms.protocols);
    return sum;
  }

  /** About the bytes of memory that all members take. */
  bytes(): number {
    let sum = this.protocolBytes();
    for (const { terms, assignment } of this) sum += memberBytes + terms.clientId.length + assignment.length;
    return sum;
  }

  #commonProtocols(): Set<string> {
    const speakers = new Map<string, number>();
    for (const { terms } of this) {
      for (const name of new Set(terms.protocols.map(({ name }) => name))) {
        speakers.set(name, (speakers.get(name) ?? 0) + 1);
      }
    }
    return new Set([...speakers].filter(([, count]) => count === this.size).map(([name]) => name));
  }
}
