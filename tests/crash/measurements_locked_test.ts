/** Another program holds the write lock of the measurements' file: counting waits and says so, everything else goes on. @module */
import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { postJson, SseClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { Service } from "../service.ts";

Deno.test("a locked file of measurements: posts, streams and reads go on, counting waits, says so, and makes up for it", async () => {
  await using service = await Service.open({ settings: { MEASUREMENTS: "temperature" } });
  const { url } = service, path = `${url}/histograms/temperature`;
  const post = async (measurement: number) => {
    const answer = await postJson(`${path}/measurements`, { measurement });
    assertEquals(answer.status, 201, JSON.stringify(answer.body));
  };
  const now = async () => await (await fetch(path)).json();
  const count = (n: number) =>
    eventually(`${n} counted`, async () => (await now()).count === n, 60_000, service.log.bind(service));
  await post(1);
  await count(1);
  await using records = await SseClient.open(`${url}/topics/temperature/events`);
  await records.first("ready");
  {
    using other = new DatabaseSync(`${service.dataDir}/measurements.db`);
    other.exec("BEGIN IMMEDIATE");
    const began = performance.now();
    for (let n = 0; n < 50; n++) await post(n);
    await eventually(
      "50 records in the stream",
      () => records.events.filter(({ event }) => event === "record").length === 50,
    );
    // The lock is held meanwhile: posts that had to do with the file would each wait for it, for seconds.
    assert(performance.now() - began < 60_000, `${performance.now() - began} ms for 50 posts`);
    const { status } = await eventually("it waits", async () => {
      const found = await now();
      return found.status.state === "waiting" && found;
    });
    assert(status.reason.includes("locked"), status.reason);
    assertEquals((await now()).count, 1, "what is not in the file is not shown");
    const rows = await (await fetch(`${path}/measurements`)).json();
    assertEquals(rows.measurements.length, 1);
    const ready = await fetch(`${url}/readyz`), { checks } = await ready.json();
    assertEquals([ready.status, checks.measurements.ok, checks.kafka.ok], [503, false, true]);
    other.exec("ROLLBACK");
  }
  await count(51);
  await eventually("it to say so", async () => (await now()).status.state === "live");
  await eventually("it to be ready again", async () => {
    const ready = await fetch(`${url}/readyz`);
    assertEquals(ready.status, 200, await ready.text());
    return true;
  });
  const warnings = service.log().split("\n").filter((line) => line.includes("waits for the file"));
  assertEquals(warnings.length, 1, "one warning");
  assertEquals((await service.terminate()).code, 0);
});
