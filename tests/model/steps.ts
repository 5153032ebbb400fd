/** What may happen to a topic and its viewers, as steps drawn from a seed.
 *
 * Steps are plain values that name viewers and places by numbers which are taken modulo what there is when they are carried out,
 * so any of them can be left out and the others still mean something. Left out: carrying them out (case.ts).
 * @module */
import type { Random } from "../random.ts";

/** How a viewer is opened. */
export interface Opening {
  /** `time` lies in the log at `share` thousandths of its time span, `id` is one that some viewer was told before. */
  readonly cursor: "latest" | "earliest" | "time" | "id";
  readonly share: number;
  /** Only records with these keys; empty: all. */
  readonly keys: readonly string[];
  readonly wire: "sse" | "websocket";
  /** Writes that it takes before it is given more room; `turns`: one write per turn of the loop. */
  readonly room: number | "turns";
  /** `untilShare` as `share`. */
  readonly until: "latest" | "time" | null;
  readonly untilShare: number;
  readonly policy: "lossless" | "latest" | "latest-per-key";
  /** Times as fast as the records' own times; null: as fast as it reads. */
  readonly speed: number | null;
}

/** Records that are sent together; `partition` null: by their keys. */
export interface Sending {
  readonly partition: number | null;
  readonly count: number;
  readonly bytes: number;
  /** Of all of them; default: one of `keys` for each. */
  readonly key?: string;
}

/** One step. `viewer` and `partition` are taken modulo how many there are, `share` is in thousandths. */
export type Step =
  | { readonly do: "produce"; readonly sendings: readonly Sending[]; readonly awaited: boolean }
  /** In a transaction, which is committed or given up. */
  | { readonly do: "transaction"; readonly sendings: readonly Sending[]; readonly commits: boolean }
  /** `waitMs`: for its first event, at most. */
  | { readonly do: "open"; readonly opening: Opening; readonly waitMs: number }
  | { readonly do: "cut"; readonly viewer: number; readonly share: number; readonly resumed: boolean }
  | { readonly do: "resume"; readonly viewer: number }
  | { readonly do: "give"; readonly viewer: number; readonly writes: number }
  | { readonly do: "stall"; readonly viewer: number }
  | {
    readonly do: "seek";
    readonly viewer: number;
    readonly cursor: Opening["cursor"];
    readonly share: number;
  }
  | { readonly do: "delete records"; readonly partition: number; readonly share: number }
  | { readonly do: "restart service"; readonly ringBytes: number }
  | { readonly do: "pause"; readonly ms: number }
  | {
    readonly do:
      | "retention"
      | "cut Kafka"
      | "Kafka away"
      | "Kafka back"
      | "restart Kafka"
      | "hold answers"
      | "release answers"
      | "add partition"
      | "remake topic";
  };

/** What one case does. */
export interface Plan {
  readonly partitions: number;
  /** Of the newest records kept in memory. */
  readonly ringBytes: number;
  /** `retention.bytes` of the topic; null: for ever. */
  readonly retentionBytes: number | null;
  /** Its records bear times of today: Kafka knows who sent them when it is started again. */
  readonly isYoung: boolean;
  readonly steps: readonly Step[];
}

/** How often each step is drawn; a step that a stage cannot do has no weight there. */
export type Weights = Readonly<Record<Step["do"], number>>;

/** Weights of cases in one process. */
export const usualWeights: Weights = {
  produce: 34,
  transaction: 1,
  open: 20,
  cut: 12,
  resume: 8,
  give: 12,
  stall: 5,
  seek: 4,
  "delete records": 6,
  retention: 5,
  "restart service": 3,
  "cut Kafka": 2,
  "Kafka away": 1,
  "Kafka back": 2,
  "restart Kafka": 0.5,
  "hold answers": 3,
  "release answers": 3,
  "add partition": 0.5,
  "remake topic": 0.5,
  pause: 10,
};

/** Which of what is not yet everywhere may be drawn. */
export interface Features {
  readonly until?: boolean;
  readonly latest?: boolean;
  readonly latestPerKey?: boolean;
  readonly speed?: boolean;
}

/** All of them. */
export const allFeatures: Features = { until: true, latest: true, latestPerKey: true, speed: true };

/** Keys of records; a viewer with a filter asks for some of them and for the one of the last records. */
export const keys: readonly string[] = ["a", "b", "c", "d", "e"];
/** The key of the records that end a case. */
export const lastKey = "last";

