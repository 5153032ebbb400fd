import { assertEquals, assertThrows } from "@std/assert";
import { StreamError } from "../../errors.ts";
import { readWhere } from "../../kafka/record_filter.ts";
import { RecordView } from "../../kafka/record_view.ts";

const encoder = new TextEncoder();

function holds(value: unknown, ...conditions: string[]): boolean {
  const bytes = value === null
    ? null
    : encoder.encode(typeof value === "string" ? value : JSON.stringify(value));
  const record = { partition: 0, offset: 0, timestamp: 0, key: null, value: bytes, headers: {} };
  return readWhere(conditions)!(new RecordView("t", record), record);
}

const bus = {
  name: "bus 4",
  speed: 50,
  on: true,
  stop: null,
  vehicle: { doors: 3, kind: "a=b" },
  stops: [{ name: "Hafen" }, { name: "Dom" }],
  "": { "": 1 },
};

Deno.test("readWhere() compares what a dotted path leads to", () => {
  const met = [
    "name=bus 4",
    "name!=bus",
    "name~us",
    "speed=50",
    "speed=50.0",
    "speed>49.9",
    "speed<51",
    "speed>=50",
    "speed<=50",
    "speed~5",
    "on=true",
    "stop=null",
    "vehicle.doors=3",
    "vehicle.doors>2",
    "vehicle.kind=a=b",
    "stops.1.name=Dom",
    "stops.length=2",
    "missing!=x",
    "vehicle!=x",
    ".=1",
  ];
  for (const condition of met) assertEquals(holds(bus, condition), true, condition);
  const unmet = [
    "name=bus",
    "name!=bus 4",
    "name~BUS",
    "name>1",
    "speed>50",
    "speed<50",
    "speed=",
    "speed=5",
    "missing=undefined",
    "missing=",
    "missing<1",
    "missing~",
    "vehicle=[object Object]",
    "vehicle~o",
    "toString~f",
    "vehicle.doors.x=1",
    "name.length=5",
    "stops.2.name=x",
    "=1",
  ];
  for (const condition of unmet) assertEquals(holds(bus, condition), false, condition);
});

Deno.test("readWhere() takes values that are no objects, and needs every condition to hold", () => {
  assertEquals(holds("an error here", "~error"), true);
  assertEquals(holds("an error here", "=an error here"), true);
  assertEquals(holds("7", ">6"), true);
  assertEquals(holds("7", "=7"), true);
  assertEquals(holds(null, "=null"), true);
  assertEquals(holds(null, "a=1"), false);
  assertEquals(holds("", "="), true);
  assertEquals(holds(bus, "speed>1", "name~bus"), true);
  assertEquals(holds(bus, "speed>1", "name~tram"), false);
  assertEquals(readWhere([]), undefined);
});

Deno.test("readWhere() refuses what is no condition", () => {
  const wrong = ["", "name", "speed>", "speed>fast", "speed< ", "speed>NaN", "a".repeat(1000)];
  for (const conditions of [...wrong.map((text) => [text]), Array(33).fill("a=1")]) {
    const { code, status, message } = assertThrows(() => readWhere(conditions), StreamError);
    assertEquals([code, status, message.length < 300], ["invalid-where", 400, true]);
  }
});
