import { assertEquals } from "@std/assert";
import { Paced } from "../../../../kafka/processors/windows/paced.ts";
import { TestClock } from "../../hub_ground.ts";

Deno.test("Paced tells the first change at once, and the last one of those that follow a pace later", () => {
  const clock = new TestClock(0), told: string[] = [];
  using paced = new Paced(1_000, clock, (name) => told.push(`${name} ${clock.now()}`));
  for (const name of ["a", "a", "b"]) paced.changed(name);
  assertEquals(told.splice(0), ["a 0", "b 0"]);
  clock.moveTo(400);
  paced.changed("a");
  paced.changed("c");
  assertEquals(told.splice(0), ["c 400"]);
  for (const at of [1_000, 1_400, 2_000, 5_000]) clock.moveTo(at);
  assertEquals(told.splice(0), ["a 1000"], "b and c did not change again");
  assertEquals(clock.timers, 0);
  paced.changed("b");
  assertEquals(told, ["b 5000"]);
});

Deno.test("Paced goes on when the clock is set back", () => {
  let now = 1_000_000, due: (() => void) | undefined;
  const clock = {
    now: () => now,
    after: (_ms: number, go: () => void) => {
      due = go;
      return () => due = undefined;
    },
  };
  const told: string[] = [];
  using paced = new Paced(1_000, clock, (name) => told.push(name));
  paced.changed("a");
  paced.changed("a");
  now = 0;
  due!();
  assertEquals(told, ["a", "a"]);
});
