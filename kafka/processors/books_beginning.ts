/** How the books of a measurement begin: asks the file and Kafka what beginning.ts decides by, and makes of its decision the fold that goes on.
 *
 * Everything that is found out here holds for a moment only. That is enough: a place that retention has passed meanwhile is told by the
 * reader, a state that another writer has committed meanwhile by the next commit, and either way the books begin once more. The order matters
 * in one place: what is published is read before the log's ends, or the places of a busy owner would look as if they lay behind them.
 * Left out: waiting for what cannot be asked now (histogram_processor.ts).
 * @module */
import type { Logger } from "../../logger.ts";
import {
  earliestOffset,
  type KafkaConnection,
  KafkaError,
  latestOffset,
  type PartitionLeader,
} from "../connection.ts";
import { topicIdOf } from "../topic_id.ts";
import { edgesOf, type MeasurementSpec } from "../measurements.ts";
import { type Beginning, beginning, type OwnBooks, type Places } from "./beginning.ts";
import { Counting, type CountingMore } from "./counting.ts";
import { type HistogramMore, RunningHistogram } from "./histogram.ts";
import type { HistogramSnapshot } from "./histogram_types.ts";
import { goOnBehindCut, identify, type Identity } from "./log_identity.ts";
import { type CountedState, readPublished } from "./published.ts";
import { rememberedMeasurements } from "./recent.ts";
import { placesOf } from "./topic_places.ts";

/** The rows that are kept, in pieces. */
export type KeptValues = Iterable<readonly { readonly value: number; readonly timeMs: number }[]>;

/** The log ends before what was counted of it, and perhaps it only looks like that for a moment. */
export class LogCut extends KafkaError {
  constructor(topic: string) {
    super("OFFSET_OUT_OF_RANGE", `Cannot go on with ${topic} as it ends before what was counted of it`);
  }
}

/** What the books begin with. */
export interface BeginningOptions {
  readonly connection: KafkaConnection;
  readonly spec: MeasurementSpec;
  readonly partitions: readonly PartitionLeader[];
  readonly own: (OwnBooks & { readonly more: CountingMore | null }) | null;
  /** Asked for when the bins are others now. */
  readonly values: () => KeptValues;
  /** The log was seen to be missing or to end early since `own` was written. */
  readonly isSuspected: boolean;
  /** Whether it has looked for a while as if the log had lost its end: an old leader may have said so. */
  readonly isCutSure: boolean;
  /** Whether they begin once more, which is worth a line only where something is new. */
  readonly isAgain: boolean;
  readonly log: Logger;
}

/** Books that have begun. */
export interface BegunBooks {
  readonly counting: Counting;
  /** From where the log is to be read. */
  readonly from: Places;
  /** Where the log ends. */
  readonly ends: readonly number[];
  /** Whether the state differs from that of the file, so that it has to be committed. */
  readonly isNews: boolean;
}

/** Begins the books.
 * @throws {KafkaError} when Kafka cannot be asked
 * @throws {StoreBusy} when the file cannot be read */
export async function beginBooks(options: BeginningOptions): Promise<BegunBooks> {
  const { connection, spec, partitions, own, isSuspected } = options;
  const topicId = await topicIdOf(connection, spec.name);
  const published = await readPublished(connection, spec.name);
  const [starts, ends] = await Promise.all([
    placesOf(connection, spec.name, partitions, earliestOffset),
    placesOf(connection, spec.name, partitions, latestOffset),
  ]);
  const facts = { topicId, own, published, ends, isSuspected }, identity = identify(facts);
  if (identity.isCut && !options.isCutSure) throw new LogCut(spec.name);
  const first = beginning({ edges: edgesOf(spec), own, published, starts, ends, ...identity });
  const decided = identity.isCut ? goOnBehindCut(first, facts, starts) : first;
  const { covered, stored, missed } = decided;
  const state = await startingState(decided, options, published);
  const counting = new Counting({ ...state, topicId }, edgesOf(spec));
  counting.miss(missed);
  tell(decided, identity, options);
  const from = Object.fromEntries(starts.map((start, partition) => {
    const place = Math.min(covered.positions[partition] ?? 0, stored[partition] ?? 0);
    return [partition, Math.max(start, place - rememberedMeasurements)];
  }));
  const isNews = decided.from !== "own" || decided.recount || decided.madeAnew || missed > 0;
  return { counting, from, ends, isNews };
}

async function startingState(
  decided: Beginning,
  options: BeginningOptions,
  published: CountedState | null,
) {
  const { covered, stored, state, recount, from } = decided;
  if (!state) return { snapshot: null, more: null, covered, stored };
  // Newest times are of the log that they were found in.
  const logBefore = from === "own" ? options.own?.covered.log : published?.covered.log;
  const newest = logBefore === covered.log ? state.more?.newest : undefined;
  const { snapshot, more } = recount ? await recounted(options.own!, options) : state;
  const { newest: _, ...moments } = more ?? {};
  return {
    snapshot,
    more: more && { ...moments as HistogramMore, ...(newest && { newest }) },
    covered,
    stored,
  };
}

/** Counts the rows of the file into the bins of now; what was seen of records besides is kept. Measurements whose rows retention has removed
 * are missed from now on, as nobody can say in which of the bins they were. */
async function recounted(
  { snapshot: before, covered, stored }: OwnBooks,
  { spec, values, log }: BeginningOptions,
): Promise<{ snapshot: HistogramSnapshot; more: HistogramMore }> {
  const edges = edgesOf(spec), histogram = RunningHistogram.empty(edges);
  for (const piece of values()) {
    for (const { value, timeMs } of piece) histogram.add(value, timeMs);
    await new Promise((resolve) => setTimeout(resolve, 0)); // others of this thread have a turn
  }
  const { count } = histogram;
  // Where counts were taken over, rows are behind: those records are read again.
  const readAgain = Object.entries(covered.positions).reduce(
    (sum, [partition, place]) => sum + Math.max(0, place - (stored[Number(partition)] ?? 0)),
    0,
  );
  const lost = Math.max(0, before.count - count - readAgain);
  const level = lost > 0 ? "warn" : "info";
  log[level]("bins are others, the rows of the file were counted anew", {
    rows: count,
    lost,
    bins: edges.length - 1,
  });
  const snapshot = {
    ...histogram.snapshot(),
    late: Math.min(before.late, count),
    repeated: Math.min(before.repeated, count),
    wrong: before.wrong,
    missed: before.missed + lost,
  };
  return { snapshot, more: histogram.more() };
}

function tell(
  { from, missed, madeAnew, covered, recount }: Beginning,
  { isCut }: Identity,
  { own, isAgain, log }: BeginningOptions,
): void {
  if (isCut) log.warn("topic has lost its end, the counts go on where it ends now", { covered });
  else if (madeAnew) log.warn("topic was made anew, the counts go on with its new log", { log: covered.log });
  if (from === "published" && own) log.info("counts of another instance are taken over", { covered });
  if (missed > 0) log.warn("records were removed before they were counted", { missed });
  const isUsual = isAgain && from === "own" && !recount && !madeAnew;
  log[isUsual ? "debug" : "info"]("measurement is counted", { from, recount, ...covered });
}
