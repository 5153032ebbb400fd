/** The power goes under `tailrace broker`, at random moments, with what was not synced lost, in part or wholly.
 *
 * The broker runs under power_cut.c, which keeps a journal of what the disk was told. From one run of some hundred
 * milliseconds many cuts are made: the folder as a disk may hold it at that moment, and a broker started on it must have
 * all that was acknowledged by then. The last cut of a run is what the next run starts with, and the producers go on
 * as if nothing had been. A short run in a normal `deno test`; TAILRACE_CUTS tells how many cuts (`deno task crash`).
 * @module */
import { assertEquals, assertGreater, assertLess } from "@std/assert";
import { startBroker } from "../../kafka/broker/mod.ts";
import { pause } from "../eventually.ts";
import { optionsFor, withFolder } from "../kafka/broker/harness.ts";
import { ProtocolClient } from "../protocol/client.ts";
import { Random } from "../random.ts";
import { requires } from "../requirements.ts";
import { checkDatabase, checkLog } from "./broker_checks.ts";
import { BrokerProcess, spread } from "./broker_process.ts";
import { Ledger } from "./ledger.ts";
import { openLoad, topics, transactionalIds } from "./load.ts";
import { Disk, type DiskImage, readFolder, type Survivors, watched, writeFolder } from "./power_cut.ts";

const cuts = Number(Deno.env.get("TAILRACE_CUTS") ?? 24);
const cutsPerRun = 8;
/** Then a new one with an empty log: what is compared after each cut would only get longer. */
const runsPerLife = 8;
const { ignore } = requires("cc");
const survivors: readonly Survivors[] = ["none", "first", "any", "sectors"];

/** What a broker's life under power cuts amounted to. */
interface Life {
  readonly records: number;
  readonly transactions: number;
  readonly operations: number;
  readonly syncs: number;
  readonly starts: readonly number[];
}

Deno.test({
  name: `BROKER_SYNC=full loses nothing acknowledged in ${cuts} power cuts`,
  ignore,
  fn: async () => {
    const random = new Random("moments of power cuts");
    const lives: Life[] = [];
    for (let cut = 0; cut < cuts; cut += cutsPerRun * runsPerLife) {
      lives.push(await live(random, Math.min(runsPerLife, Math.ceil((cuts - cut) / cutsPerRun))));
    }
    const sum = (of: "records" | "transactions" | "operations" | "syncs") =>
      lives.reduce((total, each) => total + each[of], 0);
    console.log(
      `power cut ×${cuts}: ${sum("records")} records, ${sum("transactions")} transactions, ${
        sum("operations")
      } writes ` +
        `with ${sum("syncs")} syncs; started in ${spread(lives.flatMap(({ starts }) => starts))}`,
    );
  },
});

/** When to cut: the end, any moments, and some of the first ones, when a broker has just started and answers to what was
 * sent before it died. In ascending order. */
function momentsOf(random: Random, first: number, last: number): number[] {
  first = Math.min(first, last); // a run that was too short to write anything
  const early = Math.min(last, first + 40);
  const moments = Array.from(
    { length: cutsPerRun - 1 },
    (_, n) => random.between(first, n % 2 === 0 ? early : last),
  );
  return [...moments.sort((a, b) => a - b), last];
}

/** A broker from its first start on: each run of it ends with kill -9, most also with a power cut that the next one
 * begins with. */
