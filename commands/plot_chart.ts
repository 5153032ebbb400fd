/** A histogram drawn with characters, as large as there is room for: bars with counts on the left and edges below, and what else is known
 * of it above.
 *
 * Pure: a histogram and a size in, lines out. Left out: where they are shown (plot_screen.ts).
 * @module */
import { wrongKinds } from "../kafka/processors/histogram_types.ts";
import type { HistogramEvent } from "../routes/histogram_feed.ts";

/** The room there is, and what may be used in it. */
export interface PlotStyle {
  readonly columns: number;
  readonly lines: number;
  readonly colour: boolean;
  /** Nothing but ASCII. */
  readonly ascii: boolean;
}

/** What is drawn. */
export interface PlotContent {
  readonly measurement: string;
  /** Null: there is none yet. */
  readonly histogram: HistogramEvent | null;
  /** The last line; null: none. */
  readonly status: string | null;
  /** Whether the status is a warning. */
  readonly isTrouble?: boolean;
}

type Style = "title" | "bar" | "faint" | "trouble";
/** A part of a line, and how it looks. */
interface Span {
  readonly text: string;
  readonly style?: Style;
}
type Line = readonly Span[];

const colours: Record<Style, string> = { title: "1", bar: "36", faint: "2", trouble: "33" };
/** A cell of a bar, filled from 0 to 8 eighths. */
const blocks = [..." ▁▂▃▄▅▆▇█"], asciiBlocks = [..." ...:::##"];
/** Fewest rows that are worth a chart. */
const minChartRows = 3;
const axisRows = 2;

/** Draws lines that fit: none is longer, and there are no more. */
export function drawPlot(
  { measurement, histogram, status, isTrouble }: PlotContent,
  style: PlotStyle,
): string[] {
  const columns = Math.max(1, style.columns), room = Math.max(1, style.lines);
  const foot: Line[] = status === null ? [] : [[{ text: status, style: isTrouble ? "trouble" : "faint" }]];
  const space = room > 14 ? [[]] : [];
  // In a small room bars say more than the last of the numbers.
  const roomForHead = room - foot.length - axisRows - minChartRows;
  const all = histogram ? describe(histogram, columns, style) : [[titleOf(measurement)]];
  const head = roomForHead > 0 ? all.slice(0, roomForHead) : all;
  const rows = room - head.length - foot.length - 2 * space.length - axisRows;
  const chart = histogram && rows >= minChartRows ? drawChart(histogram, rows, { ...style, columns }) : [];
  const body = chart.length > 0 ? [...space, ...chart, ...space] : [];
  const top: Line[] = [...head, ...body].slice(0, Math.max(1, room - foot.length));
  // The status is the last line there is.
  while (foot.length > 0 && top.length + foot.length < room) top.push([]);
  return [...top, ...foot].slice(0, room).map((line) => paint(line, columns, style.colour));
}

function titleOf(text: string): Span {
  return { text, style: "title" };
}

/** The title, and the numbers in as many lines as they need. */
function describe(histogram: HistogramEvent, columns: number, { ascii }: PlotStyle): Line[] {
  const { measurement, hist, count = sum(hist), last } = histogram;
  const number = `  ${groups(count)}`, words = `${number} measurement${count === 1 ? "" : "s"}`;
  const of = measurement.length + words.length <= columns ? words : number;
  const newest = last ? `newest ${plain(last.measurement)} of ${harmless(last.measurement_time)}` : "";
  const gap = columns - measurement.length - of.length - newest.length;
  const title: Line = [titleOf(measurement), {
    text: of + (newest !== "" && gap > 1 ? " ".repeat(gap) + newest : ""),
  }];
  return [
    title,
    ...wrap(factsOf(histogram, ascii), columns, ascii ? " | " : " · ").map((text) => [{ text }]),
  ];
}

function factsOf(histogram: HistogramEvent, ascii: boolean): string[] {
  const { mean, stddev, min, max, underflow, overflow, late, repeated, missed, wrong = {} } = histogram;
  const number = (name: string, value: number | null | undefined) =>
    value === null || value === undefined ? [] : [`${name} ${plain(value)}`];
  const some = (name: string, value: number | undefined) => value ? [`${name} ${groups(value)}`] : [];
  const wrongOnes = wrongKinds.flatMap((kind) => wrong[kind] ? [`${kind} ${groups(wrong[kind])}`] : []);
  return [
    ...number("mean", mean),
    ...number(ascii ? "stddev" : "σ", stddev),
    ...number("min", min),
    ...number("max", max),
    ...number("below", underflow),
    ...number("above", overflow),
    ...some("late", late),
    ...some("repeated", repeated),
    ...some("missed", missed),
    ...(wrongOnes.length > 0 ? [`wrong: ${wrongOnes.join(", ")}`] : []),
  ];
}

/** Facts in lines, as many in each as fit; one that is longer than a line goes on in the next one behind a comma. */
function wrap(facts: readonly string[], columns: number, between: string): string[] {
  const lines: string[] = [];
  for (const fact of facts) {
    if (fact.length > columns) {
      lines.push(...broken(fact, columns));
      continue;
    }
    const last = lines.at(-1);
    if (last !== undefined && last.length + between.length + fact.length <= columns) {
      lines[lines.length - 1] = last + between + fact;
    } else lines.push(fact);
  }
  return lines;
}

