/** Reads GeoJSON and GPX as tracks: who was where, in order, and when, if the file says so.
 *
 * GeoJSON: a FeatureCollection, a Feature or a geometry; lines are tracks, points of one name are one track
 * in file order. The name is `properties.name`, else the file's; times are `properties.times`, `coordTimes`
 * or `coordinateProperties.times`, for a point `time` or `timestamp`. GPX: tracks and routes, or, when there
 * are none, its waypoints. Left out: areas, heights, KML and TCX.
 * @see {@link https://www.rfc-editor.org/rfc/rfc7946} @see {@link https://www.topografix.com/GPX/1/1/}
 * @module */
import { gpx } from "@tmcw/togeojson";
import { DOMParser, ParseError } from "@xmldom/xmldom";
import { PositionInput } from "../kafka/topics.ts";

/** A place; degrees (WGS 84). `atMs`: ms since the epoch, null when the file has no times. */
export interface TrackPoint {
  readonly lat: number;
  readonly lon: number;
  readonly atMs: number | null;
}

/** What one name did; at least one point. */
export interface Track {
  readonly name: string;
  readonly points: readonly TrackPoint[];
}

/** A file that is no track file: the message is one line, with the file, what was found and what is wanted. */
export class TrackFileError extends Error {
  override readonly name = "TrackFileError";
}

type Json = Record<string, unknown>;
/** Makes the error for a place in a file. */
type Refuse = (found: string, wanted: string) => TrackFileError;

/** Reads a file's text, which may be GeoJSON or GPX.
 * @param fileName for messages, and, without its folder and ending, the name of what the file leaves unnamed
 * @returns at least one track, names unique
 * @throws {TrackFileError} */
export function readTracks(text: string, fileName: string): Track[] {
  const refuse: Refuse = (found, wanted) =>
    new TrackFileError(`Cannot read ${fileName}: found ${found}, wanted ${wanted}`);
  const trimmed = text.replace(/^\uFEFF/, "").trimStart();
  const root = trimmed.startsWith("<") ? parseGpx(trimmed, refuse) : parseJson(trimmed, refuse);
  const base = fileName.replace(/^.*[/\\]/, "").replace(/\.[^.]*$/, "") || fileName;
  const tracks = collect(root, base, refuse);
  if (tracks.length === 0) throw refuse("no line and no point", "at least one LineString or Point");
  for (const { name } of tracks) {
    const parsed = PositionInput.shape.name.safeParse(name);
    if (!parsed.success) {
      throw refuse(
        `the name ${JSON.stringify(shorten(name))}`,
        `1 to 200 characters (${parsed.error.issues[0]?.message})`,
      );
    }
  }
  return tracks;
}

/** Gives tracks of several files different names: the second `bus` becomes `bus 2`. */
export function distinct(tracks: readonly Track[]): Track[] {
  const taken = new Set<string>();
  return tracks.map((track) => {
    let name = track.name;
    for (let n = 2; taken.has(name); n++) name = `${track.name} ${n}`;
    taken.add(name);
    return { ...track, name };
  });
}

function parseJson(text: string, refuse: Refuse): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const found = text === "" ? "an empty file" : `no JSON (${oneLine((error as Error).message)})`;
    throw refuse(found, "GeoJSON or GPX");
  }
  if (!isObject(value) || typeof value.type !== "string") {
    throw refuse("JSON without a type", "GeoJSON or GPX");
  }
  return value;
}

function parseGpx(text: string, refuse: Refuse): Json {
  let problem: string | undefined;
  try {
    const onError = (level: string, message: string) => {
      if (level === "warning") return;
      problem ??= message;
      throw new ParseError(message);
    };
    const document = new DOMParser({ onError }).parseFromString(text, "text/xml");
    const root = document.documentElement?.localName;
    if (root !== "gpx") throw refuse(`XML of <${root}>`, "GeoJSON or GPX");
    const features: Json[] = gpx(document).features.map((feature) => ({ ...feature }));
    const lines = features.filter((feature) => (feature.geometry as Json).type !== "Point");
    for (const line of lines) dropPartTimes(line);
    // Beside a track, waypoints are places of interest that nobody moved to.
    return { type: "FeatureCollection", features: lines.length > 0 ? lines : features };
  } catch (error) {
    if (error instanceof TrackFileError) throw error;
    throw refuse(`broken XML (${oneLine(problem ?? (error as Error).message)})`, "GeoJSON or GPX");
  }
}

/** Forgets the times of a line where some points have none: the converter lists only those that are there. */
function dropPartTimes(feature: Json): void {
  const { type, coordinates } = feature.geometry as { type: string; coordinates: unknown[][] };
  const properties = feature.properties as Json;
  const times = timesOf(properties, false);
  const fits = (list: unknown, line: unknown[]) => Array.isArray(list) && list.length === line.length;
  const isWhole = type === "MultiLineString"
    ? Array.isArray(times) && coordinates.every((line, i) => fits(times[i], line))
    : fits(times, coordinates);
  if (!isWhole) delete properties.coordinateProperties;
}

/** A geometry with what its feature says about it. */
interface Part {
  readonly geometry: Json;
  readonly properties: Json;
  /** Where in the file, for messages. */
  readonly place: string;
}

