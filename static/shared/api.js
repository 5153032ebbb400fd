// @ts-check
/** What a page asks the service besides its streams, and what went wrong.
 * @module */
/** @import { Problem } from "./problem.js" */
import { readProblem } from "./problem.js";

/** Pauses before asking again: the first, the longest. */
const firstWaitMs = 1_000, longestWaitMs = 15_000;

/** A refusal, or no answer at all. */
export class ApiError extends Error {
  /** @type {Problem} */ problem;

  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.title);
    this.problem = problem;
  }
}

/** Asks for JSON. @param {string} path @param {RequestInit} [init] @returns {Promise<any>} @throws {ApiError} */
export async function askJson(path, init = {}) {
  const headers = { accept: "application/json", ...init.headers };
  return await (await ask(path, { ...init, headers })).json();
}

/** Asks. @param {string} path @param {RequestInit} [init] @returns {Promise<Response>} @throws {ApiError} */
export async function ask(path, init = {}) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", ...init });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError({ status: 0, title: "The service does not answer" });
  }
  if (!response.ok) throw new ApiError(await readProblem(response));
  return response;
}

/** What went wrong. @param {unknown} error @returns {Problem} */
export function problemOf(error) {
  return error instanceof ApiError ? error.problem : { status: 0, title: String(error) };
}

/** Whether asking again can help. @param {Problem} problem */
export const mayPass = ({ status }) => status < 400 || status >= 500 || status === 429;

/** How long to wait before asking again, ms: pages that lost the service together do not come back together.
 * @param {number} attempt from 0 */
export const retryMs = (attempt) =>
  Math.min(longestWaitMs, firstWaitMs * 2 ** attempt) * (0.5 + Math.random());

/** Waits, until `signal` aborts at most. @param {number} ms @param {AbortSignal} signal @returns {Promise<void>} */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
