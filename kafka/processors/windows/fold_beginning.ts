/** Where a fold begins: what its group has committed, and of which log, against the log that is there now.
 *
 * The committed offset names its log in its metadata, so a topic that was made anew is told from the one before, whose offsets it repeats.
 * One that has lost its end goes by another name from there (log_name.ts); without ids (before Kafka 2.8) a log that ends early is taken
 * for a new one. Left out: who may fold, and the reading itself (fold_task.ts).
 * @module */
import type { StablePosition } from "../../stable_position.ts";
import { afterCut, isLogName, topicIdIn } from "./log_name.ts";

/** What of a source is counted, as those say who count. */
export interface CoveredSource {
  readonly log: string;
  /** Next offset. */
  readonly next: number;
}

/** What is known. */
export interface FoldFacts {
  /** Of the topic now; null where Kafka has no ids. */
  readonly topicId: string | null;
  /** Next offset of the partition, as far as readers may see. */
  readonly end: number;
  readonly committed: StablePosition | null;
  /** Null: nothing, or nobody was asked as the committed offset names its log. */
  readonly covered: CoveredSource | null;
}

/** Where it begins. `isCut`: the log ends before what was folded of it. */
export interface FoldBeginning {
  readonly log: string;
  readonly from: number;
  readonly isCut: boolean;
}

/** Decides it. */
export function beginFold({ topicId, end, committed, covered }: FoldFacts): FoldBeginning {
  const id = topicId ?? "", isNamed = committed !== null && isLogName(committed.metadata);
  const known = isNamed ? committed.metadata : covered?.log ?? id;
  const isSame = topicIdIn(known) === id, log = isSame ? known : id;
  // People may have records skipped, or folded that were passed over; what is counted is not folded again.
  const committedNext = isNamed && !isSame ? 0 : committed?.offset ?? 0;
  const next = Math.max(committedNext, isSame ? covered?.next ?? 0 : 0);
  if (next <= end) return { log, from: next, isCut: false };
  return { log: afterCut(log), from: topicId === null ? 0 : end, isCut: true };
}
