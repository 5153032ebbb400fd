/** Who looks at which videos: one listener for all connections, and one encoding of a window for all who look at it.
 *
 * Nobody listens while nobody looks, and nothing is worked out for a video that nobody looks at. Left out: when a member's connection
 * takes it (aggregation_stream.ts, aggregation_socket.ts).
 * @module */
import type { Aggregations, WindowCount } from "../kafka/processors/windows/types.ts";
import { liveEvent, type WindowSize } from "../kafka/windows.ts";
import { windowEvent } from "./aggregation_feed.ts";

/** A window, and what connections say of it, made once for all of them. */
export class SharedWindow {
  #json: string | undefined;
  #live: string | undefined;

  /** @param at when an open window was counted, ms; none: it is told as what there is, however old */
  constructor(readonly window: WindowCount, readonly size: WindowSize, readonly at?: number) {}

  /** The same for all windows of one video and length. */
  get place(): string {
    return `${this.size.name} ${this.window.video_uid}`;
  }

  /** As an event of a stream. */
  get json(): string {
    return this.#json ??= JSON.stringify(windowEvent(this.window, this.at));
  }

  /** As clients of the counter know it. */
  get live(): string {
    const { size, window: { video_uid: id, count } } = this;
    return this.#live ??= JSON.stringify({ event: liveEvent(size), data: { id, count } });
  }
}

/** Somebody who looks at some videos. */
export interface RoomMember {
  /** An open window filled up; once a second at most for each video and length. */
  filled?(window: SharedWindow): void;
  /** A window was closed, and something was counted in it. */
  finished?(window: SharedWindow): void;
}

/** The members of all rooms; a room is a video. */
export class Rooms {
  readonly #aggregations: Aggregations;
  readonly #members = new Map<string, Set<RoomMember>>();
  #stop: (() => void) | undefined;

  constructor(aggregations: Aggregations) {
    this.#aggregations = aggregations;
  }

  /** Videos that somebody looks at. */
  get size(): number {
    return this.#members.size;
  }

  /** Tells a member of a video, until `leave`. */
  join(id: string, member: RoomMember): void {
    const members = this.#members.get(id);
    if (members) members.add(member);
    else this.#members.set(id, new Set([member]));
    this.#stop ??= this.#aggregations.listen({
      wants: (id) => this.#members.has(id),
      changed: (id, open, at) => this.#filled(id, open, at),
      finished: (window, size, isFirst) => {
        if (isFirst && window.count > 0) this.#finished(new SharedWindow(window, size));
      },
    });
  }

  leave(id: string, member: RoomMember): void {
    const members = this.#members.get(id);
    if (!members?.delete(member) || members.size > 0) return;
    this.#members.delete(id);
    if (this.#members.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }

  #filled(id: string, open: readonly WindowCount[], at: number): void {
    for (const window of open) {
      const size = this.#aggregations.sizes.find(({ type }) => type === window.type)!;
      const shared = new SharedWindow(window, size, at);
      for (const member of [...this.#members.get(id) ?? []]) member.filled?.(shared);
    }
  }

  #finished(shared: SharedWindow): void {
    for (const member of [...this.#members.get(shared.window.video_uid) ?? []]) member.finished?.(shared);
  }
}
