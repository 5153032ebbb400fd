/** Which nodes say nothing: some request to them has been waiting for longer than anybody should. @module */
import { KafkaError, patienceMs } from "./connection.ts";

/** Watches the requests to nodes, by node id. */
export class LeaderWatch implements Disposable {
  /** Requests that are late. */
  readonly #late = new Map<number, number>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  readonly #waiting = new Map<number, Set<() => void>>();

  /** Whether a node has not answered something for a second. */
  isSilent(leader: number): boolean {
    return this.#late.has(leader);
  }

  /** Runs a request to a node. */
  async run<T>(leader: number, request: () => Promise<T>): Promise<T> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#timers.delete(timer);
      this.#late.set(leader, (this.#late.get(leader) ?? 0) + 1);
      for (const tell of this.#waiting.get(leader) ?? []) tell();
    }, patienceMs);
    this.#timers.add(timer);
    try {
      return await request();
    } finally {
      clearTimeout(timer);
      this.#timers.delete(timer);
      const left = (this.#late.get(leader) ?? 0) - 1;
      if (isLate && left > 0) this.#late.set(leader, left);
      else if (isLate) this.#late.delete(leader);
    }
  }

  /** Settles as `work` does, which goes on all the same when the node falls silent before.
   * @throws {KafkaError} when it does */
  async unlessSilent<T>(leader: number, work: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    return await Promise.race([this.tellingSilence(leader, work, reject), promise]);
  }

  /** Settles as `work` does; `tell` is called when the node falls silent before. */
  async tellingSilence<T>(leader: number, work: Promise<T>, tell: (error: KafkaError) => void): Promise<T> {
    const told = () => tell(silent(leader));
    const waiting = this.#waiting.get(leader) ?? new Set();
    this.#waiting.set(leader, waiting.add(told));
    try {
      return await work;
    } finally {
      waiting.delete(told);
      if (waiting.size === 0 && this.#waiting.get(leader) === waiting) this.#waiting.delete(leader);
    }
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}

/** What is said of a node that says nothing. */
export function silent(leader: number): KafkaError {
  return new KafkaError("UNREACHABLE", `Node ${leader} has not answered for ${patienceMs} ms`);
}