function collect(root: Json, base: string, refuse: Refuse): Track[] {
  const lines: { name: string | null; points: TrackPoint[] }[] = [];
  const byName = new Map<string, TrackPoint[]>();
  const append = (name: string, points: TrackPoint[]) => {
    const before = byName.get(name);
    if (before) { for (const point of points) before.push(point); }
    else {
      byName.set(name, points);
      lines.push({ name, points });
    }
  };
  for (const part of geometries(root, "", refuse)) {
    const name = nameOf(part.properties);
    const points = pointsOf(part, refuse);
    if (points.length === 0) continue;
    if (name !== null) append(name, points);
    else if (String(part.geometry.type).endsWith("Point")) append(base, points);
    else lines.push({ name: null, points });
  }
  return distinct(lines.map(({ name, points }) => ({ name: name ?? base, points })));
}

/** Walks down to the geometries; a feature without one is passed over, as the standard has it. */
function* geometries(node: Json, place: string, refuse: Refuse, properties: Json = {}): Generator<Part> {
  const at = place === "" ? "" : ` in ${place}`;
  const children = (list: unknown, what: string): Json[] => {
    if (!Array.isArray(list) || !list.every(isObject)) {
      throw refuse(`${node.type}${at} without ${what}`, `an array of ${what}`);
    }
    return list;
  };
  switch (node.type) {
    case "FeatureCollection":
      for (const [i, feature] of children(node.features, "features").entries()) {
        yield* geometries(feature, `feature ${i + 1}`, refuse);
      }
      break;
    case "Feature":
      if (node.geometry === null) break;
      if (!isObject(node.geometry)) throw refuse(`Feature${at} without geometry`, "a geometry or null");
      yield* geometries(node.geometry, place, refuse, isObject(node.properties) ? node.properties : {});
      break;
    case "GeometryCollection":
      for (const geometry of children(node.geometries, "geometries")) {
        yield* geometries(geometry, place, refuse, properties);
      }
      break;
    case "Point":
    case "MultiPoint":
    case "LineString":
    case "MultiLineString":
      yield { geometry: node, properties, place };
      break;
    default:
      throw refuse(
        `${JSON.stringify(shorten(String(node.type)))}${at}`,
        "Point, MultiPoint, LineString, MultiLineString",
      );
  }
}

function pointsOf({ geometry, properties, place }: Part, refuse: Refuse): TrackPoint[] {
  const { type, coordinates } = geometry;
  const at = place === "" ? "" : ` in ${place}`;
  const isArray = Array.isArray(coordinates);
  if (!isArray) throw refuse(`${type}${at} without coordinates`, "an array of coordinates");
  const times = timesOf(properties, type === "Point");
  if (type === "MultiLineString") {
    const partTimes = Array.isArray(times) ? times : [];
    return coordinates.flatMap((line, i) => {
      if (!Array.isArray(line)) throw refuse(`no line at ${i + 1}${at}`, "an array of coordinates");
      return withTimes(line, partTimes[i], at, refuse);
    });
  }
  return withTimes(type === "Point" ? [coordinates] : coordinates, times, at, refuse);
}

function timesOf(properties: Json, isPoint: boolean): unknown {
  if (isPoint) {
    const time = properties.time ?? properties.timestamp;
    return time === undefined || time === null ? undefined : [time];
  }
  const { coordinateProperties: perCoordinate } = properties;
  return properties.times ?? properties.coordTimes ??
    (isObject(perCoordinate) ? perCoordinate.times : undefined);
}

function withTimes(coordinates: unknown[], times: unknown, at: string, refuse: Refuse): TrackPoint[] {
  if (Array.isArray(times) && times.length !== coordinates.length) {
    throw refuse(`${times.length} times for ${coordinates.length} coordinates${at}`, "one for each");
  }
  return coordinates.map((coordinate, i) => {
    const [lon, lat] = Array.isArray(coordinate) ? coordinate : [];
    if (!isWithin(lon, 180) || !isWithin(lat, 90)) {
      const found = shorten(JSON.stringify(coordinate) ?? "nothing");
      throw refuse(
        `${found} as coordinate ${i + 1}${at}`,
        "[longitude, latitude] with −180 < longitude < 180 and −90 < latitude < 90",
      );
    }
    return { lat, lon, atMs: Array.isArray(times) ? timeOf(times[i], i, at, refuse) : null };
  });
}

function timeOf(value: unknown, i: number, at: string, refuse: Refuse): number | null {
  if (value === null || value === undefined) return null;
  const ms = typeof value === "number" ? value : typeof value === "string" ? Date.parse(value) : NaN;
  if (!Number.isFinite(ms)) {
    throw refuse(`${shorten(JSON.stringify(value))} as time ${i + 1}${at}`, "ISO 8601 or ms since the epoch");
  }
  return ms;
}

function nameOf(properties: Json): string | null {
  const { name } = properties;
  if (typeof name === "number") return String(name);
  return typeof name === "string" && name.trim() !== "" ? name.trim() : null;
}

function isWithin(value: unknown, limit: number): value is number {
  return typeof value === "number" && value > -limit && value < limit;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function oneLine(text: string): string {
  return shorten(text.replace(/\s+/g, " "));
}
