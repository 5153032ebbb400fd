import { assertEquals } from "@std/assert";
import { HistogramProcessor } from "../../../kafka/processors/histogram_processor.ts";
import { MeasurementStore } from "../../../kafka/processors/measurement_store.ts";
import { silentLogger } from "../../../logger.ts";
import { eventually } from "../../eventually.ts";
import { Ground, temperature } from "./histogram_ground.ts";

Deno.test("HistogramProcessors that are all behind let others of the thread have a turn between any two large batches", async () => {
  await using ground = await Ground.open();
  const names = Array.from({ length: 8 }, (_, i) => `m${i}`), records = 3_000;
  for (const name of names) {
    await ground.broker.createTopic(name);
    await ground.send(records, { topic: name });
  }
  using store = MeasurementStore.open(ground.newFile());
  await using connection = ground.kafka.connect();
  let turn = 0, ticker: ReturnType<typeof setTimeout>;
  const tick = () => {
    turn++;
    ticker = setTimeout(tick, 0);
  };
  tick();
  const turns: number[] = [];
  await using parts = new AsyncDisposableStack();
  for (const name of names) {
    parts.use(
      new HistogramProcessor({
        kafka: ground.kafka,
        connection,
        spec: { ...temperature, name },
        log: silentLogger,
        books: () => Promise.resolve(store.books(name)),
        clusters: () => 1,
        offer: ({ snapshot: { count } }) => void (count === records && turns.push(turn)),
      }),
    );
  }
  await eventually("all are counted", () => turns.length === names.length);
  clearTimeout(ticker!);
  assertEquals(new Set(turns).size, names.length, `counted in the turns ${turns}`);
});
