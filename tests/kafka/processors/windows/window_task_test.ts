/** A window task against the embedded broker: what it publishes, whom it waits for, what time it is, and what faults leave behind. What
 * holds on any Kafka is in tests/contract/window_task.ts. @module */
import { assert, assertEquals } from "@std/assert";
import type { Moment } from "../../../../kafka/processors/windows/sources.ts";
import { createProducer } from "../../../../kafka/producer.ts";
import { silentLogger } from "../../../../logger.ts";
import { eventually, pause } from "../../../eventually.ts";
import { TransactionClient } from "../../broker/transaction_client.ts";
import { initProducerIdApi } from "../../broker_proxy.ts";
import { connect, TestBroker } from "../../test_broker.ts";
import { CountGround } from "./count_ground.ts";

const minuteMs = 60_000, secondMs = 1_000, endTxnApi = 26;

/** The start of a minute some hours ago: by the clock everything of it is over. */
function longAgo(): number {
  return Math.floor(Date.now() / minuteMs) * minuteMs - 6 * 3_600_000;
}

/** Clicks on two ids every some seconds. */
function clicks(fromMs: number, minutes: number, stepMs = 7 * secondMs): [id: string, timestamp: number][] {
  const all: [string, number][] = [];
  for (let ms = 0; ms < minutes * minuteMs; ms += stepMs) all.push([ms % 3 === 0 ? "a" : "b", fromMs + ms]);
  return all;
}

/** Clocks that can be set: `ahead` of the true one, ms. */
function clock(): { ahead: number; now: () => Moment } {
  const set = {
    ahead: 0,
    now: () => ({ clockMs: Date.now() + set.ahead, steadyMs: performance.now() }),
  };
  return set;
}

Deno.test("WindowTask publishes each finished window once, with the state and the position that belong to it", async () => {
  await using broker = await TestBroker.open();
  await using ground = await CountGround.open(broker.bootstrap, { sizes: ["1m", "5m"], graceMs: 500 });
  const fromMs = longAgo();
  await ground.click(0, clicks(fromMs, 12));
  await using _fold = ground.fold(0);
  await using _task = ground.count();
  // Nobody comes any more: the last windows close by the clock, as their end is hours ago.
  await ground.settlesOnce();
  // Late: counted as such, told again with the same count; another id in the same minute is in time, as only the clock had closed it.
  await ground.click(0, [["a", fromMs + 11 * minuteMs]]);
  const late = new Map(ground.truth());
  for (const [key, count] of late) if (key.startsWith(`a `)) late.set(key, count);
  const minute = `a ${minuteMs} ${fromMs + 11 * minuteMs}`,
    five = Math.floor((fromMs + 11 * minuteMs) / 300_000);
  for (const key of [minute, `a 300000 ${five * 300_000}`]) late.set(key, `${Number(late.get(key)) - 1}+1`);
  await ground.settles(late);
});

Deno.test("WindowTask lets no partition's progress pass what another one has still to tell", async () => {
  await using broker = await TestBroker.open();
  await using ground = await CountGround.open(broker.bootstrap, { partitions: 3, graceMs: 300 });
  const fromMs = longAgo();
  for (const partition of [0, 1]) await ground.click(partition, clicks(fromMs, 20));
  await using _first = ground.fold(0);
  const task = ground.count();
  await eventually(
    "the first one's clicks",
    async () => (await ground.read(ground.names.stateTopic)).length > 0,
  );
  await pause(600); // twice the grace
  assertEquals(await ground.told(), []);
  await using _second = ground.fold(1);
  await ground.settlesOnce();
  // A restart: both are behind, and one is read long before the other.
  await task[Symbol.asyncDispose]();
  await _first[Symbol.asyncDispose]();
  await _second[Symbol.asyncDispose]();
  const laterMs = fromMs + 30 * minuteMs;
  for (const partition of [1, 0]) await ground.click(partition, clicks(laterMs, 20));
  await using _again = ground.fold(1);
  await using _task = ground.count();
  const before = ground.truth(laterMs);
  await pause(600);
  await ground.settles(before);
  await using _other = ground.fold(0);
  await ground.settlesOnce();
});

