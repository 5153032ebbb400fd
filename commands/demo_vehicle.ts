/** One vehicle of the demo: it speeds up, keeps to the limit, brakes for corners, red lights and stops, and
 * rests at the end of a way.
 *
 * It moves in steps of a fixed length, so that the same seed gives the same drive however often it is asked
 * where it is. Left out: other vehicles, which it drives through.
 * @module */
import { distance, type Place, type RoadMap, type WayPoint } from "./demo_roads.ts";

/** How a sort of vehicle drives: m/s and m/s², and seconds at each stop. */
export interface VehicleKind {
  readonly topSpeed: number;
  readonly acceleration: number;
  readonly braking: number;
  /** Stops at junctions on its way, as a bus does, and for how long; null: does not. */
  readonly stopSeconds: readonly [least: number, most: number] | null;
  /** Rest at the end of a way. */
  readonly restSeconds: readonly [least: number, most: number];
}

/** Numbers in [0, 1), the same for the same seed (the generator known as mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const stepMs = 250;
const laneMetres = 2.5; // right of the middle of the road
const noiseMetres = 0.8;

/** A vertex of the way that is being driven, with its place along it. */
interface Vertex extends WayPoint {
  readonly along: number;
  /** Highest speed through here. */
  readonly speed: number;
  readonly stops: boolean;
  /** Direction of arrival, in radians. */
  readonly heading: number;
}

/** A vehicle under way. */
export class Vehicle {
  readonly #roads: RoadMap;
  readonly #kind: VehicleKind;
  readonly #random: () => number;
  readonly #nextWay: () => WayPoint[];
  #vertices: Vertex[] = [];
  /** Index of the next vertex ahead. */
  #next = 1;
  #along = 0;
  #speed = 0;
  #timeMs = 0;
  #waitMs = 0;
  /** A slow drift, as of a receiver between houses. */
  #noise: Place = { x: 0, y: 0 };

  /** @param nextWay is asked for a way whenever one ends; it has to begin where the last one ended */
  constructor(
    readonly name: string,
    kind: VehicleKind,
    roads: RoadMap,
    random: () => number,
    nextWay: () => WayPoint[],
  ) {
    this.#kind = kind;
    this.#roads = roads;
    this.#random = random;
    this.#nextWay = nextWay;
    this.#begin();
  }

  /** Drives on until `timeMs` of its own time, which begins at 0 and never goes back. */
  driveUntil(timeMs: number): void {
    while (this.#timeMs + stepMs <= timeMs) {
      this.#timeMs += stepMs;
      this.#step(stepMs / 1000);
    }
  }

