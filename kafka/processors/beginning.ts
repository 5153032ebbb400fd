/** Where the books of a measurement begin: at what the file holds, at what another instance has published, or at the log's beginning.
 *
 * A pure function. Nothing is to be counted twice, and as little as can be is to be missed: of the file and the published record, the
 * one goes on that misses less, with what retention has removed behind its places; the file when both miss the same, as it does when the
 * log still has all that comes after it. The two places of a partition differ where counts were taken over: rows are stored from
 * `stored` on, and counted from `covered` on.
 * Left out: reading any of it; another cluster's books (measurement_store.ts); which log is which, where topic ids tell it
 * (log_identity.ts): without them one that was made anew and has grown past all known places passes for the old one, and one that
 * lost its end for a new one.
 * @module */
import { hasSameEdges, type HistogramMore } from "./histogram.ts";
import type { Covered, HistogramSnapshot } from "./histogram_types.ts";

/** An offset of each partition, by partition; 0 for those that are not named. */
export type Places = Covered["positions"];

/** Counts, and what they cover. */
export interface Counted {
  readonly snapshot: HistogramSnapshot;
  readonly more: HistogramMore | null;
  readonly covered: Covered;
}

/** What the file holds. */
export interface OwnBooks extends Counted {
  /** Before these offsets every measurement has its row. */
  readonly stored: Places;
}

/** What is known at the start. */
export interface BeginningFacts {
  /** As the measurement is set now. */
  readonly edges: readonly number[];
  readonly own: OwnBooks | null;
  /** The last committed record of `hist_<name>`. */
  readonly published: Counted | null;
  /** First offset of each partition that the log still has. */
  readonly starts: readonly number[];
  /** Next offset of each partition, asked for after `published` was read: its places must not look as if they lay behind the end. */
  readonly ends: readonly number[];
  /** The log was seen to be another one than that of `own`. */
  readonly isAnew?: boolean;
  /** The log was seen to be another one than that of `published`. */
  readonly isPublishedAnew?: boolean;
  /** The log is certainly that of `own`, and nothing says that it is that of `published`, which is none to go on from then: what others
   * put there must not let the log be counted once more. */
  readonly isOnlyOwn?: boolean;
}

/** How the books begin. */
export interface Beginning {
  readonly from: "own" | "published" | "nothing";
  /** Null for nothing. */
  readonly state: Pick<Counted, "snapshot" | "more"> | null;
  /** The bins are others: the counts are to be made from the rows of the file first. Only with `own`. */
  readonly recount: boolean;
  /** From where records are counted. */
  readonly covered: Covered;
  /** From where rows are stored. */
  readonly stored: Places;
  /** Records that are gone and that `state` does not hold yet: offsets, so at most so many. */
  readonly missed: number;
  /** The rows of the file are of an earlier log. */
  readonly madeAnew: boolean;
}

/** One of those that the books may go on from, seen from the newest log. */
interface Candidate {
  /** Of its own log. */
  readonly places: Places;
  readonly log: number;
  /** In the newest log: nothing of it is covered when the candidate's is an earlier one. */
  readonly reached: Places;
  /** Offsets before the log's start that it does not cover. */
  readonly hole: number;
  readonly counted: Counted;
}

/** Decides where the books begin. */
export function beginning(facts: BeginningFacts): Beginning {
  const { own, published, starts, edges, isOnlyOwn = false } = facts;
  const log = newestLog(facts);
  const recount = own !== null && !hasSameEdges(own.snapshot.bin_edges, edges);
  const mine = own &&
    candidate(own, recount ? own.stored : own.covered.positions, isOnlyOwn ? own.covered.log : log, starts);
  const theirs = published && !isOnlyOwn && hasSameEdges(published.snapshot.bin_edges, edges)
    ? candidate(published, published.covered.positions, log, starts)
    : null;
  const isOwnLog = own !== null && (isOnlyOwn || own.covered.log === log);
  const place = (places: Places) =>
    Object.fromEntries(starts.map((start, p) => [p, Math.max(places[p] ?? 0, start)]));
  const common = {
    stored: place(isOwnLog ? own.stored : {}),
    madeAnew: own !== null && !isOwnLog,
  };
  const chosen = choose(mine, theirs, { recount, log, starts });
  if (!chosen) {
    const missed = sum(starts);
    return {
      ...common,
      from: "nothing",
      state: null,
      recount: false,
      covered: { log, positions: place({}) },
      missed,
    };
  }
  const other = chosen === mine ? theirs : mine;
  const { snapshot, more } = chosen.counted;
  return {
    ...common,
    from: chosen === mine ? "own" : "published",
    state: { snapshot, more },
    recount: chosen === mine && recount,
    covered: { log, positions: place(chosen.reached) },
    missed: chosen.hole + lostTo(chosen, other, log),
  };
}

/** Whether the counts that cover `a` hold all that those do that cover `b`. */
export function covers(a: Covered, b: Covered): boolean {
  if (a.log !== b.log) return a.log > b.log;
  return Object.entries(b.positions).every(([partition, place]) =>
    (a.positions[Number(partition)] ?? 0) >= place
  );
}

/** The number of the log that is there now: a place behind its end is one of an earlier log. */
function newestLog(
  { own, published, ends, isAnew = false, isPublishedAnew = false }: BeginningFacts,
): number {
  const fits = (places: Places) =>
    Object.entries(places).every(([p, place]) => place <= (ends[Number(p)] ?? 0));
  const isOwnFit = own === null || (!isAnew && fits(own.covered.positions) && fits(own.stored));
  const isPublishedFit = published === null || (!isPublishedAnew && fits(published.covered.positions));
  return Math.max(
    own ? own.covered.log + (isOwnFit ? 0 : 1) : 0,
    published ? published.covered.log + (isPublishedFit ? 0 : 1) : 0,
  );
}

function candidate(counted: Counted, places: Places, newest: number, starts: readonly number[]): Candidate {
  const { log } = counted.covered, reached = log === newest ? places : {};
  const hole = sum(starts.map((start, partition) => Math.max(0, start - (reached[partition] ?? 0))));
  return { places, log, reached, hole, counted };
}

/** Null: from the log's beginning. */
function choose(
  mine: Candidate | null,
  theirs: Candidate | null,
  { recount, log, starts }: { recount: boolean; log: number; starts: readonly number[] },
): Candidate | null {
  if (!theirs) return mine;
  if (!mine) {
    // What was counted of an earlier log can be had from there alone.
    const canCountAll = log === 0 && sum(starts) <= missedBy(theirs);
    return canCountAll ? null : theirs;
  }
  if (mine.log !== theirs.log) return mine.log > theirs.log ? mine : theirs;
  const mineLost = missedBy(mine) + lostTo(mine, theirs, log);
  const theirsLost = missedBy(theirs) + lostTo(theirs, mine, log);
  return theirsLost < mineLost || (recount && theirsLost === mineLost) ? theirs : mine;
}

/** All that is missing in its counts once they go on from here. */
function missedBy({ counted, hole }: Candidate): number {
  return counted.snapshot.missed + hole;
}

/** Offsets of an earlier log that another one, of the same log, covers and this one does not: they cannot be read any more. */
function lostTo(candidate: Candidate, other: Candidate | null, newest: number): number {
  if (!other || candidate.log === newest || candidate.log !== other.log) return 0;
  return sum(
    Object.entries(other.places).map(([p, place]) => Math.max(0, place - (candidate.places[Number(p)] ?? 0))),
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((before, number) => before + number, 0);
}
