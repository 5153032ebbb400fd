/** One topic and its viewers: records come in once, through one reader, and go out to every viewer from its cursor.
 *
 * A viewer near the end is fed from the ring, by bytes that all viewers there share (live.ts). One whose place is no longer in the
 * ring, or that is led to a goal of its own, is fed from Kafka's past (behind.ts), a few viewers at a time. Nothing is queued for
 * anyone: a connection that takes no more just keeps its cursor. Left out: which topics there are (hub.ts).
 * @module */
import type { Logger } from "../logger.ts";
import type { Metrics } from "../metrics.ts";
import { feedFromPast, isHeld, needsPast, type TopicState, wakeIfNew } from "./behind.ts";
import { Bound } from "./bounds.ts";
import type { Kafka } from "./client.ts";
import { KafkaError, latestOffset } from "./connection.ts";
import { clusterHash, formatCursor, reaches, unknownOffset } from "./cursor.ts";
import type { FetchedPartition } from "./fetch_response.ts";
import type { History } from "./history.ts";
import { LatestKeys } from "./latest_keys.ts";
import { pump } from "./live.ts";
import { pause } from "./pause.ts";
import { TopicReader } from "./reader.ts";
import { Ring } from "./ring.ts";
import { Rounds } from "./rounds.ts";
import { resolveStart, type Start } from "./start.ts";
import type { Clock } from "./timeline.ts";
import type { Turns } from "./turns.ts";
import { type FollowOptions, Viewer, type ViewerHost } from "./viewer.ts";

/** What a topic's hub works with. */
export interface TopicHubDeps {
  readonly kafka: Kafka;
  readonly history: History;
  /** Bounds how many viewers catch up at once, over all topics. */
  readonly turns: Turns;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly ringBytes: number;
  readonly clock: Clock;
}

/** Viewers that began within so long ask one question for a place by time. */
const joinedMs = 1_000;
const retryMs = 200;
/** How long the reader is given to find a topic that has just been made. */
const wakeMs = 50;
/** How often it is asked where a viewer begins in partitions that do not answer. */
const settleMs = 1_000;

/** The viewers of one topic. */
export class TopicHub implements AsyncDisposable {
  readonly viewers = new Set<Viewer>();
  readonly #topic: string;
  readonly #deps: TopicHubDeps;
  readonly #reader: TopicReader;
  readonly #state: TopicState;
  readonly #host: ViewerHost;
  #ring: Ring | undefined;
  #keys: LatestKeys | undefined;
  #cluster = "";
  #clusterId = "";
  #up = true;
  /** Resolves when it is known where the topic ends, or that it does not exist. */
  #known = Promise.withResolvers<void>();
  readonly #rounds = new Rounds(() => this.#flush());
  readonly #stop = new AbortController();
  readonly #tasks = new Set<Promise<void>>();

