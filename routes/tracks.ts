/** Where everything went: the positions of a span of time as GeoJSON, a line per name, and the cursor at which they end.
 *
 * Read from Kafka's past at each request, bounded in records. Left out: simplification of lines.
 * @see {@link https://www.rfc-editor.org/rfc/rfc7946}
 * @module */
import { StreamError } from "../errors.ts";
import { clusterHash, formatCursor, parseCursor, unknownOffset } from "../kafka/cursor.ts";
import { earliestOffset, KafkaError, latestOffset } from "../kafka/connection.ts";
import { type Feed, SharedRecord } from "../kafka/feed.ts";
import type { KafkaRecord } from "../kafka/fetch_response.ts";
import { type History, OutsideLog, Unreadable } from "../kafka/history.ts";
import { Turns } from "../kafka/turns.ts";
import type { PositionEvent } from "./geo.ts";

/** How far tracks go back when nobody says, ms. */
const defaultSpanMs = 15 * 60 * 1000;
/** Most records that one answer is made of: the newest of each partition. */
const maxRecords = 200_000;
const maxFixesPerName = 2_000;
/** Answers that are read at once; each may hold `maxRecords` positions. */
const turns = new Turns(4);

/** A name's way. `times`, in ms since the epoch, go with the coordinates. */
export interface Track {
  readonly type: "Feature";
  readonly geometry: {
    readonly type: "LineString";
    readonly coordinates: readonly (readonly [lon: number, lat: number])[];
  };
  readonly properties: {
    readonly name: string;
    readonly times: readonly number[];
    readonly last: number;
    readonly message_id: string;
  };
}

/** GeoJSON with two members of its own. */
export interface Tracks {
  readonly type: "FeatureCollection";
  readonly features: readonly Track[];
  /** Where a live stream goes on, with nothing missing and nothing twice. */
  readonly cursor: string;
  /** Whether older positions of the span were left out for their number. */
  readonly truncated: boolean;
}

/** Reads `t.<ms>`, default a quarter of an hour ago.
 * @returns ms since the epoch
 * @throws {StreamError} 400 `invalid-since` */
export function readSince(text: string | undefined): number {
  if (text === undefined) return Date.now() - defaultSpanMs;
  try {
    const start = parseCursor(text);
    if (start.kind === "time") return start.ms;
    if (start.kind === "earliest") return earliestOffset;
  } catch {
    // Told below.
  }
  throw new StreamError(
    "invalid-since",
    400,
    `Cannot read since=${text}: t.<ms since the epoch> or earliest is wanted`,
  );
}

/** The tracks of a topic since a time; none when the topic does not exist yet.
 * @param since ms since the epoch, or `earliestOffset`
 * @throws {StreamError} 503 `kafka-unavailable` */
export async function tracks(
  history: History,
  topic: string,
  since: number,
  feed: Feed<PositionEvent>,
): Promise<Tracks> {
  try {
    const cluster = clusterHash(await history.clusterId());
    const ends = await history.positions(topic, latestOffset).then((found) => [...found], (error) => {
      if (error instanceof KafkaError && error.code === "UNKNOWN_TOPIC_OR_PARTITION") return [];
      throw error;
    });
    const { fixes, truncated } = ends.length === 0
      ? { fixes: new Map<string, PositionEvent[]>(), truncated: false }
      : await turns.take(() => readFixes(history, topic, { since, ends, feed }));
    const features = [...fixes.values()].map(toTrack);
    return { type: "FeatureCollection", features, cursor: formatCursor(cluster, ends), truncated };
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    throw new StreamError(
      "kafka-unavailable",
      503,
      `Cannot read the tracks of ${topic} as Kafka does not answer`,
      {
        cause: error,
        headers: { "retry-after": "1" },
      },
    );
  }
}

/** Where a partition cannot be read, its end in `ends` becomes the place up to which it was: a live stream goes on from there. */
async function readFixes(
  history: History,
  topic: string,
  span: { since: number; ends: number[]; feed: Feed<PositionEvent> },
): Promise<{ fixes: Map<string, PositionEvent[]>; truncated: boolean }> {
  const starts = await history.positions(topic, span.since);
  const perPartition = Math.floor(maxRecords / starts.length);
  const fixes = new Map<string, PositionEvent[]>();
  let truncated = false, failure: KafkaError | undefined, reads = 0;
  for (const [partition, end] of span.ends.entries()) {
    const first = starts[partition] ?? 0;
    if (end === unknownOffset || first === unknownOffset) {
      span.ends[partition] = unknownOffset;
      continue;
    }
    let start = Math.max(first, end - perPartition);
    truncated ||= start > first;
    try {
      for await (const record of readRange(history, topic, { partition, start, end })) {
        start = record.offset + 1;
        const fix = new SharedRecord(topic, record, null).shown(span.feed)?.data;
        if (fix) truncated = remember(fixes, fix) || truncated;
      }
      reads++;
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      failure = error;
      span.ends[partition] = start;
    }
  }
  if (failure && reads === 0) throw failure;
  return { fixes, truncated };
}

/** Records of one partition from `start` to before `end`; what is removed meanwhile is passed over. */
async function* readRange(
  history: History,
  topic: string,
  { partition, start, end }: { partition: number; start: number; end: number },
): AsyncGenerator<KafkaRecord> {
  for (let at = start; at < end;) {
    try {
      const page = await history.read(topic, partition, at, { impatient: true });
      yield* page.records.filter((record) => record.offset >= at && record.offset < end);
      if (page.next <= at) return;
      at = page.next;
    } catch (error) {
      if (!(error instanceof OutsideLog || error instanceof Unreadable)) throw error;
      const next = error instanceof OutsideLog ? error.first : error.next;
      if (next <= at) return; // the topic was made anew, and ends before
      at = next;
    }
  }
}

/** Keeps a fix, and of each name the newest `maxFixesPerName`, cut when there are twice as many.
 * @returns whether an older one of the name is left out */
function remember(fixes: Map<string, PositionEvent[]>, fix: PositionEvent): boolean {
  const known = fixes.get(fix.name);
  if (!known) {
    fixes.set(fix.name, [fix]);
    return false;
  }
  const isOver = known.push(fix) > maxFixesPerName;
  if (known.length >= 2 * maxFixesPerName) known.splice(0, known.length - maxFixesPerName);
  return isOver;
}

/** A line needs two positions, so a single one stands twice. */
function toTrack(known: readonly PositionEvent[]): Track {
  const kept = known.slice(-maxFixesPerName);
  const fixes = kept.length === 1 ? [kept[0]!, kept[0]!] : kept;
  const last = fixes.at(-1)!;
  return {
    type: "Feature",
    geometry: { type: "LineString", coordinates: fixes.map(({ lon, lat }) => [lon, lat] as const) },
    properties: {
      name: last.name,
      times: fixes.map(({ at }) => at),
      last: last.at,
      message_id: last.message_id,
    },
  };
}
