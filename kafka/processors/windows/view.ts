/** All windows as this instance knows them: the state topic is read from its beginning and followed, whoever counts.
 *
 *     …-windows/q (o<id>, c<id>, m) → WindowView → routes/aggregations.ts, Socket.IO
 *
 * It runs in the main thread, on every instance, and joins no group. Of an id it keeps the values of its two records as they are; they
 * are read when somebody asks (shown.ts). What was finished is found by comparing an id's record with the one before. Left out:
 * counting (window_task.ts), who is told what (routes/).
 * @module */
import type { Logger } from "../../../logger.ts";
import type { Kafka } from "../../client.ts";
import { appendedOffset, KafkaError, latestOffset } from "../../connection.ts";
import { type Positions, reaches } from "../../cursor.ts";
import type { FetchedPartition, KafkaRecord } from "../../fetch_response.ts";
import type { History } from "../../history.ts";
import { pause } from "../../pause.ts";
import { TopicReader } from "../../reader.ts";
import { type Clock, systemClock } from "../../timeline.ts";
import { windowNames, type WindowSettings, type WindowSize } from "../../windows.ts";
import { Paced } from "./paced.ts";
import {
  type Finished,
  finishedBetween,
  type IdRecords,
  newestOpen,
  shownWindows,
  sumTotals,
} from "./shown.ts";
import { readMeta, type StoredMeta } from "./state_records.ts";
import {
  type Aggregations,
  type IdWindows,
  stateKeys,
  type WindowListener,
  type WindowStatus,
} from "./types.ts";

/** What a view works with. */
export interface WindowViewOptions {
  readonly kafka: Kafka;
  /** Says where the state topic ends. */
  readonly history: Pick<History, "positions">;
  readonly settings: WindowSettings;
  readonly log: Logger;
  /** What the pace of open windows goes by; default: the system's. */
  readonly clock?: Clock;
}

/** Ids of each partition whose order is known. */
const maxRecent = 200;
/** How often a listener is told of an id's open windows, at most. */
const changedEveryMs = 1_000;
const retryMs = 200;
/** How long somebody waits for what another instance has written a moment ago. */
const currentMs = 1_000;
/** An id may begin with what looks like a byte order mark. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What is known of an id. */
interface KnownId extends IdRecords {
  readonly partition: number;
  /** When it changed last, ms since the epoch. */
  readonly at: number;
}

/** The state topic in memory. */
export class WindowView implements Aggregations {
  readonly sizes: readonly WindowSize[];
  readonly loaded: Promise<void>;
  readonly #options: WindowViewOptions;
  readonly #topic: string;
  readonly #reader: TopicReader | undefined;
  readonly #listeners = new Set<WindowListener>();
  readonly #ids = new Map<string, KnownId>();
  /** The ids of each partition that changed last, the newest one at the end. */
  readonly #recent = new Map<number, Set<string>>();
  readonly #metas = new Map<number, StoredMeta>();
  readonly #paced: Paced;
  /** Next offsets of the state topic. */
  #positions: number[] = [];
  /** Who waits for a place in it; told whether it was reached. */
  readonly #waiting = new Set<{ readonly ends: Positions; readonly done: (reached: boolean) => void }>();
  #isLoaded = false;
  readonly #whenLoaded = Promise.withResolvers<void>();
  #isUp = true;
  readonly #stop = new AbortController();

  constructor(options: WindowViewOptions) {
    const { kafka, settings, log, clock = systemClock } = options;
    this.#options = options;
    this.sizes = settings.sizes;
    this.#topic = windowNames(settings.clicksTopic).stateTopic;
    this.#paced = new Paced(changedEveryMs, clock, (id) => this.#tellChanged(id));
    this.#reader = this.sizes.length === 0 ? undefined : new TopicReader(
      kafka,
      this.#topic,
      {
        started: (positions) => this.#started(positions),
        records: (fetched) => this.#records(fetched),
        skipped: (partition, _from, to) => this.#moved(partition, to),
        restarted: () => this.#restarted(),
        status: (up) => void (this.#isUp = up),
      },
      log,
      { from: {} },
    );
    this.loaded = this.#whenLoaded.promise;
    this.#load();
  }

  async current(): Promise<boolean> {
    // A transaction is visible in one topic before it is in another: what is still open may be through elsewhere.
    return await this.#reachesEnd(appendedOffset, currentMs);
  }

  of(id: string): readonly IdWindows[] {
    const found = this.#ids.get(id);
    return shownWindows(
      id,
      found ?? { open: null, closed: null },
      found && this.#metas.get(found.partition),
      this.#options.settings,
    );
  }

