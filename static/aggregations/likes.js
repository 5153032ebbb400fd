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
      const { title, detail } = problemOf(error);
      video.undo(hopedAt, `Your like was not stored: ${detail ?? title}`, this.#now());
      say(`Your like of ${video.name} was not stored: ${title}`);
    } finally {
      this.#pending--;
      onChange();
    }
  }
}
