/** The vehicles of the demo: who they are, where they drive, and where all of them are at a time.
 *
 * Pure: the same road graph and the same seed give the same positions. Left out: sending them (demo.ts).
 * @module */
import { distance, RoadMap, type Streets, type WayPoint } from "./demo_roads.ts";
import { seededRandom, Vehicle, type VehicleKind } from "./demo_vehicle.ts";

const kinds = {
  bus: { topSpeed: 11.5, acceleration: 1.1, braking: 1.3, stopSeconds: [8, 20], restSeconds: [30, 60] },
  tram: { topSpeed: 12, acceleration: 1.2, braking: 1.4, stopSeconds: [12, 25], restSeconds: [30, 60] },
  taxi: { topSpeed: 15, acceleration: 2.2, braking: 2.5, stopSeconds: null, restSeconds: [15, 45] },
  van: { topSpeed: 12.5, acceleration: 1.5, braking: 2, stopSeconds: null, restSeconds: [20, 60] },
  bike: { topSpeed: 6.8, acceleration: 0.9, braking: 1.8, stopSeconds: null, restSeconds: [15, 40] },
} as const satisfies Record<string, VehicleKind>;

/** Who drives. `line`: junctions there and back for ever; without one, from one place in town to another. */
interface Member {
  readonly name: string;
  readonly kind: keyof typeof kinds;
  readonly line?: readonly string[];
}

/** The lines follow real ones as far as the road graph goes. */
export const members: readonly Member[] = [
  {
    name: "Bus 100",
    kind: "bus",
    line: ["hardenbergplatz", "luetzowplatz", "grosser-stern", "friedrich-linden", "alexanderplatz-nord"],
  },
  {
    name: "Bus 200",
    kind: "bus",
    line: ["hardenbergplatz", "klingelhoefer", "potsdamer-platz", "spittelmarkt", "prenzlauer-tor"],
  },
  {
    name: "Bus M29",
    kind: "bus",
    line: [
      "hermannplatz",
      "moritzplatz",
      "anhalter-bahnhof",
      "luetzowplatz",
      "wittenbergplatz",
      "adenauerplatz",
    ],
  },
  {
    name: "Bus M41",
    kind: "bus",
    line: ["sonnenallee-ring", "hermannplatz", "hallesches-tor", "potsdamer-platz", "hauptbahnhof"],
  },
  {
    name: "Tram M4",
    kind: "tram",
    line: ["hackescher-markt", "alexanderplatz-nord", "koenigstor", "greifswalder-ostsee"],
  },
  {
    name: "Tram M10",
    kind: "tram",
    line: [
      "turm-strom",
      "hauptbahnhof",
      "nordbahnhof",
      "eberswalder",
      "landsberger-danziger",
      "warschauer-s",
    ],
  },
  { name: "Taxi 117", kind: "taxi" },
  { name: "Taxi 388", kind: "taxi" },
  { name: "Taxi 512", kind: "taxi" },
  { name: "Kurier Ada", kind: "bike" },
  { name: "Kurier Emil", kind: "bike" },
  { name: "Kurier Jale", kind: "bike" },
  { name: "Lieferwagen 7", kind: "van" },
  { name: "Lieferwagen 23", kind: "van" },
];

/** A position of a vehicle in degrees. */
export interface FleetPosition {
  readonly name: string;
  readonly lat: number;
  readonly lon: number;
}

/** All vehicles, at one time. */
export interface Fleet {
  readonly names: readonly string[];
  /** Where vehicle `index` is at `timeMs` after the start; time does not go back. */
  position(index: number, timeMs: number): FleetPosition;
}

/** A way across town is at least this long. */
const leastTripMetres = 1500;

/** Puts the vehicles on the road. A line whose junctions the graph does not have drives like a taxi. */
export function createFleet(streets: Streets, seed: number): Fleet {
  const roads = new RoadMap(streets);
  const vehicles = members.map(({ name, kind, line }, i) => {
    const random = seededRandom(seed * 1009 + i * 7919 + 1);
    const nextWay = line?.every((id) => roads.has(id)) ? lineWays(roads, line, random) : trips(roads, random);
    return new Vehicle(name, kinds[kind], roads, random, nextWay);
  });
  return {
    names: vehicles.map(({ name }) => name),
    position(index, timeMs) {
      const vehicle = vehicles[index];
      if (!vehicle) throw new RangeError(`Cannot find vehicle ${index}: there are ${vehicles.length}`);
      return { name: vehicle.name, ...roads.toDegrees(vehicle.placeAt(timeMs)) };
    },
  };
}

/** There, back, there…; the first time from a stop in the middle, so that not all begin at a terminus. */
function lineWays(roads: RoadMap, line: readonly string[], random: () => number): () => WayPoint[] {
  const start = Math.floor(random() * (line.length - 1));
  let isForward = true, isFirst = true;
  return () => {
    const stops = isFirst ? line.slice(start) : isForward ? line : line.toReversed();
    isForward = isFirst ? false : !isForward;
    isFirst = false;
    return roads.way(stops);
  };
}

/** From wherever it is to some other place in town. */
function trips(roads: RoadMap, random: () => number): () => WayPoint[] {
  const anywhere = () => roads.junctions[Math.floor(random() * roads.junctions.length)]!;
  let at = anywhere();
  return () => {
    let to = anywhere();
    const isFar = () => distance(roads.place(at), roads.place(to)) >= leastTripMetres;
    for (let tries = 0; tries < 50 && (to === at || !isFar()); tries++) to = anywhere();
    if (to === at) to = roads.junctions.find((id) => id !== at) ?? at;
    const way = roads.way([at, to]);
    at = to;
    return way;
  };
}
