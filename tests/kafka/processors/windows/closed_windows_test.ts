import { assertEquals } from "@std/assert";
import { ClosedWindows } from "../../../../kafka/processors/windows/closed_windows.ts";
import type { ClosedWindow } from "../../../../kafka/processors/windows/types.ts";
import { Random } from "../../../random.ts";

Deno.test("ClosedWindows holds what a plain list holds, wherever windows come in and however many are dropped", () => {
  const random = new Random("finished windows");
  for (let round = 0; round < 40; round++) {
    const closed = new ClosedWindows();
    let plain: [start: number, count: number, late: number, byClock?: 1][] = [];
    for (let step = 0; step < 200; step++) {
      const start = random.between(0, 1) === 0 ? random.between(0, 300) : step, index = closed.indexOf(start);
      assertEquals(index, plain.findIndex(([other]) => other === start));
      if (index >= 0) {
        closed.addLate(index, step);
        plain[index]![2] += step;
        assertEquals([closed.countAt(index), closed.lateAt(index)], plain[index]!.slice(1, 3));
      } else {
        const byClock = random.between(0, 1) as 0 | 1;
        closed.insert(start, step, 0, byClock);
        plain.push(byClock ? [start, step, 0, 1] : [start, step, 0]);
        plain.sort(([a], [b]) => a - b);
      }
      if (random.between(0, 9) === 0) {
        const dropped = random.between(0, plain.length);
        closed.dropOldest(dropped);
        plain = plain.slice(dropped);
      }
      assertEquals(closed.toJSON(), plain);
      assertEquals([closed.length, closed.oldest, closed.newest], [
        plain.length,
        plain[0]?.[0] ?? Infinity,
        plain.at(-1)?.[0] ?? -Infinity,
      ]);
      assertEquals(ClosedWindows.from(closed.toJSON()).toJSON(), plain as ClosedWindow[]);
    }
  }
});
