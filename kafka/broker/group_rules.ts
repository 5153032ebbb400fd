/** What all consumer groups of a broker share. @module */

import type { Clock } from "./group_clock.ts";

/** Bounds, times and sources of every group. */
export interface GroupRules {
  readonly clock: Clock;
  /** How long the first rebalance of an Empty group waits for more members, in milliseconds. */
  readonly initialRebalanceDelayMs: number;
  /** How long a member that never was in a generation may stay parked, in milliseconds. */
  readonly newMemberTimeoutMs: number;
  /** Members and announced members of one group. */
  readonly maxMembers: number;
  /** Bytes of all members' protocols, and of all assignments, of one group. */
  readonly maxGroupBytes: number;
  /** Bytes of memory left for all groups together. */
  readonly room: () => number;
  /** Makes the random part of a member id. */
  readonly uuid: () => string;
}
