import { assertEquals } from "@std/assert";
import { MeasurementStore } from "../../../kafka/processors/measurement_store.ts";
import { pause } from "../../../kafka/pause.ts";
import { Random } from "../../random.ts";
import { withFile } from "./measurement_ground.ts";

const writer = new URL("measurement_writer.ts", import.meta.url).pathname;
const maxKills = Number(Deno.env.get("TAILRACE_MEASUREMENT_CRASHES") ?? 12);
/** Rows that are stored together. */
const end = maxKills * 1_700;

Deno.test("MeasurementStore is exact with two processes that write one file and are killed at any moment", () =>
  withFile(async (path) => {
    const random = new Random("kill -9 of writers");
    let kills = 0;
    const runUntilDone = async (): Promise<void> => {
      for (;;) {
        const args = ["run", "-A", "--no-check", writer, path, String(end), String(random.between(1, 1e6))];
        await using child = new Deno.Command(Deno.execPath(), { args, stdout: "null", stderr: "inherit" })
          .spawn();
        const isOver = new AbortController();
        const done = child.status.finally(() => isOver.abort());
        await pause(random.between(150, 500), isOver.signal);
        if (kills < maxKills && !isOver.signal.aborted) {
          child.kill("SIGKILL");
          kills++;
        }
        const { signal, code } = await done;
        if (signal === null) return assertEquals(code, 0);
      }
    };
    await Promise.all([runUntilDone(), runUntilDone()]);
    using store = MeasurementStore.open(path);
    const books = store.books("humidity"), state = books.load();
    assertEquals([state?.covered.positions, state?.rows, state?.snapshot.count], [{ 0: end }, end, end]);
    const stored = [...books.values()].flat();
    assertEquals(stored.length, end);
    assertEquals(new Set(stored.map(({ value }) => value)).size, end);
    assertEquals(stored.every(({ value }, i) => value === i), true); // in the order in which they were counted
    console.log(`${kills} kills`);
  }));
