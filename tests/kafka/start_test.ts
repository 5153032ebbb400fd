import { assertEquals } from "@std/assert";
import { earliestOffset, latestOffset } from "../../kafka/connection.ts";
import { clusterHash, formatCursor, parseCursor, type Positions, type StartAt } from "../../kafka/cursor.ts";
import type { History } from "../../kafka/history.ts";
import { type LogState, resolveStart, type Start } from "../../kafka/start.ts";

const clusterId = "some-cluster";
const cluster = clusterHash(clusterId);

/** The log as its reader sees it: everything from `base` to `end` is in memory. */
function logState(end: Positions, base: Positions = end): LogState {
  return { topic: "t", clusterId, positions: end, basePositions: base };
}

/** Kafka's answers, by what is asked for; anything else must not be asked. */
function history(answers: Readonly<Record<number, Positions>> = {}): History {
  const positions = (topic: string, at: number) =>
    topic === "t" && answers[at]
      ? Promise.resolve(answers[at])
      : Promise.reject(new Error(`Asked for ${topic} at ${at}`));
  return { positions, forget() {} } as unknown as History;
}

function id(positions: Positions, of = cluster): StartAt {
  return parseCursor(formatCursor(of, positions));
}

/** What of the outcome is compared. */
function essence({ positions, gaps, ready: { resume, reason, skipped } }: Start) {
  return { positions, gaps, resume, reason, skipped };
}

const noGaps = { gaps: [], skipped: 0 };

Deno.test("resolveStart() latest: fresh, at the end that the reader knows, without asking Kafka", async () => {
  const start = await resolveStart({ start: { kind: "latest" } }, logState([5, 7]), history());
  assertEquals(essence(start), { positions: [5, 7], resume: "fresh", reason: null, ...noGaps });
  assertEquals(start.ready.requested, "latest");
  assertEquals(start.ready.start, formatCursor(cluster, [5, 7]));
});

Deno.test("resolveStart() earliest and a time: fresh, where Kafka says", async () => {
  const earliest = await resolveStart(
    { start: { kind: "earliest" } },
    logState([5, 7]),
    history({ [earliestOffset]: [2, 0] }),
  );
  assertEquals(essence(earliest), { positions: [2, 0], resume: "fresh", reason: null, ...noGaps });
  const time = await resolveStart(
    { start: { kind: "time", ms: 99 } },
    logState([5, 7]),
    history({ 99: [4, 8] }),
  );
  assertEquals(essence(time), { positions: [4, 8], resume: "fresh", reason: null, ...noGaps });
  assertEquals([earliest.ready.requested, time.ready.requested], ["earliest", "t.99"]);
});

Deno.test("resolveStart() of a topic that is not there: fresh at nothing, whatever the start", async () => {
  for (const start of [{ kind: "latest" }, { kind: "earliest" }, { kind: "time", ms: 1 }] as const) {
    const resolved = await resolveStart({ start }, logState([]), history());
    assertEquals(essence(resolved), { positions: [], resume: "fresh", reason: null, ...noGaps });
    assertEquals(resolved.ready.start, `v1.${cluster}.0:-1`);
  }
  const resumed = await resolveStart({ start: id([]) }, logState([]), history());
  assertEquals(essence(resumed), { positions: [], resume: "exact", reason: null, ...noGaps });
});

Deno.test("resolveStart() with an id in memory: exact, without asking Kafka", async () => {
  const start = await resolveStart({ start: id([3, 7]) }, logState([5, 7], [1, 1]), history());
  assertEquals(essence(start), { positions: [3, 7], resume: "exact", reason: null, ...noGaps });
  assertEquals(start.ready.requested, `v1.${cluster}.0:2,1:6`);
});

Deno.test("resolveStart() with an id before memory: exact as long as the log has it", async () => {
  const start = await resolveStart(
    { start: id([3, 0]) },
    logState([5, 7], [4, 4]),
    history({ [earliestOffset]: [3, 0] }),
  );
  assertEquals(essence(start), { positions: [3, 0], resume: "exact", reason: null, ...noGaps });
});

Deno.test("resolveStart() with an id before the log: a gap, counted by partition", async () => {
  const start = await resolveStart(
    { start: id([3, 0, 9]) },
    logState([50, 70, 90], [40, 40, 40]),
    history({ [earliestOffset]: [10, 4, 9] }),
  );
  assertEquals(essence(start), {
    positions: [10, 4, 9],
    resume: "gap",
    reason: "retention",
    skipped: 11,
    gaps: [
      { partition: 0, from: 3, to: 10, skipped: 7, reason: "retention" },
      { partition: 1, from: 0, to: 4, skipped: 4, reason: "retention" },
    ],
  });
});

