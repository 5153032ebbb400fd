/** What one client was shown, held against the log: each record once, in the order of its partition, from where it was told that it
 * begins, and nothing left out but what a gap declares.
 *
 * A client keeps what it got as items; one that was cut off drops the newest of them and comes back with the id of the last that it
 * kept. An account goes through the items in order once every acknowledgement is in. Left out: who made the items (client.ts).
 * @module */
import { parseCursor } from "../../kafka/cursor.ts";
import type { LogModel, PartitionModel } from "./log_model.ts";
import { generationOf } from "./log_model.ts";
import type { Opening } from "./steps.ts";

/** One event of a stream. */
export interface Told {
  readonly event: string;
  readonly id: string | null;
  // deno-lint-ignore no-explicit-any
  readonly data: any;
}

/** Where a client asked to begin, and what was known of the log then. */
export interface Asked {
  /** An id, or null with a cursor that is none. */
  readonly id: string | null;
  readonly cursor: "latest" | "earliest" | { readonly ms: number };
  /** Where it is to end, or null. */
  readonly until: "latest" | { readonly ms: number } | null;
  /** The newest generation of the log when the id was told. */
  readonly idGeneration: number;
  /** On the connection there is: the bound stays. */
  readonly isSeek: boolean;
  readonly generation: number;
  readonly firsts: readonly number[];
  readonly ends: readonly number[];
  /** Nobody else follows the topic: its end has to be looked up. */
  readonly alone: boolean;
}

/** What happened to a client. */
export type Item =
  | { readonly what: "asked"; readonly asked: Asked }
  /** `generation`: the newest one at that moment. */
  | { readonly what: "told"; readonly told: Told; readonly generation: number };

/** What was wrong, and at which event. */
export class Mismatch extends Error {
  override readonly name = "Mismatch";
}

/** The account of one client. */
export class Account {
  readonly #model: LogModel;
  readonly #opening: Opening;
  #asked: Asked | undefined;
  /** How the connection was asked for, whose bound it keeps. */
  #connected: Asked | undefined;
  /** Where it began, and the newest record it was shown, of each partition. */
  #start: number[] = [];
  readonly #newest: number[] = [];
  /** Null: not known, between two lives of the topic. */
  #generation: number | null = null;
  /** The next offset of each partition. */
  #next: number[] = [];
  /** By partition: what a gap of `latest-per-key` has announced, and how many records of it are still to be left out. */
  readonly #announced = new Map<number, { readonly from: number; readonly to: number; left: number }>();
  /** Partitions whose leader had not said where they end when the client began at the end. */
  #unsaid = new Set<number>();
  records = 0;
  gaps = 0;
  skipped = 0;
  /** A bounded read is through. */
  ended = false;
  readonly resumes: string[] = [];

  constructor(model: LogModel, opening: Opening) {
    this.#model = model;
    this.#opening = opening;
  }

  /** @throws {Mismatch} */
  take(item: Item): void {
    if (item.what === "asked") {
      this.#asked = item.asked;
      if (!item.asked.isSeek) this.#connected = item.asked;
      this.ended = false;
      return;
    }
    const { told, generation } = item;
    try {
      if (this.ended && told.event !== "bye") throw new Mismatch("it comes after the end");
      if (told.event === "ready") this.#ready(told, generation);
      else if (told.event === "record") this.#record(told);
      else if (told.event === "gap") this.#gap(told);
      else if (told.event === "end") this.#end(told);
      else if (told.event === "id") this.#follow(told.id); // a heartbeat moves the place past what a filter left out
      else if (told.event !== "status" && told.event !== "bye") throw new Mismatch("nobody asked for it");
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error;
      const text = JSON.stringify(told).replaceAll(/x{4,}/g, "x…");
      throw new Mismatch(`${error.message}, at ${text}, place ${this.#next}`);
    }
  }

