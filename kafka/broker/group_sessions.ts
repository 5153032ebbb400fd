/** The timers that end a member's stay in a group: its session, and the time an announced member may take to
 * come.
 * @module */
import type { Clock, Timer } from "./group_clock.ts";
import type { Member } from "./group_members.ts";

/** Sessions of one group's members, and the ids given out with MEMBER_ID_REQUIRED whose owners have not come
 * yet. */
export class Sessions {
  readonly #clock: Clock;
  readonly #ended: (member: Member) => void;
  readonly #announced = new Map<string, Timer>();

  /** @param ended is told of a member whose session ran out */
  constructor(clock: Clock, ended: (member: Member) => void) {
    this.#clock = clock;
    this.#ended = ended;
  }

  /** Ids that are still expected. */
  get announced(): number {
    return this.#announced.size;
  }

  /** Begins a member's session anew. */
  start(member: Member, timeoutMs = member.terms.sessionTimeoutMs): void {
    this.stop(member);
    member.session = this.#clock.setTimer(() => {
      member.session = null;
      this.#ended(member);
    }, timeoutMs);
  }

  /** Suspends a member's session: while a request of it is parked, it cannot show that it lives. */
  stop(member: Member): void {
    if (member.session !== null) this.#clock.clearTimer(member.session);
    member.session = null;
  }

  /** Begins the session of a member that showed it lives, unless a parked request keeps it anyway. */
  touch(member: Member): void {
    if (member.joining === null && member.syncing === null) this.start(member);
  }

  /** Expects a member to come back with its id; `gone` is called if it does not in time. */
  announce(memberId: string, timeoutMs: number, gone: () => void): void {
    const timer = this.#clock.setTimer(() => {
      this.#announced.delete(memberId);
      gone();
    }, timeoutMs);
    this.#announced.set(memberId, timer);
  }

  isAnnounced(memberId: string): boolean {
    return this.#announced.has(memberId);
  }

  /** Expects a member no longer. @returns false if it was not expected */
  forget(memberId: string): boolean {
    const timer = this.#announced.get(memberId);
    if (timer !== undefined) this.#clock.clearTimer(timer);
    return this.#announced.delete(memberId);
  }

  /** Stops all timers. */
  close(members: Iterable<Member>): void {
    for (const member of members) this.stop(member);
    for (const memberId of [...this.#announced.keys()]) this.forget(memberId);
  }
}