Deno.test("WindowTask waits for nobody who sends nothing, and for none whose records are no clicks", async () => {
  await using broker = await TestBroker.open();
  await using ground = await CountGround.open(broker.bootstrap, { partitions: 3, graceMs: 5_000 });
  const fromMs = longAgo();
  await using _zero = ground.fold(0);
  await using _one = ground.fold(1);
  await using _task = ground.count();
  await ground.click(1, [["a", fromMs]]);
  let stop = false;
  const rubbish = (async () => {
    // What is not counted yet is a backlog, whatever it is: most of the time there is none, however slow the machine.
    for (let sent = 2; !stop; sent++) {
      const began = performance.now();
      await ground.send(1, { value: null });
      while (!stop && (await ground.counted(1)) < sent) await pause(20);
      await pause(2 * (performance.now() - began));
    }
  })();
  const live = (async () => {
    for (let ms = 0; !stop; ms += 20 * secondMs, await pause(50)) await ground.click(0, [["b", fromMs + ms]]);
  })();
  try {
    // While the first one goes on: the clock has no say.
    await eventually("windows of both", async () => {
      const finals = await ground.finals();
      return finals.get(`a ${minuteMs} ${fromMs}`) === "1" && finals.get(`b ${minuteMs} ${fromMs}`) === "3";
    }, 90_000);
  } finally {
    stop = true;
    await Promise.all([rubbish, live]);
  }
  await ground.settlesOnce();
});

Deno.test("WindowTask waits for clicks behind a transaction of somebody else's that is open, and for what is in it", async () => {
  await using broker = await TestBroker.open();
  await using ground = await CountGround.open(broker.bootstrap, { partitions: 2, graceMs: 300 });
  const fromMs = longAgo(), { settings: { clicksTopic }, names: { stateTopic } } = ground;
  await ground.click(1, [["b", fromMs]]);
  await using _zero = ground.fold(0);
  await using _one = ground.fold(1);
  await using _task = ground.count();
  await ground.settlesOnce();
  const other = ground.use(await TransactionClient.connect(ground.port, { id: "o", topic: clicksTopic }));
  const producer = await other.init(), value = new TextEncoder().encode("a");
  await other.add(producer);
  await other.produce(producer, 0, [{ value, timestamp: fromMs }]);
  ground.note("a", fromMs);
  await ground.click(0, [["a", fromMs + 1]]); // Kafka has it for good, and shows it to nobody yet
  for (let minute = 1; minute <= 5; minute++) await ground.click(1, [["b", fromMs + minute * minuteMs]]);
  await eventually(
    "the other partition is counted",
    async () => (await ground.read(stateTopic)).at(-1)?.value?.includes('"next":6') ?? false,
  );
  await pause(600); // longer than the grace
  await other.end(producer, true);
  await ground.settlesOnce();
});

Deno.test("WindowTask closes the windows of a silent topic when their grace is over, and not before", async () => {
  await using broker = await TestBroker.open();
  await using ground = await CountGround.open(broker.bootstrap, { sizes: ["1s", "2s"], graceMs: 700 });
  await using _fold = ground.fold(0);
  await using _task = ground.count();
  const atMs = Date.now();
  await ground.click(0, [["a", atMs], ["a", atMs + 1]]);
  for (const { ms, topic } of ground.settings.sizes) {
    const dueMs = Math.floor(atMs / ms) * ms + ms + 700;
    const told = async () => (await ground.read(topic)).length > 0;
    while (Date.now() < dueMs - 150) {
      const isTold = await told(), earlyMs = dueMs - Date.now(); // the question may take until it is due
      assert(!isTold || earlyMs <= 0, `${ms} is told ${earlyMs} ms early`);
      await pause(20);
    }
    await eventually("the final", told);
  }
  await ground.settlesOnce();
});

Deno.test("WindowTask does not count what others have put into the topic of ids, like a copy from another cluster", async () => {
  await using broker = await TestBroker.open();
  await using ground = await CountGround.open(broker.bootstrap, { graceMs: 300 });
  const fromMs = longAgo(), { names: { byIdTopic } } = ground;
  await ground.click(0, [["a", fromMs]]);
  await using _fold = ground.fold(0);
  await eventually("the batch", async () => (await ground.read(byIdTopic)).length > 0);
  const [ours] = await ground.read(byIdTopic), log = "f".repeat(32);
  await using producer = createProducer(ground.use(connect(broker.bootstrap)), { log: silentLogger });
  await producer.send(byIdTopic, { value: JSON.stringify({ ...JSON.parse(ours!.value!), log }) });
  await using _task = ground.count();
  await ground.settlesOnce();
});

Deno.test("WindowTask takes the id only while its instance has the partition", async () => {
  await using broker = await TestBroker.open();
  await using ground = await CountGround.open(broker.bootstrap, { graceMs: 300 });
  const proxy = ground.proxy();
  let isOwner = false;
  await ground.click(0, [["a", longAgo()]]);
  await using _fold = ground.fold(0);
  await using _task = ground.count(proxy.bootstrap, { isOwner: () => isOwner });
  await pause(300);
  assertEquals(proxy.count(initProducerIdApi), 0);
  isOwner = true;
  await ground.settlesOnce();
});

