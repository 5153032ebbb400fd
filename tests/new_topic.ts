/** A topic name that no other test uses. */
export function newTopic(what: string): string {
  return `${what}-${crypto.randomUUID().slice(0, 8)}`;
}
