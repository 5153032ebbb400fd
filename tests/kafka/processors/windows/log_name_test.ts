import { assertEquals } from "@std/assert";
import { afterCut, isLogName, isOfTopic, logCuts } from "../../../../kafka/processors/windows/log_name.ts";

const id = "0123456789abcdef0123456789abcdef", other = "f".repeat(32);

Deno.test("isLogName() tells the names of logs from what people's tools note", () => {
  assertEquals([id, `${id}~1`, "~3"].map(isLogName), [true, true, true]);
  for (const text of ["", "consumer-1", `${id}~0`, `${id}~`, `${id}0`, id.toUpperCase(), `${id}~1~2`, "~"]) {
    assertEquals(isLogName(text), false, text);
  }
});

Deno.test("afterCut() names a log that has lost its end, which is of the same topic", () => {
  const names = [id, afterCut(id), afterCut(afterCut(id))];
  assertEquals(names, [id, `${id}~1`, `${id}~2`]);
  assertEquals(names.map(logCuts), [0, 1, 2]);
  assertEquals(names.map((log) => isOfTopic(log, id)), [true, true, true]);
  assertEquals(isOfTopic(afterCut(other), id), false);
});

Deno.test("isOfTopic() takes any log for the topic's where Kafka has no ids", () => {
  assertEquals([afterCut(""), logCuts(afterCut(""))], ["~1", 1]);
  assertEquals([isOfTopic(id, ""), isOfTopic("~1", id), isOfTopic("", "")], [true, true, true]);
});
