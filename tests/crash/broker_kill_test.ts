/** kill -9 of `tailrace broker` under idempotent and transactional load, again and again on the same data.
 *
 * Ten times in a normal run; `deno task crash` does it a thousand times or for ten minutes, whatever ends first
 * (TAILRACE_CRASHES, TAILRACE_CRASH_SECONDS). With BROKER_SYNC=normal, the weaker promise; what `full` adds is shown by
 * power_cut_test.ts. @module */
import { assert, assertEquals } from "@std/assert";
import { eventually, pause } from "../eventually.ts";
import { Random } from "../random.ts";
import { checkDatabase, checkLog } from "./broker_checks.ts";
import { Follower } from "./broker_log.ts";
import { BrokerProcess, spread } from "./broker_process.ts";
import { Ledger } from "./ledger.ts";
import { openLoad, topics } from "./load.ts";

const crashes = Number(Deno.env.get("TAILRACE_CRASHES") ?? 10);
const seconds = Number(Deno.env.get("TAILRACE_CRASH_SECONDS") ?? 600);

Deno.test(`kill -9 of the broker ${crashes} times loses nothing, repeats nothing, halves no transaction`, async () => {
  const random = new Random("kill -9 of the broker");
  const folder = await Deno.makeTempDir({ prefix: "tailrace-crash-" });
  try {
    await using broker = await BrokerProcess.open({ folder, sync: "normal" });
    const { port } = broker;
    const ledger = new Ledger();
    await using stack = new AsyncDisposableStack();
    const producers = await openLoad(port, random, ledger);
    for (const producer of producers) stack.use(producer);
    const followers = Object.entries(topics).flatMap(([topic, partitions]) => [
      stack.use(new Follower(port, topic, partitions, 0)),
      stack.use(new Follower(port, topic, partitions, 1)),
    ]);
    const began = performance.now();
    let kills = 0;
    for (; kills < crashes && performance.now() - began < seconds * 1000; kills++) {
      await pause(random.between(0, 300));
      await broker.kill();
      await broker.start();
      if (kills % 20 === 0) await Promise.all(producers.map((producer) => producer.more(1)));
    }
    await Promise.all(producers.map((producer) => producer.stop()));
    let records = await checkLog({ port, ledger, topics });
    const seen = () =>
      followers.filter(({ isolation }) => isolation === 1)
        .reduce((sum, follower) => sum + follower.seen.reduce((size, each) => size + each.size, 0), 0);
    await eventually("the followers at the end", () => seen() === records, 60_000, () => [seen(), records]);
    await Promise.all(followers.map((follower) => follower.stop()));
    records = await checkLog({ port, ledger, topics, followers });

    assert(producers.some(({ lost }) => lost >= kills / 2), "requests were on their way when it died");
    assertEquals(await broker.stop(), 0, broker.log().slice(-2000));
    checkDatabase(broker.dataDir);
    const errors = broker.log().split("\n").filter((line) => line.includes('"level":"error"'));
    assertEquals(errors.slice(0, 5), [], "errors in its log");
    const count = (outcome: string) => ledger.transactions.filter((each) => each.outcome === outcome).length;
    console.log(
      `kill -9 ×${kills}: ${records} records, transactions ${count("committed")} committed, ${
        count("aborted")
      } aborted, ` +
        `${count("unknown")} without an answer; started in ${spread(broker.starts)}`,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
