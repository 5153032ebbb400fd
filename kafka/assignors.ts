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
  assign: (members, partitions) =>
    deal(
      members,
      topicsOf(members).map((topic) => ({
        topic,
        partitions: partitions.get(topic) ?? [],
        wasOf: ({ owned }) => owned.has(topic),
      })),
    ),
};

/** Each partition by itself to one of the members that want its topic, as evenly as their wishes allow; a partition stays where it was
 * as long as that holds.
 * @param name members of a group with another one do not get in: it tells what all of them have to agree on */
export function eachPartition(name: string): Assignor {
  return {
    name,
    assign: (members, partitions) =>
      deal(
        members,
        topicsOf(members).flatMap((topic) =>
          (partitions.get(topic) ?? []).toSorted((a, b) => a - b).map((partition) => ({
            topic,
            partitions: [partition],
            wasOf: ({ owned }) => owned.get(topic)?.includes(partition) ?? false,
          }))
        ),
      ),
  };
}

/** What one member gets as a whole. */
interface Share {
  readonly topic: string;
  readonly partitions: readonly number[];
  readonly wasOf: (member: Member) => boolean;
}

function topicsOf(members: readonly Member[]): string[] {
  return [...new Set(members.flatMap((member) => member.topics))].sort();
}

/** @param shares of topics that somebody wants, in the order in which they are told to who gets them */
function deal(members: readonly Member[], shares: readonly Share[]): Map<string, Partitions> {
  const hands = members.toSorted((a, b) => a.id < b.id ? -1 : 1).map((member) => new Hand(member));
  for (const share of shares) {
    const wanting = hands.filter((hand) => hand.wants.has(share.topic));
    const owners = wanting.filter(({ member }) => share.wasOf(member));
    // Several say that they had it when one of them was away for a while.
    owners.sort((a, b) => b.member.generation - a.member.generation);
    (owners[0] ?? least(wanting)).shares.add(share);
  }
  while (!isEven(hands) && hands.some((hand) => passOn(hand, hands))) { /* until it is, or can be no more */ }
  return new Map(hands.map((hand) => {
    const own = Map.groupBy(shares.filter((share) => hand.shares.has(share)), ({ topic }) => topic);
    const dealt = [...own].map(([topic, of]) => [topic, of.flatMap(({ partitions }) => partitions)] as const);
    return [hand.member.id, new Map(dealt)];
  }));
}

/** What a member wants, and has so far. */
class Hand {
  readonly shares = new Set<Share>();
  readonly wants: ReadonlySet<string>;

  constructor(readonly member: Member) {
    this.wants = new Set(member.topics);
  }
}

function least(hands: readonly Hand[]): Hand {
  return hands.reduce((found, hand) => hand.shares.size < found.shares.size ? hand : found);
}

function isEven(hands: readonly Hand[]): boolean {
  const sizes = hands.map(({ shares }) => shares.size);
  return Math.max(...sizes) - Math.min(...sizes) <= 1;
}

/** Has one share less in a hand and one more in another that has at least two less, by way of others where their wishes ask for it.
 * @returns false when no such hand can be reached */
function passOn(from: Hand, hands: readonly Hand[]): boolean {
  const reached = new Map<Hand, { giver: Hand; share: Share } | null>([[from, null]]);
  for (const giver of reached.keys()) { // those that are reached on the way come at its end
    for (const share of giver.shares) {
      for (const taker of hands) {
        if (reached.has(taker) || !taker.wants.has(share.topic)) continue;
        reached.set(taker, { giver, share });
        if (taker.shares.size > from.shares.size - 2) continue;
        for (let at = taker, step = reached.get(at); step; at = step.giver, step = reached.get(at)) {
          step.giver.shares.delete(step.share);
          at.shares.add(step.share);
        }
        return true;
      }
    }
  }
  return false;
}
