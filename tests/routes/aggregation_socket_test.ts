import { assertEquals } from "@std/assert";
import { WsClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { CountedWindows, minute, t0 } from "./aggregation_ground.ts";
import { MadeAggregations, usualSizes } from "./made_aggregations.ts";
import { TestService } from "./test_service.ts";

const sizes = ["1m", "5m"];

Deno.test("/aggregations/socket with id tells windows as every stream does, and is steered as one", async () => {
  await using service = await TestService.open({ windows: sizes });
  await using counted = await CountedWindows.open(service.broker, sizes);
  await counted.fill("a", { [t0 + minute]: 4 }).finish("a", "1m", t0, 1).commit(t0 + minute);
  await service.aggregations.loaded;
  const url = `${service.url}/aggregations/socket?id=a`;
  await using viewer = await WsClient.open(url, ["tailrace.v1.json"]);
  assertEquals(viewer.socket.protocol, "tailrace.v1.json");
  await eventually("what there is", () => viewer.all("window").length === 3);
  const [ready, ...windows] = viewer.messages;
  assertEquals([ready.type, ready.resume, ready.start], ["ready", "fresh", ready.cursor]);
  const shown = windows.map(({ size, count, final, cursor }) => [size, count, final, cursor]);
  assertEquals(shown, [["1m", 1, true, undefined], ["1m", 4, false, undefined], ["5m", 4, false, undefined]]);

  viewer.socket.send('{"type":"pause"}');
  viewer.socket.send('{"type":"ping"}');
  await viewer.first("pong", ({ type }) => type === "pong");
  await counted.finish("a", "1m", t0 + minute, 5).commit(t0 + 2 * minute);
  await eventually(
    "it to be read",
    () => service.aggregations.of("a")[0]!.windows.every(({ final }) => final),
  );
  assertEquals(viewer.all("window").length, 3, "held back");
  viewer.socket.send('{"type":"resume"}');
  const last = await viewer.first("the next one", ({ count, final }) => final && count === 5);
  await using back = await WsClient.open(`${url}&cursor=${encodeURIComponent(last.cursor)}`);
  assertEquals((await back.first("its start", ({ type }) => type === "ready")).resume, "exact");

  viewer.socket.send('{"type":"seek","cursor":"earliest"}');
  await eventually("a second start", () => viewer.all("ready").length === 2);
  const again = () => viewer.messages.slice(viewer.messages.findLastIndex(({ type }) => type === "ready"));
  await eventually("all of it", () => again().filter(({ offset }) => offset !== undefined).length === 2);
  viewer.socket.send(JSON.stringify({ type: "seek", cursor: last.cursor.split(";")[0].slice(3) }));
  await viewer.first("a refusal", ({ type, code }) => type === "error" && code === "invalid-cursor");
  viewer.socket.send('{"type":"subscribe","stream":"/geo/a/events"}');
  await viewer.first("another", ({ type, code }) => type === "error" && code === "no-stream");
  viewer.socket.send("nonsense");
  assertEquals((await viewer.end()).code, 4501);
  await using plain = await WsClient.open(`${service.url}/aggregations/1m/socket?cursor=earliest`);
  const record = await plain.first("a record", ({ type }) => type === "window");
  assertEquals([record.size, record.count, record.final, record.offset], ["1m", 1, true, 0]);
  await using none = await WsClient.open(`${service.url}/aggregations/2m/socket`);
  assertEquals((await none.end()).code, 4503);
});

Deno.test("/aggregations/socket talks by the names of the counter: what is finished, in rooms that were registered", async () => {
  const made = new MadeAggregations(usualSizes);
  await using service = await TestService.open({ aggregations: made });
  await using client = await WsClient.open(`${service.url}/aggregations/socket`);
  const send = (event: string, data?: unknown) => client.socket.send(JSON.stringify({ event, data }));
  const settled = async () => {
    const pongs = client.all("pong").length;
    client.socket.send('{"type":"ping"}');
    await eventually("a pong", () => client.all("pong").length > pongs);
  };
  const live = () => client.messages.filter(({ event }) => event !== undefined);
  send("register_room", { rooms: ["a", "b"] });
  send("consume_1_min_aggregations");
  send("consume_10_min_aggregations", {});
  await settled();
  for (const id of ["a", "c"]) made.like(id, t0, 3);
  made.close(t0 + minute + made.graceMs);
  made.like("a", t0); // late for a minute, which is no news here
  made.close(t0 + 10 * minute + made.graceMs);
  await eventually("both", () => live().length === 2);
  await settled();
  assertEquals(live(), [
    { event: "live_aggregations_1", data: { id: "a", count: 3 } },
    { event: "live_aggregations_10", data: { id: "a", count: 4 } },
  ]);
  for (
    const [event, data] of [["register_room", {}], ["register_room", { rooms: [5] }], ["shout", {}]] as const
  ) {
    send(event, data);
  }
  send("register_room", { rooms: Array.from({ length: 200 }, (_, n) => `v${n}`) });
  await eventually("refusals", () => client.all("error").length === 4);
  const codes = client.all("error").map(({ code }) => code);
  assertEquals(codes, ["invalid-rooms", "invalid-video", "unknown-event", "too-many-videos"]);
  client.socket.send('{"type":"pause"}');
  await client.first("a refusal", ({ code }) => code === "no-stream");
});