  ids(limit: number): readonly string[] {
    const recent = [...this.#recent.values()].flatMap((ids) => [...ids]);
    return recent.reverse().sort((a, b) => this.#ids.get(b)!.at - this.#ids.get(a)!.at).slice(0, limit);
  }

  status(): WindowStatus {
    const metas = [...this.#metas.values()];
    const frontiers = metas.flatMap(({ frontier }) => frontier ?? []);
    return {
      state: !this.#isUp ? "away" : this.#isLoaded ? "ready" : "loading",
      watermark: frontiers.length === 0 ? null : Math.min(...frontiers),
      ids: this.#ids.size,
      totals: sumTotals(metas.map(({ totals }) => totals)),
    };
  }

  listen(listener: WindowListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#listeners.clear();
    this.#paced[Symbol.dispose]();
    this.#release();
    this.#whenLoaded.resolve(); // who waits for it is on his way out, too
    await this.#reader?.[Symbol.asyncDispose]();
  }

  /** Resolves when everything that there was has been read. */
  async #load(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted && !await this.#reachesEnd(latestOffset)) await pause(retryMs, signal);
    this.#isLoaded = true;
    this.#whenLoaded.resolve();
  }

  /** Reads on to what is the end now.
   * @returns false when Kafka does not say where that is, when the log has become another one, or after `ms` */
  async #reachesEnd(at: number, ms?: number): Promise<boolean> {
    if (!this.#reader) return true;
    const ends = await this.#ends(at);
    if (ends === null || this.#stop.signal.aborted) return false;
    if (reaches(this.#positions, ends)) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiter = { ends, done: resolve };
    this.#waiting.add(waiter);
    const timer = ms === undefined ? undefined : setTimeout(() => resolve(false), ms);
    const reached = await promise;
    clearTimeout(timer);
    this.#waiting.delete(waiter);
    return reached;
  }

  /** Where the state topic ends, with nothing for one that does not exist; null when Kafka does not say. */
  async #ends(at: number): Promise<Positions | null> {
    try {
      return await this.#options.history.positions(this.#topic, at);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      return error.code === "UNKNOWN_TOPIC_OR_PARTITION" ? [] : null;
    }
  }

  #started(positions: readonly number[]): void {
    positions.forEach((next, partition) => this.#positions[partition] ??= next);
  }

  /** Takes in what was read; who listens is told when all of it is in. */
  #records({ partition, records, next }: FetchedPartition): void {
    const finished: Finished[] = [], changed = new Set<string>();
    for (const record of records) this.#take(record, finished, changed);
    this.#moved(partition, next);
    for (const { window, size, isFirst } of finished) {
      this.#tell(window.video_uid, (listener) => listener.finished(window, size, isFirst));
    }
    for (const id of changed) this.#paced.changed(id);
  }

  #take(
    { partition, key, value, timestamp: at }: KafkaRecord,
    finished: Finished[],
    changed: Set<string>,
  ): void {
    const kind = key === null || key.length === 0 ? "" : String.fromCharCode(key[0]!);
    if (kind === stateKeys.meta && key!.length === 1) {
      const meta = value && readMeta(value);
      if (meta) this.#metas.set(partition, meta);
      return;
    }
    if (kind !== stateKeys.open && kind !== stateKeys.closed) return;
    const id = decoder.decode(key!.subarray(1)), before = this.#ids.get(id) ?? { open: null, closed: null };
    const kept = value && decoder.decode(value), isOpen = kind === stateKeys.open;
    const after = { ...before, ...(isOpen ? { open: kept } : { closed: kept }), partition, at };
    this.#keep(id, after);
    if (!this.#isLoaded || !this.#isWanted(id)) return;
    if (isOpen) changed.add(id);
    else if (kept) finished.push(...finishedBetween(id, before.closed, kept, this.sizes));
  }

  #keep(id: string, known: KnownId): void {
    const recent = this.#recent.get(known.partition) ?? new Set();
    this.#recent.set(known.partition, recent);
    recent.delete(id);
    // Where there are more partitions than there were it may be in another one.
    const before = this.#ids.get(id)?.partition ?? known.partition;
    if (before !== known.partition) this.#recent.get(before)?.delete(id);
    if (!known.open && !known.closed) return void this.#ids.delete(id);
    this.#ids.set(id, known);
    recent.add(id);
    if (recent.size <= maxRecent) return;
    const [oldest] = recent;
    recent.delete(oldest!);
  }

  #isWanted(id: string): boolean {
    return this.#listeners.values().some((listener) => listener.wants?.(id) ?? true);
  }

  #tell(id: string, tell: (listener: WindowListener) => void): void {
    for (const listener of [...this.#listeners]) {
      if (!(listener.wants?.(id) ?? true)) continue;
      try {
        tell(listener);
      } catch (error) {
        this.#options.log.error("a listener of windows failed", { error });
      }
    }
  }

  #tellChanged(id: string): void {
    const known = this.#ids.get(id);
    if (!known || !this.#isWanted(id)) return;
    const open = newestOpen(this.of(id));
    if (open.length > 0) this.#tell(id, (listener) => listener.changed(id, open, known.at));
  }

  #moved(partition: number, next: number): void {
    this.#positions[partition] = next;
    for (const { ends, done } of [...this.#waiting]) {
      if (reaches(this.#positions, ends)) done(true);
    }
  }

  /** The state is another one: it is read anew, and what was finished in it before is news to nobody. */
  #restarted(): void {
    this.#positions = [];
    this.#ids.clear();
    this.#recent.clear();
    this.#metas.clear();
    this.#release();
    if (!this.#isLoaded || this.#stop.signal.aborted) return;
    this.#isLoaded = false;
    this.#load();
  }

  /** Those who wait for a place ask again. */
  #release(): void {
    for (const { done } of [...this.#waiting]) done(false);
  }
}
