/** The world for the map that needs no tile server: land, borders and the names of countries, as GeoJSON.
 *
 * Made from Natural Earth's 1:50 million outlines (public domain), which come as TopoJSON, once in the life
 * of the process. Left out: anything finer than a country; static/geo/streets.json draws one city.
 * @see {@link https://github.com/topojson/world-atlas}
 * @module */
import { feature, merge, mesh } from "topojson-client";
import world from "world-atlas/countries-50m.json" with { type: "json" };

type Topology = Parameters<typeof mesh>[0];
type CountryObjects = Extract<Topology["objects"][string], { type: "GeometryCollection" }>;
type Polygons = Extract<Parameters<typeof merge>[1], unknown[]>;
type Ring = number[][];
interface Country {
  readonly properties: { readonly name: string };
  readonly geometry: { readonly type: string; readonly coordinates: unknown };
}

/** Writes the outlines: a FeatureCollection of `land` (MultiPolygon), `borders` (MultiLineString) and one
 * Point per country with its `name` and `weight`, the square root of its area in degrees, so a map can name
 * the large ones first. Degrees (WGS 84), rounded to about 100 m. */
export function worldOutlines(): string {
  // The types of the package and of its data were written by different people: one cast joins them.
  const topology = world as unknown as Topology;
  const countries = topology.objects["countries"] as CountryObjects;
  const named = feature(topology, countries) as unknown as { features: Country[] };
  const features = [
    part("land", merge(topology, countries.geometries as Polygons)),
    part("borders", mesh(topology, countries as Parameters<typeof mesh>[1], (a, b) => a !== b)),
    ...named.features.flatMap(label),
  ];
  return JSON.stringify({ type: "FeatureCollection", features }, rounded);
}

function part(kind: string, geometry: unknown) {
  return { type: "Feature", properties: { kind }, geometry };
}

/** A country's name, in the middle of its largest part. */
function label({ properties, geometry }: Country) {
  const polygons = (geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates) as Ring[][];
  let best = { area: 0, x: 0, y: 0 };
  for (const [ring] of polygons) {
    const found = centroid(ring ?? []);
    if (!found) return [];
    if (found.area > best.area) best = found;
  }
  if (best.area === 0) return [];
  const point = { type: "Point", coordinates: [best.x, best.y] };
  return [{
    type: "Feature",
    properties: { kind: "country", name: properties.name, weight: Math.sqrt(best.area) },
    geometry: point,
  }];
}

/** Centre of mass of a ring, by the shoelace formula; area in square degrees. A ring over the antimeridian
 * goes on beyond ±180°.
 * @returns null for a ring around a pole, which has no middle on a map */
function centroid(ring: Ring): { area: number; x: number; y: number } | null {
  let twice = 0, x = 0, y = 0;
  let [[x0, y0] = [0, 0]] = ring as [number, number][];
  for (const [lon = 0, y1 = 0] of ring.slice(1)) {
    const x1 = lon + 360 * Math.round((x0 - lon) / 360);
    const cross = x0 * y1 - x1 * y0;
    twice += cross;
    x += (x0 + x1) * cross;
    y += (y0 + y1) * cross;
    [x0, y0] = [x1, y1];
  }
  if (Math.abs(x0 - (ring[0]?.[0] ?? 0)) > 180) return null;
  if (twice === 0) return { area: 0, x: 0, y: 0 };
  return { area: Math.abs(twice / 2), x: x / (3 * twice), y: y / (3 * twice) };
}

function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" ? Math.round(value * 1000) / 1000 : value;
}
