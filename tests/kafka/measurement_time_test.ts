import { assertEquals } from "@std/assert";
import { parseMeasurementTime } from "../../kafka/measurement_time.ts";
import { Random } from "../random.ts";

const taken: Readonly<Record<string, string>> = {
  "2026-05-17T09:30:00Z": "2026-05-17T09:30:00.000Z",
  "2026-05-17T09:30:00.123Z": "2026-05-17T09:30:00.123Z",
  // datetime.datetime.now().isoformat() of Python, with and without microseconds
  "2026-05-17T09:30:00.123456": "2026-05-17T09:30:00.123Z",
  "2026-05-17T09:30:00": "2026-05-17T09:30:00.000Z",
  // str() of Python's datetime, in UTC
  "2026-05-17 09:30:00.5+00:00": "2026-05-17T09:30:00.500Z",
  "2026-05-17T09:30:00.999999999Z": "2026-05-17T09:30:00.999Z",
  "2026-05-17T09:30:00,05Z": "2026-05-17T09:30:00.050Z",
  "2026-05-17T09:30:00+02:00": "2026-05-17T07:30:00.000Z",
  "2026-05-17T09:30:00-0530": "2026-05-17T15:00:00.000Z",
  "2026-05-17 00:30:00+01": "2026-05-16T23:30:00.000Z",
  "2026-05-17t09:30:00z": "2026-05-17T09:30:00.000Z",
  "2026-05-17T09:30": "2026-05-17T09:30:00.000Z",
  "2026-05-17T09:30Z": "2026-05-17T09:30:00.000Z",
  "2024-02-29T23:59:59Z": "2024-02-29T23:59:59.000Z",
  "2000-02-29T00:00:00Z": "2000-02-29T00:00:00.000Z",
  "1969-12-31T23:59:59.999Z": "1969-12-31T23:59:59.999Z",
  "0001-01-01T00:00:00Z": "0001-01-01T00:00:00.000Z",
  "9999-12-31T23:59:59.9999Z": "9999-12-31T23:59:59.999Z",
};

const refused = [
  "",
  "2026-05-17",
  "09:30:00",
  "1700000000",
  "yesterday at ten o'clock",
  "2026-13-01T00:00:00Z",
  "2026-00-01T00:00:00Z",
  "2026-02-29T00:00:00Z",
  "1900-02-29T00:00:00Z",
  "2026-04-31T00:00:00Z",
  "2026-05-00T00:00:00Z",
  "2026-05-17T24:00:00Z",
  "2026-05-17T09:60:00Z",
  "2026-05-17T09:30:60Z",
  "2026-05-17T09:30:00.Z",
  "2026-05-17T09:30:00.1.2Z",
  "2026-05-17T09:30:00 Z",
  "2026-05-17T09:30:00Z ",
  " 2026-05-17T09:30:00Z",
  "2026-05-17T09:30:00+24:00",
  "2026-05-17T09:30:00+02:60",
  "2026-05-17T09:30:00+2:00",
  "2026-05-17T09:30:00+02-00",
  "2026-05-17T09:30:00+02:00Z",
  "2026-05-17T09:30:00 Europe/Paris",
  "2026/05/17T09:30:00Z",
  "2026-05-17T09.30.00Z",
  "2026-05-17X09:30:00Z",
  "2026-5-17T09:30:00Z",
  "20260517T093000Z00",
  "0000-12-31T23:59:59Z",
  "+010000-01-01T00:00:00Z",
  "-000001-01-01T00:00:00Z",
  // outside the years when in UTC
  "0001-01-01T00:00:00+01:00",
  "9999-12-31T23:59:59-01:00",
  "２０２６-05-17T09:30:00Z",
  `2026-05-17T09:30:00.${"1".repeat(60)}Z`,
];

for (const [text, wanted] of Object.entries(taken)) {
  Deno.test(`parseMeasurementTime() takes ${text}`, () => {
    const ms = parseMeasurementTime(text);
    assertEquals(ms === null ? null : new Date(ms).toISOString(), wanted);
  });
}

Deno.test("parseMeasurementTime() refuses what is no date with a time", () => {
  for (const text of refused) assertEquals(parseMeasurementTime(text), null, text);
});

Deno.test("parseMeasurementTime() is Date.parse where that is sure, in all years", () => {
  const random = new Random("measurement times");
  const first = Date.parse("0001-01-01T00:00:00Z"),
    days = (Date.parse("9999-12-31T00:00:00Z") - first) / 864e5;
  const check = (ms: number) => {
    const text = new Date(ms).toISOString();
    assertEquals(parseMeasurementTime(text), ms, text);
  };
  for (let i = 0; i < 100_000; i++) {
    check(first + random.between(0, days) * 864e5 + random.between(0, 864e5 - 1));
  }
  // every day of four centuries, which the calendar repeats
  for (let day = 0; day < 146_097; day++) check(Date.UTC(1800, 0, 1 + day));
});

Deno.test("parseMeasurementTime() answers to any text of the signs of a time", () => {
  const random = new Random("texts like times");
  const signs = "0123456789-:T.Z+ ,z";
  for (let i = 0; i < 100_000; i++) {
    const text = [..."2026-05-17T09:30:00.123+02:00"];
    for (let wrong = random.between(1, 3); wrong > 0; wrong--) {
      text[random.between(0, text.length - 1)] = signs[random.between(0, signs.length - 1)]!;
    }
    const ms = parseMeasurementTime(text.join(""));
    if (ms !== null) assertEquals(parseMeasurementTime(new Date(ms).toISOString()), ms, text.join(""));
  }
});
