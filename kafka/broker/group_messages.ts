/** What goes into a consumer group and what comes out of it: the requests of members without their encoding,
 * and the answers. The encoding is in apis/11_join_group.ts and its neighbours, the meaning in
 * group_state.ts.
 * @module */

/** What a group answers, by the name the Kafka protocol gives the error; "NONE" is success. */
export type GroupError =
  | "NONE"
  | "COORDINATOR_NOT_AVAILABLE"
  | "ILLEGAL_GENERATION"
  | "INCONSISTENT_GROUP_PROTOCOL"
  | "INVALID_GROUP_ID"
  | "UNKNOWN_MEMBER_ID"
  | "INVALID_SESSION_TIMEOUT"
  | "REBALANCE_IN_PROGRESS"
  | "INVALID_REQUEST"
  | "MEMBER_ID_REQUIRED"
  | "GROUP_MAX_SIZE_REACHED"
  | "NON_EMPTY_GROUP"
  | "GROUP_ID_NOT_FOUND"
  | "FENCED_INSTANCE_ID";

/** One way of assigning partitions that a member offers, with what the leader needs to know of it. */
export interface Protocol {
  readonly name: string;
  readonly metadata: Uint8Array;
}

/** A member as the leader is told of it. */
export interface JoinedMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly metadata: Uint8Array;
}

/** Answer to a JoinGroup. `generation` is −1 and `protocol` null when `error` is not "NONE". */
export interface JoinAnswer {
  readonly error: GroupError;
  readonly generation: number;
  readonly protocolType: string | null;
  readonly protocol: string | null;
  readonly leader: string;
  readonly skipAssignment: boolean;
  readonly memberId: string;
  readonly members: readonly JoinedMember[];
}

/** Answer to a SyncGroup. `assignment` is empty when `error` is not "NONE". */
export interface SyncAnswer {
  readonly error: GroupError;
  readonly protocolType: string | null;
  readonly protocol: string | null;
  readonly assignment: Uint8Array;
}

/** Takes the answer of a parked request, once. */
export type Answer<T> = (answer: T) => void;

/** What a member tells of itself when it joins. Times are milliseconds. */
export interface MemberTerms {
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocols: readonly Protocol[];
}

/** A wish to be part of the next generation. */
export interface JoinRequest extends MemberTerms {
  /** Empty for one that has no id yet. */
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly protocolType: string;
  /** The member is told its id first and has to come back with it (JoinGroup 4 and later). */
  readonly requireKnownMemberId: boolean;
  /** The client understands skipAssignment (JoinGroup 9 and later). */
  readonly canSkipAssignment: boolean;
}

/** Who speaks: every request of an admitted member carries these. */
export interface MemberClaim {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly generation: number;
}

/** A member's wish for its assignment; the leader's carries everyone's. */
export interface SyncRequest extends MemberClaim {
  /** Checked against the group's when given (SyncGroup 5 and later). */
  readonly protocolType: string | null;
  readonly protocol: string | null;
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[];
}

/** Bytes of no assignment. */
export const noBytes: Uint8Array = new Uint8Array(0);

/** A join that failed; `memberId` is what the client is to call itself from now on. */
export function joinRefusal(error: GroupError, memberId: string): JoinAnswer {
  return {
    ...{ error, generation: -1, protocolType: null, protocol: null, leader: "" },
    ...{ skipAssignment: false, memberId, members: [] },
  };
}

/** A sync that failed. */
export function syncRefusal(error: GroupError): SyncAnswer {
  return { error, protocolType: null, protocol: null, assignment: noBytes };
}

/** What stays of a request once its member is in. */
export function termsOf(request: JoinRequest): MemberTerms {
  const { clientId, clientHost, sessionTimeoutMs, rebalanceTimeoutMs, protocols } = request;
  return { clientId, clientHost, sessionTimeoutMs, rebalanceTimeoutMs, protocols };
}
