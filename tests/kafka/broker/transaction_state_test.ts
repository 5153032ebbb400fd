import { assertEquals } from "@std/assert";
import { Partition } from "../../../kafka/broker/partition.ts";
import { BatchCache } from "../../../kafka/broker/batch_cache.ts";
import type { Topic } from "../../../kafka/broker/topics.ts";
import {
  checkClaim,
  checkEnd,
  ended,
  extended,
  fencing,
  initialise,
  isOverdue,
  type Producer,
  type Transaction,
} from "../../../kafka/broker/transaction_state.ts";

const FENCED = 90;
const wish = (producer: Producer | null = null) => ({ id: "tx", timeoutMs: 1_000, producer });

function known(change: Partial<Transaction> = {}): Transaction {
  return {
    id: "tx",
    producer: { id: 5, epoch: 3 },
    previous: null,
    timeoutMs: 1_000,
    phase: "Empty",
    startedMs: 0,
    usedMs: 50,
    partitions: new Set(),
    groups: new Set(),
    ...change,
  };
}

function partition(id: number): Partition {
  const bounds = { start: 0, end: 0, bytes: 0, topTimestamp: -1 };
  return new Partition(id, {} as Topic, id, bounds, new BatchCache(0));
}

/** Producer and fence of a verdict, or what else it is. */
function granted(verdict: ReturnType<typeof initialise>): unknown {
  if (verdict.kind !== "change") return verdict;
  const { producer, previous, phase } = verdict.next;
  return { producer, previous, phase, fence: verdict.fence };
}

Deno.test("initialise() begins a new id with a fresh producer id and epoch 0, whoever asks", () => {
  assertEquals(initialise(undefined, wish(), undefined, 9), { kind: "needsId" });
  for (const producer of [null, { id: 8, epoch: 2 }]) {
    assertEquals(granted(initialise(undefined, wish(producer), 7, 9)), {
      ...{ producer: { id: 7, epoch: 0 }, previous: null, phase: "Empty", fence: null },
    });
  }
});

Deno.test("initialise() gives the next epoch, and after a transaction that was open the one after its fence", () => {
  for (const phase of ["Empty", "CompleteCommit", "CompleteAbort"] as const) {
    assertEquals(granted(initialise(known({ phase }), wish(), undefined, 9)), {
      ...{ producer: { id: 5, epoch: 4 }, previous: null, phase: "Empty", fence: null },
    }, phase);
  }
  assertEquals(granted(initialise(known({ phase: "Ongoing" }), wish(), undefined, 9)), {
    ...{ producer: { id: 5, epoch: 5 }, previous: null, phase: "Empty", fence: { id: 5, epoch: 4 } },
  });
});

Deno.test("initialise() remembers who asked, so that the same request again gets the same answer", () => {
  const producer = { id: 5, epoch: 3 };
  const first = initialise(known(), wish(producer), undefined, 9);
  const next = first.kind === "change" ? first.next : known();
  assertEquals(next.previous, producer);
  assertEquals(initialise(next, wish(producer), undefined, 9), {
    kind: "repeat",
    producer: { id: 5, epoch: 4 },
  });
  const refusal = { kind: "refuse", error: FENCED } as const;
  assertEquals(
    initialise({ ...next, phase: "Ongoing" }, wish(producer), undefined, 9),
    refusal,
    "it went on",
  );
  for (const other of [{ id: 5, epoch: 2 }, { id: 5, epoch: 9 }, { id: 6, epoch: 4 }]) {
    assertEquals(initialise(next, wish(other), undefined, 9), refusal);
  }
});

Deno.test("initialise() takes a new producer id when the epochs are used up, and knows the old one's repetition", () => {
  const last = { id: 5, epoch: 32_766 };
  assertEquals(granted(initialise(known({ producer: { id: 5, epoch: 32_765 } }), wish(), undefined, 9)), {
    ...{ producer: last, previous: null, phase: "Empty", fence: null },
  });
  assertEquals(initialise(known({ producer: last }), wish(last), undefined, 9), { kind: "needsId" });
  const rotated = initialise(known({ producer: last }), wish(last), 8, 9);
  assertEquals(granted(rotated), {
    ...{ producer: { id: 8, epoch: 0 }, previous: last, phase: "Empty", fence: null },
  });
  const next = rotated.kind === "change" ? rotated.next : known();
  assertEquals(initialise(next, wish(last), undefined, 9), { kind: "repeat", producer: { id: 8, epoch: 0 } });
  const open = known({ producer: last, phase: "Ongoing" });
  assertEquals(granted(initialise(open, wish(), 8, 9)), {
    ...{ producer: { id: 8, epoch: 0 }, previous: null, phase: "Empty", fence: { id: 5, epoch: 32_767 } },
  });
});

Deno.test("checkClaim() knows the wrong id from the wrong epoch", () => {
  assertEquals(checkClaim(undefined, { id: 5, epoch: 3 }), 49);
  assertEquals(checkClaim(known(), { id: 6, epoch: 3 }), 49);
  assertEquals(checkClaim(known(), { id: 5, epoch: 2 }), FENCED);
  assertEquals(checkClaim(known(), { id: 5, epoch: 4 }), FENCED);
  assertEquals(checkClaim(known(), { id: 5, epoch: 3 }), 0);
});

Deno.test("extended() begins a transaction once and gathers what is in it", () => {
  const [a, b] = [partition(1), partition(2)];
  const begun = extended(known({ phase: "CompleteAbort" }), { partitions: [a] }, 100);
  assertEquals([begun.phase, begun.startedMs, begun.usedMs], ["Ongoing", 100, 100]);
  const more = extended(extended(begun, { partitions: [a, b] }, 150), { groups: ["g"] }, 200);
  assertEquals([more.startedMs, more.usedMs], [100, 200]);
  assertEquals([...more.partitions], [a, b]);
  assertEquals([...more.groups], ["g"]);
  assertEquals([...begun.partitions], [a], "states are values");
});

Deno.test("checkEnd() ends what is open, takes repetitions and refuses the rest", () => {
  const verdicts = (["Empty", "Ongoing", "CompleteCommit", "CompleteAbort"] as const).map((phase) =>
    [checkEnd(known({ phase }), true), checkEnd(known({ phase }), false)] as const
  );
  assertEquals(verdicts, [[48, 48], ["end", "end"], [0, 48], [48, 0]]);
});

Deno.test("ended() empties the transaction; fenced, nobody has its epoch", () => {
  const open = extended(known({ previous: { id: 5, epoch: 2 } }), {
    partitions: [partition(1)],
    groups: ["g"],
  }, 1);
  const committed = ended(open, true, null, 7);
  assertEquals(committed, {
    ...known({ previous: { id: 5, epoch: 2 } }),
    phase: "CompleteCommit",
    usedMs: 7,
  });
  const fenced = ended(open, false, fencing(open.producer), 7);
  assertEquals([fenced.phase, fenced.producer, fenced.previous], [
    "CompleteAbort",
    { id: 5, epoch: 4 },
    null,
  ]);
});

Deno.test("isOverdue() is for open transactions beyond their time", () => {
  const open = known({ phase: "Ongoing", startedMs: 100 });
  assertEquals([isOverdue(open, 1_100), isOverdue(open, 1_101)], [false, true]);
  assertEquals(isOverdue(known({ startedMs: 100 }), 9_999), false);
});
