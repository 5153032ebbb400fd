/** A client that comes back: it keeps what it was told, can be cut off anywhere, and goes on with the last id that it kept.
 *
 * Left out: the connection itself (`Stage.follow`), whether what it was told is right (account.ts).
 * @module */
import { Account, type Asked, type Item, type Told } from "./account.ts";
import { generationOf, type LogModel } from "./log_model.ts";
import type { Opening } from "./steps.ts";

/** One connection of a client. */
export interface Line {
  /** Cuts it; nothing is told any more. */
  close(): void | Promise<void>;
  /** Lets it take so many writes more (0: none any more). */
  give(writes: number): void;
  /** Goes to another place on the same connection; false when that cannot be asked for. */
  seek(asked: Asked): boolean;
}

/** Who is told what a connection brings. */
export interface Listener {
  told(events: readonly Told[]): void;
  /** The server has ended it, or it broke. */
  ended(reason: string): void;
}

/** What opens connections. */
export interface Lines {
  /** @param from the id to go on with, or null to begin where `asked` says */
  follow(opening: Opening, asked: Asked, from: string | null, listener: Listener): Line;
}

/** What a client knows of the log when it asks. */
export type Snapshot = Pick<Asked, "generation" | "firsts" | "ends" | "alone">;

/** A client. */
export class Client {
  readonly items: Item[] = [];
  readonly #lines: Lines;
  readonly #model: LogModel;
  readonly #snapshot: () => Snapshot;
  readonly #cursor: Asked["cursor"];
  readonly #until: Asked["until"];
  #line: Line | undefined;
  #account: Account | undefined;
  #accounted = 0;
  #connection = 0;
  /** Called after each event while it is accounted for. */
  onEvent: () => void = () => {};
  /** How often the server ended a connection of it. */
  endings = 0;
  readonly endedBy: string[] = [];
  /** Comes back by itself when the server ends the connection, and takes everything then. */
  returns = false;

  constructor(
    readonly opening: Opening,
    readonly number: number,
    options: {
      lines: Lines;
      model: LogModel;
      snapshot: () => Snapshot;
      cursor: Asked["cursor"];
      until: Asked["until"];
    },
  ) {
    this.#lines = options.lines;
    this.#model = options.model;
    this.#snapshot = options.snapshot;
    this.#cursor = options.cursor;
    this.#until = options.until;
  }

  get isOpen(): boolean {
    return this.#line !== undefined;
  }

  /** Events of that name on the present connection. */
  count(event: string): number {
    let found = 0;
    for (let i = this.items.length - 1; i >= 0; i--) {
      const item = this.items[i]!;
      if (item.what === "asked") break;
      if (item.told.event === event) found++;
    }
    return found;
  }

  /** Opens a connection: with an id (another client's, for the first one), else with the last that was kept, else as asked. */
  open(other?: { readonly id: string; readonly generation: number }): void {
    const last = this.#lastId() ?? other;
    const asked: Asked = {
      id: last?.id ?? null,
      idGeneration: last?.generation ?? NaN,
      cursor: this.#cursor,
      until: this.#until,
      isSeek: false,
      ...this.#snapshot(),
    };
    this.items.push({ what: "asked", asked });
    const connection = ++this.#connection;
    const mine = () => connection === this.#connection;
    this.#line = this.#lines.follow(this.opening, asked, asked.id, {
      told: (events) => {
        if (!mine()) return;
        const generation = this.#model.current.number;
        for (const told of events) this.items.push({ what: "told", told, generation });
        this.onEvent();
      },
      ended: (reason) => {
        if (!mine()) return;
        this.#line = undefined;
        this.endings++;
        this.endedBy.push(reason);
        this.onEvent();
        if (!this.returns || this.isDone) return;
        this.open();
        this.give(1e9);
      },
    });
    if (!mine()) this.#line = undefined;
  }

  /** Cuts the connection; of what it brought, `share` thousandths were received, and no more than that is kept. */
  async cut(share = 1_000): Promise<void> {
    const line = this.#line;
    if (!line) return;
    this.#connection++;
    this.#line = undefined;
    const first = this.items.findLastIndex(({ what }) => what === "asked") + 1;
    const kept = Math.ceil((this.items.length - first) * share / 1_000);
    this.items.length = first + kept;
    await line.close();
  }

  give(writes: number): void {
    this.#line?.give(writes);
  }

  /** It has been told the end of a bounded read. */
  get isDone(): boolean {
    const last = this.items.findLast((item) => item.what === "asked" || item.told.event === "end");
    return last?.what === "told";
  }

  /** Goes to another place, when it knows where it is. */
  seek(cursor: Asked["cursor"], other?: { readonly id: string; readonly generation: number }): boolean {
    if (!this.#line || this.count("ready") === 0 || this.isDone) return false;
    const asked: Asked = {
      id: other?.id ?? null,
      idGeneration: other?.generation ?? NaN,
      cursor,
      until: this.#until,
      isSeek: true,
      ...this.#snapshot(),
    };
    this.items.push({ what: "asked", asked });
    if (this.#line.seek(asked)) return true;
    this.items.pop();
    return false;
  }

  /** Any event of it with an id. @param share which one, in thousandths of its items */
  idAt(share: number): { id: string; generation: number } | undefined {
    const wanted = Math.floor(this.items.length * Math.min(999, Math.max(0, share)) / 1_000);
    for (let i = wanted; i >= 0; i--) {
      const item = this.items[i];
      if (item?.what === "told" && item.told.id !== null) return this.#idOf(i, item.told.id);
    }
    return undefined;
  }

  #lastId(): { id: string; generation: number } | undefined {
    for (let i = this.items.length - 1; i >= 0; i--) {
      const item = this.items[i]!;
      if (item.what === "told" && item.told.id !== null) return this.#idOf(i, item.told.id);
    }
    return undefined;
  }

  /** An id with the generation of the log that it is of: that of the record before it, or the newest one at a start. */
  #idOf(index: number, id: string): { id: string; generation: number } {
    for (let i = index; i >= 0; i--) {
      const item = this.items[i]!;
      if (item.what !== "told") continue;
      if (item.told.event === "record") return { id, generation: generationOf(item.told.data.text) };
      if (item.told.event === "ready") return { id, generation: item.generation };
    }
    return { id, generation: NaN };
  }

  /** Goes through what it was told, from now on as it comes. @throws {Mismatch} */
  account(): Account {
    const account = this.#account ??= new Account(this.#model, this.opening);
    while (this.#accounted < this.items.length) account.take(this.items[this.#accounted++]!);
    return account;
  }

  /** The newest events, for a failure. */
  tail(count = 6): string[] {
    return this.items.slice(-count).map((item) =>
      JSON.stringify(item.what === "told" ? { generation: item.generation, ...item.told } : item.asked)
        .replaceAll(/x{4,}/g, "x…")
    );
  }
}
