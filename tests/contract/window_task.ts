/** What counting a partition of ids promises, whichever Kafka it talks to: one suite, run by the test files beside it.
 *
 * Left out: instances and their groups (windows.ts), what only a broker of ours can be made to do (tests/kafka/processors/windows/).
 * @module */
import { assertEquals } from "@std/assert";
import { deleteTopic } from "../clients.ts";
import { eventually, pause } from "../eventually.ts";
import { TransactionClient } from "../kafka/broker/transaction_client.ts";
import { CountGround } from "../kafka/processors/windows/count_ground.ts";
import { Random } from "../random.ts";

/** How often connections are cut or the owner changes at random. */
const faultSteps = Number(Deno.env.get("TAILRACE_COUNT_STEPS") ?? 20);
const minuteMs = 60_000, metadataApi = 3;

/** Registers the suite.
 * @param on the kind of Kafka, for the tests' names
 * @param ignore whether the machine has not got it
 * @param bootstrap its host:port; asked for inside the tests only */
export function windowTaskContract(on: string, ignore: boolean, bootstrap: () => string): void {
  const test = (claim: string, fn: (ground: CountGround) => Promise<void>) =>
    Deno.test({
      name: `WindowTask on ${on}: ${claim}`,
      ignore,
      fn: async () => {
        await using ground = await CountGround.open(bootstrap(), { partitions: 2, graceMs: 1_000 });
        await fn(ground);
      },
    });

  test("nobody's progress passes another partition's backlog", backlogs);
  test("a silent topic's windows close, also behind markers of transactions", silent);
  test("each window has one count though connections are cut and owners change at random", faults);
  test("goes on when the by-id topic was made anew", madeAnew);
}

/** The start of a minute, days ago. */
function longAgo(): number {
  return Math.floor(Date.now() / minuteMs) * minuteMs - 3 * 86_400_000;
}

/** One to three clicks in each of some minutes. */
function clicks(random: Random, fromMs: number, minutes: number): [id: string, timestamp: number][] {
  return Array.from(
    { length: minutes },
    (_, i) =>
      Array.from({ length: random.between(1, 3) }, (): [string, number] => [
        `id-${random.between(0, 3)}`,
        fromMs + i * minuteMs + random.between(0, minuteMs / 2),
      ]),
  ).flat();
}

async function backlogs(ground: CountGround): Promise<void> {
  const random = new Random("backlogs"), fromMs = longAgo();
  for (const source of [0, 1]) await ground.click(source, clicks(random, fromMs, 30));
  const fold = ground.fold(0), task = ground.count();
  await eventually(
    "one partition is counted",
    async () => (await ground.read(ground.names.stateTopic)).length > 0,
  );
  await pause(1_500); // longer than the grace
  assertEquals(await ground.told(), []);
  await fold[Symbol.asyncDispose]();
  await task[Symbol.asyncDispose]();
  ground.fold(1);
  ground.count();
  await ground.settlesOnce();
}

async function silent(ground: CountGround): Promise<void> {
  const atMs = longAgo();
  ground.fold(0);
  ground.fold(1);
  ground.count();
  const clicker = ground.use(
    await TransactionClient.connect(ground.port, {
      id: ground.names.foldId(9),
      topic: ground.settings.clicksTopic,
    }),
  );
  const producer = await clicker.init();
  for (const [sequence, isCommitted] of [true, false].entries()) {
    await eventually(
      "the transaction before to have ended",
      async () => (await clicker.add(producer))[0] === 0,
    );
    const value = new TextEncoder().encode("a");
    assertEquals((await clicker.produce(producer, sequence, [{ value, timestamp: atMs }]))[0], 0);
    assertEquals(await clicker.end(producer, isCommitted), 0);
    if (isCommitted) ground.note("a", atMs);
  }
  await ground.settlesOnce();
}

async function faults(ground: CountGround): Promise<void> {
  const random = new Random("window task"), fromMs = longAgo();
  const proxies = [ground.proxy(), ground.proxy()];
  let owner = 0, minute = 0;
  ground.fold(0);
  ground.fold(1);
  ground.count(proxies[0]!.bootstrap, { timeoutMs: 5_000 });
  for (let step = 0; step < faultSteps; step++) {
    const minutes = random.between(1, 3);
    await Promise.all(
      [0, 1].map((source) => ground.click(source, clicks(random, fromMs + minute * minuteMs, minutes))),
    );
    minute += minutes;
    await pause(random.between(0, 300));
    const chance = random.between(1, 4);
    if (chance <= 2) proxies[owner]!.cutAll();
    else if (chance === 3) {
      owner = 1 - owner;
      ground.count(proxies[owner]!.bootstrap, { timeoutMs: 5_000 });
    } else {
      await proxies[owner]!.stop();
      await pause(random.between(0, 300));
      proxies[owner]!.start();
    }
  }
  await ground.settlesOnce();
}

async function madeAnew(ground: CountGround): Promise<void> {
  const random = new Random("by-id topic made anew"), fromMs = longAgo(), { byIdTopic } = ground.names;
  const fold = ground.fold(0), proxy = ground.proxy();
  ground.count(proxy.bootstrap);
  await ground.click(0, clicks(random, fromMs, 5));
  await ground.settlesOnce();
  await fold[Symbol.asyncDispose]();
  await deleteTopic(ground.bootstrap, byIdTopic);
  // A log that grows past the old one's end before it is looked for would pass for that one.
  const looked = proxy.count(metadataApi);
  await eventually("it to have been missed", () => proxy.count(metadataApi) > looked + 2);
  await ground.make(byIdTopic, 1);
  ground.fold(0);
  await ground.click(0, clicks(random, fromMs + 10 * minuteMs, 5));
  await ground.settlesOnce();
}