function broken(fact: string, columns: number): string[] {
  const lines: string[] = [];
  for (const part of fact.split(/(?<=,) /)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + part.length <= columns) {
      lines[lines.length - 1] = `${last} ${part}`;
    } else lines.push(part);
  }
  return lines;
}

/** Bars over an axis, counts on the left. Where there are more bins than columns, neighbours share a bar. */
function drawChart({ hist, bin_edges }: HistogramEvent, rows: number, style: PlotStyle): Line[] {
  const { ascii } = style;
  // Counts of a bar that holds several bins are longer: room for those is left.
  const width = style.columns - groups(sum(hist)).length - 3;
  if (width < 1) return [];
  const share = Math.ceil(hist.length / width);
  const bars = Array.from({ length: Math.ceil(hist.length / share) }, (_, i) => {
    return sum(hist.slice(i * share, (i + 1) * share));
  });
  const edges = Array.from({ length: bars.length + 1 }, (_, i) => {
    return bin_edges[Math.min(i * share, hist.length)]!;
  });
  const highest = bars.reduce((most, count) => Math.max(most, count), 1);
  const labels = new Map([[0, groups(highest)]]), half = Math.floor(rows / 2);
  if (rows >= 6 && highest >= 10) labels.set(half, groups(highest * (rows - half) / rows));
  const left = Math.max(...[...labels.values()].map(({ length }) => length));
  const each = Math.max(1, Math.min(Math.floor((style.columns - left - 3) / bars.length), maxBarWidth));
  const [axis, corner, tick, line] = ascii ? ["|", "+", "+", "-"] : ["┤", "└", "┴", "─"];
  const chart = Array.from({ length: rows }, (_, row): Line => {
    const label = labels.get(row) ?? "";
    const cells = bars.map((count) => barCell(count / highest, rows - 1 - row, rows, ascii));
    const gap = each >= 3 ? 1 : 0;
    return [
      { text: `${label.padStart(left)} ${label === "" && !ascii ? "│" : axis}`, style: "faint" },
      { text: cells.map((cell) => cell.repeat(each - gap) + " ".repeat(gap)).join(""), style: "bar" },
    ];
  });
  const { ticks, text } = edgeLabels(edges, each, style.columns - left - 2);
  const base = Array.from({ length: bars.length * each + 1 }, (_, x) => ticks.has(x) ? tick : line).join("");
  return [
    ...chart,
    [{ text: `${"0".padStart(left)} ${corner}${base}`, style: "faint" }],
    [{ text: " ".repeat(left + 2) + text, style: "faint" }],
  ];
}

/** Wider bars say no more. */
const maxBarWidth = 24;

/** The character of a bar in a row; row 0 is the lowest. What is not nothing shows. */
function barCell(part: number, row: number, rows: number, ascii: boolean): string {
  const eighths = part > 0 ? Math.max(1, Math.round(part * rows * 8)) : 0;
  const filled = Math.max(0, Math.min(8, eighths - row * 8));
  return (ascii ? asciiBlocks : blocks)[filled]!;
}

/** Edges under the left ends of their bars, as many as have room beside each other, the first and the last among them.
 * @returns where they are, and the line */
function edgeLabels(
  edges: readonly number[],
  each: number,
  columns: number,
): { readonly ticks: ReadonlySet<number>; readonly text: string } {
  const step = Math.abs(edges.at(-1)! - edges[0]!) / (edges.length - 1);
  const labels = edges.map((edge) => edgeText(edge, step));
  const longest = Math.max(...labels.map(({ length }) => length));
  const every = Math.ceil((longest + 2) / each), last = edges.length - 1;
  const line = new Array<string>(columns).fill(" ");
  const ticks = new Set<number>();
  const put = (index: number): void => {
    const label = labels[index]!;
    if (label.length > columns) return;
    const middle = index * each;
    const from = Math.max(0, Math.min(columns - label.length, middle - Math.floor(label.length / 2)));
    if (line.slice(Math.max(0, from - 2), from + label.length + 2).some((char) => char !== " ")) return;
    line.splice(from, label.length, ...label);
    ticks.add(middle);
  };
  put(0);
  put(last);
  for (let index = every; index < last; index += every) put(index);
  return { ticks, text: line.join("").trimEnd() };
}

/** An edge with as many digits as tell it from its neighbours. */
function edgeText(edge: number, step: number): string {
  const decimals = Math.max(0, 1 - Math.floor(Math.log10(step)));
  if (Math.abs(edge) >= 1e9 || decimals > 6) return plain(edge);
  return String(Number(edge.toFixed(step >= 10 ? 0 : decimals)));
}

/** A number with five digits that count; the largest ones with all, as they are infinite when rounded up. */
function plain(value: number): string {
  if (Math.abs(value) < 1e9 && Number.isInteger(value)) return groups(value);
  const rounded = Number(value.toPrecision(5));
  return String(Number.isFinite(rounded) ? rounded : value);
}

/** A whole number in groups of three digits. */
function groups(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function sum(counts: readonly number[]): number {
  return counts.reduce((all, count) => all + count, 0);
}

/** Text of other programs, which must do nothing to a terminal and take one column for each character. */
function harmless(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 40);
}

/** A line cut to the width, with its colours. */
function paint(line: Line, columns: number, colour: boolean): string {
  let left = columns, painted = "";
  for (const { text, style } of line) {
    const shown = text.slice(0, left);
    left -= shown.length;
    painted += colour && style && shown.trim() !== "" ? `\x1b[${colours[style]}m${shown}\x1b[0m` : shown;
  }
  return painted.trimEnd();
}
