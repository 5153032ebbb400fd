/** One case: the steps of a plan carried out on a stage, then everyone is given room until the end of the log, then each client's
 * account is held against the model.
 *
 * Left out: what is written (sender.ts), which steps (steps.ts), how many cases (run.ts).
 * @module */
import { eventually, pause } from "../eventually.ts";
import type { Asked } from "./account.ts";
import { Client, type Snapshot } from "./client.ts";
import { LogModel, PartitionModel } from "./log_model.ts";
import { Sender } from "./sender.ts";
import type { Stage } from "./stage.ts";
import type { Tally } from "./tally.ts";
import { type DrawnRecord, transact } from "./transactions.ts";
import type { Opening, Plan, Step } from "./steps.ts";

const maxClients = 8;

/** A case under way. */
export class Case {
  readonly #stage: Stage;
  readonly #plan: Plan;
  readonly #topic: string;
  readonly #model: LogModel;
  readonly #tally: Tally;
  readonly #settleMs: number;
  readonly clients: Client[] = [];
  readonly #sender: Sender;
  /** Some client of this service has followed the topic. */
  #followed = false;
  #grown = false;

  constructor(stage: Stage, plan: Plan, topic: string, tally: Tally, settleMs = 90_000) {
    this.#stage = stage;
    this.#plan = plan;
    this.#topic = topic;
    this.#tally = tally;
    this.#settleMs = settleMs;
    this.#model = new LogModel(plan.partitions);
    this.#sender = new Sender(stage, topic, this.#model, tally, plan.isYoung);
  }

  /** @throws {Error} when a client was not shown what it should have been */
  async run(): Promise<void> {
    const { retentionBytes, partitions, ringBytes, steps } = this.#plan;
    await this.#stage.begin(ringBytes);
    try {
      await this.#create(partitions, retentionBytes);
      for (const step of steps) {
        this.#tally.steps[step.do] = (this.#tally.steps[step.do] ?? 0) + 1;
        await this.#carryOut(step);
      }
      await this.#settle();
      for (const client of this.clients) await client.cut();
      this.#count();
    } finally {
      for (const client of this.clients) await client.cut();
      await this.#stage.endCase();
      await this.#sender.outcomes();
    }
  }

  #create(partitions: number, retentionBytes: number | null): Promise<void> {
    const configs = {
      "retention.ms": "-1",
      ...(retentionBytes !== null && this.#stage.node.sweep && { "retention.bytes": String(retentionBytes) }),
    };
    return this.#stage.admin.createTopic(this.#topic, partitions, configs);
  }

  async #carryOut(step: Step): Promise<void> {
    switch (step.do) {
      case "produce": {
        const sent = step.sendings.map((sending) => this.#sender.send(sending));
        if (step.awaited) await Promise.all(sent);
        return;
      }
      case "transaction":
        return await this.#transact(step);
      case "open":
        return await this.#open(step.opening, step.waitMs);
      case "cut": {
        const client = this.#client(step.viewer, (one) => one.isOpen);
        if (!client) return;
        await client.cut(step.share);
        this.#tally.cuts++;
        if (step.resumed) this.#reopen(client);
        return;
      }
      case "resume": {
        const client = this.#client(step.viewer, (one) => !one.isOpen && !one.isDone);
        if (client) this.#reopen(client);
        return;
      }
      case "give":
        return this.#client(step.viewer, (one) => one.isOpen)?.give(step.writes);
      case "seek":
        return this.#seek(step);
      case "stall":
        return this.#client(step.viewer, (one) => one.isOpen)?.give(0);
      case "delete records":
        return await this.#deleteRecords(step.partition, step.share);
      case "pause":
        return await pause(step.ms);
      default:
        return await this.#breakOrMend(step);
    }
  }

