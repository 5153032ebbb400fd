import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { distinct, readTracks, TrackFileError } from "../../commands/geo_tracks.ts";

const fixture = (name: string) => Deno.readTextFileSync(new URL(`../fixtures/${name}`, import.meta.url));
const read = (value: unknown, fileName = "walk.geojson") => readTracks(JSON.stringify(value), fileName);
const at = (lon: number, lat: number, atMs: number | null = null) => ({ lat, lon, atMs });

Deno.test("readTracks() reads lines with their names and times, and names the rest after the file", () => {
  const may = Date.UTC(2024, 4, 1, 10);
  assertEquals(readTracks(fixture("two_lines.geojson"), "some/folder/two_lines.geojson"), [
    { name: "Linie A", points: [at(13.37, 52.51, may), at(13.38, 52.52, may + 1000)] },
    { name: "two_lines", points: [at(13.4, 52.5), at(13.41, 52.5), at(13.42, 52.5)] },
  ]);
});

Deno.test("readTracks() reads a bare geometry, a Feature, a GeometryCollection and lines of several parts", () => {
  const line = { type: "LineString", coordinates: [[1, 2], [3, 4]] };
  assertEquals(read(line), [{ name: "walk", points: [at(1, 2), at(3, 4)] }]);
  assertEquals(read({ type: "Feature", properties: { name: 7 }, geometry: line })[0]!.name, "7");
  assertEquals(read({ type: "Feature", properties: null, geometry: line })[0]!.name, "walk");
  const parts = { type: "MultiLineString", coordinates: [[[1, 2]], [[3, 4], [5, 6]]] };
  assertEquals(read(parts), [{ name: "walk", points: [at(1, 2), at(3, 4), at(5, 6)] }]);
  const both = read({ type: "GeometryCollection", geometries: [line, line] });
  assertEquals(both.map(({ name }) => name), ["walk", "walk 2"]);
});

Deno.test("readTracks() makes one track of the points of one name", () => {
  const point = (name: string | undefined, lon: number, time?: string) => ({
    type: "Feature",
    properties: { ...(name === undefined ? {} : { name }), ...(time === undefined ? {} : { time }) },
    geometry: { type: "Point", coordinates: [lon, 50] },
  });
  const features = [point("a", 1, "1970-01-01T00:00:01Z"), point("b", 2), point("a", 3), point(undefined, 4)];
  assertEquals(read({ type: "FeatureCollection", features }), [
    { name: "a", points: [at(1, 50, 1000), at(3, 50)] },
    { name: "b", points: [at(2, 50)] },
    { name: "walk", points: [at(4, 50)] },
  ]);
  assertEquals(read({ type: "MultiPoint", coordinates: [[1, 2], [3, 4]] })[0]!.points.length, 2);
});

Deno.test("readTracks() reads times wherever converters put them", () => {
  const points = (properties: unknown, type = "LineString") => {
    const coordinates = type === "LineString" ? [[1, 2], [3, 4]] : [[[1, 2], [3, 4]]];
    return read({ type: "Feature", properties, geometry: { type, coordinates } })[0]!.points.map(({ atMs }) =>
      atMs
    );
  };
  assertEquals(points({ times: [1000, 2000] }), [1000, 2000]);
  assertEquals(points({ coordTimes: ["1970-01-01T00:00:01Z", null] }), [1000, null]);
  assertEquals(points({ coordinateProperties: { times: [1, 2] } }), [1, 2]);
  assertEquals(points({ coordTimes: [[5, 6]] }, "MultiLineString"), [5, 6]);
});

