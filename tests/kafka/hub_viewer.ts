/** A viewer for tests of the hub: a sink that keeps every event and takes as many writes as the test gives it room for.
 *
 * Left out: real connections (tests/routes/).
 * @module */
import { assert, assertEquals } from "@std/assert";
import { parseCursor } from "../../kafka/cursor.ts";
import { defineFeed, defineWire, type Wire } from "../../kafka/feed.ts";
import type { Hub } from "../../kafka/hub.ts";
import type { Chunk } from "../../kafka/ring.ts";
import type { EndReason, FollowOptions, Sink, Viewer } from "../../kafka/viewer.ts";
import { eventually } from "../eventually.ts";

/** One event as it was written. */
export interface Told {
  readonly event: string;
  readonly id: string | null;
  // deno-lint-ignore no-explicit-any
  readonly data: any;
}

/** What a record is shown as. */
export interface Line {
  readonly partition: number;
  readonly offset: number;
  readonly text: string;
}

/** Shows every record whose value is not `junk`. */
export const lineFeed = defineFeed<Line>("record", ({ partition, offset, value }) => {
  const text = value === null ? "" : new TextDecoder().decode(value);
  return text === "junk" ? null : { partition, offset, text };
});

/** Events as lines of JSON. */
export const lineWire = defineWire(
  "\n",
  (event, json, id) => `{"event":"${event}","id":${JSON.stringify(id)},"data":${json}}`,
);

/** The same, one event a write. */
export const singleWire = defineWire(
  null,
  (event, json, id) => `{"event":"${event}","id":${JSON.stringify(id)},"data":${json}}`,
);

/** An open stream of lines. */
export class HubViewer implements Sink {
  readonly transport = "sse";
  readonly wire: Wire;
  readonly events: Told[] = [];
  /** Writes that it takes before it has to be given more room. */
  room: number;
  ended = false;
  endReason: EndReason | undefined;
  readonly viewer: Viewer;

  constructor(
    hub: Hub,
    topic: string,
    options: Partial<Omit<FollowOptions<Line>, "sink" | "feed">> & { room?: number; wire?: Wire } = {},
  ) {
    const { room = Infinity, wire = lineWire, ...rest } = options;
    this.room = room;
    this.wire = wire;
    this.viewer = hub.follow(topic, { start: { kind: "latest" }, ...rest, feed: lineFeed, sink: this });
  }

  ready(): boolean {
    return this.room > 0 && !this.ended;
  }

  write(chunk: Chunk): void {
    this.room--;
    this.events.push(...chunk.text.split("\n").map((line) => JSON.parse(line)));
  }

  end(reason: EndReason): void {
    this.ended = true;
    this.endReason ??= reason;
  }

  /** Lets it take `writes` more. */
  give(writes: number): void {
    this.room = writes;
    this.viewer.wake();
  }

  /** Data of the events of that name so far. */
  // deno-lint-ignore no-explicit-any
  all(event: string): any[] {
    return this.events.filter((each) => each.event === event).map((each) => each.data);
  }

  /** Texts of the records so far. */
  get texts(): string[] {
    return this.all("record").map((line: Line) => line.text);
  }

  /** The id of the newest event that has one. */
  get lastId(): string {
    return this.events.findLast((each) => each.id !== null)!.id!;
  }

  /** Waits for the `nth` event of that name. */
  // deno-lint-ignore no-explicit-any
  async event(event: string, nth = 1): Promise<any> {
    return await eventually(
      `event ${event}`,
      () => this.all(event)[nth - 1],
      30_000,
      () => this.events.slice(-5),
    );
  }

  /** Waits for so many records. */
  async records(count: number): Promise<void> {
    const seen = () => `${this.texts.length} of ${count}, last ${JSON.stringify(this.events.at(-1))}`;
    await eventually(`${count} records`, () => this.texts.length >= count, 30_000, seen);
  }

  /** Fails unless it has every record of each partition once, in order, from `first` to the end of the newest. */
  checkWhole(ends: readonly number[], firsts: readonly number[] = ends.map(() => 0)): void {
    const next = [...firsts];
    for (const { partition, offset } of this.all("record") as Line[]) {
      assertEquals(offset, next[partition], `offset in partition ${partition}`);
      next[partition]!++;
    }
    assertEquals(next, ends);
  }

  /** Fails unless each record's id names it as the last of its partition, and no id goes back. */
  checkIds(): void {
    let before: readonly number[] = [];
    for (const { event, id, data } of this.events) {
      if (id === null) continue;
      const place = placeOf(id);
      if (event === "ready") before = [];
      if (event === "record") assertEquals(place[data.partition], data.offset + 1, id);
      before.forEach((next, partition) => assert((place[partition] ?? 0) >= next, `${id} goes back`));
      before = place;
    }
  }
}

/** The positions that an id stands for. */
export function placeOf(id: string): readonly number[] {
  const start = parseCursor(id);
  return start.kind === "id" ? start.positions : [];
}
