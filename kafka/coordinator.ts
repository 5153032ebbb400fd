/** Which node coordinates a group or a transactional id (FindCoordinator, key 10), one try. Left out: remembering it, and when to ask again,
 * which are matters of who asks (positions.ts, membership.ts, transaction_requests.ts).
 * @see {@link https://kafka.apache.org/protocol#The_Messages_FindCoordinator}
 * @module */
import { errorName, type KafkaConnection, KafkaError } from "./connection.ts";

/** Asks any node. It can be reached by what is returned once metadata has said where nodes are.
 * @param type 0: a group, which is the default; 1: a transactional id
 * @returns the node's id
 * @throws {KafkaError} */
export async function findCoordinator(
  connection: KafkaConnection,
  key: string,
  { timeoutMs, type }: { timeoutMs: number; type?: 0 | 1 },
): Promise<number> {
  const args = { groupId: key, ...(type !== undefined && { coordinatorType: type }) };
  const answer = await connection.ask(null, "GroupCoordinator", args, { timeoutMs });
  checkAnswer(answer.errorCode, `find the coordinator of ${key}`);
  return answer.coordinator.nodeId;
}

/** @throws {KafkaError} for any code but 0 */
export function checkAnswer(code: number, action: string): void {
  const error = errorName(code);
  if (error) throw new KafkaError(error, `Cannot ${action}: Kafka answered ${error}`);
}
