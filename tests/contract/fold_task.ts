/** What the folding of clicks promises, whichever Kafka it talks to: one suite, run by the test files beside it.
 *
 * Left out: what becomes of the counts (windows.ts).
 * @module */
import { assert, assertEquals } from "@std/assert";
import { createTopic, deleteTopic } from "../clients.ts";
import { eventually, pause } from "../eventually.ts";
import { FoldGround } from "../kafka/processors/windows/fold_ground.ts";
import { Random } from "../random.ts";

/** How often connections are cut or the owner changes at random. */
const faultSteps = Number(Deno.env.get("TAILRACE_FOLD_STEPS") ?? 25);

/** Registers the suite.
 * @param on the kind of Kafka, for the tests' names
 * @param ignore whether the machine has not got it
 * @param bootstrap its host:port; asked for inside the tests only */
export function foldTaskContract(on: string, ignore: boolean, bootstrap: () => string): void {
  const test = (claim: string, fn: (ground: FoldGround) => Promise<void>) =>
    Deno.test({
      name: `FoldTask on ${on}: ${claim}`,
      ignore,
      fn: async () => {
        await using ground = await FoldGround.open(bootstrap());
        await fn(ground);
      },
    });

  test("folds each click once, and who comes after it goes on where it stopped", goesOn);
  test("comes to the very end, markers of transactions included, aborted ones too", markers);
  test("begins at 0 under another name in a topic that was made anew", madeAnew);
  test("folds each click once though connections are cut and owners change at random", faults);
}

async function goesOn(ground: FoldGround): Promise<void> {
  await ground.click(["a", "b", "a"]);
  const first = ground.fold();
  await ground.settled(3);
  await ground.click(["b"]);
  const [begin, ...more] = await ground.settled(4);
  assertEquals([begin!.source, begin!.from, begin!.sizes], [0, 0, [60_000, 300_000]]);
  assertEquals(more.at(-1)!.log, begin!.log);
  await first[Symbol.asyncDispose]();
  await ground.click(["c", "c"]);
  await using _next = ground.fold();
  await ground.settled(6);
  assertEquals(ground.fenced, 0);
}

async function markers(ground: FoldGround): Promise<void> {
  await using _task = ground.fold();
  const clicker = await ground.client(ground.settings.clicksTopic), producer = await clicker.init();
  const value = new TextEncoder().encode("a"), timestamp = Date.now();
  for (const [sequence, isCommitted] of [true, false, true, false].entries()) {
    await eventually(
      "the transaction before to have ended",
      async () => (await clicker.add(producer))[0] === 0,
    );
    assertEquals((await clicker.produce(producer, sequence, [{ value, timestamp }]))[0], 0);
    assertEquals(await clicker.end(producer, isCommitted), 0);
    if (isCommitted) ground.note("a", timestamp);
  }
  await ground.settled(8);
}

async function madeAnew(ground: FoldGround): Promise<void> {
  const { clicksTopic } = ground.settings;
  await ground.click(["a", "a", "a"]);
  const task = ground.fold();
  const [before] = await ground.settled(3);
  await task[Symbol.asyncDispose]();
  await deleteTopic(ground.bootstrap, clicksTopic);
  await createTopic(ground.bootstrap, clicksTopic, 1);
  await ground.click(["b", "b", "b", "b"]);
  await using _task = ground.fold();
  const batches = await ground.settled(4), anew = batches.filter(({ log }) => log !== before!.log);
  assert(anew.length > 0);
  assertEquals([anew[0]!.from, anew.at(-1)!.next], [0, 4]);
}

async function faults(ground: FoldGround): Promise<void> {
  const random = new Random("fold task"), proxies = [ground.proxy(), ground.proxy()];
  let owner = 0, term = 0, clicks = 0;
  const open = () => {
    const opened = ++term;
    // An owner that was late may take the id once more from the one after it, which then has to be given the partition again.
    return ground.fold(proxies[owner]!.bootstrap, {
      onFenced: () => void (opened === term && (task = open())),
    });
  };
  let task = open();
  for (let step = 0; step < faultSteps; step++) {
    const ids = Array.from({ length: random.between(1, 30) }, () => `id ${random.between(0, 9)}`);
    await ground.click(ids, Date.now() - random.between(0, 3) * 60_000);
    clicks += ids.length;
    await pause(random.between(0, 60));
    const fault = random.between(0, 3);
    if (fault <= 1) proxies[owner]!.cutAll();
    if (fault === 2) {
      const before = task;
      owner = 1 - owner;
      task = open(); // while the one before is at it
      await before[Symbol.asyncDispose]();
    }
  }
  await ground.settled(clicks, 60_000);
}
