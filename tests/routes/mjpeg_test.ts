import { assert, assertEquals, assertMatch } from "@std/assert";
import { eventually, pause } from "../eventually.ts";
import { numberedJpeg } from "../jpegs.ts";
import { committed, leave, publish, upTo, watch } from "./mjpeg_ground.ts";
import { RawSocket } from "./raw_socket.ts";
import { problem, TestService } from "./test_service.ts";

Deno.test("mjpeg: the answer's bytes are the parts and nothing else, the boundary with each frame", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 2, startMs: 1_700_000_000_007, everyMs: 40 });
  using raw = await RawSocket.open(service.port);
  const head = await raw.request("GET /video/cam/mjpeg?viewer=a HTTP/1.0\r\n\r\n"); // 1.0: no chunks
  assertMatch(head, /^HTTP\/1.0 200 OK\r\n/);
  assertMatch(head, /\r\ncontent-type: multipart\/x-mixed-replace; boundary=frame\r\n/);
  assertMatch(head, /\r\ncache-control: no-store, no-transform\r\n/);
  assertMatch(head, /\r\nx-accel-buffering: no\r\n/);
  const part = (n: number, timestamp: string) => [
    `Content-Type: image/jpeg\r\nContent-Length: ${numberedJpeg(n).length}\r\n` +
    `X-Frame-Id: 0:${n}\r\nX-Timestamp: ${timestamp}\r\n\r\n`,
    numberedJpeg(n),
    "\r\n--frame\r\n",
  ];
  const wanted = await new Blob([
    "--frame\r\n",
    ...part(0, "1700000000.007"),
    ...part(1, "1700000000.047"),
  ]).bytes();
  const found: number[] = [];
  while (found.length < wanted.length) found.push(...(await raw.chunk())!);
  assertEquals(new Uint8Array(found), wanted);
});

Deno.test("mjpeg: a browser gets pictures with the head of the next one behind each, a program gets parts", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 2 });
  const picture = "--frame\r\nContent-Type: image/jpeg\r\n\r\n", part = "--frame\r\n";
  const chromium = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
  for (
    const [header, beginning] of [
      ["Sec-Fetch-Dest: image", picture],
      ["Sec-Fetch-Dest: document", picture],
      [`Accept: ${chromium}`, picture],
      ["Accept: text/html,*/*;q=0.8", picture],
      [`Sec-Fetch-Dest: empty\r\nAccept: ${chromium}`, part],
      ["Accept: */*", part],
      ["Accept: image/jpeg", part],
    ] as const
  ) {
    using raw = await RawSocket.open(service.port);
    await raw.request(`GET /video/cam/mjpeg?viewer= HTTP/1.0\r\n${header}\r\n\r\n`);
    const rest = beginning === picture
      ? [numberedJpeg(0), `\r\n${picture}`, numberedJpeg(1), `\r\n${picture}`]
      : ["Content-Type: image/jpeg\r\nContent-Length: "];
    const wanted = await new Blob([beginning, ...rest]).bytes();
    const found: number[] = [];
    while (found.length < wanted.length) found.push(...(await raw.chunk())!);
    assertEquals(new Uint8Array(found.slice(0, wanted.length)), wanted, header);
  }
});

Deno.test("mjpeg: the answer begins before there is a frame, a topic, or Kafka", async () => {
  await using service = await TestService.open();
  service.proxy.onAnswer = () => "drop";
  using raw = await RawSocket.open(service.port);
  await raw.request("GET /video/cam/mjpeg?viewer=a HTTP/1.0\r\n\r\n");
  assertEquals(new TextDecoder().decode((await raw.chunk())!), "--frame\r\n");
  service.proxy.onAnswer = () => "pass";
  service.proxy.cutAll();
});

Deno.test("mjpeg: frames come in the pace of their times; speed= changes it, a hole is cut short", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 10, everyMs: 100 });
  await publish(service, { from: 10, count: 2, everyMs: 100, startMs: 1_700_000_600_000 });
  let seen: number[] = [];
  /** Plays so many frames, again while a busy machine holds them up: when they come, in milliseconds after the first one. */
  const paced = (query: string, frames: number, isInTime: (times: readonly number[]) => boolean) =>
    eventually(
      `the pace of ${query}`,
      async () => {
        const client = await watch(service, query);
        await client.count(frames);
        seen = client.frames.slice(0, frames).map(({ atMs }) => atMs - client.frames[0]!.atMs);
        await leave(service, client);
        return isInTime(seen);
      },
      120_000,
      () => seen,
    );
  const isLate = (ms: number, n: number) => ms < n * 100 - 15 || ms >= n * 100 + 500;
  await paced("?viewer=", 12, (times) => {
    const hole = times[10]!; // of ten minutes
    return !times.slice(0, 10).some(isLate) && hole > 2_500 && hole < 3_500;
  });
  await paced("?viewer=&speed=10", 10, (times) => times[9]! > 70 && times[9]! < 700);
});

