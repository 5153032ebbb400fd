/** Whether the log under a topic's name is still the one that was counted: pure functions over what is known of it.
 *
 * Since Kafka 2.8 a topic has an id, and the books and what is published name the one they count. Then a log that was made anew is told for
 * certain, however far it has grown, and one that is merely missing for a moment is none. A log with the known id that ends before what was
 * counted has lost its end, as after a power cut: it goes on under another number of `Covered.log`, since offsets come again, but from where it
 * ends: nothing of it is counted twice. Without ids that cannot be told from a new log. Left out: asking (../topic_id.ts).
 * @module */
import type { Beginning, BeginningFacts, OwnBooks, Places } from "./beginning.ts";
import type { CountingMore } from "./counting.ts";
import type { CountedState } from "./published.ts";

/** What tells logs apart. */
export interface IdentityFacts {
  /** Of the topic as it is now; null where Kafka knows none. */
  readonly topicId: string | null;
  readonly own: (OwnBooks & { readonly more: CountingMore | null }) | null;
  readonly published: CountedState | null;
  /** Next offset of each partition. */
  readonly ends: readonly number[];
  /** The log was seen to be missing, or to end early. */
  readonly isSuspected: boolean;
}

/** What is said of the log that is there. */
export interface Identity extends Required<Pick<BeginningFacts, "isAnew" | "isPublishedAnew" | "isOnlyOwn">> {
  /** It is the one that was counted, and has lost its end. */
  readonly isCut: boolean;
}

/** Tells it. */
export function identify({ topicId, own, published, ends, isSuspected }: IdentityFacts): Identity {
  const ownIs = sameness(topicId, own?.more), publishedIs = sameness(topicId, published?.more);
  const reachesOut = (places: Places) =>
    Object.entries(places).some(([p, place]) => place > (ends[Number(p)] ?? 0));
  const isOwnCut = own !== null && ownIs === "same" &&
    (reachesOut(own.covered.positions) || reachesOut(own.stored));
  const isPublishedCut = published !== null && publishedIs === "same" &&
    reachesOut(published.covered.positions);
  return {
    isAnew: ownIs === "unknown" ? isSuspected : ownIs === "other" || isOwnCut,
    isPublishedAnew: publishedIs === "other",
    isOnlyOwn: ownIs === "same" && !isOwnCut && published !== null && publishedIs !== "same" &&
      published.covered.log >= own!.covered.log,
    isCut: isOwnCut || isPublishedCut,
  };
}

/** A decision for a log that has lost its end, where it would otherwise be counted from its beginning: it goes on from where it ends. */
export function goOnBehindCut(
  decided: Beginning,
  { topicId, own, published, ends }: IdentityFacts,
  starts: readonly number[],
): Beginning {
  const source = decided.from === "own" ? own : decided.from === "published" ? published : null;
  if (!source || sameness(topicId, source.more) !== "same") return decided;
  if (source.covered.log === decided.covered.log) return decided; // of the two, this one was counted after the cut
  const within = (places: Places) =>
    Object.fromEntries(
      starts.map((start, p) => [p, Math.max(start, Math.min(places[p] ?? 0, ends[p] ?? 0))]),
    );
  const counted = decided.recount ? own!.stored : source.covered.positions;
  const hole = starts.reduce((sum, start, p) => sum + Math.max(0, start - (counted[p] ?? 0)), 0);
  const isOwnSame = own !== null && sameness(topicId, own.more) === "same";
  return {
    ...decided,
    covered: { log: decided.covered.log, positions: within(counted) },
    stored: isOwnSame ? within(own.stored) : decided.stored,
    missed: decided.missed - starts.reduce((sum, start) => sum + start, 0) + hole,
  };
}

function sameness(topicId: string | null, more: CountingMore | null | undefined) {
  if (topicId === null || more?.topicId === undefined) return "unknown";
  return more.topicId === topicId ? "same" : "other";
}
