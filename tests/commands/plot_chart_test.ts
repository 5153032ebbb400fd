import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { drawPlot, type PlotStyle } from "../../commands/plot_chart.ts";
import type { HistogramEvent } from "../../routes/histogram_feed.ts";
import { Random } from "../random.ts";

const style: PlotStyle = { columns: 40, lines: 12, colour: false, ascii: false };

function event(given: Partial<HistogramEvent> = {}): HistogramEvent {
  return {
    measurement: "noise",
    topic: "hist_noise",
    partition: 0,
    offset: 7,
    timestamp: 0,
    hist: [1, 2, 4, 8],
    bin_edges: [0, 2.5, 5, 7.5, 10],
    ...given,
  };
}

function draw(
  given: Partial<HistogramEvent>,
  changed: Partial<PlotStyle> = {},
  status: string | null = null,
) {
  return drawPlot({ measurement: "noise", histogram: event(given), status }, { ...style, ...changed });
}

Deno.test("drawPlot() draws bars in eighths of a line, counts on the left and edges below", () => {
  const full = { count: 16, underflow: 1, overflow: 0, mean: 6.123456, stddev: 2, min: -1, max: 10 };
  assertEquals(draw(full, { lines: 9 }, "live"), [
    "noise  16 measurements",
    "mean 6.1235 · σ 2 · min -1 · max 10",
    "below 1 · above 0",
    "8 ┤                           ████████",
    "  │                  ▄▄▄▄▄▄▄▄ ████████",
    "  │▃▃▃▃▃▃▃▃ ▆▆▆▆▆▆▆▆ ████████ ████████",
    "0 └┴────────┴────────┴────────┴────────┴",
    "   0       2.5       5       7.5      10",
    "live",
  ]);
});

Deno.test("drawPlot() with ascii uses nothing else", () => {
  const lines = draw({ count: 15, mean: 1, stddev: 2 }, { ascii: true });
  for (const line of lines) assertMatch(line, /^[\x20-\x7e]*$/);
  assertStringIncludes(lines.join("\n"), "stddev 2");
  assertStringIncludes(lines.join("\n"), "########");
});

Deno.test("drawPlot() tells what was late, repeated, missed and wrong, when there is any", () => {
  const none = draw({ late: 0, repeated: 0, missed: 0, wrong: {} }, { columns: 200 }).join("\n");
  for (const word of ["late", "repeated", "missed", "wrong"]) assert(!none.includes(word), word);
  const wrong = { json: 1, "not-finite": 2000, other: 5 };
  const some = draw({ late: 1, repeated: 2, missed: 3, wrong }, { columns: 200 });
  assertEquals(some[1], "late 1 · repeated 2 · missed 3 · wrong: json 1, not-finite 2,000");
});

Deno.test("drawPlot() goes on in the next line where the kinds of wrong ones need more than one", () => {
  const wrong = {
    json: 3,
    missing: 5,
    "not-a-number": 3,
    "not-finite": 3,
    time: 3,
    empty: 1,
    unreadable: 12,
  };
  const lines = draw({ wrong, late: 1 }, { lines: 14 });
  assertEquals(lines.slice(1, 4), [
    "late 1",
    "wrong: json 3, missing 5,",
    "not-a-number 3, not-finite 3, time 3,",
  ]);
  assertEquals(lines[4], "empty 1, unreadable 12");
});

Deno.test("drawPlot() tells numbers at the end of what a double holds", () => {
  const lines = draw({ min: -Number.MAX_VALUE, max: 1e308, mean: 1.23456e12 }, { columns: 90 });
  assertEquals(lines[1], "mean 1234600000000 · min -1.7976931348623157e+308 · max 1e+308");
});

Deno.test("drawPlot() tells the newest measurement where there is room for it", () => {
  const last = { measurement: 3.5, measurement_time: "2026-01-31T12:00:00.000Z" };
  const [wide] = draw({ last }, { columns: 80 }), [narrow] = draw({ last });
  assertEquals(
    wide,
    `${"noise  15 measurements".padEnd(42)}newest 3.5 of 2026-01-31T12:00:00.000Z`,
  );
  assertEquals(narrow, "noise  15 measurements");
});

Deno.test("drawPlot() shares a bar among neighbours where there are more bins than columns", () => {
  const hist = Array.from({ length: 1000 }, () => 1), bin_edges = Array.from({ length: 1001 }, (_, i) => i);
  const lines = draw({ hist, bin_edges }, { columns: 60 });
  const bars = lines.find((line) => line.includes("┤"))!;
  assertMatch(bars, /^20 ┤█{50}$/);
  assertMatch(lines.at(-1)!, /^ {4}0 .* 1000$/);
  for (const line of lines) assert([...line].length <= 60);
});

Deno.test("drawPlot() shows a single measurement among a million, and draws none at all", () => {
  const one = draw({ hist: [1_000_000, 1, 0, 0] }).join("\n");
  assertMatch(one, /█ ▁+$/m);
  const empty = draw({ hist: [0, 0, 0, 0], count: 0 });
  assertEquals(empty[0], "noise  0 measurements");
  assert(!/[▁-█]/.test(empty.join("")));
});

Deno.test("drawPlot() never goes beyond its room, whatever the histogram and the room are", () => {
  const random = new Random("drawPlot()");
  for (let n = 0; n < 3000; n++) {
    const bins = random.between(1, [2, 30, 1000][n % 3]!), scale = 10 ** random.between(-12, 15);
    const first = random.between(-1000, 1000) * scale;
    const hist = Array.from(
      { length: bins },
      () => Math.floor(10 ** random.between(0, 9) * random.between(0, 1)),
    );
    const bin_edges = Array.from({ length: bins + 1 }, (_, i) => first + i * scale);
    const columns = random.between(1, 130), lines = random.between(1, 50);
    const last = { measurement: first, measurement_time: "\x1b[2J\u{1F321}\n\tnow" };
    const drawn = draw(
      {
        hist,
        bin_edges,
        last,
        mean: first,
        stddev: scale,
        min: first,
        max: -first,
        underflow: n,
        overflow: n,
        late: n,
      },
      { columns, lines, ascii: n % 2 === 0 },
      "live",
    );
    const where = `${bins} bins in ${columns}×${lines}`;
    assert(drawn.length <= lines, `${where}: ${drawn.length} lines`);
    for (const line of drawn) {
      assert([...line].length <= columns, `${where}: ${JSON.stringify(line)}`);
      // deno-lint-ignore no-control-regex
      assert(!/[\x00-\x1f\x7f-\x9f]/.test(line), `${where}: ${JSON.stringify(line)}`);
    }
    if (lines >= 12 && columns >= 40) assertMatch(drawn.join("\n"), /[┴+]/, where);
  }
});

Deno.test("drawPlot() colours its lines without making them longer, and not without being told to", () => {
  const content = { measurement: "noise", histogram: event(), status: "Kafka is away", isTrouble: true };
  const plain = drawPlot(content, style), colour = drawPlot(content, { ...style, colour: true });
  // deno-lint-ignore no-control-regex
  const bare = colour.map((line) => line.replace(/\x1b\[\d*m/g, "").trimEnd());
  assertEquals(bare, plain);
  assertStringIncludes(colour.at(-1)!, "\x1b[33mKafka is away\x1b[0m");
});

Deno.test("drawPlot() without a histogram says what it waits for", () => {
  const lines = drawPlot({ measurement: "noise", histogram: null, status: "waits" }, { ...style, lines: 4 });
  assertEquals(lines, ["noise", "", "", "waits"]);
});
