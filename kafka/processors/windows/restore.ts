/** Reads what is kept of counting: all of a partition of ids, or only how far it has come.
 *
 *     …-windows/q from its beginning to its end → the newest value of each key (the state of window_task.ts)
 *     …-windows/q from its end backwards        → the newest meta → how far a source is counted (fold_task.ts)
 *
 * Only records of transactions count: nothing else writes there, so others' records, copies from another cluster among them, are passed
 * over. Whoever wants the state to be his takes the transactional id first: only then no more of the owner before can follow. Left out:
 * what the values mean (state_records.ts).
 * @module */
import type { Logger } from "../../../logger.ts";
import type { Kafka } from "../../client.ts";
import {
  appendedOffset,
  earliestOffset,
  errorName,
  type KafkaConnection,
  KafkaError,
  latestOffset,
} from "../../connection.ts";
import type { FetchedPartition, KafkaRecord } from "../../fetch_response.ts";
import { pause } from "../../pause.ts";
import { topicIdOf } from "../../topic_id.ts";
import { windowNames, type WindowSettings } from "../../windows.ts";
import { findTopic } from "../topic_places.ts";
import { readFoldBatch } from "./batch_records.ts";
import { isOfTopic, logCuts } from "./log_name.ts";
import { readMeta, type StoredMeta } from "./state_records.ts";
import { type SourceRecord, stateKeys } from "./types.ts";

const fetchBytes = 1024 * 1024;
/** How long an answer may take that seems to hold nothing although there is more, ms: storage may be slow. */
const slowMs = 500;
/** How long transactions that hide records are waited for, with which pauses, ms. */
const patienceMs = 2_000, pauseMs = 20;
/** Looked at first at the end of the topic; each further look goes back so many times as far. */
const firstSpan = 64, growth = 16;
const decoder = new TextDecoder();

/** How far a source is counted, and in which log. */
export type CoveredPlace = Pick<SourceRecord, "log" | "next">;

/** A partition, its leader, and where it begins and ends for those who read committed records. */
interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly leader: number;
  readonly first: number;
  readonly end: number;
}

/** The newest text of each key of a compacted partition, the one that was written least recently first; keys whose newest record has no value
 * are left out.
 * @throws {KafkaError} while it cannot be read, or when `signal` aborts */
export async function readNewest(
  connection: KafkaConnection,
  topic: string,
  partition: number,
  { log, signal }: { log: Logger; signal: AbortSignal },
): Promise<Map<string, string>> {
  const place = await wholePlaceOf(connection, topic, partition, signal);
  const newest = new Map<string, string>();
  for await (const { records, unreadable } of pages(connection, place, place.first, place.end)) {
    checkGoingOn(signal, topic);
    for (const { from, to, cause } of unreadable) {
      log.warn("records of the state cannot be read and are passed over", {
        topic,
        partition,
        from,
        to,
        cause,
      });
    }
    for (const { key, value } of records) {
      if (!key) continue;
      newest.delete(decoder.decode(key));
      if (value) newest.set(decoder.decode(key), decoder.decode(value));
    }
  }
  return newest;
}

/** Where a partition ends for those who read committed records.
 * @throws {KafkaError} while that cannot be told */
export async function endOf(connection: KafkaConnection, topic: string, partition: number): Promise<number> {
  return (await placeOf(connection, topic, partition)).end;
}

/** Up to where a source has been counted, or will be: the highest place in clicks as they are now that any partition of ids knows, or that a
 * batch has which waits to be counted; null when there is none.
 * @throws {KafkaError} while that cannot be told, or when `signal` aborts */
export async function lastCovered(
  kafka: Kafka,
  { clicksTopic }: Pick<WindowSettings, "clicksTopic">,
  source: number,
  signal: AbortSignal,
): Promise<CoveredPlace | null> {
  await using connection = kafka.connect();
  const { stateTopic, byIdTopic } = windowNames(clicksTopic);
  const [{ partitions }, id] = await Promise.all([
    findTopic(connection, stateTopic),
    topicIdOf(connection, clicksTopic),
  ]);
  let covered: CoveredPlace | null = null, position = 0;
  const take = (place: CoveredPlace | undefined) => {
    if (place && isOfTopic(place.log, id ?? "") && (!covered || isFarther(place, covered))) {
      covered = { log: place.log, next: place.next };
    }
  };
  for (const { partition } of partitions ?? []) {
    checkGoingOn(signal, stateTopic);
    const meta = await newestIn(
      await wholePlaceOf(connection, stateTopic, partition, signal),
      connection,
      readMetaRecord,
    );
    take(meta?.sources[source]);
    if (partition === 0) position = meta?.position ?? 0;
  }
  checkGoingOn(signal, byIdTopic);
  // A fold tells every partition of ids how far it is, so one of them will do.
  const waiting = await wholePlaceOf(connection, byIdTopic, 0, signal);
  const behind = { ...waiting, first: Math.max(waiting.first, position) };
  take(
    await newestIn(behind, connection, ({ value }) => {
      const batch = readFoldBatch(value);
      return batch?.source === source ? batch : null;
    }) ?? undefined,
  );
  return covered;
}

