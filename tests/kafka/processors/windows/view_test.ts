import { assertEquals } from "@std/assert";
import { WindowView } from "../../../../kafka/processors/windows/view.ts";
import type { WindowCount, WindowListener } from "../../../../kafka/processors/windows/types.ts";
import { readWindowSize, stateTopicConfigs, windowNames } from "../../../../kafka/windows.ts";
import { silentLogger } from "../../../../logger.ts";
import { eventually } from "../../../eventually.ts";
import { clicksTopic, CountedWindows, minute, t0 } from "../../../routes/aggregation_ground.ts";
import { HubGround, TestClock } from "../../hub_ground.ts";
import { connect } from "../../test_broker.ts";

const names = ["1m", "5m"];
const stateTopic = windowNames(clicksTopic).stateTopic;

/** A view of the ground's broker, through its proxy, whose pace the test sets. */
class Ground implements AsyncDisposable {
  readonly clock = new TestClock(t0);
  readonly #parts = new AsyncDisposableStack();
  hubs!: HubGround;
  view!: WindowView;
  /** What a listener was told. */
  readonly told: string[] = [];

  static async open(
    wants?: (id: string) => boolean,
    prepare?: (hubs: HubGround) => Promise<void>,
  ): Promise<Ground> {
    const ground = new Ground(), { clock } = ground;
    ground.hubs = ground.#parts.use(await HubGround.open());
    await prepare?.(ground.hubs);
    const kafka = ground.#parts.use(connect(ground.hubs.proxy.bootstrap));
    const sizes = names.map((name) => readWindowSize(name)!);
    const settings = { clicksTopic, sizes, graceMs: 10_000, kept: 60 };
    const { history } = ground.hubs.hub;
    ground.view = ground.#parts.use(new WindowView({ kafka, history, settings, log: silentLogger, clock }));
    ground.view.listen(ground.listener(wants));
    return ground;
  }

