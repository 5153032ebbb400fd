// @ts-check
/** Asks the service for the tracks of a span of time. Left out: what is done with them (session.js goes on
 * live from their end, replay.js plays them), and trying again.
 * @module */
/** @import { Tracks } from "../../routes/tracks.ts" */
/** @import { Problem } from "../shared/stream.js" */
import { readProblem } from "../shared/stream.js";

/** @param {string} topic
 * @param {string} since `t.<ms since the epoch>` or `earliest`
 * @param {AbortSignal} signal
 * @returns {Promise<Tracks>}
 * @throws when the service refuses or does not answer; `asProblem` puts it into words */
export async function fetchTracks(topic, since, signal) {
  const headers = { accept: "application/geo+json, application/json" };
  const response = await fetch(`/geo/${topic}/tracks?since=${since}`, { headers, signal, cache: "no-store" });
  if (!response.ok) throw new Refusal(await readProblem(response));
  return await response.json();
}

/** The server's no. */
class Refusal extends Error {
  problem;
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.title);
    this.problem = problem;
  }
}

/** @param {unknown} error what `fetchTracks` threw @returns {Problem} */
export function asProblem(error) {
  return error instanceof Refusal ? error.problem : { status: 0, title: "The service does not answer" };
}
