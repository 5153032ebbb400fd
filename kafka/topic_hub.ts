/** One topic and its viewers: records come in once, through one reader, and go out to every viewer from its cursor.
 *
 * A viewer near the end is fed from the ring, by bytes that all viewers there share; whatever waits for it leaves in one write.
 * One whose place is no longer in the ring is fed from Kafka's past until it has caught up, a few viewers at a time. Nothing
 * is queued for anyone: a connection that takes no more just keeps its cursor. Left out: which topics there are (hub.ts).
 * @module */
import { setImmediate } from "node:timers";
import type { Logger } from "../logger.ts";
import type { Metrics } from "../metrics.ts";
import type { Kafka } from "./client.ts";
import { KafkaError } from "./connection.ts";
import { clusterHash, formatCursor, parseCursor, reaches } from "./cursor.ts";
import { catchUpStep } from "./catch_up.ts";
import type { History } from "./history.ts";
import { pause } from "./pause.ts";
import { TopicReader } from "./reader.ts";
import { chunkOf, type Entry, isFull, Ring } from "./ring.ts";
import { resolveStart } from "./start.ts";
import type { Turns } from "./turns.ts";
import { type FollowOptions, Viewer } from "./viewer.ts";

/** What a topic's hub works with. */
export interface TopicHubDeps {
  readonly kafka: Kafka;
  readonly history: History;
  /** Bounds how many viewers catch up at once, over all topics. */
  readonly turns: Turns;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly ringBytes: number;
}

/** Longest pause between two rounds of writes, when each of them takes long. */
const maxFlushPauseMs = 20;
const retryMs = 200;

/** The viewers of one topic. */
export class TopicHub implements AsyncDisposable {
  readonly viewers = new Set<Viewer>();
  readonly #topic: string;
  readonly #deps: TopicHubDeps;
  readonly #reader: TopicReader;
  #ring: Ring | undefined;
  #cluster = "";
  #clusterId = "";
  #up = true;
  /** Resolves when it is known where the topic ends, or that it does not exist. */
  #known = Promise.withResolvers<void>();
  #flushScheduled = false;
  #flushTimer: ReturnType<typeof setTimeout> | undefined;
  #flushAfter = 0;
  readonly #stop = new AbortController();
  readonly #tasks = new Set<Promise<void>>();

