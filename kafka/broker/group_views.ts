/** What is told of a group to those who are not in it: its description, and which topics it reads.
 * The one place where the broker looks into the bytes of members: at the list of topics at their head.
 * @module */

import type { Group, GroupState } from "./group_state.ts";
import { noBytes } from "./group_messages.ts";
import { WireError, WireReader } from "./wire/reader.ts";

/** Protocol type of groups of consumers, whose metadata begins with the topics they read. */
export const CONSUMER_TYPE = "consumer";

/** A group as ListGroups shows it. */
export interface GroupListing {
  readonly id: string;
  /** "" if it never had members. */
  readonly protocolType: string;
  readonly state: GroupState | "Dead";
}

/** A group as DescribeGroups shows it; one that is unknown is Dead. */
export interface GroupDescription extends GroupListing {
  /** "" unless the group is Stable. */
  readonly protocol: string;
  readonly members: readonly MemberDescription[];
}

/** A member as DescribeGroups shows it; its bytes are empty unless the group is Stable. */
export interface MemberDescription {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly metadata: Uint8Array;
  readonly assignment: Uint8Array;
}

export function listing({ id, protocolType, state }: Group): GroupListing {
  return { id, protocolType: protocolType ?? "", state };
}

/** As in Kafka the protocol and the members' bytes are told of Stable groups only. */
export function description(group: Group): GroupDescription {
  const isStable = group.state === "Stable";
  const protocol = isStable ? group.protocol ?? "" : "";
  return {
    ...listing(group),
    protocol,
    members: Array.from(group.members, ({ id, instanceId, terms, assignment }) => ({
      memberId: id,
      instanceId,
      clientId: terms.clientId,
      clientHost: terms.clientHost,
      metadata: terms.protocols.find(({ name }) => isStable && name === protocol)?.metadata ?? noBytes,
      assignment: isStable ? assignment : noBytes,
    })),
  };
}

/** A group nobody knows. */
export function deadGroup(id: string): GroupDescription {
  return { id, protocolType: "", state: "Dead", protocol: "", members: [] };
}

/** The topics that the members of a consumer group read; null if that cannot be told, so it may be any. */
export function subscribedTopics({ members, protocol }: Group): ReadonlySet<string> | null {
  if (protocol === null) return null;
  const topics = new Set<string>();
  for (const { metadata } of members.describe(protocol)) {
    try {
      // A copy, as what is kept of a join is not known to lie in a buffer of its own kind.
      const reader = new WireReader(Uint8Array.from(metadata), false);
      reader.int16(); // version
      for (const topic of reader.array(() => reader.string())) topics.add(topic);
    } catch (error) {
      if (error instanceof WireError) return null;
      throw error;
    }
  }
  return topics;
}