  /** Where its receiver says it is at `timeMs`, in metres; at most one step past what was driven. */
  placeAt(timeMs: number): Place {
    this.driveUntil(timeMs);
    const rest = this.#waitMs > 0 ? 0 : this.#speed * (timeMs - this.#timeMs) / 1000;
    const ahead = this.#vertices[this.#next]!, behind = this.#vertices[this.#next - 1]!;
    const along = Math.min(this.#along + Math.max(0, rest), ahead.along);
    const length = ahead.along - behind.along || 1;
    const part = (along - behind.along) / length;
    const [dx, dy] = [(ahead.x - behind.x) / length, (ahead.y - behind.y) / length];
    return {
      x: behind.x + (ahead.x - behind.x) * part + dy * laneMetres + this.#noise.x,
      y: behind.y + (ahead.y - behind.y) * part - dx * laneMetres + this.#noise.y,
    };
  }

  #step(seconds: number): void {
    const drift = (at: number) => at * 0.98 + (this.#random() - 0.5) * 2 * noiseMetres * 0.2;
    this.#noise = { x: drift(this.#noise.x), y: drift(this.#noise.y) };
    if (this.#waitMs > 0) {
      this.#waitMs -= seconds * 1000;
      if (this.#waitMs <= 0 && this.#next >= this.#vertices.length - 1 && this.#isAtEnd()) this.#begin();
      return;
    }
    const wanted = this.#allowedSpeed();
    const change = wanted - this.#speed;
    const { acceleration, braking } = this.#kind;
    this.#speed += Math.max(-braking * 1.5 * seconds, Math.min(acceleration * seconds, change));
    this.#speed = Math.max(0, this.#speed);
    this.#along += this.#speed * seconds;
    this.#pass();
  }

  /** The speed from which everything ahead can still be met by braking. */
  #allowedSpeed(): number {
    const { topSpeed, braking } = this.#kind;
    let allowed = Math.min(topSpeed, this.#vertices[this.#next - 1]!.limit);
    const horizon = topSpeed * topSpeed / (2 * braking) + 20;
    for (let i = this.#next; i < this.#vertices.length; i++) {
      const vertex = this.#vertices[i]!;
      const metres = vertex.along - this.#along;
      if (metres > horizon) break;
      const atRed = this.#isRed(vertex) && this.#speed ** 2 / (2 * braking * 1.4) <= metres;
      // A car stands before the line; what ends or halts here rolls up to it.
      const speed = vertex.stops ? 0 : atRed ? 0 : Math.min(vertex.speed, vertex.limit);
      const room = Math.max(0, atRed && !vertex.stops ? metres - 12 : metres);
      allowed = Math.min(allowed, Math.sqrt(speed * speed + 2 * braking * room));
      if (speed === 0) break;
    }
    return allowed;
  }

  /** Takes note of vertices that were reached; halts at stops. */
  #pass(): void {
    for (;;) {
      const vertex = this.#vertices[this.#next]!;
      const isReached = vertex.stops
        ? vertex.along - this.#along < 1 && this.#speed < 1.5
        : this.#along >= vertex.along;
      if (!isReached) {
        // Never past a stop, whatever the rounding of a step.
        if (vertex.stops) this.#along = Math.min(this.#along, vertex.along);
        return;
      }
      const isEnd = this.#next === this.#vertices.length - 1;
      if (vertex.stops) {
        this.#along = vertex.along;
        this.#speed = 0;
        const range = isEnd ? this.#kind.restSeconds : this.#kind.stopSeconds ?? this.#kind.restSeconds;
        this.#waitMs = 1000 * (range[0] + this.#random() * (range[1] - range[0]));
      }
      if (isEnd) return;
      this.#next++;
      if (vertex.stops) return;
    }
  }

  #isAtEnd(): boolean {
    return this.#along >= this.#vertices.at(-1)!.along;
  }

  /** A light has two phases, for the roads that run rather north–south and rather east–west. */
  #isRed(vertex: Vertex): boolean {
    if (vertex.junction === null || vertex.stops || this.#roads.degree(vertex.junction) < 3) return false;
    const offset = hash(vertex.junction);
    const cycleMs = 50_000 + offset % 20_000;
    const phase = ((this.#timeMs + offset) % cycleMs) / cycleMs;
    const isNorthSouth = Math.abs(Math.sin(vertex.heading)) > Math.SQRT1_2;
    return isNorthSouth ? phase < 0.5 : phase >= 0.55 || phase < 0.05;
  }

  #begin(): void {
    const way = this.#nextWay();
    let along = 0;
    this.#vertices = way.map((point, i): Vertex => {
      const before = way[i - 1], after = way[i + 1];
      if (before) along += distance(before, point);
      const heading = before ? Math.atan2(point.y - before.y, point.x - before.x) : 0;
      const turn = before && after
        ? Math.abs(wrap(Math.atan2(after.y - point.y, after.x - point.x) - heading))
        : 0;
      const isHalt = this.#kind.stopSeconds !== null && point.junction !== null && i > 0;
      return { ...point, along, heading, speed: cornerSpeed(turn), stops: isHalt || after === undefined };
    });
    this.#next = 1;
    this.#along = 0;
    this.#speed = 0;
    this.#waitMs = 0;
  }
}

/** How fast a corner of `turn` radians is taken: hardly slower up to 15°, about 20 km/h at a right angle,
 * walking pace to turn round. */
function cornerSpeed(turn: number): number {
  const degrees = turn * 180 / Math.PI;
  return degrees < 15 ? Infinity : Math.max(1.8, 14 - degrees / 10.5);
}

function wrap(angle: number): number {
  return Math.atan2(Math.sin(angle), Math.cos(angle));
}

/** A number that only depends on the text (FNV-1a). */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
