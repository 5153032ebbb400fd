/** What a benchmark reads of another process, and how it prints: CPU and memory from /proc, so on Linux only. @module */

/** User and system time of a process so far, in seconds. */
export function cpuSeconds(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100; // fields 14 and 15 of proc(5), in ticks of 1/100 s
}

/** Memory of a process now, or its peak since {@linkcode resetPeak}, in MB. */
export function megabytes(pid: number, which: "VmRSS" | "VmHWM" = "VmRSS"): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(new RegExp(`${which}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
}

/** The peak begins anew. */
export function resetPeak(pid: number): void {
  Deno.writeTextFileSync(`/proc/${pid}/clear_refs`, "5");
}

/** Reads the memory of a process every `everyMs` until it is disposed. */
export class MemorySeries implements Disposable {
  readonly megabytes: number[] = [];
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(pid: number, everyMs: number) {
    this.#timer = setInterval(() => this.megabytes.push(Math.round(megabytes(pid))), everyMs);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** The middle one, the last of a hundred, the largest. */
export interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export function spreadOf(numbers: readonly number[]): Spread {
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
  return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? NaN };
}

/** A line of a table: cells to the right of columns of these widths. */
export function row(cells: readonly (number | string)[], widths: readonly number[]): string {
  const text = (cell: number | string) => {
    if (typeof cell === "string") return cell;
    return cell >= 100 || Number.isInteger(cell) ? String(Math.round(cell)) : cell.toFixed(1);
  };
  return cells.map((cell, i) => text(cell).padStart(widths[i]!)).join("");
}