  async #breakOrMend(step: Step): Promise<void> {
    const stage = this.#stage;
    switch (step.do) {
      case "retention":
        return await this.#sweep();
      case "restart service":
        return await this.#restartService(step.ringBytes);
      case "restart Kafka":
        return await this.#sweep(() => stage.node.restart()); // it looks for old records when it starts
      case "cut Kafka":
        return stage.cutKafka();
      case "Kafka away":
        return await stage.away();
      case "Kafka back":
        return await stage.back();
      case "hold answers":
        return stage.hold();
      case "release answers":
        return stage.release();
      case "add partition":
        return await this.#addPartition();
      case "remake topic":
        return await this.#remake();
    }
  }

  #client(number: number, likes: (client: Client) => boolean): Client | undefined {
    const fitting = this.clients.filter(likes);
    return fitting[number % fitting.length];
  }

  async #open(opening: Opening, waitMs: number): Promise<void> {
    if (this.clients.length >= maxClients) return;
    const { until, untilShare } = opening;
    const client = new Client(opening, this.clients.length, {
      lines: { follow: (...rest) => this.#stage.follow(this.#topic, ...rest) },
      model: this.#model,
      snapshot: () => this.#snapshot(),
      cursor: this.#cursorOf(opening),
      until: until === "time" ? this.#sender.timeOf(untilShare) : until,
    });
    this.clients.push(client);
    client.open(this.#idOf(opening));
    this.#followed = true;
    const deadline = performance.now() + waitMs;
    while (performance.now() < deadline && client.count("ready") === 0) await pause(1);
  }

  #cursorOf({ cursor, share }: Pick<Opening, "cursor" | "share">): Asked["cursor"] {
    return cursor === "time" ? this.#sender.timeOf(share) : cursor === "id" ? "latest" : cursor;
  }

  #idOf({ cursor, share }: Pick<Opening, "cursor" | "share">) {
    return cursor === "id" ? this.#client(share + 50, () => true)?.idAt(share) : undefined;
  }

  #seek(step: Step & { readonly do: "seek" }): void {
    const client = this.#client(step.viewer, (one) => one.isOpen);
    if (client?.seek(this.#cursorOf(step), this.#idOf(step))) this.#tally.seeks++;
  }

  #reopen(client: Client): void {
    client.open();
    this.#followed = true;
  }

  #snapshot(): Snapshot {
    const { number, partitions, ends } = this.#model.current;
    return { generation: number, firsts: partitions.map(({ least }) => least), ends, alone: !this.#followed };
  }

  /** Nobody is shown what is given up; it has its offsets all the same, as has the end of a transaction. */
  async #transact({ sendings, commits }: Step & { readonly do: "transaction" }): Promise<void> {
    const { partitions } = this.#model.current;
    const records = sendings.flatMap((sending) =>
      this.#sender.draw({ ...sending, partition: sending.partition ?? 0 })
    );
    await this.#sender.acknowledgements(); // so that the end of the transaction comes right behind it
    const { node } = this.#stage;
    const places = await node.undisturbed(() => this.#transacted(records, commits));
    for (const [partition, base] of places) {
      const log = partitions[partition]!;
      let offset = base;
      for (const record of records) {
        if (record.partition !== partition) continue;
        if (commits) log.acknowledged(offset++, record);
        else log.hides(offset++, record.timestamp);
      }
      log.hides(offset, Date.now());
    }
    if (commits) this.#tally.produced += records.length;
  }

  /** @returns where its records begin in each partition, once they and the end of the transaction are there */
  async #transacted(
    records: readonly DrawnRecord[],
    commits: boolean,
  ): Promise<ReadonlyMap<number, number>> {
    const places = await transact(this.#stage.node.port, this.#topic, records, commits);
    const counts = new Map<number, number>();
    for (const { partition } of records) counts.set(partition!, (counts.get(partition!) ?? 0) + 1);
    // The end of a transaction is acknowledged before it is in the partitions.
    await eventually("the end of a transaction", async () => {
      const ends = await this.#stage.admin.ends(this.#topic, this.#model.current.partitions.length);
      return [...places].every(([partition, base]) => ends[partition]! > base + counts.get(partition)!);
    }, 60_000);
    return places;
  }

  async #deleteRecords(number: number, share: number): Promise<void> {
    const { partitions } = this.#model.current;
    const partition = number % partitions.length, log = partitions[partition]!;
    const before = Math.floor(log.end * share / 1_000);
    if (before <= log.least) return;
    log.mayStartAt(before);
    log.startsAt(await this.#stage.admin.deleteRecords(this.#topic, partition, before));
  }

  async #sweep(before: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    const { node, admin } = this.#stage;
    if (!node.sweep) return await before();
    const { partitions } = this.#model.current;
    for (const log of partitions) log.mayStartAt(Infinity);
    await before();
    await node.sweep();
    const starts = await admin.starts(this.#topic, partitions.length);
    starts.forEach((start, q) => partitions[q]!.startsAt(start));
  }

  async #restartService(ringBytes: number): Promise<void> {
    const open = this.clients.filter((client) => client.isOpen);
    for (const client of open) if (client.number % 2) await client.cut(700); // it did not get the newest of it
    await this.#stage.restartService(ringBytes);
    this.#followed = false;
    for (const client of open) if (!client.isOpen && !client.isDone) this.#reopen(client);
  }

  async #addPartition(): Promise<void> {
    const { partitions } = this.#model.current;
    if (partitions.length >= 5) return;
    await this.#mend();
    await this.#stage.admin.addPartitions(this.#topic, partitions.length + 1);
    partitions.push(new PartitionModel());
    this.#grown = true;
  }

  /** Removes the topic and makes it again, once its viewers have been told that it is gone: a log that is remade and has grown past
   * the old one meanwhile cannot be told from it. */
  async #remake(): Promise<void> {
    await this.#mend();
    const { partitions } = this.#model.current;
    // Once: a service that has not met the new topic yet does not see it go.
    if (this.#model.generations.length > 1) return;
    // Somebody has to be there who stays, and sees it go.
    const stays = (client: Client) => client.opening.until === null;
    if (!this.clients.some((client) => stays(client) && client.isOpen)) {
      const one = this.clients.find(stays);
      if (!one) return;
      this.#reopen(one);
    }
    const open = () => this.clients.filter((client) => client.isOpen);
    const told = (count: (client: Client) => number) => () =>
      open().every((client) => client.count("ready") > count(client));
    await eventually("every start", told(() => 0), this.#settleMs);
    const before = new Map(open().map((client) => [client, client.count("ready")]));
    this.#model.remade();
    await this.#stage.admin.deleteTopic(this.#topic);
    await eventually(
      "everyone to be told a reset",
      told((client) => before.get(client) ?? 0),
      this.#settleMs,
    );
    await this.#create(partitions.length, this.#plan.retentionBytes);
    this.#stage.created(this.#topic);
  }

  /** Nothing is broken, and nothing is on its way into the log. */
  async #mend(): Promise<void> {
    this.#stage.release();
    await this.#stage.back();
    await this.#sender.acknowledgements();
  }

  /** Everyone comes back, has room, and is shown a last record of each partition. */
  async #settle(): Promise<void> {
    await this.#mend();
    if (this.#grown) this.#stage.cutKafka(); // the service looks for partitions when it comes back
    for (const client of this.clients) {
      client.returns = true;
      if (!client.isOpen && !client.isDone) this.#reopen(client);
      client.give(1_000_000_000);
    }
    await this.#sender.sendLast();
    await this.#mend();
    const ends = this.#model.current.ends;
    const waiting = new Set(this.clients);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (client: Client) => {
      try {
        const account = client.account();
        // A bound of a log that is gone means nothing in the next one.
        const mayGoOn = client.opening.until === null || this.#model.generations.length > 1;
        if (account.ended || mayGoOn && account.has(ends)) waiting.delete(client);
        if (client.endedBy.includes("failed")) {
          throw new Error("The service ended the stream as something failed");
        }
        if (waiting.size === 0) resolve();
      } catch (error) {
        reject(new Error(`Client ${client.number} was shown something else`, { cause: error }));
      }
    };
    if (waiting.size === 0) resolve();
    for (const client of this.clients) {
      client.onEvent = () => look(client);
      look(client);
    }
    // More and more seldom: a busy machine takes its time to come back and read on.
    let looking: ReturnType<typeof setTimeout> | undefined;
    const lookAgain = (ms: number) => {
      looking = setTimeout(() => {
        this.#stage.cutKafka();
        lookAgain(1.5 * ms);
      }, ms);
    };
    if (this.#grown) lookAgain(1_000);
    const timer = setTimeout(() => {
      const [client] = waiting;
      reject(
        new Error(
          `Client ${
            client!.number
          } has not come to the end ${ends} of generation ${this.#model.current.number}: ` +
            client!.account().place,
        ),
      );
    }, this.#settleMs);
    await promise.finally(() => (clearTimeout(timer), clearTimeout(looking)));
  }

  #count(): void {
    this.#tally.cases++;
    for (const client of this.clients) {
      const account = client.account();
      this.#tally.clients++;
      this.#tally.shown += account.records;
      this.#tally.gaps += account.gaps;
      this.#tally.skipped += account.skipped;
      if (account.ended) this.#tally.ends++;
      for (const resume of account.resumes) {
        this.#tally.resumed[resume] = (this.#tally.resumed[resume] ?? 0) + 1;
      }
    }
  }
}
