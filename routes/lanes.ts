/** Several streams on one connection: each is a lane, and all share the connection's backpressure.
 *
 * A lane is a sink that holds one write at most, so a stalled connection costs no more than its streams would cost on connections of
 * their own. What waits leaves in the order in which it came: a lane whose write has left goes to the end of the queue, so that a
 * busy stream never keeps the others back. Left out: how events look on the connection (multiplex.ts, socket_streams.ts).
 * @module */
import { defineWire, type Wire } from "../kafka/feed.ts";
import { type Chunk, chunkCharacters } from "../kafka/ring.ts";
import type { EndReason, Sink, Viewer } from "../kafka/viewer.ts";

// Characters that JSON holds only as escapes, and that ids and names do not hold at all.
const eventEnd = "\x1e", fieldEnd = "\x1f";

/** Events that name no stream yet: their texts are shared between connections, each of which says in its own way what is whose. */
export const laneWire = defineWire(
  eventEnd,
  (name, json, id) => `${name}${fieldEnd}${id ?? ""}${fieldEnd}${json}`,
);

/** One event of `laneWire`. */
export interface LaneEvent {
  readonly name: string;
  /** Empty when there is none. */
  readonly id: string;
  readonly json: string;
}

/** The events of a text of `laneWire`. */
export function laneEvents(text: string): LaneEvent[] {
  return text.split(eventEnd).map((event) => {
    const [name, id, json] = event.split(fieldEnd) as [string, string, string];
    return { name, id, json };
  });
}

/** What one lane puts into a write. */
export interface LanePart {
  readonly lane: Lane;
  /** Empty when there are bytes. */
  readonly text: string;
  /** One event of a wire of bytes, a message of its own. */
  readonly binary?: Uint8Array;
}

/** Characters and bytes that may wait on a connection before its lanes put nothing more there. */
export const maxWaiting = 1024 * 1024;

/** The connection under the lanes. */
export interface Trunk {
  readonly transport: Sink["transport"];
  /** Whether it takes another write; when it does again, `Lanes.room` is to be called. */
  ready(): boolean;
  write(parts: readonly LanePart[]): void;
}

/** The lanes of a connection. */
export class Lanes {
  readonly #trunk: Trunk;
  readonly #lanes = new Set<Lane>();
  #queue: LanePart[] = [];

  constructor(trunk: Trunk) {
    this.#trunk = trunk;
  }

  get size(): number {
    return this.#lanes.size;
  }

  /** Whether nothing waits to be written. */
  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  /** Adds a lane, which `open` then feeds.
   * @param onEnd the server ends its stream; whatever it wrote before has left by then */
  add(wire: Wire, onEnd: (reason: EndReason) => void): Lane {
    const lane: Lane = new Lane(wire, this.#trunk.transport, {
      mayWrite: () => !this.#waits(lane) && (this.#lanes.size > 1 ? this.#hasRoom() : this.#trunk.ready()),
      write: ({ text, binary }) => {
        const part = { lane, text, ...(binary && { binary }) };
        if (this.#lanes.size === 1 && this.isEmpty) return this.#trunk.write([part]);
        this.#queue.push(part);
        this.#flush();
      },
      end: (reason) => {
        this.#flush(true);
        this.#lanes.delete(lane);
        onEnd(reason);
      },
    });
    this.#lanes.add(lane);
    return lane;
  }

  /** Ends a lane; what it has written and has not left is dropped. */
  remove(lane: Lane): void {
    this.#lanes.delete(lane);
    this.#queue = this.#queue.filter((part) => part.lane !== lane);
    lane.close();
  }

  /** The connection takes more. */
  room(): void {
    this.#flush();
    for (const lane of [...this.#lanes]) {
      if (!lane.ready()) continue;
      // Who is asked first writes first: next time it is somebody else.
      if (this.#lanes.delete(lane)) this.#lanes.add(lane);
      lane.viewer?.wake();
    }
  }

  /** Ends all lanes. */
  close(): void {
    this.#queue = [];
    for (const lane of [...this.#lanes]) this.remove(lane);
  }

  #waits(lane: Lane): boolean {
    return this.#queue.some((part) => part.lane === lane);
  }

  /** Pictures are large: of so many lanes not each may have one waiting. */
  #hasRoom(): boolean {
    return this.#queue.reduce((sum, part) => sum + lengthOf(part), 0) < maxWaiting;
  }

  /** Writes what waits, in order, several lanes in one write.
   * @param all whether there is room or not, since the end comes */
  #flush(all = false): void {
    while (this.#queue.length > 0 && (this.#trunk.ready() || all)) {
      let count = 0, length = 0;
      while (count < this.#queue.length && length < chunkCharacters) {
        length += lengthOf(this.#queue[count++]!);
      }
      this.#trunk.write(this.#queue.splice(0, count));
    }
  }
}

function lengthOf({ text, binary }: LanePart): number {
  return binary?.length ?? text.length;
}

/** What a lane has of its connection. */
interface LaneEnd {
  mayWrite(): boolean;
  write(chunk: Chunk): void;
  end(reason: EndReason): void;
}

/** One stream of a connection. */
export class Lane implements Sink {
  readonly wire: Wire;
  readonly transport: Sink["transport"];
  /** Events are held back. */
  isPaused = false;
  viewer: Viewer | undefined;
  readonly #connection: LaneEnd;
  #isClosed = false;

  constructor(wire: Wire, transport: Sink["transport"], connection: LaneEnd) {
    this.wire = wire;
    this.transport = transport;
    this.#connection = connection;
  }

  /** Lets `follow` feed it. */
  open(follow: () => Viewer): void {
    this.viewer = follow();
    if (this.#isClosed) this.viewer.close(); // its end was known at once
  }

  ready(): boolean {
    return !this.#isClosed && !this.isPaused && this.#connection.mayWrite();
  }

  write(chunk: Chunk): void {
    if (!this.#isClosed) this.#connection.write(chunk);
  }

  end(reason: EndReason): void {
    if (this.#isClosed) return;
    this.close();
    this.#connection.end(reason);
  }

  close(): void {
    this.#isClosed = true;
    this.viewer?.close();
  }
}
