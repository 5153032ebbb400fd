import { assertEquals } from "@std/assert";
import { featureTopics } from "../../../commands/topic_setup.ts";
import { usualMeasurements } from "../../../kafka/measurements.ts";
import { processors } from "../../../kafka/processors/mod.ts";

Deno.test("every topic that a processor reads or writes is made at the start", () => {
  const made = featureTopics({
    geoTopic: "geo",
    videoTopic: "video",
    videoRetentionMs: -1,
    videoRetentionBytes: -1,
    maxFrameBytes: 1_024,
    measurements: usualMeasurements,
    windows: { clicksTopic: "clicks", sizes: [], graceMs: 0, kept: 1 },
  }).map(({ name }) => name);
  const settings = { specs: usualMeasurements };
  for (const processor of Object.values(processors)) {
    const named = [...processor.in(settings), ...processor.out(settings)];
    assertEquals(named.filter((name) => !made.includes(name)), []);
    assertEquals(new Set(named).size, 2 * usualMeasurements.length);
  }
});
