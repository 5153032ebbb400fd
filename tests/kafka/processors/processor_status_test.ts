import { assert, assertEquals } from "@std/assert";
import { StatusKeeper } from "../../../kafka/processors/processor_status.ts";

Deno.test("StatusKeeper tells what hinders most, and how far it is otherwise", () => {
  let ms = 100;
  const status = new StatusKeeper(() => ms);
  const told = () => {
    const { state, reason, since } = status.get(false);
    return [state, reason, since];
  };
  assertEquals(told(), ["starting", null, 100]);
  ms = 200;
  assert(status.waits("kafka", "Kafka is away"));
  assert(!status.waits("kafka", "Kafka is still away"), "no news");
  assertEquals(told(), ["waiting", "Kafka is still away", 200]);
  status.waits("file", "locked");
  assertEquals(told(), ["waiting", "locked", 200]);
  ms = 300;
  assert(status.goesOn("file"));
  assertEquals(told(), ["waiting", "Kafka is still away", 200]);
  status.goesOn("kafka");
  status.reads(5);
  assertEquals([...told(), status.get(true).behind], ["catching-up", null, 300, 5]);
  status.reads(0);
  status.reads(5);
  assertEquals(told()[0], "live", "a few records that have just come");
  status.reads(20_000);
  assertEquals(told()[0], "catching-up");
  status.fails("no database");
  assertEquals(told().slice(0, 2), ["failed", "no database"]);
});
