// @ts-check
/** What a page asks the service besides its streams, and what went wrong.
 * @module */
/** @import { Problem } from "./problem.js" */
import { readProblem } from "./problem.js";

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