Deno.test("readTracks() reads tracks and routes of GPX, and its waypoints only when there is nothing else", () => {
  const tracks = readTracks(fixture("ride.gpx"), "ride.gpx");
  const may = Date.UTC(2024, 4, 1, 16);
  assertEquals(tracks, [
    {
      name: "Feierabendrunde",
      points: [
        at(13.37, 52.51, may),
        at(13.372, 52.511, may + 2000),
        at(13.374, 52.512, may + 5000),
        at(13.376, 52.513, may + 6500),
      ],
    },
    { name: "Heimweg", points: [at(13.4, 52.52), at(13.41, 52.53)] },
  ]);
  const waypoints = `<gpx><wpt lat="1" lon="2"/><wpt lat="3" lon="4"/></gpx>`;
  assertEquals(readTracks(waypoints, "poi.gpx"), [{ name: "poi", points: [at(2, 1), at(4, 3)] }]);
});

Deno.test("readTracks() forgets the times of a GPX track where some points have none", () => {
  const gpx = `<gpx><trk><trkseg><trkpt lat="1" lon="1"><time>2024-05-01T00:00:00Z</time></trkpt>` +
    `<trkpt lat="2" lon="2"/></trkseg></trk></gpx>`;
  assertEquals(readTracks(gpx, "gaps.gpx"), [{ name: "gaps", points: [at(1, 1), at(2, 2)] }]);
});

Deno.test("readTracks() names the file, what it found and what it wanted", () => {
  const geometry = (value: unknown) => JSON.stringify(value);
  const feature = (value: unknown) => JSON.stringify({ type: "FeatureCollection", features: [value] });
  const cases: [text: string, found: string][] = [
    ["", "an empty file"],
    ["hello", "no JSON"],
    ["[]", "JSON without a type"],
    ["{}", "JSON without a type"],
    ["\u0000\u0001", "no JSON"],
    [geometry({ type: "Polygon", coordinates: [] }), '"Polygon"'],
    [geometry({ type: "LineString" }), "LineString without coordinates"],
    [geometry({ type: "LineString", coordinates: [] }), "no line and no point"],
    [geometry({ type: "LineString", coordinates: [[1, 2], [200, 2]] }), "[200,2] as coordinate 2"],
    [geometry({ type: "LineString", coordinates: [["1", "2"]] }), '["1","2"] as coordinate 1'],
    [geometry({ type: "Point", coordinates: [0, 90] }), "[0,90] as coordinate 1"],
    [geometry({ type: "MultiLineString", coordinates: [1] }), "no line at 1"],
    [geometry({ type: "FeatureCollection", features: [1] }), "FeatureCollection without features"],
    [feature({ type: "Feature" }), "Feature in feature 1 without geometry"],
    [
      feature({
        type: "Feature",
        properties: { times: [1] },
        geometry: { type: "LineString", coordinates: [[1, 2], [3, 4]] },
      }),
      "1 times for 2 coordinates in feature 1",
    ],
    [
      feature({
        type: "Feature",
        properties: { times: ["noon"] },
        geometry: { type: "LineString", coordinates: [[1, 2]] },
      }),
      '"noon" as time 1 in feature 1',
    ],
    [
      feature({
        type: "Feature",
        properties: { name: "x".repeat(201) },
        geometry: { type: "Point", coordinates: [1, 2] },
      }),
      "the name",
    ],
    ["<kml/>", "XML of <kml>"],
    ["<gpx><trk></gpx>", "broken XML"],
    ["<gpx/>", "no line and no point"],
    ['<!DOCTYPE g [<!ENTITY a "b">]><gpx>&a;</gpx>', "broken XML"],
  ];
  for (const [text, found] of cases) {
    const { message } = assertThrows(() => readTracks(text, "bad/file.x"), TrackFileError);
    assertStringIncludes(message, `Cannot read bad/file.x: found ${found}`, text);
    assertStringIncludes(message, ", wanted ", text);
    assert(!message.includes("\n") && message.length < 250, message);
  }
});

Deno.test("distinct() numbers names that come again", () => {
  const tracks = ["bus", "bus", "bus 2", "tram"].map((name) => ({ name, points: [at(0, 0)] }));
  assertEquals(distinct(tracks).map(({ name }) => name), ["bus", "bus 2", "bus 2 2", "tram"]);
});
