/** Names of the logs of a partition of clicks, as batches and committed offsets carry them: an offset does not say of which log it is.
 *
 *     <topic id>   <topic id>~1   <topic id>~2 …
 *
 * A log that has lost its end, as after a power cut, gives offsets out again: from there it goes by the next name. Before Kafka 2.8 topics
 * have no ids, and names begin with nothing. Left out: when a log is found to have lost its end (fold_task.ts, fold_beginning.ts).
 * @module */

/** Whether what was noted with a committed offset names a log. It does not when people have set the offset. */
export function isLogName(metadata: string): boolean {
  return /^([0-9a-f]{32}(~[1-9]\d{0,8})?|~[1-9]\d{0,8})$/.test(metadata);
}

/** The topic's id in a name, "" when it has none. */
export function topicIdIn(log: string): string {
  return log.split("~", 1)[0]!;
}

/** How often the log had lost its end: offsets that came again are others. */
export function logCuts(log: string): number {
  return Number(log.split("~")[1] ?? 0);
}

/** The log's name once it has lost its end. */
export function afterCut(log: string): string {
  return `${topicIdIn(log)}~${1 + logCuts(log)}`;
}

/** Whether a log is of the topic with an id. Without ids one topic is as good as another. */
export function isOfTopic(log: string, topicId: string): boolean {
  const id = topicIdIn(log);
  return id === "" || topicId === "" || id === topicId;
}