  /** Whether it has everything up to these offsets of the newest generation, and was shown the last records before them. */
  has(ends: readonly number[]): boolean {
    return this.#generation === this.#model.current.number &&
      ends.every((end, q) =>
        (this.#start[q] ?? 0) >= end || this.#newest[q] === end - 1 && this.#next[q]! >= end
      );
  }

  /** Where it is, for a failure. */
  get place(): string {
    return `generation ${this.#generation}, next ${this.#next}`;
  }

  #ready({ data, id }: Told, generation: number): void {
    if (id !== data.start) throw new Mismatch("its id is not the start it tells");
    const start = positionsOf(data.start);
    const asked = this.#asked;
    this.#asked = undefined;
    this.resumes.push(data.resume);
    if (data.resume === "reset") {
      const before = asked ? asked.id === null ? null : asked.idGeneration : this.#generation;
      if (before === generation) throw new Mismatch("the log is the one it was, and yet it is a reset");
      return this.#begin(start, generation === (before ?? -1) + 1 ? generation : null);
    }
    if (!asked) throw new Mismatch("a second ready that is no reset");
    const settled = asked.generation === generation ? generation : null;
    if (asked.id === null) this.#fresh(asked, start, data, settled);
    else if (asked.idGeneration === generation) this.#resumed(asked.id, start, data, generation);
    this.#begin(start, settled);
    // The newest record of each key may lie anywhere before the end, not before a time.
    const isPlaced = asked.id === null && asked.cursor !== "earliest" &&
      (asked.cursor !== "latest" || this.#opening.policy !== "latest-per-key");
    if (isPlaced) start.forEach((next, q) => next === 0 && this.#unsaid.add(q));
  }

  #begin(start: readonly number[], generation: number | null): void {
    this.#next = [...start];
    this.#start = [...start];
    this.#newest.length = 0;
    this.#announced.clear();
    this.#generation = generation;
    this.#unsaid.clear();
  }

  /** A start that is no id has to be where the log had such a place between the request and now. */
  #fresh(asked: Asked, start: readonly number[], data: Told["data"], generation: number | null): void {
    if (data.resume !== "fresh" || data.skipped !== 0) {
      throw new Mismatch("a first start is fresh and skips nothing");
    }
    if (generation === null) return;
    // The service has not met the topic that was made anew: as one that is missing it is shown from its first record on.
    if (generation > 0 && start.length === 1 && start[0] === 0) return;
    const { partitions } = this.#model.generations[generation]!;
    start.forEach((next, q) => {
      const log = partitions[q];
      if (!log) throw new Mismatch(`there is no partition ${q}`);
      const [low, high] = this.#freshRange(asked, log, q);
      // Nothing delivered: the partition's leader has not said yet where the place is.
      if (next > 0 && !log.isBetween(next, low, high)) {
        throw new Mismatch(`partition ${q} starts at ${next}: ${low} to ${high} is wanted`);
      }
    });
  }

  #freshRange({ cursor, firsts, ends, alone }: Asked, log: PartitionModel, q: number): [number, number] {
    const first = firsts[q] ?? 0, end = ends[q] ?? 0;
    if (cursor === "latest") return [alone && this.#opening.policy !== "latest-per-key" ? end : 0, log.end];
    // Where the log begins may be known from a moment ago: what has gone since is then told as a gap.
    if (typeof cursor === "string") return [0, log.most];
    const high = log.mayMissTimes ? log.end : log.firstSince(cursor.ms, log.most, log.end);
    return [log.firstSince(cursor.ms, first, end), high];
  }

