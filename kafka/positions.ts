/** Positions that are committed to Kafka under the name of a group, without a membership: where somebody is to go on, kept in the cluster.
 *
 * The group is never joined, so nothing is assigned, no heartbeat is sent, and another program that uses the same name is not disturbed:
 * requests carry generation −1 and no member id, which is how Kafka takes commits of whoever chooses partitions himself. Kafka forgets
 * such a group some days after its last commit (`offsets.retention.minutes`), and a topic's positions with the topic. Left out: what is
 * committed when (routes/viewer_positions.ts).
 * @see {@link https://kafka.apache.org/protocol#The_Messages_OffsetCommit}
 * @module */
import { withDeadline } from "../deadline.ts";
import type { Kafka } from "./client.ts";
import { type KafkaConnection, KafkaError } from "./connection.ts";
import { checkAnswer, findCoordinator } from "./coordinator.ts";
import { type Positions, unknownOffset } from "./cursor.ts";
import { Joined } from "./joined.ts";
import { noAnswer } from "./nodes.ts";
import { pause } from "./pause.ts";

/** How long a question may take, and how long one try of it, ms. */
const defaultTimeoutMs = 4_000, tryMs = 2_000;
/** Pauses between two tries, ms: the first, and the longest. */
const firstPauseMs = 20, maxPauseMs = 400;
/** Groups whose coordinator is remembered. */
const maxCoordinators = 10_000;
/** What passes: a node went away, or a group is moving to another coordinator. */
const passing: ReadonlySet<string> = new Set([
  "UNREACHABLE",
  "BROKER_NOT_AVAILABLE",
  "REQUEST_TIMED_OUT",
  "GROUP_LOAD_IN_PROGRESS",
  "GROUP_COORDINATOR_NOT_AVAILABLE",
  "NOT_COORDINATOR_FOR_GROUP",
]);

/** Whether a failure may be gone when Kafka is asked again. */
export function isPassing({ code }: KafkaError): boolean {
  return passing.has(code);
}

/** The committed positions of any group, over one connection. */
export class CommittedPositions implements AsyncDisposable {
  readonly #connection: KafkaConnection;
  readonly #timeoutMs: number;
  /** The node that coordinates a group; the group asked for longest ago first. */
  readonly #coordinators = new Map<string, number>();
  readonly #described = new Joined<unknown>();
  /** Whether the connection has been told where nodes are, and none has failed since. */
  #knowsNodes = false;
  readonly #stop = new AbortController();

  /** @param options.timeoutMs after which a question fails, all its tries included */
  constructor(kafka: Kafka, { timeoutMs = defaultTimeoutMs }: { timeoutMs?: number } = {}) {
    this.#connection = kafka.connect();
    this.#timeoutMs = timeoutMs;
  }

  /** What a group has committed of a topic: next offsets, `unknownOffset` for partitions without one; null for none at all.
   * @param signal ends the tries early
   * @throws {KafkaError} when the group's coordinator cannot be asked in time, or refuses */
  read(group: string, topic: string, signal?: AbortSignal): Promise<Positions | null> {
    const ask = async (node: number, timeoutMs: number) => {
      const args = { groupId: group, topics: [] }; // none: all that the group has
      const answer = await this.#connection.ask(node, "OffsetFetch", args, { timeoutMs });
      checkAnswer(answer.errorCode, `read the positions of ${group}`);
      const positions: number[] = [];
      for (const { topic: name, partitions } of answer.responses) {
        if (name !== topic) continue;
        for (const { partition, offset, errorCode } of partitions) {
          checkAnswer(errorCode, `read the position of ${group} in ${topic}/${partition}`);
          positions[partition] = Math.max(unknownOffset, Number(offset));
        }
      }
      const isEmpty = positions.every((next) => next === unknownOffset);
      return isEmpty ? null : Array.from(positions, (next) => next ?? unknownOffset);
    };
    return this.#atCoordinator(group, topic, ask, signal);
  }

  /** Commits next offsets; partitions at `unknownOffset` are left as they are.
   * @throws {KafkaError} when the group's coordinator cannot be asked in time, or refuses: UNKNOWN_TOPIC_OR_PARTITION among others, or
   *   UNKNOWN_MEMBER_ID when a consumer has joined the group */
  commit(group: string, topic: string, positions: Positions): Promise<void> {
    const partitions = positions.flatMap((next, partition) =>
      next === unknownOffset ? [] : [{ partition, offset: String(next) }]
    );
    if (partitions.length === 0) return Promise.resolve();
    const args = { groupId: group, groupGenerationId: -1, memberId: "", topics: [{ topic, partitions }] };
    const ask = async (node: number, timeoutMs: number) => {
      const answer = await this.#connection.ask(node, "OffsetCommit", args, { timeoutMs });
      for (const { partition, errorCode } of answer.responses[0]?.partitions ?? []) {
        checkAnswer(errorCode, `commit the position of ${group} in ${topic}/${partition}`);
      }
    };
    return this.#atCoordinator(group, topic, ask);
  }

  /** Closes the connection; what waits for an answer fails. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#connection[Symbol.asyncDispose]();
  }

  /** Asks a group's coordinator, and again while what hinders it passes. */
  async #atCoordinator<T>(
    group: string,
    topic: string,
    ask: (node: number, timeoutMs: number) => Promise<T>,
    signal = this.#stop.signal,
  ): Promise<T> {
    const deadline = performance.now() + this.#timeoutMs;
    for (let pauseMs = firstPauseMs;; pauseMs = Math.min(2 * pauseMs, maxPauseMs)) {
      const timeoutMs = Math.ceil(Math.min(tryMs, deadline - performance.now()));
      const tried = this.#coordinator(group, topic, timeoutMs).then((node) => ask(node, timeoutMs));
      try {
        return await withDeadline(tried, timeoutMs, () => noAnswer("about positions", timeoutMs));
      } catch (error) {
        this.#coordinators.delete(group);
        if (!(error instanceof KafkaError) || !isPassing(error)) throw error;
        this.#knowsNodes = false;
        const isEnded = signal.aborted || this.#stop.signal.aborted;
        if (isEnded || performance.now() + pauseMs >= deadline) throw error;
      }
      await pause(pauseMs, signal);
    }
  }

  async #coordinator(group: string, topic: string, timeoutMs: number): Promise<number> {
    const known = this.#coordinators.get(group);
    if (known !== undefined) return known;
    // A node can be reached by its id once metadata has said where it is.
    if (!this.#knowsNodes) await this.#described.running("", () => this.#connection.metadata([topic]));
    this.#knowsNodes = true;
    const node = await findCoordinator(this.#connection, group, { timeoutMs });
    this.#coordinators.set(group, node);
    if (this.#coordinators.size > maxCoordinators) {
      this.#coordinators.delete(this.#coordinators.keys().next().value!);
    }
    return node;
  }
}
