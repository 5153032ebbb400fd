/** The offsets of OffsetCommit and TxnOffsetCommit: read, matched to topics, answered one by one. What is done with
 * them in between is the API's own. @module */

import type { NewOffset } from "../offsets.ts";
import { errors } from "../wire/error_codes.ts";
import type { WireReader } from "../wire/reader.ts";
import type { WireWriter } from "../wire/writer.ts";
import type { BrokerState } from "./mod.ts";

/** Characters of a note beside an offset: offset.metadata.max.bytes of Kafka. */
const MAX_METADATA = 4096;

/** One offset of a request, and what became of it. */
export interface OffsetItem {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
  error: number;
}

/** The offsets of one topic. */
export interface TopicOffsets {
  readonly name: string;
  readonly items: readonly OffsetItem[];
}

/** An offset of a partition that exists. */
export interface KnownOffset {
  readonly item: OffsetItem;
  readonly offset: NewOffset;
}

/** @param hasEpoch whether this version tells the leader epoch */
export function readOffsets(body: WireReader, hasEpoch: boolean): TopicOffsets[] {
  return body.structs(() => {
    const name = body.string();
    const items = body.structs((): OffsetItem => ({
      topic: name,
      partition: body.int32(),
      offset: body.int64(),
      leaderEpoch: hasEpoch ? body.int32() : -1,
      metadata: body.nullableString() ?? "",
      error: errors.NONE,
    }));
    return { name, items };
  });
}

/** Those of partitions that exist; the others get their error. */
export function knownOffsets(topics: readonly TopicOffsets[], { log }: BrokerState): KnownOffset[] {
  const known: KnownOffset[] = [];
  for (const item of topics.flatMap(({ items }) => items)) {
    const topic = log.partition(item.topic, item.partition)?.topic;
    if (topic === undefined) item.error = errors.UNKNOWN_TOPIC_OR_PARTITION;
    else known.push({ item, offset: { ...item, topic } });
  }
  return known;
}

/** Those that nothing speaks against; the others get their error.
 * @param refusal what speaks against all of them, or NONE */
export function goodOffsets(known: readonly KnownOffset[], refusal: number): KnownOffset[] {
  for (const { item } of known) {
    if (refusal !== errors.NONE) item.error = refusal;
    else if (item.metadata.length > MAX_METADATA) item.error = errors.OFFSET_METADATA_TOO_LARGE;
  }
  return known.filter(({ item }) => item.error === errors.NONE);
}

/** Gives all of them the same error. */
export function failOffsets(topics: readonly TopicOffsets[], errorCode: number): void {
  for (const { items } of topics) for (const item of items) item.error = errorCode;
}

export function writeOffsetErrors(out: WireWriter, topics: readonly TopicOffsets[]): void {
  out.structs(topics, ({ name, items }) => {
    out.string(name);
    out.structs(items, ({ partition, error }) => {
      out.int32(partition);
      out.errorCode(error);
    });
  });
  out.tags();
}