  /** An id is gone on from exactly, or from what retention has left after it. */
  #resumed(id: string, start: readonly number[], data: Told["data"], generation: number): void {
    const asked = positionsOf(id);
    const count = Math.max(asked.length, start.length);
    let skipped = 0;
    for (let q = 0; q < count; q++) {
      const from = asked[q] ?? 0, to = start[q] ?? 0;
      if (to < from) throw new Mismatch(`partition ${q} starts at ${to}, the id was at ${from}`);
      skipped += to - from;
      const most = this.#model.generations[generation]!.partitions[q]?.most ?? 0;
      if (to > from && to > most) {
        throw new Mismatch(`partition ${q} starts at ${to}, the log has it from ${most} on`);
      }
    }
    if (data.resume !== (skipped > 0 ? "gap" : "exact") || data.skipped !== skipped) {
      throw new Mismatch(`${skipped} offsets after the id are passed over`);
    }
    this.gaps += skipped > 0 ? 1 : 0;
    this.skipped += skipped;
  }

  #record({ id, data }: Told): void {
    const { partition, offset, text } = data;
    const generation = generationOf(text);
    this.#generation ??= generation;
    if (generation !== this.#generation) {
      throw new Mismatch(`it is of another log than generation ${this.#generation}`);
    }
    const next = this.#next[partition] ?? 0;
    if (offset < next) throw new Mismatch("it comes again");
    this.#advance(partition, offset);
    this.#unsaid.delete(partition);
    const wanted = this.#model.shown(text, partition, offset);
    if (!wanted) throw new Mismatch("nobody was told that it is there");
    if (wanted.text !== text) throw new Mismatch(`the record there is ${wanted.text.slice(0, 60)}`);
    if (!this.#wants(wanted.key)) throw new Mismatch(`its key ${wanted.key} was not asked for`);
    this.records++;
    this.#next[partition] = offset + 1;
    this.#newest[partition] = offset;
    const announced = this.#announced.get(partition);
    if (announced && offset + 1 >= announced.to) {
      this.#isThrough(partition, announced);
    }
    this.#follow(id);
  }

  #gap({ id, data }: Told): void {
    const { partition, from, to, skipped, reason } = data;
    const next = this.#next[partition] ?? 0;
    if (reason === "policy" && this.#opening.policy === "latest-per-key") this.#announce(data, next);
    // What was passed over at the start was told by `ready`.
    else if (to > next) {
      if (from < next) throw new Mismatch("the gap begins before the place");
      this.#advance(partition, from);
      if (skipped !== to - from) throw new Mismatch("skipped is to − from");
      if (reason === "policy" ? this.#opening.policy !== "latest" : reason !== "retention") {
        throw new Mismatch("there is no such reason to skip anything");
      }
      const log =
        this.#model.generations[this.#generation ?? this.#model.current.number]!.partitions[partition];
      if (reason === "retention" && to > (log?.most ?? 0)) {
        throw new Mismatch(`the log has it from ${log?.most} on`);
      }
      this.#next[partition] = to;
      this.gaps++;
      this.skipped += skipped;
    }
    this.#follow(id);
  }

  /** Some records of a range that follows are left out, as newer ones have their keys. */
  #announce({ partition, from, to, skipped }: Told["data"], next: number): void {
    if (from < next) throw new Mismatch("the gap begins before the place");
    this.#advance(partition, from);
    this.#unsaid.delete(partition);
    if (this.#announced.has(partition)) throw new Mismatch("the last gap is not through yet");
    if (skipped < 1 || skipped > to - from) throw new Mismatch("so many records are not between");
    this.#announced.set(partition, { from, to, left: skipped });
    this.gaps++;
    this.skipped += skipped;
  }

  /** The end of a bounded read: everything before the bound was shown, and the bound is where it was asked for. */
  #end({ data, id }: Told): void {
    const { until } = this.#connected ?? {};
    if (!until) throw new Mismatch("nobody asked for an end");
    // A WebSocket message has the id in the place of the cursor.
    const place = data.cursor ?? id?.replace(/\.end$/, "");
    if (id !== `${place}.end`) throw new Mismatch("its id is not that of its place");
    this.#follow(place);
    this.ended = true;
    const { generation, firsts, ends } = this.#connected!;
    if (generation !== this.#generation) return;
    const { partitions } = this.#model.generations[generation]!;
    positionsOf(id!).forEach((place, q) => {
      const log = partitions[q]!, first = firsts[q] ?? 0, end = ends[q] ?? 0, start = this.#start[q] ?? 0;
      const [low, high] = until === "latest" ? [end, log.end] : [
        log.firstSince(until.ms, first, end),
        log.mayMissTimes ? log.end : log.firstSince(until.ms, log.most, log.end, true),
      ];
      if (!log.isBetween(place, low, Math.max(start, high))) {
        throw new Mismatch(`partition ${q} ends at ${place}: ${low} to ${high} is wanted`);
      }
    });
  }

  /** An id is the place after its event in every partition. */
  #follow(id: string | null): void {
    if (id === null) return;
    positionsOf(id).forEach((to, q) => {
      const next = this.#next[q] ?? 0;
      if (to >= next) return this.#advance(q, to);
      // Over what holds no record it may: who comes back with it is shown nothing twice.
      const log = this.#model.generations[this.#generation ?? this.#model.current.number]!.partitions[q];
      if (!log?.isBetween(to, next, next)) throw new Mismatch(`its id goes back in partition ${q}`);
    });
  }

  /** On to an offset: nothing that was asked for may lie between, but what was announced. */
  #advance(partition: number, to: number): void {
    const next = this.#next[partition] ?? 0;
    if (to <= next) return;
    this.#next[partition] = to;
    if (this.#unsaid.delete(partition)) {
      this.#start[partition] = to;
      return;
    }
    if (this.#generation === null) return;
    const log = this.#model.generations[this.#generation]!.partitions[partition];
    const announced = this.#announced.get(partition);
    for (let offset = next; offset < to; offset++) {
      const record = log?.at(offset);
      if (!log || !record || !this.#wants(record.key)) continue;
      const mayGo = announced && offset >= announced.from && offset < announced.to && announced.left-- > 0;
      // What retention removed meanwhile may count as passed over as well.
      if (!mayGo || offset >= log.most && !log.hasNewer(offset) && this.#model.doubts(record.key) === 0) {
        throw new Mismatch(`${record.text.slice(0, 30)} at ${partition}:${offset} was left out`);
      }
    }
    if (!announced || to < announced.to) return;
    this.#isThrough(partition, announced);
  }

  /** A gap of `latest-per-key` ends: what it announced was left out, of what is known to be in the log. */
  #isThrough(partition: number, { left }: { readonly left: number }): void {
    if (left > this.#model.doubts()) throw new Mismatch(`${left} records less were left out than it told`);
    this.#announced.delete(partition);
  }

  #wants(key: string): boolean {
    return this.#opening.keys.length === 0 || this.#opening.keys.includes(key);
  }
}

/** The next offsets that an id stands for. */
export function positionsOf(id: string): readonly number[] {
  const start = readId(id);
  return start.positions;
}

function readId(id: string) {
  try {
    const start = parseCursor(id);
    if (start.kind === "id") return start;
  } catch {
    // Told below.
  }
  throw new Mismatch(`${id} is no id`);
}