Deno.test("WindowTask: a clock that is set back delays no window that is open, and one that is set forward spoils no later one", async () => {
  await using broker = await TestBroker.open();
  await using ground = await CountGround.open(broker.bootstrap, { sizes: ["1s"], graceMs: 200 });
  const set = clock();
  await using _fold = ground.fold(0);
  await using _task = ground.count(ground.bootstrap, { now: set.now });
  await ground.click(0, [["a", Date.now()]]);
  await eventually("it is counted", async () => (await ground.read(ground.names.stateTopic)).length > 0);
  set.ahead = -3_600_000;
  await ground.settlesOnce();
  set.ahead = 3_600_000;
  await ground.click(0, [["b", Date.now()]]);
  await ground.settlesOnce();
  set.ahead = 0;
  await pause(1_000); // the window that was closed early is over
  await ground.click(0, [["b", Date.now()]]);
  await ground.settlesOnce();
});

Deno.test("WindowTask: events of 1970 and of nearly an hour ahead stop nothing", async () => {
  await using broker = await TestBroker.open();
  await using ground = await CountGround.open(broker.bootstrap, { graceMs: 300 });
  const aheadMs = Date.now() + 50 * minuteMs;
  await using _fold = ground.fold(0);
  await using _task = ground.count();
  await ground.click(0, [["a", 5], ["a", 61_000]]);
  await ground.settlesOnce();
  await ground.click(0, [["a", aheadMs]]);
  await eventually("the watermark has moved", async () => {
    const meta = (await ground.read(ground.names.stateTopic)).findLast(({ value }) =>
      value?.includes("frontier")
    );
    return JSON.parse(meta?.value ?? "{}").frontier === aheadMs;
  });
  await ground.click(0, [["a", aheadMs + 2 * minuteMs]]);
  await ground.settles(ground.truth(aheadMs + minuteMs));
});

Deno.test("WindowTask goes on without losing or doubling after lost answers, cut commits and Kafka's absence", async () => {
  await using broker = await TestBroker.open();
  await using ground = await CountGround.open(broker.bootstrap, { graceMs: 300 });
  const proxy = ground.proxy(), fromMs = longAgo();
  await using _fold = ground.fold(0);
  await using _task = ground.count(proxy.bootstrap);
  let minute = 0;
  const next = async () => {
    await ground.click(0, clicks(fromMs + minute++ * minuteMs, 2));
    await ground.settlesOnce();
  };
  await next();
  let times = 0;
  const once = (rule: () => "cut" | "drop") => ({ api }: { api: number }) =>
    api === endTxnApi && times++ === 0 ? rule() : "pass" as const;
  const faults = [
    () => proxy.onAnswer = once(() => "cut"), // committed, nobody knows
    () => proxy.onRequest = once(() => "cut"), // not committed
    () => proxy.cutAll(),
  ];
  for (const fault of faults) {
    times = 0;
    minute += 3;
    fault();
    await next();
    proxy.onAnswer = proxy.onRequest = () => "pass";
  }
  await proxy.stop();
  minute += 3;
  await ground.click(0, clicks(fromMs + minute++ * minuteMs, 2));
  await pause(300);
  proxy.start();
  minute += 3;
  await next();
  assertEquals(ground.fenced, 0);
});

Deno.test("WindowTask begins again with what the topic holds when nobody can say whether a commit was done", async () => {
  await using broker = await TestBroker.open();
  await using ground = await CountGround.open(broker.bootstrap, { graceMs: 300 });
  const proxy = ground.proxy(), fromMs = longAgo();
  await using _fold = ground.fold(0);
  const timeoutMs = 1_000;
  await using _task = ground.count(proxy.bootstrap, { timeoutMs });
  for (const side of ["onAnswer", "onRequest"] as const) {
    let begun = 0;
    proxy[side] = ({ api }) => {
      if (api !== endTxnApi) return "pass";
      begun ||= performance.now();
      return performance.now() - begun < 1.5 * timeoutMs ? "cut" : "pass";
    };
    await ground.click(0, clicks(fromMs + (side === "onAnswer" ? 0 : 10) * minuteMs, 3));
    await ground.settlesOnce();
  }
});

Deno.test("WindowTask: whoever takes over goes on where the one before was, who gives up", async () => {
  await using broker = await TestBroker.open();
  await using ground = await CountGround.open(broker.bootstrap, { graceMs: 300 });
  const fromMs = longAgo();
  await using _fold = ground.fold(0);
  await using _first = ground.count();
  for (let turn = 0; turn < 3; turn++) {
    await ground.click(0, clicks(fromMs + 5 * turn * minuteMs, 2));
    await ground.settlesOnce();
    await ground.click(0, clicks(fromMs + (5 * turn + 2) * minuteMs, 2)); // on their way
    ground.count();
  }
  await ground.settlesOnce();
  await eventually("all but the last have given up", () => ground.fenced === 3);
});
