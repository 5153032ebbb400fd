import { assert, assertEquals } from "@std/assert";
import { clicksTopicConfigs } from "../../kafka/windows.ts";
import { readTopic } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { problem, TestService } from "./test_service.ts";

const topic = "video_clicks_ingestion";

function like(service: TestService, path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`${service.url}${path}`, { method: "POST", ...init });
}

Deno.test("POST /videos/{id}/likes answers with what is in the log, and where", async () => {
  await using service = await TestService.open();
  const before = Date.now();
  const first = await like(service, "/videos/93f98662-8907-4f43-bb4c-280501481046/likes");
  assertEquals([first.status, first.headers.get("content-type")], [202, "application/json"]);
  const { timestamp, ...rest } = await first.json();
  assertEquals(rest, { video: "93f98662-8907-4f43-bb4c-280501481046", partition: 0, offset: 0 });
  assert(timestamp >= before && timestamp <= Date.now());
  const records = await readTopic(service.broker.bootstrap, topic);
  assertEquals(records.map(({ key, value, timestamp: at }) => [key, value, at]), [
    [null, rest.video, timestamp],
  ]);
  const { configs } = service.broker.broker.state.log.topics.byName(topic)!;
  for (const [name, value] of Object.entries(clicksTopicConfigs)) assertEquals(configs.get(name), value);
});

Deno.test("POST /videos/{id}/likes takes any id, any body, and the stage of the counter's frontend", async () => {
  await using service = await TestService.open();
  const ids = ["a", "metadata", "a/b", "50%", "ü 🎬", "%2F", "?x=1", "é".repeat(128), "..a"];
  for (const [offset, id] of ids.entries()) {
    const stage = offset % 2 === 0 ? "" : "/dev";
    const body = offset % 3 === 0 ? { body: JSON.stringify({ count: 5 }) } : {};
    const response = await like(service, `${stage}/videos/${encodeURIComponent(id)}/likes`, body);
    const { video, offset: at } = await response.json();
    assertEquals([response.status, video, at], [202, id, offset]);
  }
  const records = await readTopic(service.broker.bootstrap, topic);
  assertEquals(records.map(({ value }) => value), ids);
});

Deno.test("POST /videos/{id}/likes spreads likes over the partitions of the topic", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic(topic, 3);
  const partitions = new Set<number>();
  await eventually("a like in each of them", async () => {
    const response = await like(service, "/videos/a/likes");
    partitions.add((await response.json()).partition);
    return partitions.size === 3;
  });
});

Deno.test("POST /videos/{id}/likes answers 400 for what is no id, and does not ask Kafka", async () => {
  await using service = await TestService.open();
  const paths = ["%0A", "a%00b", "é".repeat(129), "%FF", "a%", "%ED%A0%80"];
  for (const path of paths) {
    await problem(await like(service, `/videos/${path}/likes`), 400, "invalid-video");
  }
  const told = await problem(await like(service, `/videos/${"x".repeat(257)}/likes`), 400, "invalid-video");
  assertEquals(
    told.detail,
    `Cannot use "${
      "x".repeat(80)
    }…" as the id of a video: 1 to 256 bytes of UTF-8 without control characters are wanted`,
  );
  await problem(await fetch(`${service.url}/videos/a/likes`), 405, "method-not-allowed");
  await problem(await like(service, "/videos//likes"), 404, "not-found");
  await problem(await like(service, "/prod/videos/a/likes"), 404, "not-found");
  assertEquals(service.proxy.requests.length, 0, "Kafka has not been asked");
});

Deno.test("POST /videos/{id}/likes answers 503 in time while Kafka is away, and 202 when it is back", async () => {
  await using service = await TestService.open({ timeoutMs: 300 });
  await service.proxy.stop();
  const response = await like(service, "/videos/a/likes");
  assertEquals(response.headers.get("retry-after"), "1");
  await problem(response, 503, "kafka-unavailable");
  service.proxy.start();
  await eventually("a like that is taken", async () => {
    const answer = await like(service, "/videos/a/likes");
    await answer.body?.cancel();
    return answer.status === 202;
  });
});

Deno.test("POST /videos/{id}/likes answers pages of other origins that CORS_ORIGINS names", async () => {
  await using service = await TestService.open({ corsOrigins: ["https://counter.example"] });
  const headers = { origin: "https://counter.example" };
  const response = await like(service, "/dev/videos/a/likes", { headers });
  await response.body?.cancel();
  assertEquals(
    [response.status, response.headers.get("access-control-allow-origin")],
    [202, "https://counter.example"],
  );
});

Deno.test("GET /videos/metadata lists the videos of VIDEOS in their order", async () => {
  const videos = [{ id: "b", title: "Bees, and more" }, { id: "a", title: "Ants" }];
  await using service = await TestService.open({ videos });
  for (const stage of ["", "/dev"]) {
    const response = await fetch(`${service.url}${stage}/videos/metadata`);
    assertEquals(response.status, 200);
    assertEquals(await response.json(), [
      { unique_identifier: "b", title: "Bees, and more" },
      { unique_identifier: "a", title: "Ants" },
    ]);
  }
});

Deno.test("POST /videos/likes?id= takes an id that no path can hold, and one only", async () => {
  await using service = await TestService.open();
  const taken = [[".", "."], ["..", ".."], ["a%2Cb", "a,b"], ["a+b", "a b"]] as const;
  for (const [i, [query, id]] of taken.entries()) {
    const response = await like(service, `${i % 2 === 0 ? "" : "/dev"}/videos/likes?id=${query}`);
    assertEquals([response.status, (await response.json()).video], [202, id]);
  }
  const records = await readTopic(service.broker.bootstrap, topic);
  assertEquals(records.map(({ value }) => value), taken.map(([, id]) => id));
  const refused = [["", "nothing"], ["?id=", '""'], ["?id=%FF", '"%FF"'], ["?id=a&id=b", '["a","b"]']];
  for (const [query, found] of refused) {
    const { detail } = await problem(await like(service, `/videos/likes${query}`), 400, "invalid-video");
    assert(detail.startsWith(`Cannot use ${found} as the id of a video`), detail);
  }
});