  constructor(topic: string, deps: TopicHubDeps) {
    this.#topic = topic;
    this.#deps = deps;
    this.#state = this.#makeState();
    this.#host = {
      clock: deps.clock,
      pump: (viewer) => this.#pump(viewer),
      sought: (viewer) => this.#sought(viewer),
      paced: (viewer) => this.#paced(viewer),
      closed: () => {},
    };
    this.#reader = new TopicReader(deps.kafka, topic, {
      started: (positions, clusterId) => this.#started(positions, clusterId),
      records: (fetched) => this.#records(fetched),
      skipped: (partition, from, to, reason) => {
        this.#ring!.appendGap({ partition, from, to, skipped: to - from, reason });
        this.#rounds.schedule();
      },
      restarted: () => this.#restarted(),
      status: (up) => this.#status(up),
    }, deps.log);
  }

  /** Whether it is known to be there. */
  get exists(): boolean {
    return (this.#ring?.positions.length ?? 0) > 0;
  }

  /** Whether Kafka answered when it was asked last. */
  get isUp(): boolean {
    return this.#up;
  }

  /** Adds a viewer; its first event is on the way as soon as its start is known. */
  add<T extends object>(options: FollowOptions<T>, onClose: (viewer: Viewer) => void): Viewer {
    const viewer = new Viewer(options, {
      ...this.#host,
      closed: (one) => {
        this.viewers.delete(one);
        onClose(one);
      },
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
    this.#keys?.[Symbol.dispose]();
    this.#rounds[Symbol.dispose]();
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

  /** What those who feed viewers of the past see of this topic. */
  #makeState(): TopicState {
    const { history, turns, metrics, clock } = this.#deps;
    const hub = (): TopicHub => this;
    return {
      topic: this.#topic,
      history,
      turns,
      metrics,
      clock,
      signal: this.#stop.signal,
      get cluster() {
        return hub().#cluster;
      },
      get ring() {
        return hub().#ring;
      },
      get keys() {
        return hub().#keys ??= new LatestKeys(hub().#topic, history);
      },
      start: (viewer, work) => this.#start(viewer, work),
      enter: (viewer, ring) => this.#enter(viewer, ring),
    };
  }

  /** Retries while Kafka is away: the viewer has been told `status` by then. Who is sent elsewhere meanwhile is opened there. */
  async #open(viewer: Viewer): Promise<void> {
    const { history, clock } = this.#deps;
    while (!viewer.isClosed) {
      await this.#known.promise;
      const { run, asked } = viewer;
      const later = await asked.laterStart;
      const ring = this.#ring;
      if (this.#stop.signal.aborted) return;
      if (!ring) continue; // the log has become another one since
      try {
        if (viewer.options.topicMustExist && !this.exists) {
          if (!await this.#isMissing()) continue;
          viewer.options.sink.end("unknown-topic");
          return viewer.close();
        }
        const log = {
          topic: this.#topic,
          clusterId: this.#clusterId,
          positions: [...ring.positions],
          basePositions: [...ring.basePositions],
        };
        if (asked.until) viewer.bound ??= new Bound(asked.until, clock);
        const [start] = await Promise.all([
          resolveStart(later ? { ...asked, start: later } : asked, log, history),
          viewer.bound?.ask(this.#topic, history),
        ]);
        // The log may have become another one meanwhile.
        if (ring !== this.#ring || viewer.isClosed || viewer.run !== run) continue;
        return this.#begin(viewer, start);
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        await pause(retryMs, this.#stop.signal);
      }
    }
  }

  /** What the reader knows of a topic that is missing may be of a moment ago. */
  async #isMissing(): Promise<boolean> {
    const { topics: [found] } = await this.#deps.kafka.metadata([this.#topic]);
    if (found?.error === "UNKNOWN_TOPIC_OR_PARTITION") return true;
    this.#reader.wake();
    await pause(wakeMs, this.#stop.signal);
    return false;
  }

  /** Tells a viewer where it is, and feeds it from there. */
  #begin(viewer: Viewer, { positions, ready, gaps, startsAt }: Start): void {
    viewer.setPositions(positions);
    viewer.cluster = this.#cluster;
    // At the end of a partition that does not say where it ends: what comes from now on, as its records' times have it.
    viewer.startsAt = startsAt === latestOffset
      ? Math.floor(ready.serverTime / joinedMs) * joinedMs
      : startsAt;
    viewer.tell("ready", ready, ready.start);
    viewer.options.onReady?.(ready);
    for (const gap of gaps) viewer.tell("gap", gap, ready.start);
    this.#deps.metrics.resumes(ready.resume);
    if (ready.skipped > 0) this.#deps.metrics.gaps("retention", ready.skipped);
    if (viewer.positions.includes(unknownOffset)) this.#start(viewer, this.#settle(viewer));
    this.#resume(viewer);
  }

  /** Looks for the start of a viewer in partitions that have not answered. */
  async #settle(viewer: Viewer): Promise<void> {
    const { run } = viewer, ring = this.#ring!;
    while (true) {
      await pause(settleMs, this.#stop.signal);
      try {
        const found = await this.#deps.history.positions(this.#topic, viewer.startsAt);
        if (viewer.isClosed || viewer.run !== run || ring !== this.#ring) return;
        viewer.syncPositions();
        const settled = viewer.positions.map((next, partition) =>
          next === unknownOffset ? found[partition] ?? unknownOffset : next
        );
        if (!settled.some((next, partition) => next !== viewer.positions[partition])) continue;
        viewer.setPositions(settled);
        this.#refeed(viewer);
        if (!settled.includes(unknownOffset)) return;
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
      }
      if (this.#stop.signal.aborted) return;
    }
  }

  /** A viewer's place in some partition has become known. */
  #refeed(viewer: Viewer): void {
    if (viewer.phase === "behind") viewer.nudge();
    else if (viewer.phase === "live") this.#resume(viewer);
  }

  /** Feeds a viewer from wherever its positions are. */
  #resume(viewer: Viewer): void {
    const ring = this.#ring;
    if (viewer.isClosed || !ring) return;
    if (!needsPast(viewer, ring, this.#deps.clock)) return this.#enter(viewer, ring);
    viewer.phase = "behind";
    this.#start(viewer, feedFromPast(viewer, this.#state));
  }

  /** Feeds a viewer from the ring. */
  #enter(viewer: Viewer, ring: Ring): void {
    viewer.phase = "live";
    viewer.timeline?.reachNow();
    Object.assign(viewer, ring.entrance(viewer.positions));
    if (viewer.bound) this.#start(viewer, this.#endInTime(viewer, viewer.bound));
    this.#pump(viewer);
  }

  /** Takes a live viewer out of the ring when the time has come that bounds it. */
  async #endInTime(viewer: Viewer, bound: Bound): Promise<void> {
    const { run } = viewer, ring = this.#ring;
    const isLive = () => viewer.phase === "live" && viewer.run === run && this.#ring === ring;
    while (isLive() && bound.askAt > this.#deps.clock.now()) await viewer.sleepUntil(bound.askAt);
    if (!isLive()) return;
    viewer.syncPositions();
    this.#resume(viewer);
  }

  /** The newest of several places that a viewer is sent to wins: one that is being opened already is opened there. */
  #sought(viewer: Viewer): void {
    viewer.run++;
    viewer.nudge();
    if (viewer.phase === "opening") return;
    viewer.phase = "opening";
    this.#start(viewer, this.#open(viewer));
  }

  #paced(viewer: Viewer): void {
    if (viewer.phase === "behind") viewer.nudge();
    if (viewer.phase !== "live" || !viewer.timeline) return;
    viewer.syncPositions();
    // It is at the end: a pace below the records' own makes it lag from here on.
    viewer.timeline.reachNow();
    this.#resume(viewer);
  }

  /** Writes to one live viewer whatever waits for it, as long as its connection takes it.
   * @returns bytes, about */
  #pump(viewer: Viewer): number {
    return this.#ring ? pump(viewer, this.#ring, this.#deps.metrics, (one) => this.#resume(one)) : 0;
  }

  #records(fetched: FetchedPartition): void {
    this.#ring!.append(fetched);
    if (this.#keys) { for (const record of fetched.records) this.#keys.append(record); }
    this.#rounds.schedule();
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
    const before = [...this.#ring.positions];
    this.#ring.extend(positions);
    this.#known.resolve();
    if (before.length === 0) return;
    const isFound = positions.some((next, partition) => next !== (before[partition] ?? unknownOffset));
    if (isFound) { for (const viewer of [...this.viewers]) this.#found(viewer, this.#ring); }
  }

  /** Partitions have become known, or were added, under a viewer. */
  #found(viewer: Viewer, ring: Ring): void {
    if (viewer.phase === "opening") return;
    viewer.syncPositions();
    if (viewer.phase === "behind") return viewer.nudge();
    if (isHeld(viewer, ring) || !reaches(viewer.positions, ring.basePositions)) this.#resume(viewer);
  }

  /** The log is another one: everyone is told, and begins at its beginning. */
  #restarted(): void {
    this.#deps.history.forget(this.#topic);
    this.#ring = undefined;
    this.#keys?.[Symbol.dispose]();
    this.#keys = undefined;
    this.#known = Promise.withResolvers();
    for (const viewer of [...this.viewers]) {
      viewer.bound = undefined;
      if (viewer.phase === "opening") continue;
      const start = { kind: "earliest" } as const;
      const requested = viewer.passedId ?? formatCursor(this.#cluster, viewer.positions);
      const { laterStart: _laterStart, ...asked } = viewer.asked;
      viewer.asked = {
        ...asked,
        start,
        fallback: start,
        reset: { requested, reason: "topic-recreated" },
      };
      viewer.timeline?.reset();
      this.#sought(viewer);
    }
  }

  #status(up: boolean): void {
    if (this.#up === up) return;
    this.#up = up;
    for (const viewer of this.viewers) viewer.tell("status", { kafka: up ? "up" : "down" });
  }

  /** Writes to every viewer in the ring whatever waits for it, in steps of one viewer. */
  *#flush(): Iterable<number> {
    const ring = this.#ring;
    if (!ring) return;
    const { head } = ring;
    for (const viewer of this.viewers) {
      if (this.#ring !== ring) return; // the log has become another one between two steps
      if (viewer.phase === "live") yield this.#pump(viewer);
      else if (viewer.watched.length > 0) wakeIfNew(viewer, ring);
    }
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
