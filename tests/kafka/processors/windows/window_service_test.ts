import { assertEquals, assertStringIncludes } from "@std/assert";
import { createLogger } from "../../../../logger.ts";
import { eventually } from "../../../eventually.ts";
import { Random } from "../../../random.ts";
import { TestBroker } from "../../test_broker.ts";
import { ServiceGround } from "./service_ground.ts";

function lines() {
  const lines: { level: string; message: string; reason?: string }[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line));
  return { lines, log: createLogger({ level: "warn", format: "json", write }) };
}

Deno.test("WindowService waits for the clicks, makes the other topics, and counts", async () => {
  await using broker = await TestBroker.open();
  await using ground = ServiceGround.unmade(broker.bootstrap, 2);
  const { lines: told, log } = lines(), service = ground.count({ log });
  await eventually("it to look", async () => (await service.status()).refusal === null);
  await ground.make();
  await ground.dealt([service], [2], [2]);
  await ground.send(new Random("clicks of a new topic"));
  await ground.finished();
  assertEquals(told, []);
});

Deno.test("WindowService refuses topics of ids that do not go together, says so once, and begins when they do", async () => {
  await using broker = await TestBroker.open();
  await using ground = await ServiceGround.open(broker.bootstrap);
  const { byIdTopic, stateTopic } = ground.names;
  await broker.createTopic(byIdTopic, 2);
  await broker.createTopic(stateTopic, 3);
  const { lines: told, log } = lines(), service = ground.count({ log });
  const { refusal } = await eventually("a refusal", async () => {
    const status = await service.status();
    return status.refusal !== null && status;
  });
  assertStringIncludes(refusal!, `${byIdTopic} has 2 partitions and ${stateTopic} 3`);
  await broker.deleteTopic(stateTopic);
  await ground.dealt([service], [3], [2]);
  assertEquals((await service.status()).refusal, null);
  await ground.send(new Random("clicks of topics that go together at last"));
  await ground.finished();
  assertEquals(told.map(({ level, message, reason }) => [level, message, reason]), [
    ["error", "likes are not counted", refusal!],
  ]);
});

Deno.test("WindowService does not get in where others count windows of other lengths", async () => {
  await using broker = await TestBroker.open();
  await using ground = await ServiceGround.open(broker.bootstrap);
  const first = ground.count();
  await ground.dealt([first], [3], [3]);
  const { lines: told, log } = lines();
  const other = ground.count({
    log,
    settings: { ...ground.settings, sizes: ground.settings.sizes.slice(0, 2) },
  });
  const hint = "group cannot be joined as its members are of another kind";
  await eventually(
    "both groups to refuse it",
    () => told.filter(({ message }) => message === hint).length === 2,
  );
  await ground.dealt([first, other], [0, 3], [0, 3]);
});
