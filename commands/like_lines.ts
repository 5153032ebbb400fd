/** Likes in a text: a video's id on each line, and behind it, in a column of its own, when it was. Left out: rows and quotes (csv.ts),
 * reading the file (text_source.ts). @module */
import { idRule, isVideoId } from "../kafka/windows.ts";
import { CsvParser, type CsvRow } from "./csv.ts";
import { quoteCell, readCsvTime } from "./measurement_csv.ts";
import type { BadLine } from "./publish_report.ts";

/** A like. */
export interface LikeLine {
  readonly video: string;
  /** ms since the epoch; null where the line does not say it. */
  readonly timeMs: number | null;
}

/** What a first line calls the column of ids, when it holds names. */
const idColumns = new Set(["id", "video", "video_id", "video_uid", "unique_identifier"]);

/** Reads likes out of the pieces of a text. */
export class LikeLines {
  readonly #parser = new CsvParser();
  #isFirst = true;

  /** What is whole by now.
   * @param isEnd whether nothing comes any more */
  push(piece: string, isEnd = false): (LikeLine | BadLine)[] {
    const found: (LikeLine | BadLine)[] = [];
    for (const row of this.#parser.push(piece, isEnd)) {
      const isNames = this.#isFirst && idColumns.has(row.cells?.[0]?.trim().toLowerCase() ?? "");
      this.#isFirst = false;
      if (!isNames) found.push(readLike(row));
    }
    return found;
  }
}

function readLike(row: CsvRow): LikeLine | BadLine {
  const { line } = row;
  if (!row.cells) return { line, reason: `found ${row.broken}` };
  const [id = "", time = "", ...more] = row.cells.map((cell) => cell.trim());
  if (more.length > 0) return { line, reason: `found ${row.cells.length} cells` };
  if (!isVideoId(id)) {
    return { line, reason: `found ${quoteCell(id)} as id, wanted ${idRule}` };
  }
  const timeMs = time === "" ? null : readCsvTime(time);
  const isTime = timeMs === null ? time === "" : timeMs >= 0;
  return isTime ? { video: id, timeMs } : { line, reason: `found ${quoteCell(time)} as time` };
}
