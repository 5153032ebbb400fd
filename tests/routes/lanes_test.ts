import { assert, assertEquals } from "@std/assert";
import { chunkCharacters, chunkOf } from "../../kafka/ring.ts";
import type { EndReason, Viewer } from "../../kafka/viewer.ts";
import {
  type Lane,
  laneEvents,
  type LanePart,
  Lanes,
  laneWire,
  maxWaiting,
  type Trunk,
} from "../../routes/lanes.ts";

/** A connection that takes as many writes as it is given room for. */
class TestTrunk implements Trunk {
  readonly transport = "sse";
  readonly writes: string[] = [];
  room = 0;

  ready(): boolean {
    return this.room > 0;
  }

  write(parts: readonly LanePart[]): void {
    this.room--;
    this.writes.push(parts.map(({ text, binary }) => binary ? `[${binary.length}]` : text).join("+"));
  }
}

/** Something that always has more to write, as a viewer with a long past has. */
class Busy {
  readonly lane: Lane;
  #written = 0;
  isClosed = false;

  constructor(lanes: Lanes, readonly name: string, readonly length = 40_000, onEnd = (_: EndReason) => {}) {
    this.lane = lanes.add(laneWire, onEnd);
    this.lane.open(() => {
      this.wake();
      return this as unknown as Viewer;
    });
  }

  wake(): void {
    while (this.lane.ready()) {
      this.lane.write(chunkOf((this.name + this.#written++).padEnd(this.length, ".")));
    }
  }

  close(): void {
    this.isClosed = true;
  }
}

/** Which lanes wrote, in order. */
function order(trunk: TestTrunk): string {
  return trunk.writes.map((text) => text.split("+").map((part) => part[0]).join("")).join(" ");
}

function give(trunk: TestTrunk, lanes: Lanes, times: number): void {
  for (let i = 0; i < times; i++) {
    trunk.room = 1;
    lanes.room();
  }
}

Deno.test("Lanes lets every lane write as often as the others, however busy they are", () => {
  const trunk = new TestTrunk(), lanes = new Lanes(trunk);
  const names = ["a", "b", "c", "d"];
  for (const name of names) new Busy(lanes, name);
  give(trunk, lanes, 40);
  for (const name of names) {
    const count = trunk.writes.filter((text) => text.startsWith(name)).length;
    assert(count >= 9 && count <= 11, `${name} wrote ${count} of 40 times: ${order(trunk)}`);
    const own = trunk.writes.filter((text) => text.startsWith(name)).map((text) => parseInt(text.slice(1)));
    assertEquals(own, own.map((_, i) => i), "in its own order");
  }
});

Deno.test("Lanes joins what is short into one write", () => {
  const trunk = new TestTrunk(), lanes = new Lanes(trunk);
  for (const name of ["a", "b", "c"]) new Busy(lanes, name, Math.floor(chunkCharacters / 3));
  give(trunk, lanes, 4);
  assertEquals(order(trunk).split(" ").slice(1).map((parts) => parts.length), [3, 3, 3]);
});

Deno.test("Lanes holds one write of a lane while the connection takes none, and none of a lane that is alone", () => {
  const trunk = new TestTrunk(), lanes = new Lanes(trunk);
  const alone = new Busy(lanes, "a");
  assert(lanes.isEmpty && !alone.lane.ready());
  const others = [new Busy(lanes, "b"), new Busy(lanes, "c")];
  for (const { lane } of others) assert(!lane.ready());
  assert(!lanes.isEmpty);
  trunk.room = 100;
  lanes.room();
  assertEquals(trunk.room, 0);
});

Deno.test("Lanes.remove() drops what a lane has written and what has not left", () => {
  const trunk = new TestTrunk(), lanes = new Lanes(trunk);
  const [a, b] = [new Busy(lanes, "a"), new Busy(lanes, "b")];
  a.wake();
  lanes.remove(b.lane);
  assert(b.isClosed && !b.lane.ready());
  give(trunk, lanes, 3);
  assertEquals(order(trunk), "a a a");
});

Deno.test("Lane.end() tells the connection once what was written has left, room or not", () => {
  const trunk = new TestTrunk(), lanes = new Lanes(trunk);
  const ends: string[] = [];
  const onEnd = (reason: EndReason) => void ends.push(`${reason} after ${trunk.writes.length}`);
  new Busy(lanes, "a");
  const b = new Busy(lanes, "b", 40_000, onEnd);
  b.lane.write(chunkOf("end"));
  b.lane.end("done");
  b.lane.end("failed");
  assertEquals(ends, ["done after 2"]);
  assert(b.isClosed);
  assertEquals(lanes.size, 1);
});

Deno.test("a lane that is paused writes nothing until it is not", () => {
  const trunk = new TestTrunk(), lanes = new Lanes(trunk);
  const [a] = [new Busy(lanes, "a"), new Busy(lanes, "b")];
  give(trunk, lanes, 2);
  trunk.writes.length = 0;
  a.lane.isPaused = true;
  give(trunk, lanes, 6);
  assert(trunk.writes.filter((text) => text.startsWith("a")).length <= 1, order(trunk));
  a.lane.isPaused = false;
  trunk.writes.length = 0;
  give(trunk, lanes, 6);
  assert(trunk.writes.filter((text) => text.startsWith("a")).length >= 2, order(trunk));
});

Deno.test("laneWire keeps every event whole, whatever its data holds", () => {
  const data = { text: 'a\x1eb\x1fc\n"\u2028\0', id: "" };
  const texts = [
    laneWire.event("record", JSON.stringify(data), "v1.00000000.0:1"),
    laneWire.event("status", "{}", null),
  ];
  assertEquals(laneEvents(texts.join(laneWire.separator!)), [
    { name: "record", id: "v1.00000000.0:1", json: JSON.stringify(data) },
    { name: "status", id: "", json: "{}" },
  ]);
});

Deno.test("Lanes keeps bytes and texts of a lane in order, and texts apart from bytes", () => {
  const trunk = new TestTrunk(), lanes = new Lanes(trunk);
  const [a, b] = [lanes.add(laneWire, () => {}), lanes.add(laneWire, () => {})];
  for (const lane of [a, b]) lane.write(chunkOf("ready"));
  a.write(chunkOf(new Uint8Array(40_000)));
  b.write(chunkOf("gap"));
  a.write(chunkOf(new Uint8Array(50_000)));
  a.write(chunkOf("end"));
  assert(!a.ready() && !b.ready());
  give(trunk, lanes, 3);
  assertEquals(trunk.writes, ["ready+ready+[40000]", "gap+[50000]", "end"]);
});

Deno.test("Lanes holds no more than so many bytes of all lanes together, and serves each in turn", () => {
  const trunk = new TestTrunk(), lanes = new Lanes(trunk);
  const picture = new Uint8Array(maxWaiting / 2), names = ["a", "b", "c", "d", "e"];
  const pictures = names.map(() => 0);
  const busy = names.map((_, n) => {
    const lane = lanes.add(laneWire, () => {});
    const wake = () => {
      while (lane.ready()) {
        lane.write(chunkOf(picture));
        pictures[n]!++;
      }
    };
    lane.open(() => ({ wake, close() {} }) as unknown as Viewer);
    return { lane, wake };
  });
  for (const { wake } of busy) wake();
  assertEquals(pictures, [1, 1, 0, 0, 0]);
  give(trunk, lanes, 50);
  assertEquals(trunk.writes.length, 50);
  assertEquals(Math.max(...pictures) - Math.min(...pictures) <= 1, true, `${pictures}`);
});
