/** A group under a test's clock, and members that remember what they were answered.
 * @module */
import type {
  GroupError,
  JoinAnswer,
  JoinRequest,
  SyncAnswer,
  SyncRequest,
} from "../../../kafka/broker/group_messages.ts";
import type { GroupRules } from "../../../kafka/broker/group_rules.ts";
import { Group } from "../../../kafka/broker/group_state.ts";
import { FakeClock } from "./fake_clock.ts";

/** A parked or answered request: `answer` is null until it is answered, `count` says how often it was. */
export interface Asked<T> {
  answer: T | null;
  count: number;
}

/** What a member asks for unless a test says otherwise. */
export const joinDefaults: JoinRequest = {
  ...{ memberId: "", instanceId: null, clientId: "app", clientHost: "/127.0.0.1" },
  ...{ protocolType: "consumer", protocols: [{ name: "range", metadata: Uint8Array.of(1) }] },
  ...{ sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 60_000 },
  ...{ requireKnownMemberId: false, canSkipAssignment: false },
};

/** Protocols with one byte of metadata each. */
export function protocols(metadata: number, ...names: string[]): JoinRequest["protocols"] {
  return names.map((name) => ({ name, metadata: Uint8Array.of(metadata) }));
}

/** One group, its clock, and short ways of asking it. */
export class GroupHarness {
  readonly clock = new FakeClock();
  readonly group: Group;
  /** The generation at each change, as it would be stored. */
  readonly stored: number[] = [];

  constructor(rules: Partial<GroupRules> = {}, generation = 0) {
    let ids = 0;
    const stored = { id: "g", generation, protocolType: null, emptySince: this.clock.now() };
    this.group = new Group(stored, {
      ...{ clock: this.clock, initialRebalanceDelayMs: 100, newMemberTimeoutMs: 300_000 },
      ...{ maxMembers: 10, maxGroupBytes: 1000, room: () => 1e6, uuid: () => String(++ids) },
      ...rules,
    }, (group) => this.stored.push(group.generation));
  }

  join(request: Partial<JoinRequest> = {}): Asked<JoinAnswer> {
    return asked((answer) => this.group.join({ ...joinDefaults, ...request }, answer));
  }

  sync(memberId: string, request: Partial<SyncRequest> = {}): Asked<SyncAnswer> {
    const { generation } = this.group;
    const claim = { memberId, instanceId: null, generation, protocolType: null, protocol: null };
    return asked((answer) => this.group.sync({ ...claim, assignments: [], ...request }, answer));
  }

  beat(memberId: string, generation = this.group.generation, instanceId: string | null = null): GroupError {
    return this.group.heartbeat({ memberId, instanceId, generation });
  }

  leave(...memberIds: string[]): GroupError[] {
    return this.group.leave(memberIds.map((memberId) => ({ memberId, instanceId: null })));
  }

  commit(memberId: string, generation = this.group.generation): GroupError {
    return this.group.commit({ memberId, instanceId: null, generation });
  }

  /** Forms a stable group of as many members as there are requests, the first one leading; each is assigned
   * its index as one byte. @returns their ids */
  stable(...requests: Partial<JoinRequest>[]): string[] {
    const joins = requests.map((request) => this.join(request));
    while (joins.some(({ answer }) => answer === null)) this.clock.pass(100);
    const ids = joins.map(({ answer }) => answer?.memberId ?? "");
    const assignments = ids.map((memberId, at) => ({ memberId, assignment: Uint8Array.of(at) }));
    for (const id of ids) this.sync(id, { assignments });
    return ids;
  }
}

function asked<T>(ask: (answer: (told: T) => void) => void): Asked<T> {
  const request: Asked<T> = { answer: null, count: 0 };
  ask((told) => {
    request.answer = told;
    request.count++;
  });
  return request;
}
