import { assertEquals, assertGreater } from "@std/assert";
import { fileURLToPath } from "node:url";
import { eventually } from "../../eventually.ts";
import { GroupsBroker, type Member } from "./kafkajs_groups.ts";

/** Waits until the members share all six partitions, with these numbers of partitions each. */
async function share(members: Member[], ...counts: number[]): Promise<void> {
  const all = () => members.flatMap(({ assigned }) => assigned ?? []).sort();
  await eventually(
    `partitions shared ${counts}`,
    () => {
      const sizes = members.map(({ assigned }) => assigned?.length ?? 0);
      return String(sizes.sort()) === String(counts.sort()) && String(all()) === "0,1,2,3,4,5";
    },
    30_000,
    () => members.map(({ assigned }) => assigned),
  );
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => String(from + at));

Deno.test("Broker groups: kafkajs members share the partitions anew as they come and leave", async () => {
  await using broker = await GroupsBroker.start();
  await broker.write(...numbers(0, 12));
  const first = await broker.member("g");
  await share([first], 6);
  await first.has(12);
  const others = await Promise.all([broker.member("g"), broker.member("g")]);
  await share([first, ...others], 2, 2, 2);
  await broker.write(...numbers(12, 24));
  const all = () => [first, ...others].flatMap(({ values }) => values);
  await eventually("all 24 values", () => all().length >= 24, 30_000, all);
  assertEquals(all().sort(), numbers(0, 24).sort(), "each once");
  await first.stop();
  await share(others, 3, 3);
  await others[0]?.stop();
  await share(others.slice(1), 6);
  await others[1]?.stop();
  assertEquals(broker.state.offsets.fetchAll("g").map(({ offset }) => offset), [4, 4, 4, 4, 4, 4]);
});

Deno.test("Broker groups: a kafkajs group resumes where it committed, over a restart too", async () => {
  await using broker = await GroupsBroker.start();
  await broker.write(...numbers(0, 6));
  const first = await broker.member("g");
  await first.has(6);
  await first.stop();
  await broker.write(...numbers(6, 12));
  const second = await broker.member("g");
  await second.has(6);
  assertEquals(second.values.sort(), numbers(6, 12).sort());
  await second.stop();

  const generation = broker.state.offsets.groups()[0]?.generation ?? 0;
  await broker.restart();
  await broker.write(...numbers(12, 18));
  const third = await broker.member("g");
  await third.has(6);
  assertEquals(third.values.sort(), numbers(12, 18).sort());
  await third.stop();
  assertGreater(broker.state.offsets.groups()[0]?.generation ?? 0, generation, "it never goes back");
});

Deno.test("Broker groups: a kafkajs member goes on by itself when the broker restarts under it", async () => {
  await using broker = await GroupsBroker.start();
  await broker.write(...numbers(0, 6));
  const member = await broker.member("g");
  await member.has(6);
  await eventually("commits", () => broker.state.offsets.fetchAll("g").length === 6);
  await broker.restart();
  await broker.write(...numbers(6, 12));
  await member.has(12);
  assertEquals(member.values.sort(), numbers(0, 12).sort(), "each once");
  await member.stop();
});

Deno.test("Broker groups: two kafkajs groups read everything, each for itself", async () => {
  await using broker = await GroupsBroker.start();
  await broker.write(...numbers(0, 6));
  const members = await Promise.all([broker.member("a"), broker.member("b")]);
  for (const member of members) {
    await member.has(6);
    assertEquals(member.values.sort(), numbers(0, 6));
    await member.stop();
  }
});

Deno.test("Broker groups: others take over from a killed kafkajs member when its session ends", async () => {
  await using broker = await GroupsBroker.start();
  await broker.write(...numbers(0, 6));
  const survivor = await broker.member("g");
  const script = fileURLToPath(new URL("./group_member.ts", import.meta.url));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", script, String(broker.port), "g"],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  let killedAt = 0;
  try {
    const { value } = await reader.read();
    assertEquals(JSON.parse(new TextDecoder().decode(value)).length, 3);
    await eventually("half of the partitions", () => survivor.assigned?.length === 3);
  } finally {
    killedAt = performance.now();
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
  }
  await share([survivor], 6);
  assertGreater(performance.now() - killedAt, 4_000, "by the end of its session, not of its connection");
  await survivor.stop();
});