  constructor(topic: string, deps: TopicHubDeps) {
    this.#topic = topic;
    this.#deps = deps;
    this.#reader = new TopicReader(deps.kafka, topic, {
      started: (positions, clusterId) => this.#started(positions, clusterId),
      records: (fetched) => {
        this.#ring!.append(fetched);
        this.#scheduleFlush();
      },
      skipped: (partition, from, to, reason) => {
        this.#ring!.appendGap({ partition, from, to, skipped: to - from, reason });
        this.#scheduleFlush();
      },
      restarted: () => this.#restarted(),
      status: (up) => this.#status(up),
    }, deps.log);
  }

  /** Adds a viewer; its first event is on the way as soon as its start is known. */
  add<T extends object>(options: FollowOptions<T>, onClose: (viewer: Viewer) => void): Viewer {
    const viewer = new Viewer(options, (one) => this.#pump(one), (one) => {
      this.viewers.delete(one);
      onClose(one);
    });
    this.viewers.add(viewer);
    if (!this.#up) viewer.tell("status", { kafka: "down" });
    this.#start(viewer, this.#open(viewer));
    return viewer;
  }

  /** The topic may exist now. */
  wake(): void {
    this.#reader.wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#known.resolve();
    clearTimeout(this.#flushTimer);
    for (const viewer of [...this.viewers]) viewer.close();
    await this.#reader[Symbol.asyncDispose]();
    await Promise.all(this.#tasks);
  }

  /** Looks after work for a viewer; a failure of ours ends its stream, and the client comes back. */
  #start(viewer: Viewer, work: Promise<void>): void {
    const task = work.catch((error) => {
      this.#deps.log.error("viewer failed", { topic: this.#topic, error });
      viewer.options.sink.end("failed");
      viewer.close();
    }).finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }

  /** Retries while Kafka is away: the viewer has been told `status` by then. */
  async #open(viewer: Viewer): Promise<void> {
    while (!viewer.isClosed) {
      await this.#known.promise;
      const ring = this.#ring;
      if (this.#stop.signal.aborted) return;
      if (!ring) continue; // the log has become another one since
      try {
        const log = {
          topic: this.#topic,
          clusterId: this.#clusterId,
          positions: [...ring.positions],
          basePositions: [...ring.basePositions],
        };
        const { positions, ready, gaps } = await resolveStart(viewer.options, log, this.#deps.history);
        // The log may have become another one meanwhile.
        if (ring !== this.#ring || viewer.isClosed) continue;
        viewer.setPositions(positions);
        viewer.tell("ready", ready, ready.start);
        viewer.options.onReady?.(ready);
        for (const gap of gaps) viewer.tell("gap", gap, ready.start);
        this.#deps.metrics.resumes(ready.resume);
        if (ready.skipped > 0) this.#deps.metrics.gaps("retention", ready.skipped);
        return this.#resume(viewer);
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        await pause(retryMs, this.#stop.signal);
      }
    }
  }

  /** Feeds a viewer from wherever its positions are. */
  #resume(viewer: Viewer): void {
    const ring = this.#ring;
    if (viewer.isClosed || !ring) return;
    if (!reaches(viewer.positions, ring.basePositions)) {
      viewer.phase = "behind";
      return this.#start(viewer, this.#catchUp(viewer, ring));
    }
    viewer.phase = "live";
    Object.assign(viewer, ring.entrance(viewer.positions));
    this.#pump(viewer);
  }

  async #catchUp(viewer: Viewer, ring: Ring): Promise<void> {
    const { history, turns, metrics } = this.#deps;
    while (!viewer.isClosed && ring === this.#ring) {
      await viewer.writable();
      if (reaches(viewer.positions, ring.basePositions)) return this.#resume(viewer);
      const log = {
        topic: this.#topic,
        cluster: this.#cluster,
        basePositions: ring.basePositions,
        isCurrent: () => ring === this.#ring,
      };
      const outcome = await turns.take(() => catchUpStep(viewer, log, history));
      if (outcome.records > 0) metrics.deliveries(viewer.options.sink.transport, outcome.records);
      for (const { reason, skipped } of outcome.gaps) metrics.gaps(reason, skipped);
      if (outcome.stuck) await pause(retryMs, this.#stop.signal);
    }
  }

  /** Writes to one live viewer whatever waits for it, as long as its connection takes it. */
  #pump(viewer: Viewer): void {
    const ring = this.#ring;
    const { sink, feed, pick } = viewer.options;
    while (ring && viewer.phase === "live" && viewer.place < ring.head && sink.ready()) {
      if (viewer.place < ring.base) {
        if (viewer.lastId !== undefined) viewer.setPositions(idPositions(viewer.lastId));
        return this.#resume(viewer);
      }
      if (viewer.place < viewer.mergeUntil) {
        this.#merge(viewer, ring);
        continue;
      }
      const chunk = ring.chunk(feed, sink.wire, viewer.place, pick);
      if (chunk.id === undefined) countAlong(viewer, ring, chunk.to);
      else viewer.lastId = chunk.id;
      viewer.place = chunk.to;
      if (chunk.text === "") continue;
      sink.write(chunk);
      if (chunk.records > 0) this.#deps.metrics.deliveries(sink.transport, chunk.records);
    }
  }

  /** Entries that come twice are left out, and ids are the viewer's own, until it is where all others are. */
  #merge(viewer: Viewer, ring: Ring): void {
    const texts: string[] = [];
    let length = 0;
    const { sink } = viewer.options;
    const end = Math.min(viewer.mergeUntil, ring.head);
    while (viewer.place < end && !isFull(sink.wire, texts.length, length)) {
      const entry = ring.at(viewer.place++);
      if (entry.after <= (viewer.positions[entry.partition] ?? 0)) continue;
      viewer.positions[entry.partition] = entry.after;
      const text = this.#ownText(viewer, entry);
      if (text === null) continue;
      texts.push(text);
      length += text.length;
    }
    if (viewer.mergeUntil === Infinity) Object.assign(viewer, ring.entrance(viewer.positions));
    if (texts.length === 0) return;
    sink.write(chunkOf(texts.join(sink.wire.separator ?? "")));
    this.#deps.metrics.deliveries(sink.transport, texts.length);
  }

  #ownText(viewer: Viewer, entry: Entry): string | null {
    const { sink: { wire }, feed, pick } = viewer.options;
    const id = formatCursor(this.#cluster, viewer.positions);
    if (entry.gap) return wire.event("gap", JSON.stringify(entry.gap), id);
    const shown = entry.shared!.picked(feed, pick);
    return shown && wire.event(feed.name, shown.json, id);
  }

  #started(positions: readonly number[], clusterId: string): void {
    this.#clusterId = clusterId;
    this.#cluster = clusterHash(clusterId);
    this.#ring ??= new Ring({
      topic: this.#topic,
      cluster: this.#cluster,
      maxBytes: this.#deps.ringBytes,
      onPassedOver: () => this.#deps.metrics.undecodable(this.#topic),
    });
    this.#ring.extend(positions);
    this.#known.resolve();
  }

  /** The log is another one: everyone is told, and begins at its beginning. */
  #restarted(): void {
    this.#deps.history.forget(this.#topic);
    this.#ring = undefined;
    this.#known = Promise.withResolvers();
    for (const viewer of this.viewers) {
      if (viewer.phase === "opening") continue;
      viewer.phase = "opening";
      const start = { kind: "earliest" } as const;
      const reset = {
        requested: viewer.lastId ?? formatCursor(this.#cluster, viewer.positions),
        reason: "topic-recreated",
      };
      Object.assign(viewer.options, { start, fallback: start, reset });
      this.#start(viewer, this.#open(viewer));
    }
  }

  #status(up: boolean): void {
    if (this.#up === up) return;
    this.#up = up;
    for (const viewer of this.viewers) viewer.tell("status", { kafka: up ? "up" : "down" });
  }

  /** Soon when it is quiet; the longer the last round of writes took, the longer until the next. */
  #scheduleFlush(): void {
    if (this.#flushScheduled || this.#stop.signal.aborted) return;
    this.#flushScheduled = true;
    const waitMs = this.#flushAfter - performance.now();
    if (waitMs < 1) setImmediate(() => this.#flush());
    else this.#flushTimer = setTimeout(() => this.#flush(), waitMs);
  }

  #flush(): void {
    this.#flushScheduled = false;
    const ring = this.#ring;
    if (this.#stop.signal.aborted || !ring) return;
    const began = performance.now(), head = ring.head;
    for (const viewer of this.viewers) if (viewer.phase === "live") this.#pump(viewer);
    const tookMs = performance.now() - began;
    this.#flushAfter = performance.now() + Math.min(maxFlushPauseMs, tookMs);
    this.#observe(ring, head);
  }

  /** Delay of each new record from its timestamp to the sockets, once for all viewers. */
  #observed = 0;
  #observe(ring: Ring, head: number): void {
    if (this.viewers.size === 0) return void (this.#observed = head);
    const now = Date.now();
    for (let place = Math.max(this.#observed, ring.base); place < head; place++) {
      const { shared } = ring.at(place);
      if (shared) this.#deps.metrics.deliverySeconds(Math.max(0, now - shared.record.timestamp) / 1000);
    }
    this.#observed = head;
  }
}

/** For a wire that writes entries without an id one by one: the place is counted instead. */
function countAlong(viewer: Viewer, ring: Ring, to: number): void {
  if (viewer.lastId !== undefined) viewer.setPositions(idPositions(viewer.lastId));
  for (let place = viewer.place; place < to; place++) {
    const { partition, after } = ring.at(place);
    viewer.positions[partition] = after;
  }
}

function idPositions(id: string): readonly number[] {
  const start = parseCursor(id);
  return start.kind === "id" ? start.positions : [];
}
