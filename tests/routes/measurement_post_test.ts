import { assert, assertEquals } from "@std/assert";
import { postJson, readTopic } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { problem, TestService } from "./test_service.ts";

async function post(service: TestService, body: string, name = "temperature"): Promise<Response> {
  return await fetch(`${service.url}/histograms/${name}/measurements`, { method: "POST", body });
}

Deno.test("POST …/measurements answers with what is in the log, and where", async () => {
  await using service = await TestService.open();
  const url = `${service.url}/histograms/temperature/measurements`;
  const timed = await postJson(url, {
    measurement: -3.25,
    measurement_time: "2026-02-03 04:05:06.7891+01:00",
  });
  assertEquals([timed.status, timed.body], [201, {
    partition: 0,
    offset: 0,
    measurement: -3.25,
    measurement_time: "2026-02-03T03:05:06.789Z",
  }]);
  const before = Date.now();
  const { status, body } = await postJson(url, { measurement: 7 });
  assertEquals(status, 201);
  const at = Date.parse(body.measurement_time);
  assert(at >= before && at <= Date.now(), "measured now, unless it is said when");
  const records = await readTopic(service.broker.bootstrap, "temperature");
  const kept = ({ measurement, measurement_time }: typeof body) => ({ measurement, measurement_time });
  assertEquals(records.map(({ key, value }) => [key, JSON.parse(value!)]), [
    [null, kept(timed.body)],
    [null, kept(body)],
  ]);
});

Deno.test("POST …/measurements takes a batch and answers in its order", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("pressure", 3);
  const url = `${service.url}/histograms/pressure/measurements`;
  const batch = Array.from({ length: 10_000 }, (_, n) => ({ measurement: n / 8 }));
  const { status, body } = await postJson(url, batch);
  assertEquals(status, 201);
  assertEquals(body.map(({ measurement }: { measurement: number }) => ({ measurement })), batch);
  const places = new Set(
    body.map(({ partition, offset }: { partition: number; offset: number }) => `${partition}:${offset}`),
  );
  assertEquals(places.size, batch.length, "each has a place of its own");
  const none = await postJson(url, []);
  assertEquals([none.status, none.body], [201, []]);
});

Deno.test("POST …/measurements answers 422 with one entry for each wrong field", async () => {
  await using service = await TestService.open();
  const time = "2026-02-03T04:05:06Z";
  const wrong: [body: string, pointers: string[]][] = [
    ["{}", ["/measurement"]],
    ['{"measurement":"5"}', ["/measurement"]],
    ['{"measurement":null,"measurement_time":5}', ["/measurement", "/measurement_time"]],
    ['{"measurement":1e999}', ["/measurement"]],
    ['{"measurement":5,"measurement_time":"now"}', ["/measurement_time"]],
    ['{"measurement":5,"measurement_time":"2026-02-30T00:00:00Z"}', ["/measurement_time"]],
    ['{"measurement":5,"measurement_time":""}', ["/measurement_time"]],
    [`{"measurement":5,"measurement_time":"${time}${" ".repeat(100)}"}`, ["/measurement_time"]],
    ['{"measurement":5,"unit":"K","a/b":1}', ["/a~1b", "/unit"]],
    ["null", [""]],
    ["5", [""]],
    [`[{"measurement":1},{"measurement_time":"x"},{"measurement":2,"measurement_time":"x"},[]]`, [
      "/1/measurement",
      "/1/measurement_time",
      "/2/measurement_time",
      "/3",
    ]],
  ];
  for (const [body, pointers] of wrong) {
    const told = await problem(await post(service, body), 422, "invalid-measurement");
    const found: string[] = told.errors.map(({ pointer }: { pointer: string }) => pointer);
    assertEquals(found.toSorted(), pointers, body);
    for (const { detail } of told.errors) assert(typeof detail === "string" && detail.length > 3);
  }
  for (const body of ["", "{", '{"measurement":NaN}', "5,6"]) {
    await problem(await post(service, body), 422, "invalid-json");
  }
  assertEquals(service.proxy.requests.length, 0, "Kafka has not been asked");
});

Deno.test("POST …/measurements refuses what is too much, and names as many errors as anyone reads", async () => {
  await using service = await TestService.open();
  await problem(await post(service, JSON.stringify(Array(10_001).fill(1))), 413, "too-many-measurements");
  await problem(await post(service, `"${"x".repeat(1_100_000)}"`), 413, "body-too-large");
  const told = await problem(
    await post(service, JSON.stringify(Array(500).fill({}))),
    422,
    "invalid-measurement",
  );
  assertEquals(told.errors.length, 100);
});

Deno.test("POST …/measurements answers 503 in time while Kafka is away, and 201 when it is back", async () => {
  await using service = await TestService.open({ timeoutMs: 300 });
  await service.proxy.stop();
  const response = await post(service, '{"measurement":1}');
  assertEquals(response.headers.get("retry-after"), "1");
  await problem(response, 503, "kafka-unavailable");
  service.proxy.start();
  await eventually("a post that is taken", async () => {
    const answer = await post(service, '{"measurement":1}');
    await answer.body?.cancel();
    return answer.status === 201;
  });
});
