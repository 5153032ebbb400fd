/** What viewers see of a window: the finished ones as records of their topics, with their place in the log, and the open ones.
 *
 * An event says `type`, `1min`, as a record does, and `size`, `1m`, as a request does. A message of a socket has its own name as `type`
 * (socket_protocol.ts), so `type` comes first here, where it is found. Left out: which windows are open (kafka/processors/windows/view.ts),
 * who is shown which (aggregation_events.ts).
 * @module */
import { defineFeed } from "../kafka/feed.ts";
import type { KafkaRecord } from "../kafka/fetch_response.ts";
import type { WindowCount } from "../kafka/processors/windows/types.ts";
import { FinishedWindow } from "../kafka/windows.ts";
import { readValue } from "./record_value.ts";

/** What a viewer gets of a window; times are ms since the epoch. */
export interface WindowEvent extends WindowCount {
  /** `1m`, as a request asks for it. */
  readonly size: string;
  /** When it was counted or published, the time of its record; none for what there is already when somebody comes. */
  readonly timestamp?: number;
}

/** What a viewer gets of a finished window that comes from its topic. */
export interface FinishedEvent extends WindowEvent {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** The record's time. */
  readonly timestamp: number;
}

/** Name of the event. */
export const windowEventName = "window";

/** Finished windows with their place in the log. */
export const windowFeed = defineFeed<FinishedEvent>(windowEventName, readFinished);

/** A window as an event, without a place in the log.
 * @param timestamp when it was counted, if that is news */
export function windowEvent({ type, ...window }: WindowCount, timestamp?: number): WindowEvent {
  const event = { type, size: sizeName(type) ?? type, ...window };
  return timestamp === undefined ? event : { ...event, timestamp };
}

/** Null for a record that holds none. */
function readFinished(record: KafkaRecord, topic: string): FinishedEvent | null {
  const window = readValue(FinishedWindow, record), size = window && sizeName(window.type);
  if (!size) return null;
  const { partition, offset, timestamp } = record;
  const { type, ...counted } = window;
  return { type, size, topic, partition, offset, timestamp, ...counted, final: true };
}

/** `1m` of `1min`, `30s` of `30sec`. */
function sizeName(type: string): string | null {
  const [, digits, unit] = /^(\d{1,6})(min|sec)$/.exec(type) ?? [];
  return digits && unit ? digits + unit[0] : null;
}
