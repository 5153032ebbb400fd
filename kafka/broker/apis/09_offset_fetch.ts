/** OffsetFetch (key 9), versions 1–8, flexible from 6; v8 asks for several groups at once.
 *     request  => group_id:STRING [name:STRING [partition_index:INT32]] (to v7, from v2 on null for all)
 *                 [group_id:STRING [name:STRING [partition_index:INT32]] (null for all)] (v8)
 *                 require_stable:BOOLEAN (v7+)
 *     response => throttle_time_ms:INT32 (v3+)
 *                 [name:STRING [partition_index:INT32 committed_offset:INT64 committed_leader_epoch:INT32
 *                 (v5+) metadata:NULLABLE_STRING error_code:INT16]] (to v7) error_code:INT16 (v2–v7)
 *                 [group_id:STRING [as above] error_code:INT16] (v8)
 * No commit, no such topic and no such group are all offset −1 without an error. With require_stable a position that
 * an open transaction is about to change is UNSTABLE_OFFSET_COMMIT.
 * @see {@link https://kafka.apache.org/protocol#The_Messages_OffsetFetch} @module */

import type { CommittedOffset, Offsets } from "../offsets.ts";
import { errors } from "../wire/error_codes.ts";
import { WireError, type WireReader } from "../wire/reader.ts";
import type { WireWriter } from "../wire/writer.ts";
import type { Api } from "./mod.ts";

/** Positions one request may ask for, in all its groups together. */
const maxItems = 100_000;

interface Wanted {
  readonly groupId: string;
  /** Null for all positions of the group. */
  readonly topics: readonly { readonly name: string; readonly partitions: readonly number[] }[] | null;
}

interface Request {
  readonly groups: readonly Wanted[];
  /** Positions that an open transaction is about to change are not wanted. */
  readonly stable: boolean;
}

interface Position extends CommittedOffset {
  readonly error: number;
}

interface Found {
  readonly groupId: string;
  readonly topics: readonly { readonly name: string; readonly positions: readonly Position[] }[];
}

export const offsetFetch: Api = {
  key: 9,
  name: "OffsetFetch",
  versions: [1, 8],
  flexibleFrom: 6,
  handle({ version, body, broker }, out) {
    let left = maxItems;
    const { groups, stable } = read(version, body);
    const found = groups.map((wanted) => {
      const group = lookUp(wanted, stable, broker.offsets, left);
      for (const { positions } of group.topics) left -= positions.length;
      return group;
    });
    write(version, out, found, errors.NONE);
  },
  fail({ version, body }, out, errorCode) {
    const asked = read(version, body).groups.map(({ groupId, topics }) => ({
      groupId,
      topics: (topics ?? []).map(({ name, partitions }) => ({
        name,
        positions: partitions.map((partition) => none(name, partition, errorCode)),
      })),
    }));
    write(version, out, asked, errorCode);
  },
};

function read(version: number, body: WireReader): Request {
  const topic = () => ({ name: body.string(), partitions: body.array(() => body.int32()) });
  const one = (): Wanted => ({
    groupId: body.string(),
    topics: version >= 2 ? body.nullableStructs(topic) : body.structs(topic),
  });
  const groups = version >= 8 ? body.structs(one) : [one()];
  const stable = version >= 7 && body.bool();
  body.tags();
  return { groups, stable };
}

function lookUp({ groupId, topics }: Wanted, stable: boolean, offsets: Offsets, most: number): Found {
  const asked = topics?.reduce((sum, { partitions }) => sum + partitions.length, 0) ?? 0;
  if (asked > most) throw new WireError(`Cannot look up more than ${maxItems} offsets at once`);
  const position = (topic: string, partition: number, found: CommittedOffset | undefined): Position => {
    const isUnstable = stable && offsets.isHeld(groupId, topic, partition);
    if (isUnstable) return none(topic, partition, errors.UNSTABLE_OFFSET_COMMIT);
    return found === undefined ? none(topic, partition) : { ...found, error: errors.NONE };
  };
  if (topics === null) {
    const all = offsets.fetchAll(groupId).map((found) => position(found.topic, found.partition, found));
    if (all.length > most) throw new WireError(`Cannot look up more than ${maxItems} offsets at once`);
    const byTopic = Map.groupBy(all, ({ topic }) => topic);
    return { groupId, topics: Array.from(byTopic, ([name, positions]) => ({ name, positions })) };
  }
  const found = topics.map(({ name, partitions }) => ({
    name,
    positions: partitions.map((partition) =>
      position(name, partition, offsets.fetch(groupId, name, partition))
    ),
  }));
  return { groupId, topics: found };
}

function none(topic: string, partition: number, error: number = errors.NONE): Position {
  return { topic, partition, offset: -1, leaderEpoch: -1, metadata: "", error };
}

function write(version: number, out: WireWriter, groups: readonly Found[], errorCode: number): void {
  const writeTopics = (topics: Found["topics"]): void =>
    out.structs(topics, ({ name, positions }) => {
      out.string(name);
      out.structs(positions, ({ partition, offset, leaderEpoch, metadata, error }) => {
        out.int32(partition);
        out.int64(offset);
        if (version >= 5) out.int32(leaderEpoch);
        out.nullableString(metadata);
        out.errorCode(error);
      });
    });
  if (version >= 3) out.int32(0); // throttle_time_ms
  if (version <= 7) {
    writeTopics(groups[0]?.topics ?? []);
    if (version >= 2) out.errorCode(errorCode);
  } else {
    out.structs(groups, ({ groupId, topics }) => {
      out.string(groupId);
      writeTopics(topics);
      out.errorCode(errorCode);
    });
  }
  out.tags();
}
