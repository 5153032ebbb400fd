import { assertEquals } from "@std/assert";
import { windowNames } from "../../kafka/windows.ts";
import { readTopic, SseClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { clicksTopic, CountedWindows, minute, t0 } from "./aggregation_ground.ts";
import { TestService } from "./test_service.ts";

Deno.test("/aggregations/events says of a window when it was counted, not of what there was before", async () => {
  await using service = await TestService.open({ windows: ["1m"] });
  await using counted = await CountedWindows.open(service.broker, ["1m"]);
  await counted.finish("a", "1m", t0, 3).fill("a", { [t0 + minute]: 1 }).commit(t0 + minute);
  await eventually("it to be read", () => service.aggregations.of("a")[0]!.windows.length === 2);
  await using viewer = await SseClient.open(`${service.url}/aggregations/events?id=a`);
  await viewer.first("window", ({ count }) => count === 1);
  assertEquals(viewer.all("window").map(({ timestamp }) => timestamp), [undefined, undefined]);

  await counted.fill("a", { [t0 + minute]: 2 }).commit();
  const open = await viewer.first("window", ({ count }) => count === 2);
  await counted.finish("a", "1m", t0 + minute, 2).commit();
  const final = await viewer.first("window", ({ final, timestamp }) => final && timestamp !== undefined);
  const { stateTopic } = windowNames(clicksTopic), { bootstrap } = service.broker;
  const state = await readTopic(bootstrap, stateTopic),
    finals = await readTopic(bootstrap, "1_minute_aggregation_topic");
  assertEquals(open.timestamp, state.findLast(({ key }) => key === "oa")!.timestamp);
  assertEquals(final.timestamp, finals.at(-1)!.timestamp);
});
