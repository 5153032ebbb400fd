/** A viewer's place where it is easily mistaken: in several topics, over many partitions, under filters.
 *
 * Left out: one topic of one partition (mjpeg_viewers_test.ts), whichever Kafka is behind it (tests/contract/video.ts).
 * @module */
import { assertEquals } from "@std/assert";
import { MjpegClient } from "../mjpeg_client.ts";
import { committed, leave, publish, upTo, watch } from "./mjpeg_ground.ts";
import { TestService } from "./test_service.ts";

Deno.test("mjpeg: one viewer has a place in each topic", async () => {
  await using service = await TestService.open();
  const viewer = "some.one_at-home";
  const look = async (topic: string, count: number) => {
    const client = await MjpegClient.open(`${service.url}/video/${topic}/mjpeg?viewer=${viewer}`, {
      frames: count,
    });
    await client.count(count);
    await leave(service, client);
    return client.numbers.slice(0, count);
  };
  for (const topic of ["door", "hall"]) await publish(service, { topic, count: 6, everyMs: 1_500 }); // time enough to leave
  assertEquals(await look("door", 3), [0, 1, 2]);
  assertEquals(await look("hall", 1), [0]);
  assertEquals(await look("door", 2), [3, 4]);
  assertEquals(await look("hall", 2), [1, 2]);
});

Deno.test("mjpeg: a place over twenty partitions is exact in each of them", async () => {
  await using service = await TestService.open();
  const partitions = 20, count = 60;
  await service.broker.createTopic("cam", partitions);
  for (let n = 0; n < count; n++) {
    await publish(service, { from: n, partition: n % partitions, everyMs: 1_000 });
  }
  const seen: (number | null)[] = [];
  for (const frames of [7, 1, 5]) {
    const client = await watch(service, "?viewer=a", { frames });
    await client.count(frames);
    await leave(service, client);
    seen.push(...client.numbers.slice(0, frames));
  }
  const rest = await watch(service, "?viewer=a&speed=1000&until=latest");
  await rest.end();
  await rest[Symbol.asyncDispose]();
  assertEquals([...seen, ...rest.numbers], upTo(count));
});

Deno.test("mjpeg: the place is the viewer's in the topic, whichever key it watches", async () => {
  await using service = await TestService.open();
  const fill = async (from: number, end: number) => {
    for (let n = from; n < end; n++) await publish(service, { from: n, key: n % 2 === 0 ? "door" : "hall" });
  };
  const numbers = async (key: string) => {
    await using client = await watch(service, `?viewer=a&key=${key}&until=latest`);
    await client.end();
    await service.positions.flush();
    return client.numbers;
  };
  await fill(0, 8);
  assertEquals(await numbers("door"), [0, 2, 4, 6]);
  assertEquals(committed(service, "a"), [7], "behind the last one that it was sent");
  await fill(8, 12);
  assertEquals(await numbers("hall"), [7, 9, 11]);
});