Deno.test("mjpeg: fps=, key= and until= choose frames; the stream ends where it is to end", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 10, everyMs: 100 });
  await publish(service, { from: 10, everyMs: 100, key: "other" });
  const whole = async (query: string) => {
    await using client = await watch(service, `?viewer=&speed=1000&until=latest${query}`);
    await client.end();
    assertEquals(client.ended, "clean");
    return client.numbers;
  };
  assertEquals(await whole(""), upTo(11));
  assertEquals(await whole("&fps=2"), [0, 5, 10]);
  assertEquals(await whole("&key=other"), [10]);
  assertEquals(await whole("&key=cam&until=t.1700000000300"), upTo(10), "the first until counts");
  for (const [name, value] of [["fps", "x"], ["speed", "0"], ["until", "x"], ["live", "2"]]) {
    await problem(await fetch(`${service.url}/video/cam/mjpeg?${name}=${value}`), 400, `invalid-${name}`);
  }
});

Deno.test("mjpeg: records that are no JPEG are passed over, and the position with them", async () => {
  await using service = await TestService.open();
  await publish(service, {});
  await service.producer.sendAll("cam", [{ value: "no picture" }, { value: null }, { value: "{}" }]);
  await publish(service, { from: 1 });
  const client = await watch(service, "?viewer=a&speed=1000");
  await client.count(2);
  assertEquals([client.ids, client.numbers], [["0:0", "0:4"], [0, 1]]);
  await leave(service, client);
  assertEquals(committed(service, "a"), [5]);
});

Deno.test("mjpeg: live=1 begins with the newest frame, also when none comes any more", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("cam", 2);
  await publish(service, { count: 50, partition: 0 });
  await publish(service, { from: 50, count: 5, partition: 1 });
  const client = await watch(service, "?viewer=a&live=1");
  await client.count(2);
  assertEquals(client.ids, ["0:49", "1:4"]);
  await publish(service, { from: 55, partition: 0 });
  await client.count(3);
  await leave(service, client);
  assertEquals(committed(service, "a"), [51, 5], "its position is kept, too");
  assertMatch(await service.metrics.text(), /^tailrace_skipped_records_total\{reason="policy"\} 0$/m);
});

Deno.test("mjpeg: live=1 of a key begins with the newest frame of that key, which is not the newest of all", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("cam");
  for (let n = 0; n < 12; n++) await publish(service, { from: n, key: ["a", "b", "c"][n % 3]! });
  const client = await watch(service, "?viewer=me&live=1&key=a");
  await client.count(1);
  assertEquals(client.ids, ["0:9"]);
  await publish(service, { from: 12, key: "b" });
  await publish(service, { from: 13, key: "a" });
  await client.count(2);
  assertEquals(client.ids, ["0:9", "0:13"]);
  await leave(service, client);
  assertEquals(committed(service, "me"), [14]);
});

Deno.test("mjpeg: live=1 drops what a stalled client is late for, counts it, and shows the newest", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("cam");
  const client = await watch(service, "?viewer=a&live=1", { frames: 1 });
  await publish(service, {});
  await client.count(1);
  const count = 60;
  for (let n = 1; n < count; n++) await publish(service, { from: n, bytes: 300_000 });
  client.readAll();
  const seen = () => client.ids.at(-1);
  await eventually("the newest frame", () => seen() === `0:${count - 1}`, 30_000, seen);
  const text = await service.metrics.text();
  const dropped = Number(text.match(/^tailrace_skipped_records_total\{reason="policy"\} (\d+)$/m)![1]);
  assert(dropped > 10, `${dropped}`);
  assertEquals(client.frames.length + dropped, count);
  await leave(service, client);
  assertEquals(committed(service, "a"), [count]);
});

Deno.test("mjpeg: a topic that does not exist is waited for", async () => {
  await using service = await TestService.open();
  await using client = await watch(service, "?viewer=a");
  await pause(100);
  await publish(service, { count: 2 });
  await client.count(2);
  assertEquals(client.numbers, upTo(2));
});

Deno.test("mjpeg: HEAD has the headers alone; what is not served is a 503 that says when to come back", async () => {
  await using service = await TestService.open({ maxConnections: 1 });
  const head = await fetch(`${service.url}/video/cam/mjpeg?viewer=a`, { method: "HEAD" });
  assertEquals([head.status, await head.text()], [200, ""]);
  assertEquals(head.headers.get("content-type"), "multipart/x-mixed-replace; boundary=frame");
  assertEquals(service.connections, 0);
  await problem(await fetch(`${service.url}/video/a%20b/mjpeg`), 400, "invalid-topic");

  await publish(service, { count: 2 });
  const client = await watch(service, "?viewer=a");
  const full = await fetch(`${service.url}/video/cam/mjpeg`);
  assertEquals(full.headers.get("retry-after"), "10");
  await problem(full, 503, "too-many-connections");
  await client.count(2);
  service.drain();
  await client.end();
  assertEquals(client.ended, "clean");
  await service.positions.flush();
  assertEquals(committed(service, "a"), [2], "where it was when the service went");
  const draining = await fetch(`${service.url}/video/cam/mjpeg`);
  assertEquals(draining.headers.get("retry-after"), "10");
  await problem(draining, 503, "draining");
});
