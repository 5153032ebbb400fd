/** TxnOffsetCommit (key 28), versions 0–3, flexible from 3.
 *     request  => transactional_id:STRING group_id:STRING producer_id:INT64 producer_epoch:INT16
 *                 generation_id:INT32 member_id:STRING group_instance_id:NULLABLE_STRING (all v3+)
 *                 [name:STRING [partition_index:INT32 committed_offset:INT64 committed_leader_epoch:INT32
 *                 (v2+) committed_metadata:NULLABLE_STRING]]
 *     response => throttle_time_ms:INT32 [name:STRING [partition_index:INT32 error_code:INT16]]
 * The offsets are held back until the transaction ends. No version knows PRODUCER_FENCED.
 * @see {@link https://cwiki.apache.org/confluence/display/KAFKA/KIP-447} for generation and member
 * @module */

import type { MemberClaim } from "../group_messages.ts";
import type { NewOffset } from "../offsets.ts";
import type { TransactionClaim } from "../transactions.ts";
import { type ErrorCode, errors } from "../wire/error_codes.ts";
import type { WireReader } from "../wire/reader.ts";
import type { WireWriter } from "../wire/writer.ts";
import type { Api, BrokerState } from "./mod.ts";
import { coordinated, readProducer, toldTo } from "./transaction_requests.ts";

/** Characters of a note beside an offset: offset.metadata.max.bytes of Kafka. */
const MAX_METADATA = 4096;

interface Item {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
  error: number;
}

interface TopicItems {
  readonly name: string;
  readonly items: readonly Item[];
}

interface OffsetsRequest {
  readonly claim: TransactionClaim;
  readonly groupId: string;
  readonly member: MemberClaim;
  readonly topics: readonly TopicItems[];
}

export const txnOffsetCommit: Api = {
  key: 28,
  name: "TxnOffsetCommit",
  versions: [0, 3],
  flexibleFrom: 3,
  async handle({ version, body, broker }, out) {
    const request = read(version, body);
    await hold(request, broker);
    write(out, request.topics);
  },
  fail({ version, body }, out, errorCode) {
    const { topics } = read(version, body);
    for (const { items } of topics) for (const item of items) item.error = errorCode;
    write(out, topics);
  },
};

function read(version: number, body: WireReader): OffsetsRequest {
  const id = body.string();
  const groupId = body.string();
  const producer = readProducer(body);
  const member = version >= 3
    ? { generation: body.int32(), memberId: body.string(), instanceId: body.nullableString() }
    : { generation: -1, memberId: "", instanceId: null };
  const topics = body.structs(() => {
    const name = body.string();
    const items = body.structs((): Item => ({
      topic: name,
      partition: body.int32(),
      offset: body.int64(),
      leaderEpoch: version >= 2 ? body.int32() : -1,
      metadata: body.nullableString() ?? "",
      error: errors.NONE,
    }));
    return { name, items };
  });
  body.tags();
  return { claim: { id, producer }, groupId, member, topics };
}

/** Hands over what can be held and leaves each item with its error. */
async function hold({ claim, groupId, member, topics }: OffsetsRequest, broker: BrokerState): Promise<void> {
  const known: { item: Item; offset: NewOffset }[] = [];
  for (const item of topics.flatMap(({ items }) => items)) {
    const topic = broker.log.partition(item.topic, item.partition)?.topic;
    if (topic === undefined) item.error = errors.UNKNOWN_TOPIC_OR_PARTITION;
    else known.push({ item, offset: { ...item, topic } });
  }
  if (known.length === 0) return;
  const refusal = problem(claim, groupId, member, broker);
  for (const { item } of known) {
    if (refusal !== errors.NONE) item.error = refusal;
    else if (item.metadata.length > MAX_METADATA) item.error = errors.OFFSET_METADATA_TOO_LARGE;
  }
  const good = known.filter(({ item }) => item.error === errors.NONE);
  if (good.length === 0) return;
  const held = await coordinated(
    broker.transactions.holdOffsets(claim, groupId, good.map(({ offset }) => offset)),
  );
  good.forEach(({ item }, at) => {
    if (typeof held === "number") item.error = toldTo(0, Infinity, held);
    else if (!held[at]) item.error = errors.UNKNOWN_TOPIC_OR_PARTITION;
  });
}

/** What speaks against all of the request: its producer first, then its group, as in Kafka. */
function problem(
  claim: TransactionClaim,
  groupId: string,
  member: MemberClaim,
  { transactions, groups }: BrokerState,
): ErrorCode {
  if (groupId === "") return errors.INVALID_GROUP_ID;
  const error = transactions.admitsOffsets(claim, groupId);
  if (error !== errors.NONE) return toldTo(0, Infinity, error);
  return errors[groups.checkCommit(groupId, member, true)];
}

function write(out: WireWriter, topics: readonly TopicItems[]): void {
  out.int32(0); // throttle_time_ms
  out.structs(topics, ({ name, items }) => {
    out.string(name);
    out.structs(items, ({ partition, error }) => {
      out.int32(partition);
      out.errorCode(error);
    });
  });
  out.tags();
}
