import { assertEquals, assertThrows } from "@std/assert";
import { type CsvColumns, MeasurementCsv } from "../../commands/measurement_csv.ts";
import { CommandError } from "../../commands/run.ts";

function read(text: string, columns: CsvColumns = {}) {
  return new MeasurementCsv("log.csv", columns).push(text, true);
}

const at = Date.UTC(2026, 0, 31, 12);
const good = (measurement: number, timeMs = at) => ({ measurement, timeMs });

Deno.test("MeasurementCsv finds the columns by the names of a record, of tailrace view, or by those it is told", () => {
  const time = "2026-01-31T12:00:00Z";
  assertEquals(read(`measurement,measurement_time\n1.5,${time}\n`), [good(1.5)]);
  assertEquals(read(`date,value,partition,offset\n${time},-3,0,7\n`), [good(-3)]);
  assertEquals(read(` time , value \n${time},1\n`), [good(1)]);
  assertEquals(read(`Date,VALUE,value\n${time},1,2\n`), [good(2)], "in any case, the exact one first");
  assertEquals(read(`Timestamp,Wind\n${time},1\n`, { value: "wind" }), [good(1)]);
  const told = { time: "Observed at", value: "temp (°C)" };
  assertEquals(read(`"temp (°C)",value,"Observed at"\n20,1,${time}\n`, told), [good(20)]);
  assertEquals(read(`a,value,c\n${time},1,20\n`, { time: "1", value: "3" }), [good(20)]);
});

Deno.test("MeasurementCsv takes columns by number from a file without a first line of names", () => {
  const columns = { time: "2", value: "1" };
  assertEquals(read("20,2026-01-31T12:00Z\n21,2026-01-31T12:00Z\n", columns), [good(20), good(21)]);
  assertEquals(read("temperature,when\n20,2026-01-31T12:00Z\n", columns), [good(20)]);
});

Deno.test("MeasurementCsv names the columns that are there when one is missing", () => {
  assertThrows(
    () => read("when,temp\n"),
    CommandError,
    'Cannot read log.csv: found columns "when", "temp", wanted measurement_time or date or time or timestamp (--time)',
  );
  assertThrows(() => read("date,temp\n", { value: "t" }), CommandError, "wanted t (--value)");
  assertThrows(() => read("date,temp\n", { value: "3" }), CommandError, "wanted 3 (--value)");
});

Deno.test("MeasurementCsv reads ISO 8601, days, and seconds and milliseconds since 1970, without a zone in UTC", () => {
  const cases: [text: string, timeMs: number][] = [
    ["2026-01-31T12:00:00.000Z", at],
    ["2026-01-31 12:00:00", at],
    ["2026-01-31T13:00+01:00", at],
    ["2026-01-31", Date.UTC(2026, 0, 31)],
    [String(at), at],
    [String(at / 1000), at],
    [`${at / 1000}.25`, at + 250],
  ];
  for (const [text, timeMs] of cases) assertEquals(read(`date,value\n${text},1\n`), [good(1, timeMs)], text);
});

Deno.test("MeasurementCsv reads decimal commas where commas are not between columns", () => {
  const time = "2026-01-31T12:00:00Z";
  assertEquals(read(`date;value\n${time};-2,5\n${time};2.5\n`), [good(-2.5), good(2.5)]);
  assertEquals(read(`date,value\n${time},"2,5"\n`), [{ line: 2, reason: 'found "2,5" as value' }]);
});

Deno.test("MeasurementCsv tells each line that holds no measurement, and reads the others", () => {
  const time = "2026-01-31T12:00:00Z";
  const lines = [
    "date,value",
    `${time},`,
    `${time},NaN`,
    `${time},Infinity`,
    `${time},1e999`,
    `${time},0x10`,
    `${time},1 2`,
    "31.01.2026,1",
    "2026-02-30,1",
    time,
    `${time},"1"x`,
    `${time}, 1e1 `,
    `${"9".repeat(50)},1`,
  ];
  assertEquals(read(lines.join("\n")), [
    { line: 2, reason: 'found "" as value' },
    { line: 3, reason: 'found "NaN" as value' },
    { line: 4, reason: 'found "Infinity" as value' },
    { line: 5, reason: 'found "1e999" as value' },
    { line: 6, reason: 'found "0x10" as value' },
    { line: 7, reason: 'found "1 2" as value' },
    { line: 8, reason: 'found "31.01.2026" as time' },
    { line: 9, reason: 'found "2026-02-30" as time' },
    { line: 10, reason: "found 1 cell" },
    { line: 11, reason: "found text behind a closing quote" },
    good(10),
    { line: 13, reason: `found "${"9".repeat(40)}…" as time` },
  ]);
});
