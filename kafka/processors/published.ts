/** The record of `hist_<name>`: what is published of a measurement, and all that a new owner needs to go on from it.
 *
 *     key      the measurement's name, so that compaction keeps the newest
 *     value    HistogramSnapshot as JSON
 *     headers  covered: Covered as JSON, the positions that the counts cover; state: CountingMore as JSON, which the value rounds
 *
 * Such records are written in transactions only (publisher.ts), so the last committed one is whole. Records that others put into the topic
 * are passed over, also those that look the same, as copies from another cluster do: what is not of a transaction is none of ours.
 * Left out: who may publish when.
 * @module */
import { Buffer } from "node:buffer";
import { earliestOffset, errorName, type KafkaConnection, KafkaError, latestOffset } from "../connection.ts";
import type { KafkaRecord } from "../fetch_response.ts";
import { histTopicOf } from "../measurements.ts";
import type { CountingMore } from "./counting.ts";
import { type HistogramMore, RunningHistogram } from "./histogram.ts";
import type { Covered, HistogramSnapshot } from "./histogram_types.ts";

/** The counts of a measurement and what they cover. */
export interface CountedState {
  readonly snapshot: HistogramSnapshot;
  readonly more: CountingMore | null;
  readonly covered: Covered;
}

/** Looked at first at the end of the topic; each further look goes back so many times as far. */
const firstSpan = 16, growth = 16;
const fetchBytes = 1024 * 1024;
/** More logs than any topic ever had: numbers behind it must stay exact. */
const maxLog = 1_000_000_000;
const decoder = new TextDecoder();

/** The record that holds a state. */
export function publishedRecord(name: string, { snapshot, more, covered }: CountedState): {
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
} {
  const headers = { covered: JSON.stringify(covered), ...(more && { state: JSON.stringify(more) }) };
  return { key: name, value: JSON.stringify(snapshot), headers };
}

/** What a record holds, null when it is none of ours. */
export function readPublishedRecord(name: string, record: KafkaRecord): CountedState | null {
  const { key, value, headers } = record;
  if (!key || !value || decoder.decode(key) !== name) return null;
  try {
    const covered = readCovered(textOf(headers.covered));
    const snapshot = JSON.parse(decoder.decode(value));
    const state = textOf(headers.state);
    const more = state === null ? null : JSON.parse(state);
    const histogram = RunningHistogram.from(snapshot, more);
    return {
      snapshot: histogram.snapshot(),
      more: more && withId(histogram.more(more.newest), more),
      covered,
    };
  } catch {
    return null; // somebody else's, whatever it is
  }
}

/** The state that was published last and committed; null when there is none.
 * @throws {KafkaError} while the topic cannot be read */
export async function readPublished(connection: KafkaConnection, name: string): Promise<CountedState | null> {
  const topic = histTopicOf(name);
  const { topics: [found] } = await connection.metadata([topic]);
  if (!found || found.error === "UNKNOWN_TOPIC_OR_PARTITION") return null;
  if (found.error) throw new KafkaError(found.error, `Cannot read ${topic}: Kafka answered ${found.error}`);
  const leader = found.partitions[0]?.leader ?? null;
  if (leader === null) {
    throw new KafkaError("LEADER_NOT_AVAILABLE", `Cannot read ${topic} as nobody leads it`);
  }
  const place = async (at: number) => {
    const offset = (await connection.offsets(leader, topic, [0], at)).get(0);
    if (offset instanceof KafkaError) throw offset;
    return offset ?? 0;
  };
  const first = await place(earliestOffset), end = await place(latestOffset);
  for (let before = end, span = firstSpan; before > first; span *= growth) {
    const from = Math.max(first, before - span);
    const newest = await newestWithin(connection, { leader, topic, name, from, before });
    if (newest) return newest;
    before = from;
  }
  return null;
}

async function newestWithin(
  connection: KafkaConnection,
  { leader, topic, name, from, before }: {
    leader: number;
    topic: string;
    name: string;
    from: number;
    before: number;
  },
): Promise<CountedState | null> {
  let newest: CountedState | null = null;
  for (let at = from; at < before;) {
    const wants = [{ partition: 0, offset: at, maxBytes: fetchBytes }];
    const options = { maxWaitMs: 1, maxBytes: fetchBytes, onlyTransactional: true };
    const [answer] = await connection.fetch(leader, topic, wants, options);
    const error = answer ? errorName(answer.errorCode) : "UNREACHABLE";
    if (!answer || error) throw new KafkaError(error!, `Cannot read ${topic}: Kafka answered ${error}`);
    for (const record of answer.records) {
      if (record.offset < before) newest = readPublishedRecord(name, record) ?? newest;
    }
    if (answer.next <= at) return newest;
    at = answer.next;
  }
  return newest;
}

function withId(more: HistogramMore, { topicId }: { topicId?: unknown }): CountingMore {
  return typeof topicId === "string" ? { ...more, topicId } : more;
}

/** @throws {RangeError} for what is no `Covered` */
function readCovered(text: string | null): Covered {
  const { log, positions } = JSON.parse(text ?? "null") ?? {};
  const isPlace = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
  const entries = Object.entries(positions ?? {});
  if (
    !isPlace(log) || log > maxLog || !entries.every(([name, next]) => isPlace(Number(name)) && isPlace(next))
  ) {
    throw new RangeError(`Cannot read what is covered: found ${text}`);
  }
  return { log, positions: Object.fromEntries(entries) as Record<number, number> };
}

function textOf(header: KafkaRecord["headers"][string] | undefined): string | null {
  return header instanceof Uint8Array ? Buffer.from(header).toString() : null;
}