/** The newest committed record that can be read as what is wanted; null when there is none. What is looked for is near the end. */
async function newestIn<T>(
  place: Place,
  connection: KafkaConnection,
  read: (record: KafkaRecord) => T | null,
): Promise<T | null> {
  for (let before = place.end, span = firstSpan; before > place.first; span *= growth) {
    const from = Math.max(place.first, before - span);
    let newest: T | null = null;
    for await (const { records } of pages(connection, place, from, before)) {
      for (const record of records) newest = read(record) ?? newest;
    }
    if (newest) return newest;
    before = from;
  }
  return null;
}

function readMetaRecord({ key, value }: KafkaRecord): StoredMeta | null {
  return key && value && decoder.decode(key) === stateKeys.meta ? readMeta(value) : null;
}

function isFarther(a: CoveredPlace, b: CoveredPlace): boolean {
  const [cutsA, cutsB] = [logCuts(a.log), logCuts(b.log)];
  return cutsA > cutsB || cutsA === cutsB && a.next > b.next;
}

async function placeOf(connection: KafkaConnection, topic: string, partition: number): Promise<Place> {
  const { partitions } = await findTopic(connection, topic);
  const found = partitions?.find((each) => each.partition === partition);
  if (!found) {
    const message = `Cannot read ${topic}/${partition}: the topic has ${partitions?.length ?? 0} partitions`;
    throw new KafkaError("UNKNOWN_TOPIC_OR_PARTITION", message);
  }
  const { leader } = found;
  if (leader === null) {
    throw new KafkaError("LEADER_NOT_AVAILABLE", `Cannot read ${topic}/${partition} as nobody leads it`);
  }
  const [first, end] = await Promise.all(
    [earliestOffset, latestOffset].map((at) => offsetAt(connection, { topic, partition, leader }, at)),
  );
  return { topic, partition, leader, first: first!, end: end! };
}

/** As `placeOf`, once all that is written by now can be read. Committed records behind a transaction that is open, whose ever it is, are
 * hidden: who went on without them would count again what they say was counted.
 * @throws {KafkaError} when the transaction stays open, too */
async function wholePlaceOf(
  connection: KafkaConnection,
  topic: string,
  partition: number,
  signal: AbortSignal,
): Promise<Place> {
  let place = await placeOf(connection, topic, partition);
  const written = await offsetAt(connection, place, appendedOffset);
  for (const deadline = performance.now() + patienceMs; place.end < written;) {
    checkGoingOn(signal, topic);
    if (performance.now() > deadline) {
      const message = `Cannot read ${topic}/${partition}: a transaction is open at ${place.end}`;
      throw new KafkaError("UNSTABLE_OFFSET_COMMIT", message);
    }
    await pause(pauseMs, signal);
    place = await placeOf(connection, topic, partition);
  }
  return place;
}

async function offsetAt(
  connection: KafkaConnection,
  { topic, partition, leader }: Pick<Place, "topic" | "partition" | "leader">,
  at: number,
): Promise<number> {
  const told = (await connection.offsets(leader, topic, [partition], at)).get(partition);
  if (told instanceof KafkaError) throw told;
  return told ?? 0;
}

/** Answers of a partition from `from` to `to`, without the records behind that. */
async function* pages(
  connection: KafkaConnection,
  { topic, partition, leader }: Place,
  from: number,
  to: number,
): AsyncGenerator<FetchedPartition> {
  for (let at = from, maxWaitMs = 1; at < to;) {
    const wants = [{ partition, offset: at, maxBytes: fetchBytes }];
    const options = { maxWaitMs, maxBytes: fetchBytes, onlyTransactional: true };
    const [answer] = await connection.fetch(leader, topic, wants, options);
    const error = answer ? errorName(answer.errorCode) : "UNREACHABLE";
    if (!answer || error) {
      throw new KafkaError(error!, `Cannot read ${topic}/${partition}: Kafka answered ${error}`);
    }
    yield { ...answer, records: answer.records.filter(({ offset }) => offset < to) };
    const isStuck = answer.next <= at;
    if (isStuck && maxWaitMs === slowMs) return; // compaction has left nothing there
    maxWaitMs = isStuck ? slowMs : 1;
    at = Math.max(at, answer.next);
  }
}

function checkGoingOn(signal: AbortSignal, topic: string): void {
  if (signal.aborted) throw new KafkaError("UNREACHABLE", `Cannot read ${topic} to its end: it was ended`);
}