  listener(wants?: (id: string) => boolean): WindowListener {
    return {
      ...(wants && { wants }),
      finished: (window, size, isFirst) =>
        this.told.push(`${size.name} ${text(window)}${isFirst ? "" : " again"}`),
      changed: (id, open) => this.told.push(`${id}: ${open.map(text).join(", ")}`),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

function text({ type, video_uid, window_start, count, late, final }: WindowCount): string {
  return `${type} ${video_uid} ${(window_start - t0) / minute} ${count}${final ? "*" : ""}${
    late > 0 ? ` late ${late}` : ""
  }`;
}

function windowsOf(view: WindowView, id: string): string[] {
  return view.of(id).flatMap(({ windows }) => windows.map(text));
}

Deno.test("WindowView has what was counted before, and tells its listeners only what comes after", async () => {
  let counted!: CountedWindows;
  await using stack = new AsyncDisposableStack();
  await using ground = await Ground.open(undefined, async ({ broker }) => {
    counted = stack.use(await CountedWindows.open(broker, names, 3));
    for (let i = 0; i < 50; i++) {
      await counted.finish(`v${i}`, "1m", t0, i).fill(`v${i}`, { [t0]: i }).commit();
    }
  });
  const { view, told } = ground;
  await view.loaded;
  assertEquals([view.status().state, view.status().ids, told], ["ready", 50, []]);
  assertEquals(view.ids(3), ["v49", "v48", "v47"]);
  assertEquals(windowsOf(view, "v7"), ["1min v7 0 7*", "5min v7 0 7"]);
  assertEquals(windowsOf(view, "nobody"), []);
  await counted.finish("v7", "1m", t0 + minute, 2).finish("v7", "1m", t0, 7, 3).commit();
  await eventually("both", () => told.length === 2);
  assertEquals(told, ["1m 1min v7 1 2*", "1m 1min v7 0 7* late 3 again"]);
  assertEquals(view.of("v7")[0]!.late, 3);
  assertEquals(view.ids(1), ["v7"]);
});

Deno.test("WindowView knows ids by all of their characters, the first one too", async () => {
  await using ground = await Ground.open();
  const { view } = ground;
  await using counted = await CountedWindows.open(ground.hubs.broker, names);
  await counted.finish("\uFEFFa", "1m", t0, 1).finish("a", "1m", t0, 2).finish("öa", "1m", t0, 3).commit();
  await eventually("all", () => view.status().ids === 3);
  assertEquals(["\uFEFFa", "a", "öa"].map((id) => view.of(id)[0]!.windows[0]?.count), [1, 2, 3]);
});

Deno.test("WindowView tells of open windows once a second for each video, of those that somebody wants", async () => {
  await using ground = await Ground.open((id) => id !== "unwanted");
  const { view, told, clock } = ground;
  await using counted = await CountedWindows.open(ground.hubs.broker, names);
  const fill = async (count: number) => {
    counted.fill("a", { [t0 + minute]: count }).fill("unwanted", { [t0]: count });
    await counted.finish("unwanted", "1m", t0 + count * minute, count).commit();
    await eventually("it to be read", () => windowsOf(view, "a").includes(`1min a 1 ${count}`));
  };
  await fill(1);
  assertEquals(told.splice(0), ["a: 1min a 1 1, 5min a 0 1"]);
  await fill(2);
  await fill(3);
  assertEquals(told, []);
  clock.moveTo(clock.now() + 1_000);
  assertEquals(told.splice(0), ["a: 1min a 1 3, 5min a 0 3"]);
  await fill(4);
  await counted.fill("a", {}).finish("a", "1m", t0 + minute, 4).finish("a", "5m", t0, 4).commit(
    t0 + 6 * minute,
  );
  await eventually("the end", () => told.length === 2);
  clock.moveTo(clock.now() + 1_000);
  assertEquals(told, ["1m 1min a 1 4*", "5m 5min a 0 4*"], "nothing is open any more");
});

Deno.test("WindowView.current() resolves when it has what was committed before, also by a transaction that is just ending", async () => {
  await using ground = await Ground.open();
  await using counted = await CountedWindows.open(ground.hubs.broker, names);
  await ground.view.loaded;
  for (let i = 0; i < 20; i++) {
    await counted.finish("a", "1m", t0 + i * minute, i).commit();
    await eventually("it to be current", () => ground.view.current()); // a busy machine has no answer within the second
    assertEquals(windowsOf(ground.view, "a").at(-1), `1min a ${i} ${i}*`);
  }
  await ground.hubs.proxy.stop();
  assertEquals(await ground.view.current(), false);
  await eventually("it to be told", () => ground.view.status().state === "away");
  assertEquals(windowsOf(ground.view, "a").length, 20, "what is known stays");
  ground.hubs.proxy.start();
  await eventually("Kafka to be back", () => ground.view.status().state === "ready");
});

Deno.test("WindowView begins anew with another state topic, passes over what is none of ours, and forgets what was forgotten", async () => {
  await using ground = await Ground.open();
  const { view, hubs: { broker, producer } } = ground;
  await using counted = await CountedWindows.open(broker, names);
  await counted.finish("a", "1m", t0, 1).commit(t0);
  await eventually("it", () => windowsOf(view, "a").length === 1);
  const rubbish = ["", "x", "oa", "ca", "m"].map((key) => ({ key, value: "nonsense" }));
  const other = ["oa", "ca", "m"].map((key) => ({ key, value: '{"windows":7,"panes":7}' }));
  await producer.sendAll(stateTopic, [...rubbish, ...other]);
  await eventually("rubbish to be read", () => windowsOf(view, "a").length === 0);
  assertEquals([view.status().watermark, view.status().totals.counted], [t0, 10]);
  await producer.sendAll(stateTopic, ["oa", "ca"].map((key) => ({ key, value: null })));
  await eventually("nothing", () => view.status().ids === 0);
  assertEquals(view.ids(9), []);
  await broker.deleteTopic(stateTopic);
  await broker.createTopic(stateTopic, 1, { ...stateTopicConfigs });
  await producer.sendAll(stateTopic, [{
    key: "cb",
    value: JSON.stringify({ windows: {}, late: { [minute]: 4 } }),
  }]);
  await eventually("the new one", () => view.of("b")[0]!.late === 4 && view.status().state === "ready");
  assertEquals(view.status().watermark, null);
});

Deno.test("WindowView lists an id once, also when its partition is another one than it was, and not when it is gone", async () => {
  await using ground = await Ground.open(
    undefined,
    ({ broker }) => broker.createTopic(stateTopic, 2, { ...stateTopicConfigs }),
  );
  const { view, hubs: { producer } } = ground;
  const value = JSON.stringify({ windows: {}, late: { [minute]: 4 } });
  await producer.send(stateTopic, { key: "ca", value, partition: 0 });
  await eventually("it", () => view.of("a")[0]!.late === 4);
  await producer.send(stateTopic, { key: "ca", value: value.replace("4", "5"), partition: 1 });
  await eventually("it elsewhere", () => view.of("a")[0]!.late === 5);
  assertEquals(view.ids(9), ["a"]);
  await producer.send(stateTopic, { key: "ca", value: null, partition: 1 });
  await eventually("nothing", () => view.status().ids === 0);
  assertEquals(view.ids(9), []);
});
