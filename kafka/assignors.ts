/** Who of a consumer group gets what: pure functions that the leader of the group runs. Left out: the group itself (membership.ts).
 * @module */
import type { Partitions, Subscription } from "./membership_protocol.ts";

/** A member as the leader sees it. */
export interface Member extends Subscription {
  readonly id: string;
}

/** A way to deal out partitions. All members of a group have to use the same one, told apart by its name. */
export interface Assignor {
  readonly name: string;
  /** @param members with different ids; their topics may differ
   * @param partitions of every topic that any of them wants; none of a topic that does not exist
   * @returns by member id; a member that is left out gets nothing */
  assign(members: readonly Member[], partitions: Partitions): Map<string, Partitions>;
}

/** Each topic with all its partitions to one of the members that want it, as evenly as their wishes allow; a topic stays where it was
 * as long as that holds. A topic that does not exist yet has an owner too, of no partitions, who is there when it comes. */
export const wholeTopics: Assignor = {
  name: "tailrace-topics",
  assign(members, partitions) {
    const hands = members.toSorted((a, b) => a.id < b.id ? -1 : 1).map((member) => new Hand(member));
    const topics = [...new Set(members.flatMap((member) => member.topics))].sort();
    for (const topic of topics) {
      const wanting = hands.filter((hand) => hand.wants.has(topic));
      const owners = wanting.filter(({ member }) => member.owned.has(topic));
      // Several say that they had it when one of them was away for a while.
      owners.sort((a, b) => b.member.generation - a.member.generation);
      (owners[0] ?? least(wanting)).topics.add(topic);
    }
    while (hands.some((hand) => passOn(hand, hands))) { /* until it is even */ }
    return new Map(hands.map((hand) => {
      const own = [...hand.topics].sort();
      return [hand.member.id, new Map(own.map((topic) => [topic, partitions.get(topic) ?? []]))];
    }));
  },
};

/** What a member wants, and has so far. */
class Hand {
  readonly topics = new Set<string>();
  readonly wants: ReadonlySet<string>;

  constructor(readonly member: Member) {
    this.wants = new Set(member.topics);
  }
}

function least(hands: readonly Hand[]): Hand {
  return hands.reduce((found, hand) => hand.topics.size < found.topics.size ? hand : found);
}

/** Has one topic less in a hand and one more in another that has at least two less, by way of others where their wishes ask for it.
 * @returns false when no such hand can be reached */
function passOn(from: Hand, hands: readonly Hand[]): boolean {
  const reached = new Map<Hand, { giver: Hand; topic: string } | null>([[from, null]]);
  for (const giver of reached.keys()) { // those that are reached on the way come at its end
    for (const topic of giver.topics) {
      for (const taker of hands) {
        if (reached.has(taker) || !taker.wants.has(topic)) continue;
        reached.set(taker, { giver, topic });
        if (taker.topics.size > from.topics.size - 2) continue;
        for (let at = taker, step = reached.get(at); step; at = step.giver, step = reached.get(at)) {
          step.giver.topics.delete(step.topic);
          at.topics.add(step.topic);
        }
        return true;
      }
    }
  }
  return false;
}
