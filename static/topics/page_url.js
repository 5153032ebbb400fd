// @ts-check
/** What the page's address says: topic, filter, where the records begin, whether the newest are followed, the
 * record that is open. A link shows the same thing.
 * @module */

/** @typedef {object} PageState
 * @property {string | null} topic
 * @property {string} key only records with it; empty: all
 * @property {string[]} where conditions on the value, all of which hold
 * @property {string} cursor `last` (the last hundred), `latest`, `earliest`, `t.<ms>`, `<partition>:<offset>`
 *   or an id
 * @property {boolean} isFollowing
 * @property {string | null} record `<partition>:<offset>` of the open one
 * @property {string} query filter of the list of topics */

export const usualCursor = "last";

/** Whether a start is one at which somebody wants to read on, not to see the newest.
 * @param {string} cursor */
export const isPast = (cursor) => cursor !== usualCursor && cursor !== "latest";

/** @returns {PageState} */
export function readUrl() {
  const query = new URLSearchParams(location.search);
  const cursor = query.get("cursor") ?? usualCursor;
  const follow = query.get("follow");
  return {
    topic: decodeURIComponent(/^\/topics\/([^/]+)$/.exec(location.pathname)?.[1] ?? "") || null,
    key: query.get("key") ?? "",
    where: query.getAll("where"),
    cursor,
    isFollowing: follow === null ? !isPast(cursor) : follow !== "0",
    record: /^\d+:\d+$/.test(query.get("record") ?? "") ? query.get("record") : null,
    query: query.get("q") ?? "",
  };
}

/** @param {PageState} state @returns {string} path and query */
export function addressOf({ topic, key, where, cursor, isFollowing, record, query }) {
  const search = new URLSearchParams();
  if (topic !== null) {
    if (cursor !== usualCursor) search.set("cursor", cursor);
    if (isFollowing === isPast(cursor)) search.set("follow", isFollowing ? "1" : "0");
    if (key) search.set("key", key);
    for (const condition of where) search.append("where", condition);
    if (record !== null) search.set("record", record);
  }
  if (query) search.set("q", query);
  const text = search.toString().replaceAll("%3A", ":");
  const path = topic === null ? "/topics" : `/topics/${encodeURIComponent(topic)}`;
  return text ? `${path}?${text}` : path;
}