Deno.test("resolveStart() with an id that knows fewer partitions: exact, the new ones from their beginning", async () => {
  const start = await resolveStart({ start: id([5]) }, logState([5, 2], [5, 0]), history());
  assertEquals(essence(start), { positions: [5, 0], resume: "exact", reason: null, ...noGaps });
});

Deno.test("resolveStart() with an id of what this reader has not met yet: exact when Kafka has it", async () => {
  const start = await resolveStart(
    { start: id([9, 7]) },
    logState([5, 7]),
    history({ [latestOffset]: [9, 8] }),
  );
  assertEquals(essence(start), { positions: [9, 7], resume: "exact", reason: null, ...noGaps });
});

Deno.test("resolveStart() resets an id that does not fit, and says why", async () => {
  const reset = async (start: StartAt, log: LogState, answers: Record<number, Positions> = {}) =>
    essence(await resolveStart({ start }, log, history(answers)));
  const wanted = (reason: string, positions: Positions) => ({
    positions,
    resume: "reset" as const,
    reason,
    ...noGaps,
  });
  assertEquals(await reset(id([3], "00000000"), logState([5])), wanted("foreign-cluster", [5]));
  assertEquals(
    await reset(id([3, 3]), logState([5]), { [latestOffset]: [5] }),
    wanted("topic-recreated", [5]),
  );
  assertEquals(await reset(id([9]), logState([5]), { [latestOffset]: [8] }), wanted("ahead-of-log", [5]));
  assertEquals(await reset(id([9]), logState([])), wanted("ahead-of-log", []), "the topic is gone");
});

Deno.test("resolveStart() goes on in a partition that was added and that this reader has not met yet", async () => {
  const start = await resolveStart(
    { start: id([3, 4]) },
    logState([5], [0]),
    history({ [latestOffset]: [5, 6] }),
  );
  assertEquals(essence(start), { positions: [3, 4], resume: "exact", reason: null, ...noGaps });
});

Deno.test("resolveStart() begins after a reset where the fallback says", async () => {
  const answers = { [earliestOffset]: [1], 77: [2] };
  const start = id([3], "00000000");
  for (
    const [fallback, positions] of [
      [{ kind: "earliest" }, [1]],
      [{ kind: "time", ms: 77 }, [2]],
      [{ kind: "latest" }, [5]],
      [id([4]), [5]], // an id is no place to fall back to
    ] as const
  ) {
    const resolved = await resolveStart({ start, fallback }, logState([5]), history(answers));
    assertEquals([resolved.positions, resolved.ready.resume], [positions, "reset"]);
  }
});

Deno.test("resolveStart() tells an id that could not be read, as it came", async () => {
  const reset = { requested: "nonsense", reason: "malformed" };
  const { ready, positions } = await resolveStart(
    { start: { kind: "latest" }, reset },
    logState([5]),
    history(),
  );
  assertEquals([ready.resume, ready.reason, ready.requested, positions], ["reset", "malformed", "nonsense", [
    5,
  ]]);
});

Deno.test("resolveStart() with a partition that does not answer: what is known goes on, an id is believed there", async () => {
  const log = logState([5, -1], [4, -1]);
  const latest = await resolveStart({ start: { kind: "latest" } }, log, history());
  assertEquals([latest.positions, latest.startsAt], [[5, -1], latestOffset]);
  assertEquals(latest.ready.start, `v1.${cluster}.0:4,1:-1`);
  const answers = history({ [earliestOffset]: [2, -1], [latestOffset]: [8, -1], 99: [3, -1] });
  const earliest = await resolveStart({ start: { kind: "earliest" } }, log, answers);
  assertEquals([earliest.positions, earliest.startsAt], [[2, -1], earliestOffset]);
  const time = await resolveStart({ start: { kind: "time", ms: 99 } }, log, answers);
  assertEquals([time.positions, time.startsAt], [[3, -1], 99]);
  const inMemory = await resolveStart({ start: id([4, 77]) }, log, history());
  assertEquals(essence(inMemory), { positions: [4, 77], resume: "exact", reason: null, ...noGaps });
  const ahead = await resolveStart({ start: id([9, 77]) }, log, answers);
  assertEquals([ahead.ready.reason, ahead.positions], ["ahead-of-log", [5, -1]]);
  const gap = await resolveStart({ start: id([1, 0]) }, log, answers);
  assertEquals([gap.ready.resume, gap.ready.skipped, gap.positions], ["gap", 1, [2, 0]]);
});

Deno.test("resolveStart() latest under latest-per-key: the whole log, as the newest of a key may lie anywhere", async () => {
  const answers = history({ [earliestOffset]: [2, 0] });
  const start = await resolveStart(
    { start: { kind: "latest" }, policy: "latest-per-key" },
    logState([5, 7]),
    answers,
  );
  assertEquals(essence(start), { positions: [2, 0], resume: "fresh", reason: null, ...noGaps });
});
