// @ts-check
/** What the page asks the service besides its stream: topics, one topic, storing a record; and ids of places
 * made of what it answers.
 * @module */
import { askJson } from "../shared/api.js";

/** @typedef {{ name: string, partitions: number, records: number | null, bytes: number | null,
 * internal?: true }} TopicLine null: Kafka did not tell */
/** @typedef {{ partition: number, earliest: number | null, latest: number | null, records: number | null,
 * bytes: number | null }} PartitionFacts `latest`: the offset of the next record */
/** @typedef {{ name: string, partitions: PartitionFacts[], records: number | null, bytes: number | null,
 * latest: string }} TopicFacts */
/** @typedef {{ topic: string, partition: number, offset: number, timestamp: number, key: unknown, value:
 * unknown, headers?: Record<string, unknown> }} TopicRecord */

/** @returns {Promise<{ topics: TopicLine[], serverTime: number }>} @throws {ApiError} */
export const fetchTopics = () => askJson("/topics");

/** @param {string} topic @param {AbortSignal} [signal] @returns {Promise<TopicFacts>} @throws {ApiError} */
export const fetchTopic = (topic, signal) => askJson(pathOf(topic), signal ? { signal } : {});

/** Stores a record. @param {string} topic @param {object} record
 * @returns {Promise<string>} `partition:offset` @throws {ApiError} */
export async function produce(topic, record) {
  const { records } = await askJson(`${pathOf(topic)}/records`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ records: [record] }),
  });
  return `${records[0].partition}:${records[0].offset}`;
}

/** A line for the terminal that stores a record. @param {string} topic */
export function produceCommand(topic) {
  const body = JSON.stringify({ records: [{ key: "test", value: { hello: "world" } }] });
  const url = new URL(`${pathOf(topic)}/records`, location.href).href;
  return `curl -d '${body}' -H 'content-type: application/json' ${url}`;
}

/** @param {string} topic */
export const pathOf = (topic) => `/topics/${encodeURIComponent(topic)}`;

/** Makes a cursor for the stream of what the address says.
 * @param {string} cursor @param {TopicFacts} facts @param {number} wanted how many `last` are
 * @returns {string} */
export function cursorFor(cursor, facts, wanted) {
  if (cursor === "last") return idOf(facts, lastPlaces(facts.partitions, wanted));
  const place = /^(\d+):(\d+)$/.exec(cursor);
  if (!place) return cursor;
  const [partition, offset] = [Number(place[1]), Number(place[2])];
  return idOf(
    facts,
    facts.partitions.map((each) => each.partition === partition ? offset : each.latest ?? 0),
  );
}

/** Where the last `wanted` records of all partitions begin, shared among them evenly; a partition that has
 * fewer leaves its share to the others. @param {PartitionFacts[]} partitions @param {number} wanted */
function lastPlaces(partitions, wanted) {
  const taken = partitions.map(() => 0);
  for (let left = wanted; left > 0;) {
    const open = partitions.map(({ earliest, latest }, i) =>
      (latest ?? 0) - (earliest ?? 0) - (taken[i] ?? 0)
    );
    const count = open.filter((n) => n > 0).length;
    if (count === 0) break;
    const share = Math.max(1, Math.floor(left / count));
    open.forEach((n, i) => {
      const more = Math.max(0, Math.min(n, share, left));
      taken[i] = (taken[i] ?? 0) + more;
      left -= more;
    });
  }
  return partitions.map(({ latest }, i) => (latest ?? 0) - (taken[i] ?? 0));
}

/** The id of a place. @param {TopicFacts} facts @param {number[]} next offsets, by partition */
function idOf({ latest, partitions }, next) {
  const cluster = latest.split(".")[1] ?? "";
  return `v1.${cluster}.${
    partitions.map(({ partition }, i) => `${partition}:${(next[i] ?? 0) - 1}`).join(",")
  }`;
}

/** Records between the place of an id and the end. @param {string} id @param {TopicFacts} facts
 * @returns {number | null} null if the id is no place */
export function recordsBehind(id, { partitions }) {
  if (!id.startsWith("v1.")) return null;
  const places = new Map(
    (id.split(".")[2] ?? "").split(",").map((part) => {
      const [partition, offset] = part.split(":").map(Number);
      return [partition, (offset ?? -1) + 1];
    }),
  );
  return partitions.reduce(
    (sum, { partition, earliest, latest }) =>
      sum + Math.max(0, (latest ?? 0) - Math.max(earliest ?? 0, places.get(partition) ?? 0)),
    0,
  );
}
