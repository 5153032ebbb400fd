// @ts-check
/** What the page asks the service besides its streams: the histograms as they are, the course of one, storing a
 * measurement; and the addresses of a measurement.
 * @module */
/** @import { HistogramData, HistogramsData, SeriesData } from "../../routes/histograms.ts" */
import { askJson } from "../shared/api.js";

/** A span of time, ms since the epoch; without an end it is open there. @typedef {{ from?: number, to?: number }} Span */

/** @param {string} name */
export const pathOf = (name) => `/histograms/${encodeURIComponent(name)}`;

/** @param {string} name */
export const eventsOf = (name) => `${pathOf(name)}/events`;

/** @param {AbortSignal} signal @returns {Promise<readonly HistogramData[]>} @throws {ApiError} */
export async function fetchHistograms(signal) {
  const { histograms } = /** @type {HistogramsData} */ (await askJson("/histograms", { signal }));
  return histograms;
}

/** The course of a measurement, in at most so many steps.
 * @param {string} name @param {Span & { points: number }} query @param {AbortSignal} signal
 * @returns {Promise<SeriesData>} @throws {ApiError} */
export function fetchSeries(name, { points, ...span }, signal) {
  return askJson(`${pathOf(name)}/series?${queryOf(span, { points: String(points) })}`, { signal });
}

/** Stores a measurement, of now. @param {string} name @param {number} measurement
 * @returns {Promise<string>} `partition:offset` @throws {ApiError} */
export async function postMeasurement(name, measurement) {
  const { partition, offset } = await askJson(`${pathOf(name)}/measurements`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ measurement }),
  });
  return `${partition}:${offset}`;
}

/** A line for the terminal that stores a measurement. @param {string} name @param {number} measurement */
export function postCommand(name, measurement) {
  const url = new URL(`${pathOf(name)}/measurements`, location.href).href;
  return `curl -d '${JSON.stringify({ measurement })}' -H 'content-type: application/json' ${url}`;
}

/** Where the rows of a span are, as CSV. @param {string} name @param {Span} span */
export const csvUrl = (name, span) => `${pathOf(name)}/measurements?${queryOf(span, { format: "csv" })}`;

/** @param {Span} span @param {Record<string, string>} more */
function queryOf({ from, to }, more) {
  const query = new URLSearchParams(more);
  if (from !== undefined) query.set("from", `t.${Math.floor(from)}`);
  if (to !== undefined) query.set("to", `t.${Math.ceil(to)}`);
  return query;
}
