import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { produce } from "../clients.ts";
import { TestBroker } from "../kafka/test_broker.ts";
import { requires } from "../requirements.ts";
import { Terminal } from "./terminal.ts";

// Each of them brings the Python that makes terminals.
const { ignore } = requires("kafka-python");

/** A broker with a histogram, and `tailrace plot` of it in a terminal. */
async function plotting(
  size: readonly [columns: number, lines: number],
  env: Record<string, string>,
  test: (terminal: Terminal, publish: (count: number) => Promise<void>) => Promise<void>,
  ...args: string[]
): Promise<void> {
  await using broker = await TestBroker.open();
  const publish = async (count: number) => {
    const value = JSON.stringify({
      hist: [count, count * 2, count],
      bin_edges: [0, 1, 2, 3],
      count: count * 4,
    });
    await produce(broker.bootstrap, "hist_humidity", [{ key: "humidity", value, partition: 0 }]);
  };
  await publish(1);
  const settings = { KAFKA_BROKERS: broker.bootstrap, ...env };
  await using terminal = new Terminal(...size, ["plot", "humidity", ...args], settings);
  await test(terminal, publish);
}

Deno.test({
  name:
    "tailrace plot in a terminal draws in its size, again when it has another, and gives it back at Ctrl-C",
  ignore,
  fn: () =>
    plotting([80, 24], {}, async (terminal, publish) => {
      const first = await terminal.shows("live, hist_humidity 0:0");
      assert(first[23]!.startsWith("live, hist_humidity 0:0"), "the last line of 24");
      assertStringIncludes(first.join("\n"), "humidity  4 measurements");
      assertEquals([terminal.screen().isOther, terminal.screen().hasCursor], [true, false]);
      assertStringIncludes(terminal.written, "\x1b[36m");
      await publish(10);
      assertStringIncludes(
        (await terminal.shows("live, hist_humidity 0:1")).join("\n"),
        "humidity  40 measurements",
      );
      for (const [columns, lines] of [[120, 40], [40, 12], [20, 5], [80, 24]] as const) {
        await terminal.resize(columns, lines);
        const shown = await terminal.shows("live, hist_humidity");
        assert(shown[lines - 1]!.startsWith("live, hist_humidity"), `the last line of ${lines}`);
        assertEquals(shown.some((line) => line.includes("█")), lines > 5);
      }
      await publish(100);
      assertStringIncludes(
        (await terminal.shows("live, hist_humidity 0:2")).join("\n"),
        "humidity  400 measurements",
      );
      terminal.written = "";
      await terminal.type("\x03");
      assertEquals(await terminal.ended(), 0);
      assertStringIncludes(terminal.written, "\x1b[H\x1b[J\x1b[?25h\x1b[?1049l");
      assertEquals([terminal.screen().isOther, terminal.screen().hasCursor], [false, true]);
    }),
});

Deno.test({
  name: "tailrace plot in a terminal has no colours with NO_COLOR",
  ignore,
  fn: () =>
    plotting([80, 24], { NO_COLOR: "1" }, async (terminal) => {
      await terminal.shows("live, hist_humidity 0:0");
      // deno-lint-ignore no-control-regex
      assert(!/\x1b\[\d*m/.test(terminal.written), terminal.written);
      await terminal.type("\x03");
      assertEquals(await terminal.ended(), 0);
    }),
});

Deno.test({
  name: "tailrace plot --once in a terminal leaves the picture above the prompt",
  ignore,
  fn: () =>
    plotting([60, 20], {}, async (terminal) => {
      assertEquals(await terminal.ended(), 0);
      const { shown, isOther } = terminal.screen();
      assertEquals([isOther, shown.at(-1)], [false, ""]);
      assertStringIncludes(shown[0]!, "humidity  4 measurements");
      assert(shown.some((line) => line.includes("█")));
    }, "--once"),
});
