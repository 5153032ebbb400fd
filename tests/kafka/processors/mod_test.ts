import { assertEquals } from "@std/assert";
import { featureTopics } from "../../../commands/topic_setup.ts";
import { usualMeasurements } from "../../../kafka/measurements.ts";
import { processors } from "../../../kafka/processors/mod.ts";
import { readWindowSize } from "../../../kafka/windows.ts";

Deno.test("every topic that a processor reads or writes is made at the start", () => {
  const windows = { clicksTopic: "clicks", sizes: [readWindowSize("1m")!], graceMs: 0, kept: 1 };
  const made = featureTopics({
    geoTopic: "geo",
    videoTopic: "video",
    videoRetentionMs: -1,
    videoRetentionBytes: -1,
    maxFrameBytes: 1_024,
    measurements: usualMeasurements,
    windows,
  }).map(({ name }) => name);
  const settings = { specs: usualMeasurements, settings: windows };
  const counts = { histograms: 2 * usualMeasurements.length, windows: 4 };
  for (const [name, processor] of Object.entries(processors)) {
    const named = [...processor.in(settings), ...processor.out(settings)];
    assertEquals(named.filter((name) => !made.includes(name)), []);
    assertEquals(new Set(named).size, counts[name as keyof typeof counts]);
  }
});
