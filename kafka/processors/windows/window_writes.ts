/** What a commit of counting writes: records of the state, and finished windows.
 *
 * Very many ids may have windows that close together. So texts are made when a record goes to Kafka, and are gone when it is there: what is
 * counted must not move meanwhile. Left out: the transaction (window_task.ts).
 * @module */
import type { FinishedWindow, WindowSize } from "../../windows.ts";
import type { TransactionRecord } from "../../transactions.ts";
import type { StateChange } from "./state_records.ts";
import type { TakenState } from "./window_state.ts";

/** The records of a commit.
 * @param partition of ids, and of the state topic */
export function writesOf(
  { records, finished }: TakenState,
  stateTopic: string,
  partition: number,
): TransactionRecord[] {
  const written: TransactionRecord[] = [];
  for (const change of records) written.push(new StateWrite(stateTopic, partition, change));
  for (const { size, window } of finished) written.push(new WindowWrite(size, window));
  return written;
}

class StateWrite implements TransactionRecord {
  readonly topic: string;
  readonly partition: number;
  readonly #change: StateChange;

  constructor(topic: string, partition: number, change: StateChange) {
    this.topic = topic;
    this.partition = partition;
    this.#change = change;
  }

  get key(): string {
    return this.#change.key;
  }

  get value(): string | null {
    return this.#change.value;
  }
}

/** Its time is that of writing: retention must not take windows of long ago for old records. */
class WindowWrite implements TransactionRecord {
  readonly #size: WindowSize;
  readonly #window: FinishedWindow;

  constructor(size: WindowSize, window: FinishedWindow) {
    this.#size = size;
    this.#window = window;
  }

  get topic(): string {
    return this.#size.topic;
  }

  get key(): string {
    return this.#window.video_uid;
  }

  get value(): string {
    return JSON.stringify(this.#window);
  }
}
