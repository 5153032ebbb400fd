/** What is in a topic after something was published from the command line. @module */
import { assertEquals } from "@std/assert";
import { History } from "../../kafka/history.ts";
import { numberOf } from "../jpegs.ts";
import { connect } from "../kafka/test_broker.ts";

/** A frame as its record has it. */
export interface PublishedFrame {
  readonly jpeg: Uint8Array;
  /** Of a `numberedJpeg`. */
  readonly number: number | null;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The record's time, ms since the epoch. */
  readonly timestamp: number;
}

const maxPageBytes = 16 * 1024 * 1024;
const decoder = new TextDecoder();

/** The frames of a topic's only partition, in their order. */
export async function published(bootstrap: string, topic = "video"): Promise<PublishedFrame[]> {
  await using kafka = connect(bootstrap);
  await using history = new History(kafka);
  const frames: PublishedFrame[] = [];
  for (let offset = 0;;) {
    const page = await history.readOnce(topic, 0, offset, { maxBytes: maxPageBytes, onSilent() {} });
    for (const { timestamp, key, value, headers } of page.records) {
      const jpeg = new Uint8Array(value!);
      const named = Object.entries(headers).map(([name, one]) => [name, decoder.decode(one as Uint8Array)]);
      frames.push({
        jpeg,
        number: numberOf(jpeg),
        key: decoder.decode(key!),
        headers: Object.fromEntries(named),
        timestamp,
      });
    }
    offset = page.next;
    if (offset >= page.end) return frames;
  }
}

/** Later than this, a schedule begins anew from now. */
const maxLateMs = 1_000;

/** Fails unless the frames come after the steps that are wanted, in ms; a machine that was busy for more than a second may have made each of
 * them longer. */
export function assertSteps(frames: readonly PublishedFrame[], wanted: readonly number[]): void {
  const found = steps(frames);
  assertEquals(found.map((ms, i) => ms > maxLateMs && ms > wanted[i]! ? wanted[i]! : ms), [...wanted]);
}

/** The same for frames that all come after the same step. */
export function assertEven(frames: readonly PublishedFrame[], stepMs: number): void {
  assertSteps(frames, frames.slice(1).map(() => stepMs));
}

/** Milliseconds from each frame to the next. */
export function steps(frames: readonly PublishedFrame[]): number[] {
  return frames.slice(1).map(({ timestamp }, i) => timestamp - frames[i]!.timestamp);
}
