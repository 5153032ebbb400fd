/** The road graph that the demo drives on: junctions, the roads between them, the quickest way.
 *
 * Places are metres east (x) and north (y) of the graph's middle, which over one city is as good as a map
 * projection. Left out: one-way roads and turn restrictions, which the graph does not have.
 * @module */

/** A road graph as in static/geo/streets.json; places are [longitude, latitude] in degrees. */
export interface Streets {
  readonly junctions: Readonly<Record<string, readonly number[]>>;
  readonly roads: readonly {
    readonly from: string;
    readonly to: string;
    readonly name: string;
    readonly class: string;
    readonly via?: readonly (readonly number[])[];
  }[];
}

/** A place in metres from the middle of the graph. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

/** A vertex of a way; `limit` is the speed limit of the road that leads on from here, in m/s. */
export interface WayPoint extends Place {
  readonly limit: number;
  /** Set at a junction. */
  readonly junction: string | null;
}

interface Edge {
  readonly to: string;
  readonly limit: number;
  /** From the junction where the edge starts to `to`, both included. */
  readonly line: readonly Place[];
  readonly seconds: number;
}

const metresPerDegree = 111_195;
const majorLimit = 50 / 3.6;
const minorLimit = 30 / 3.6;

/** Distance in metres. */
export function distance(a: Place, b: Place): number {
  return Math.hypot(b.x - a.x, b.y - a.y);
}

/** A road graph ready to drive on. */
export class RoadMap {
  /** Junction ids, in the order of the file. */
  readonly junctions: readonly string[];
  readonly #middle: { lon: number; lat: number; lonScale: number };
  readonly #places = new Map<string, Place>();
  readonly #edges = new Map<string, Edge[]>();

  /** @throws {RangeError} when a road leads to a junction that is not there */
  constructor(streets: Streets) {
    const all = Object.values(streets.junctions);
    const mean = (i: number) => all.reduce((sum, place) => sum + (place[i] ?? 0), 0) / all.length;
    const lat = mean(1);
    this.#middle = { lon: mean(0), lat, lonScale: Math.cos(lat * Math.PI / 180) };
    for (const [id, place] of Object.entries(streets.junctions)) {
      this.#places.set(id, this.#toPlace(place));
      this.#edges.set(id, []);
    }
    for (const road of streets.roads) {
      const line = [
        this.place(road.from),
        ...(road.via ?? []).map((p) => this.#toPlace(p)),
        this.place(road.to),
      ];
      const limit = road.class === "major" ? majorLimit : minorLimit;
      const length = line.reduce((sum, place, i) => i === 0 ? 0 : sum + distance(line[i - 1]!, place), 0);
      const seconds = length / limit;
      this.#edges.get(road.from)!.push({ to: road.to, limit, line, seconds });
      this.#edges.get(road.to)!.push({ to: road.from, limit, line: line.toReversed(), seconds });
    }
    this.junctions = [...this.#places.keys()];
  }

  has(junction: string): boolean {
    return this.#places.has(junction);
  }

  /** @throws {RangeError} when there is no such junction */
  place(junction: string): Place {
    const place = this.#places.get(junction);
    if (!place) {
      throw new RangeError(`Cannot find junction ${JSON.stringify(junction)}: the road graph has none`);
    }
    return place;
  }

  /** How many roads meet there. */
  degree(junction: string): number {
    return this.#edges.get(junction)?.length ?? 0;
  }

  /** Degrees (WGS 84), rounded to a centimetre. */
  toDegrees({ x, y }: Place): { lon: number; lat: number } {
    const { lon, lat, lonScale } = this.#middle;
    const round = (degrees: number) => Math.round(degrees * 1e7) / 1e7;
    return {
      lon: round(lon + x / (metresPerDegree * lonScale)),
      lat: round(lat + y / metresPerDegree),
    };
  }

  /** The quickest way through all of `stops`, in order (Dijkstra).
   * @returns at least two points when the stops differ
   * @throws {RangeError} when there is no way */
  way(stops: readonly string[]): WayPoint[] {
    const points: WayPoint[] = [];
    for (const [i, to] of stops.entries()) {
      const from = stops[i - 1];
      if (from === undefined) continue;
      for (const { edge, start } of this.#quickest(from, to)) {
        points.push(
          ...edge.line.slice(0, -1).map((place, k) => ({
            ...place,
            limit: edge.limit,
            junction: k === 0 ? start : null,
          })),
        );
      }
    }
    const last = stops.at(-1);
    if (last !== undefined) points.push({ ...this.place(last), limit: minorLimit, junction: last });
    return points;
  }

  #quickest(from: string, to: string): { edge: Edge; start: string }[] {
    const seconds = new Map([[from, 0]]);
    const arrival = new Map<string, { edge: Edge; start: string }>();
    const open = new Set([from]);
    while (open.size > 0) {
      // A scan instead of a heap: the graph has a few hundred junctions, and a way is looked for
      // once in minutes.
      let next = "", least = Infinity;
      for (const id of open) {
        const cost = seconds.get(id)!;
        if (cost < least) [next, least] = [id, cost];
      }
      if (next === to) break;
      open.delete(next);
      for (const edge of this.#edges.get(next) ?? []) {
        const cost = least + edge.seconds;
        if (cost < (seconds.get(edge.to) ?? Infinity)) {
          seconds.set(edge.to, cost);
          arrival.set(edge.to, { edge, start: next });
          open.add(edge.to);
        }
      }
    }
    const steps: { edge: Edge; start: string }[] = [];
    for (let at = to; at !== from;) {
      const step = arrival.get(at);
      if (!step) throw new RangeError(`Cannot find a way from ${from} to ${to}: the road graph has none`);
      steps.unshift(step);
      at = step.start;
    }
    return steps;
  }

  #toPlace(position: readonly number[]): Place {
    const [lon = NaN, lat = NaN] = position;
    const middle = this.#middle;
    return {
      x: (lon - middle.lon) * metresPerDegree * middle.lonScale,
      y: (lat - middle.lat) * metresPerDegree,
    };
  }
}
