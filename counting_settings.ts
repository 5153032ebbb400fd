/** Settings of what is counted: measurements, windows of likes, and videos that are known by name.
 *
 * Left out: what a single entry may be (settings.ts), all other settings (config.ts).
 * @module */
import {
  clashOf,
  histTopicOf,
  maxMeasurements,
  type MeasurementSpec,
  readMeasurementSpec,
} from "./kafka/measurements.ts";
import {
  type CatalogueEntry,
  clashOfSizes,
  clashOfTopics,
  maxSizes,
  readCatalogueEntry,
  readWindowSize,
  type WindowSettings,
  windowTopics,
} from "./kafka/windows.ts";
import { ConfigError } from "./setting_kinds.ts";
import { type GetSetting as Get, settings } from "./settings.ts";

/** Measurements: each entry is right by itself; here they are looked at together, and beside the topics of other features.
 * @throws {ConfigError} */
export function readMeasurements(get: Get): readonly MeasurementSpec[] {
  const items = get("MEASUREMENTS");
  const refuse = (found: string, allowed: string) => {
    throw new ConfigError(`Cannot use MEASUREMENTS: found ${found}, allowed: ${allowed}`);
  };
  if (items.length === 1 && items[0] === "none") return [];
  if (items.includes("none")) refuse("none beside others", settings.MEASUREMENTS.allowed);
  if (items.length > maxMeasurements) refuse(`${items.length} entries`, `at most ${maxMeasurements}`);
  const specs = items.map((item) => readMeasurementSpec(item)!);
  const clash = clashOf(specs);
  if (clash !== null) refuse(clash, "different names");
  for (const name of ["GEO_TOPIC", "VIDEO_TOPIC"] as const) {
    const topic = get(name);
    const taken = specs.find((spec) => [spec.name, histTopicOf(spec.name)].includes(topic));
    if (taken) refuse(`${taken.name} while ${name} is ${topic}`, "other topics than those of other features");
  }
  return specs;
}

/** Lengths of windows and their topics, looked at together and beside the topics of other features.
 * @throws {ConfigError} */
export function readWindows(get: Get): WindowSettings {
  const items = get("WINDOWS");
  const refuse = (found: string, allowed: string) => {
    throw new ConfigError(`Cannot use WINDOWS: found ${found}, allowed: ${allowed}`);
  };
  const isNone = items.length === 1 && items[0] === "none";
  if (items.includes("none") && !isNone) refuse("none beside others", settings.WINDOWS.allowed);
  if (items.length === 0 || items.length > maxSizes) refuse(`${items.length} entries`, `1 to ${maxSizes}`);
  const topics = {
    "1m": get("ONE_MINUTE_TOPIC"),
    "5m": get("FIVE_MINUTE_TOPIC"),
    "10m": get("TEN_MINUTE_TOPIC"),
  };
  const sizes = isNone ? [] : items.map((item) => readWindowSize(item, topics)!).sort((a, b) => a.ms - b.ms);
  const clash = clashOfSizes(sizes);
  if (clash !== null) {
    refuse(clash, "different lengths, the longest a sum of at most 3600 of their common part");
  }
  const windows = {
    clicksTopic: get("CLICKS_TOPIC"),
    sizes,
    graceMs: get("GRACE_MS"),
    kept: get("WINDOWS_KEPT"),
  };
  const measurements = readMeasurements(get).map(({ name }) => name);
  const twice = clashOfTopics(windowTopics(windows), [get("GEO_TOPIC"), get("VIDEO_TOPIC")], measurements);
  if (twice !== null) {
    const named = topicSettings.find((name) => get(name) === twice) ?? "WINDOWS";
    throw new ConfigError(
      `Cannot use ${named}: found ${twice}, which is the topic of something else too, allowed: different topics`,
    );
  }
  return windows;
}

/** Those that name a topic of likes; other topics follow from CLICKS_TOPIC and WINDOWS. */
const topicSettings = ["ONE_MINUTE_TOPIC", "FIVE_MINUTE_TOPIC", "TEN_MINUTE_TOPIC", "CLICKS_TOPIC"] as const;

/** Videos that are known by name.
 * @throws {ConfigError} for an id that comes twice */
export function readVideos(get: Get): readonly CatalogueEntry[] {
  const videos = get("VIDEOS").map((item) => readCatalogueEntry(item)!);
  const twice = videos.find(({ id }, i) => videos.findIndex((other) => other.id === id) < i);
  if (twice) throw new ConfigError(`Cannot use VIDEOS: found ${twice.id} twice, allowed: different ids`);
  return videos;
}
