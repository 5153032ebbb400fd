// @ts-check
/** Gives likes: shown at once, taken back if the service does not store them.
 *
 * Left out: the generator's (generator.js), which shows only what is counted.
 * @module */
/** @import { Video } from "./video.js" */
import { problemOf } from "../shared/api.js";
import { postLike } from "./aggregations_api.js";

/** Likes under way at once: a browser has six connections for a host, the stream takes one. */
const mostPending = 30;

/** All that were given on this page. */
export class Likes {
  #pending = 0;
  #now;
  #ears;

  /** @param {() => number} now the service's time, ms since the epoch
   * @param {{ onChange: () => void, say: (text: string) => void }} ears `say`: to who does not see */
  constructor(now, ears) {
    this.#now = now;
    this.#ears = ears;
  }

  /** @param {Video} video */
  async give(video) {
    const { onChange, say } = this.#ears;
    if (this.#pending >= mostPending) return say("Too many likes are under way: wait a moment");
    this.#pending++;
    const hopedAt = video.hope(this.#now());
    onChange();
    try {
      const { timestamp } = await postLike(video.id);
      video.settle(hopedAt, timestamp, this.#now());
      say(`Liked ${video.name}`);
    } catch (error) {
      const { title, detail, code } = problemOf(error);
      const isUnknown = code === "outcome-unknown"; // if it is stored, the count comes with its window
      const what = isUnknown ? "may not be stored" : "was not stored";
      const why = isUnknown ? "Kafka did not answer in time" : detail ?? title;
      video.undo(hopedAt, `Your like ${what}: ${why}`, this.#now());
      say(`Your like of ${video.name} ${what}: ${isUnknown ? why : title}`);
    } finally {
      this.#pending--;
      onChange();
    }
  }
}
