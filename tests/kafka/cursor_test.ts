import { assert, assertEquals, assertThrows } from "@std/assert";
import { clusterHash, endCursor, formatCursor, parseCursor, reaches } from "../../kafka/cursor.ts";
import { Random } from "../random.ts";

const cluster = "0a1b2c3d";

Deno.test("clusterHash() is FNV-1a of the id's UTF-8, in 8 hex digits", () => {
  assertEquals(clusterHash(""), "811c9dc5"); // the offset basis
  assertEquals(clusterHash("a"), "e40c292c"); // published test vectors of FNV-1a, 32 bits
  assertEquals(clusterHash("foobar"), "bf9cf968");
  assertEquals(clusterHash("größe").length, 8);
});

Deno.test("formatCursor() names the last offset of every partition, −1 for none", () => {
  assertEquals(formatCursor(cluster, [1, 0, 43]), "v1.0a1b2c3d.0:0,1:-1,2:42");
});

Deno.test("formatCursor() of a topic that is not there is an id all the same", () => {
  const id = formatCursor(cluster, []);
  assertEquals(id, "v1.0a1b2c3d.0:-1");
  assertEquals(parseCursor(id), { kind: "id", text: id, cluster, positions: [0] });
});

Deno.test("parseCursor() reads latest, earliest and times", () => {
  assertEquals(parseCursor("latest"), { kind: "latest" });
  assertEquals(parseCursor("earliest"), { kind: "earliest" });
  assertEquals(parseCursor("t.0"), { kind: "time", ms: 0 });
  assertEquals(parseCursor("t.1700000000123"), { kind: "time", ms: 1_700_000_000_123 });
});

Deno.test("parseCursor() gives partitions that an id leaves out nothing delivered", () => {
  const text = `v1.${cluster}.1:4,3:-1`;
  assertEquals(parseCursor(text), { kind: "id", text, cluster, positions: [0, 5, 0, 0] });
});

Deno.test("parseCursor() refuses whatever is no cursor, in one line that shows it", () => {
  const wrong = [
    "",
    " ",
    "LATEST",
    "latest ",
    "t.",
    "t.-1",
    "t.1.5",
    "t.1e3",
    "t.1234567890123456", // no time in ms
    "v1",
    "v1.",
    `v1.${cluster}`,
    `v1.${cluster}.`,
    `v1.${cluster}.0`,
    `v1.${cluster}.0:`,
    `v1.${cluster}.:0`,
    `v1.${cluster}.0:1,`,
    `v1.${cluster}.,0:1`,
    `v1.${cluster}.0:1,,1:1`,
    `v1.${cluster}.0:-2`,
    `v1.${cluster}.-1:0`,
    `v1.${cluster}.0:1.5`,
    `v1.${cluster}.0:1e3`,
    `v1.${cluster}.0:1 `,
    `v1.${cluster}.0:1\n`,
    `v1.${cluster}.0:1\nid: forged`,
    `v1.0A1B2C3D.0:1`,
    `v1.0a1b2c3.0:1`,
    `v1.0a1b2c3d4.0:1`,
    `v2.${cluster}.0:1`,
    `v1.${cluster}.1:0,0:0`, // out of order
    `v1.${cluster}.0:0,0:1`, // twice
    `v1.${cluster}.0:9007199254740991`, // the next offset would not be exact
    `v1.${cluster}.0:99999999999999999999`,
    `v1.${cluster}.10000:0`, // more partitions than there can be
    `v1.${cluster}.99999999999:0`,
    `v1.${cluster}.${Array.from({ length: 5_000 }, (_, p) => `${p}:1`).join(",")}`, // too long
    "x".repeat(1_000_000),
  ];
  for (const text of wrong) {
    const { message } = assertThrows(() => parseCursor(text), SyntaxError, "Cannot read cursor");
    assert(message.length < 250 && !message.includes("\n"), message);
  }
});

Deno.test("parseCursor() reads back whatever formatCursor() wrote", () => {
  const random = new Random("cursors");
  for (let n = 0; n < 2_000; n++) {
    const positions = Array.from({ length: random.between(1, 40) }, () => {
      const digits = random.between(0, 15);
      return digits === 0 ? 0 : random.between(0, 2 ** 31) * 10 ** Math.max(0, digits - 10);
    });
    const hash = clusterHash(String(random.between(0, 2 ** 31)));
    const text = formatCursor(hash, positions);
    assertEquals(parseCursor(text), { kind: "id", text, cluster: hash, positions });
  }
});

Deno.test("parseCursor() reads the ids of 1,000 partitions with long offsets", () => {
  const positions = Array.from({ length: 1_000 }, (_, partition) => 10 ** 12 + partition);
  const start = parseCursor(formatCursor(cluster, positions));
  assertEquals(start.kind === "id" && start.positions, positions);
});

Deno.test("reaches() holds partitions that only one side knows against 0", () => {
  assert(reaches([], []));
  assert(reaches([], [0, 0]));
  assert(!reaches([], [0, 1]));
  assert(reaches([5], []));
  assert(reaches([5, 1], [5]));
  assert(reaches([5, 1], [4, 1]));
  assert(!reaches([5, 1], [4, 2]));
  assert(!reaches([5], [5, 1]));
});

Deno.test("parseCursor() knows the id of an end, which is a place like any other", () => {
  const id = formatCursor("0a1b2c3d", [5, 0]);
  assertEquals(parseCursor(endCursor(id)), {
    kind: "id",
    text: `${id}.end`,
    cluster: "0a1b2c3d",
    positions: [5, 0],
    ended: true,
  });
});