function live(random: Random, runs: number): Promise<Life> {
  return withFolder(async (folder) => {
    const journal = `${folder}/journal`;
    const ledger = new Ledger();
    const env = watched(`${folder}/data`, journal);
    await using broker = await BrokerProcess.open({ folder, sync: "full", env });
    await using stack = new AsyncDisposableStack();
    const producers = (await openLoad(broker.port, random, ledger)).map((producer) => stack.use(producer));
    let base: ReadonlyMap<string, Uint8Array> = new Map();
    let [operations, syncs, from] = [0, 0, 0];
    for (let run = 0; run < runs; run++) {
      await pause(random.between(50, 400));
      await broker.kill();
      const disk = new Disk(journal, base, random);
      let image: DiskImage | undefined;
      for (const moment of momentsOf(random, from + 1, disk.length)) {
        image = disk.cutAfter(moment, survivors[random.between(0, 3)]!);
        await checkImage(image, ledger);
      }
      if (run < runs - 1 && random.between(0, 2) === 0) {
        from = disk.length; // no power cut this time: what was not synced is there, and still not synced
      } else {
        base = image!.files;
        from = 0;
        writeFolder(broker.dataDir, base);
        await Deno.remove(journal);
        operations += disk.length;
        syncs += disk.syncs;
      }
      await broker.start();
      await Promise.all(producers.map((producer) => producer.more(1)));
    }
    await Promise.all(producers.map((producer) => producer.stop()));
    const records = await checkLog({ port: broker.port, ledger, topics });
    assertEquals(await broker.stop(), 0, broker.log().slice(-2000));
    checkDatabase(broker.dataDir);
    assertGreater(syncs, 0, "syncs that the journals tell of");
    return { records, transactions: ledger.transactions.length, operations, syncs, starts: broker.starts };
  });
}

Deno.test({
  name: "BROKER_SYNC=normal loses acknowledged records in a power cut: the cut is a real one",
  ignore,
  fn: async () => {
    const random = new Random("cuts of what is not synced");
    // A broker that was busy may have folded its log into the database, which syncs it, right before the cut.
    for (let cuts = 1; !await losesRecords(random); cuts++) assertLess(cuts, 10, "cuts that lost nothing");
  },
});

/** Cuts a broker's power that syncs nothing itself. @returns whether acknowledged records are lost */
function losesRecords(random: Random): Promise<boolean> {
  return withFolder(async (folder) => {
    const journal = `${folder}/journal`;
    const ledger = new Ledger();
    await using broker = await BrokerProcess.open({
      folder,
      sync: "normal",
      env: watched(`${folder}/data`, journal),
    });
    await using stack = new AsyncDisposableStack();
    const producers = (await openLoad(broker.port, random, ledger)).map((producer) => stack.use(producer));
    await Promise.all(producers.map((producer) => producer.more(20)));
    await broker.kill();
    const disk = new Disk(journal, new Map(), random);
    const lost = await checkImage(disk.cutAfter(disk.length, "none"), ledger).then(() => false, (error) => {
      if (!String(error).includes("acknowledged records")) throw error;
      return true;
    });
    const whole = readFolder(broker.dataDir);
    await checkImage({ files: whole, atMs: Date.now() + 1000 }, ledger); // it is the cut that loses them
    return lost;
  });
}

/** A broker started on the image has all that was acknowledged before the moment of the cut. */
function checkImage({ files, atMs }: DiskImage, ledger: Ledger): Promise<void> {
  return withFolder(async (dataDir) => {
    writeFolder(dataDir, files);
    {
      await using broker = await startBroker(optionsFor(dataDir));
      const known = [...broker.state.log.topics].map((topic) =>
        [topic.name, topic.partitions.length] as const
      );
      const made = Object.fromEntries(known.filter(([name]) => name in topics));
      const told = ledger.records.filter((record) => record.atMs <= atMs);
      const gone = told.filter(({ topic }) => !(topic in made)).length;
      assertEquals(gone, 0, `${gone} acknowledged records are lost with their topic`);
      await endOpenTransactions(broker.port);
      await checkLog({ port: broker.port, ledger: within(ledger, made), topics: made, untilMs: atMs });
    }
    checkDatabase(dataDir);
  });
}

/** Begins anew under every transactional id, as producers do that were started again: what the power cut left open is
 * aborted, and hides from read_committed consumers no longer what others have committed behind it. */
async function endOpenTransactions(port: number): Promise<void> {
  using client = await ProtocolClient.connect(port);
  for (const transactionalId of transactionalIds) {
    const { errorCode } = await client.ask(22, 1, { transactionalId, transactionTimeoutMs: 60_000 });
    assertEquals(errorCode, 0, `producer id of ${transactionalId}`);
  }
}

/** What the ledger says of topics that were there at the moment. */
function within(ledger: Ledger, made: Readonly<Record<string, number>>): Ledger {
  const some = new Ledger();
  some.records.push(...ledger.records.filter(({ topic }) => topic in made));
  some.transactions.push(...ledger.transactions);
  return some;
}
