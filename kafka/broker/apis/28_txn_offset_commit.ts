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
import type { TransactionClaim } from "../transactions.ts";
import { type ErrorCode, errors } from "../wire/error_codes.ts";
import type { WireReader } from "../wire/reader.ts";
import type { WireWriter } from "../wire/writer.ts";
import type { Api, BrokerState } from "./mod.ts";
import {
  failOffsets,
  goodOffsets,
  knownOffsets,
  readOffsets,
  type TopicOffsets,
  writeOffsetErrors,
} from "./offset_items.ts";
import { coordinated, readProducer, toldTo } from "./transaction_requests.ts";

interface OffsetsRequest {
  readonly claim: TransactionClaim;
  readonly groupId: string;
  readonly member: MemberClaim;
  readonly topics: readonly TopicOffsets[];
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
    failOffsets(topics, errorCode);
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
  const topics = readOffsets(body, version >= 2);
  body.tags();
  return { claim: { id, producer }, groupId, member, topics };
}

/** Hands over what can be held and leaves each item with its error. */
async function hold({ claim, groupId, member, topics }: OffsetsRequest, broker: BrokerState): Promise<void> {
  const known = knownOffsets(topics, broker);
  if (known.length === 0) return;
  const good = goodOffsets(known, problem(claim, groupId, member, broker));
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

function write(out: WireWriter, topics: readonly TopicOffsets[]): void {
  out.int32(0); // throttle_time_ms
  writeOffsetErrors(out, topics);
}