/** Draws a case. */
export function drawPlan(random: Random, weights: Weights, features: Features, maxSteps = 30): Plan {
  const ringBytes = drawRing(random);
  const steps: Step[] = [];
  const count = random.between(6, maxSteps);
  for (let n = 0; n < count; n++) steps.push(drawStep(random, weights, features));
  return {
    partitions: 3,
    ringBytes,
    retentionBytes: random.between(0, 3) === 0 ? random.between(500, 20_000) : null,
    isYoung: random.between(0, 3) > 0,
    steps,
  };
}

function drawStep(random: Random, weights: Weights, features: Features): Step {
  const name = drawName(random, weights);
  const viewer = random.between(0, 999), share = random.between(0, 999), partition = random.between(0, 999);
  switch (name) {
    case "produce":
      return {
        do: name,
        sendings: Array.from({ length: random.between(1, 3) }, () => drawSending(random)),
        awaited: random.between(0, 2) > 0,
      };
    case "transaction":
      return {
        do: name,
        sendings: Array.from({ length: random.between(1, 3) }, () => drawSending(random)),
        commits: random.between(0, 1) > 0,
      };
    case "open":
      return { do: name, opening: drawOpening(random, features), waitMs: pick(random, [0, 20, 200]) };
    case "cut":
      return {
        do: name,
        viewer,
        share: random.between(0, 2) === 0 ? 999 : share,
        resumed: random.between(0, 1) > 0,
      };
    case "resume":
    case "stall":
      return { do: name, viewer };
    case "give":
      return { do: name, viewer, writes: pick(random, [1, 2, 5, 1_000_000]) };
    case "seek":
      return { do: name, viewer, share, cursor: pick(random, ["latest", "earliest", "time", "id"] as const) };
    case "delete records":
      return { do: name, partition, share };
    case "restart service":
      return { do: name, ringBytes: drawRing(random) };
    case "pause":
      return { do: name, ms: random.between(0, 25) };
    default:
      return { do: name };
  }
}

function drawName(random: Random, weights: Weights): Step["do"] {
  const entries = Object.entries(weights) as [Step["do"], number][];
  const sum = entries.reduce((total, [, weight]) => total + weight, 0);
  let at = random.between(0, 1_000_000) / 1_000_000 * sum;
  for (const [name, weight] of entries) if ((at -= weight) < 0) return name;
  return "produce";
}

function drawSending(random: Random): Sending {
  const partition = random.between(0, 3) === 0 ? null : random.between(0, 999);
  const kind = random.between(0, 19);
  if (kind === 0) return { partition, count: random.between(1, 2), bytes: random.between(20_000, 90_000) };
  if (kind < 6) return { partition, count: random.between(20, 120), bytes: random.between(0, 100) };
  return { partition, count: random.between(1, 12), bytes: random.between(0, 1_500) };
}

function drawOpening(random: Random, features: Features): Opening {
  const kind = random.between(0, 9);
  const policies: Opening["policy"][] = ["lossless", "lossless", "lossless", "lossless"];
  if (features.latest) policies.push("latest");
  if (features.latestPerKey) policies.push("latest-per-key");
  return {
    cursor: kind < 4 ? "earliest" : kind < 7 ? "latest" : kind < 9 ? "time" : "id",
    share: random.between(-50, 1_050),
    keys: random.between(0, 3) > 0 ? [] : [...keys.slice(0, random.between(1, 3)), lastKey],
    wire: pick(random, ["sse", "websocket"] as const),
    room: pick(random, [1_000_000, 1_000_000, "turns", "turns", 0, 1, 3, 8] as const),
    untilShare: random.between(-50, 1_100),
    until: features.until && random.between(0, 5) === 0 ? pick(random, ["latest", "time"] as const) : null,
    policy: pick(random, policies),
    speed: features.speed && random.between(0, 9) === 0 ? pick(random, [50, 1_000] as const) : null,
  };
}

function drawRing(random: Random): number {
  return pick(random, [4_000, 10_000, 30_000, 100_000, 300_000, 16 * 1024 * 1024]);
}

function pick<T>(random: Random, of: readonly T[]): T {
  return of[random.between(0, of.length - 1)]!;
}

/** A step as one line of text. */
export function describeStep(step: Step): string {
  const { do: name, ...rest } = step;
  return `${name} ${JSON.stringify(rest)}`;
}
