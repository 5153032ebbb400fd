// @ts-check
/** What a server says when it refuses: problem details (RFC 9457), or what can be made of anything else.
 * @module */

/** Why a stream has stopped for good, or what went wrong on the way: the server's problem where there is one.
 * @typedef {object} Problem
 * @property {number} status 0 if the server sent no answer
 * @property {string} title
 * @property {string} [detail]
 * @property {string} [code]
 * @property {string} [requestId]
 * @property {string} [stream] of several streams the one it is about */

/** Reads what a refusal says, and leaves a stream that did open.
 * @param {Response} response @returns {Promise<Problem>} */
export async function readProblem(response) {
  const { status } = response;
  const requestId = response.headers.get("x-request-id") ?? undefined;
  const isProblem = response.headers.get("content-type")?.includes("json") ?? false;
  const body = isProblem ? await response.json().catch(() => ({})) : await response.body?.cancel();
  const title = body?.title ?? `The server answered ${status} ${response.statusText}`.trim();
  return { ...body, status, title, ...(requestId ? { requestId } : {}) };
}

/** What there is to say behind its title. @param {Problem | null | undefined} problem */
export function detailOf(problem) {
  const request = problem?.requestId && `Request ${problem.requestId}.`;
  return [problem?.detail, request].filter(Boolean).join(" · ");
}

/** Asks once more why a stream was refused, which neither `EventSource` nor `WebSocket` tells.
 * @param {URL} target @param {AbortSignal} signal @returns {Promise<Problem>} */
export async function askWhy(target, signal) {
  try {
    const headers = { accept: "text/event-stream" };
    return await readProblem(await fetch(target, { headers, signal, cache: "no-store" }));
  } catch {
    return { status: 0, title: "The server did not answer" };
  }
}
