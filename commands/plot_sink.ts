/** The newest histogram of a topic, of all that comes: where `tailrace plot` looks. Left out: what is drawn of it (plot_chart.ts). @module */
import type { Chunk } from "../kafka/ring.ts";
import type { EndReason, Sink } from "../kafka/viewer.ts";
import type { Logger } from "../logger.ts";
import { type HistogramEvent, histogramFeed } from "../routes/histogram_feed.ts";
import { lineWire } from "./tail_sink.ts";

/** Takes all events of a stream and keeps the last. */
export class NewestHistogram implements Sink {
  readonly feed = histogramFeed;
  readonly wire = lineWire;
  /** What its metrics would count it as, which nobody reads. */
  readonly transport = "sse";
  histogram: HistogramEvent | null = null;
  /** Whether Kafka does not answer. */
  isAway = false;
  /** Why there are no more. */
  ended: EndReason | null = null;
  readonly #log: Logger;
  #change = Promise.withResolvers<void>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Resolves with the next change from now on. */
  get change(): Promise<void> {
    return this.#change.promise;
  }

  /** Something is different, here or for those who look. */
  changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  ready(): boolean {
    return true;
  }

  write(chunk: Chunk): void {
    for (const event of chunk.text.split("\n")) {
      const space = event.indexOf(" "), name = event.slice(0, space), json = event.slice(space + 1);
      if (name === histogramFeed.name) this.histogram = JSON.parse(json) as HistogramEvent;
      else if (name === "status") this.#status(JSON.parse(json).kafka === "down");
    }
    this.changed();
  }

  end(reason: EndReason): void {
    this.ended = reason;
    this.changed();
  }

  #status(isAway: boolean): void {
    if (isAway && !this.isAway) this.#log.warn("Kafka is away");
    else if (!isAway && this.isAway) this.#log.info("Kafka is back");
    this.isAway = isAway;
  }
}
