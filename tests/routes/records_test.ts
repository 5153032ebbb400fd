import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Admin } from "kafkajs";
import type { OutRecord } from "../../kafka/producer.ts";
import { plainKafka, postJson, readTopic } from "../clients.ts";
import { fetchApi } from "../kafka/broker_proxy.ts";
import { problem, TestService } from "./test_service.ts";

interface Page {
  // deno-lint-ignore no-explicit-any
  readonly records: any[];
  readonly cursor: string;
  readonly gaps?: readonly object[];
  /** Path and query of the next page, null at the end. */
  readonly next: string | null;
}

async function getPage(service: TestService, path: string): Promise<Page> {
  const response = await fetch(`${service.url}${path}`);
  const body = await response.json();
  assertEquals(
    [response.status, response.headers.get("content-type")],
    [200, "application/json"],
    body.detail,
  );
  const link = response.headers.get("link");
  if (link !== null) assertMatch(link, /^<\/topics\/[^>]+>; rel="next"$/);
  return { ...body, next: link === null ? null : link.slice(1, link.indexOf(">")) };
}

/** Every page from an address on. */
async function getAll(service: TestService, path: string): Promise<Page[]> {
  const pages: Page[] = [];
  for (let next: string | null = path; next !== null;) {
    assert(pages.length < 1_000, "pages come to an end");
    const page: Page = await getPage(service, next);
    pages.push(page);
    next = page.next;
  }
  return pages;
}

/** `count` records numbered in the order of their times, spread over the partitions. */
function numbered(count: number, partitions: number, size = 0): OutRecord[] {
  return Array.from({ length: count }, (_, n) => ({
    key: `k${n % 5}`,
    value: JSON.stringify({ n, pad: "x".repeat(size) }),
    timestamp: 1_000 + n,
    partition: n * 7 % partitions,
  }));
}

async function withAdmin(service: TestService, act: (admin: Admin) => Promise<unknown>): Promise<void> {
  const admin = plainKafka(service.broker.bootstrap).admin();
  await admin.connect();
  try {
    await act(admin);
  } finally {
    await admin.disconnect();
  }
}

const numbers = (pages: readonly Page[]) =>
  pages.flatMap(({ records }) => records.map(({ value }) => value.n));
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

Deno.test("GET /topics/{topic}/records pages through all partitions in the order of time", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t", 3);
  await service.producer.sendAll("t", numbered(250, 3));
  const pages = await getAll(service, "/topics/t/records");
  assertEquals(pages.map(({ records }) => records.length), [100, 100, 50]);
  assertEquals(numbers(pages), upTo(250));
  assertEquals(pages[0]!.records[0], {
    topic: "t",
    partition: 0,
    offset: 0,
    timestamp: 1_000,
    key: "k0",
    value: { n: 0, pad: "" },
  });
  const small = await getAll(service, "/topics/t/records?limit=7");
  assertEquals(numbers(small), upTo(250));
  assertEquals(small.at(-1)!.cursor, pages.at(-1)!.cursor, "the same end");

  const end = await getPage(service, `/topics/t/records?cursor=${pages.at(-1)!.cursor}`);
  assertEquals([end.records, end.next, end.cursor], [[], null, pages.at(-1)!.cursor]);
  await service.producer.send("t", { value: '{"n":250}', timestamp: 1 });
  const more = await getPage(service, `/topics/t/records?cursor=${end.cursor}`);
  assertEquals([numbers([more]), more.next], [[250], null], "what came since");
});

Deno.test("GET /topics/{topic}/records ends before until, and begins at cursor", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t", 3);
  await service.producer.sendAll("t", numbered(60, 3));
  const from = async (query: string) => numbers(await getAll(service, `/topics/t/records?limit=10&${query}`));
  assertEquals(await from("cursor=t.1030&until=t.1050"), upTo(50).slice(30));
  assertEquals(await from("cursor=latest"), []);
  assertEquals(await from("until=latest&cursor=t.1055"), [55, 56, 57, 58, 59]);
  assertEquals(await from("until=t.1000"), []);
  assertEquals(await from("until=t.99999999999999"), upTo(60));
  assertEquals(await from("cursor=t.99999999999999"), []);
  assertEquals(await from("key=k1&key=k2&until=t.1010"), [1, 2, 6, 7]);
  assertEquals(await from("where=n%3E56&where=n!%3D58"), [57, 59]);
  assertEquals(await from("where=n%3E56&key=k3"), [58]);
  const { earliest, latest } = await (await fetch(`${service.url}/topics/t`)).json();
  assertEquals(await from(`cursor=${earliest}`), upTo(60));
  assertEquals(await from(`cursor=${latest}`), []);
});

Deno.test("GET /topics/{topic}/records goes through some of the log for each page, and says when there is more", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t", 2);
  await service.producer.sendAll("t", numbered(240, 2, 100_000)); // 24 MB
  const pages = await getAll(service, "/topics/t/records?where=n=239");
  assert(pages.length >= 3 && pages.length <= 6, `${pages.length} pages`);
  assertEquals(pages[0]!.records, []);
  assertEquals(numbers(pages), [239]);
  const whole = await getAll(service, "/topics/t/records?limit=1000");
  assert(whole.length >= 3, `${whole.length} pages`);
  assertEquals(numbers(whole), upTo(240));
});

Deno.test("GET /topics/{topic}/records serves more partitions than it can look into at once", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t", 200);
  await service.producer.sendAll("t", numbered(400, 200, 60_000));
  const pages = await getAll(service, "/topics/t/records?limit=1000");
  assert(pages.length < 20, `${pages.length} pages`);
  assertEquals(numbers(pages).toSorted((a, b) => a - b), upTo(400));
});

Deno.test("GET /topics/{topic}/records tells what retention removed", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t", 1);
  await service.producer.sendAll("t", numbered(20, 1));
  await withAdmin(service, async (admin) => {
    await admin.fetchTopicOffsets("t"); // so that it knows the topic
    await admin.deleteTopicRecords({ topic: "t", partitions: [{ partition: 0, offset: "12" }] });
  });
  const { latest, records } = await (await fetch(`${service.url}/topics/t`)).json();
  assertEquals(records, 8);
  const page = await getPage(service, `/topics/t/records?cursor=${latest.replace("0:19", "0:4")}`);
  assertEquals(numbers([page]), upTo(20).slice(12));
  assertEquals(page.gaps, [{ partition: 0, from: 5, to: 12, skipped: 7, reason: "retention" }]);
  const whole = await getPage(service, "/topics/t/records");
  assertEquals([numbers([whole]), whole.gaps], [upTo(20).slice(12), undefined]);
});

Deno.test("GET /topics/{topic}/records answers HEAD, and refuses what makes no sense", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t", 1);
  await service.producer.sendAll("t", numbered(3, 1));
  const head = await fetch(`${service.url}/topics/t/records?limit=2`, { method: "HEAD" });
  assertEquals([head.status, head.headers.get("link")?.endsWith('rel="next"')], [200, true]);
  const wrong = {
    "invalid-cursor": ["cursor=x", "cursor=", "cursor=v1.00000000.0:0"],
    "invalid-until": ["until=x", "until=earliest"],
    "invalid-limit": ["limit=0", "limit=1001", "limit=x", "limit=", "limit=-1", "limit=1.5"],
    "invalid-where": ["where=x"],
  };
  for (const [code, queries] of Object.entries(wrong)) {
    for (const query of queries) {
      await problem(await fetch(`${service.url}/topics/t/records?${query}`), 400, code);
    }
  }
  const { latest } = await (await fetch(`${service.url}/topics/t`)).json();
  const ahead = latest.replace("0:2", "0:3");
  await problem(await fetch(`${service.url}/topics/t/records?cursor=${ahead}`), 400, "invalid-cursor");
  const more = latest.replace("0:2", "0:2,1:5");
  await problem(await fetch(`${service.url}/topics/t/records?cursor=${more}`), 400, "invalid-cursor");
  await problem(await fetch(`${service.url}/topics/missing/records`), 404, "unknown-topic");
  await problem(await fetch(`${service.url}/topics/a%20b/records`), 400, "invalid-topic");
});

Deno.test("GET /topics/{topic}/records answers 503 while Kafka is away", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t", 1);
  await service.producer.sendAll("t", numbered(3, 1));
  service.proxy.onRequest = ({ api }) => api === fetchApi ? "cut" : "pass";
  const response = await fetch(`${service.url}/topics/t/records`);
  assertEquals(response.headers.get("retry-after"), "1");
  await problem(response, 503, "kafka-unavailable");
  service.proxy.onRequest = () => "pass";
  assertEquals(numbers([await getPage(service, "/topics/t/records")]), [0, 1, 2]);
  await service.proxy.stop();
  for (const path of ["/topics/t/records", "/topics", "/topics/t"]) {
    await problem(await fetch(`${service.url}${path}`), 503, "kafka-unavailable");
  }
});

Deno.test("POST /topics/{topic}/records writes records and tells where each of them is", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t", 3);
  const at = Date.now() - 5_000;
  const { status, body } = await postJson(`${service.url}/topics/t/records`, {
    records: [
      { key: "a", value: "text", partition: 1, timestamp: at },
      { key: null, value: { n: 1, list: [null] }, partition: 1 },
      { key: "a", value: null, partition: 2 },
      {
        key: { base64: "/w==" },
        value: { base64: "AP8=" },
        partition: 2,
        headers: { unit: "m", raw: { base64: "/w==" } },
      },
      { value: 5, partition: 0, headers: { twice: ["x", { base64: "eQ==" }] } },
      { value: "", partition: 0 },
      { value: { base64: 5 }, partition: 0 },
    ],
  });
  assertEquals(status, 201, JSON.stringify(body));
  assertEquals(body, {
    records: [[1, 0], [1, 1], [2, 0], [2, 1], [0, 0], [0, 1], [0, 2]].map(([partition, offset]) => ({
      partition,
      offset,
    })),
  });
  const { records } = await getPage(service, "/topics/t/records");
  // deno-lint-ignore no-explicit-any
  const shown = (partition: number, offset: number): any => {
    const { topic: _, partition: __, offset: ___, timestamp: ____, ...rest } = records.find((record) =>
      record.partition === partition && record.offset === offset
    );
    return rest;
  };
  assertEquals(shown(1, 0), { key: "a", value: "text" });
  assertEquals(records.find(({ value }) => value === "text").timestamp, at);
  assertEquals(shown(1, 1), { key: null, value: { n: 1, list: [null] } });
  assertEquals(shown(2, 0), { key: "a", value: null });
  assertEquals(shown(2, 1), {
    key: { base64: "/w==" },
    value: { base64: "AP8=" },
    headers: { unit: "m", raw: { base64: "/w==" } },
  });
  assertEquals(shown(0, 0), { key: null, value: 5, headers: { twice: ["x", "y"] } });
  assertEquals(shown(0, 1), { key: null, value: "" });
  assertEquals(shown(0, 2), { key: null, value: { base64: 5 } });
});

Deno.test("POST /topics/{topic}/records keeps numbers that are too large for JavaScript", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t", 1);
  const value = '{"id":12345678901234567890,"x":1.10,"e":1e400,"s":"1e5"}';
  const response = await fetch(`${service.url}/topics/t/records`, {
    method: "POST",
    headers: { "content-type": "application/json; charset=utf-8" },
    body: `{"records":[{"value":${value}}]}`,
  });
  assertEquals([response.status, await response.json()], [201, { records: [{ partition: 0, offset: 0 }] }]);
  const [record] = await readTopic(service.broker.bootstrap, "t");
  assertEquals(record!.value, value);
  assert((await (await fetch(`${service.url}/topics/t/records`)).text()).includes(`"value":${value}`));
});

Deno.test("POST /topics/{topic}/records takes a raw body as one record", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t", 2);
  const post = async (query: string, body: BodyInit, type = "application/octet-stream") => {
    const response = await fetch(`${service.url}/topics/t/records${query}`, {
      method: "POST",
      headers: { "content-type": type },
      body,
    });
    assertEquals(response.status, 201);
    return (await response.json()).records;
  };
  assertEquals(await post("?key=a&partition=1", new Uint8Array([0xff, 0])), [{ partition: 1, offset: 0 }]);
  assertEquals(await post("?partition=1&timestamp=7", '{"a": 1}', "text/plain"), [{
    partition: 1,
    offset: 1,
  }]);
  assertEquals(await post("?partition=1", ""), [{ partition: 1, offset: 2 }]);
  const { records } = await getPage(service, "/topics/t/records");
  assertEquals(
    records.map(({ key, value }) => [key, value]).toSorted((a, b) => String(a) < String(b) ? -1 : 1),
    [
      [null, ""],
      [null, { a: 1 }],
      ["a", { base64: "/wA=" }],
    ],
  );
  assertEquals(records.find(({ offset }) => offset === 1).timestamp, 7);
});

Deno.test("POST /topics/{topic}/records names every wrong field", async () => {
  await using service = await TestService.open({ maxBodyBytes: 4 * 1024 * 1024 });
  await service.broker.createTopic("t", 2);
  const url = `${service.url}/topics/t/records`;
  const wrong = async (body: unknown) => {
    const answer = await postJson(url, body);
    assertEquals(answer.status, 422, JSON.stringify(answer.body));
    for (const { detail } of answer.body.errors) assert(typeof detail === "string" && detail !== "");
    return answer.body.errors.map(({ pointer }: { pointer: string }) => pointer);
  };
  assertEquals(await wrong([]), [""]);
  assertEquals(await wrong({}), ["/records"]);
  assertEquals(await wrong({ records: [] }), ["/records"]);
  assertEquals(await wrong({ records: [{ value: 1 }], more: 1 }), ["/more"]);
  assertEquals(
    await wrong({
      records: [
        { value: 1 },
        { key: 5, value: "x", partition: -1, timestamp: "now", headers: { a: null }, extra: 1 },
        { key: "no value" },
        { value: { base64: "!" } },
        7,
        { value: 1, headers: { list: [1] } },
      ],
    }),
    [
      "/records/1/key",
      "/records/1/headers/a",
      "/records/1/partition",
      "/records/1/timestamp",
      "/records/1/extra",
      "/records/2/value",
      "/records/3/value",
      "/records/4",
      "/records/5/headers/list",
    ],
  );
  assertEquals(await wrong({ records: [{ value: 1 }, { value: 1, partition: 2 }] }), [
    "/records/1/partition",
  ]);
  const query = (text: string) => fetch(`${url}?${text}`, { method: "POST", body: "x" });
  assertEquals((await problem(await query("partition=9"), 422, "invalid-records")).errors, [
    { pointer: "partition", detail: "the topic has no partition 9" },
  ]);
  assertEquals(
    (await problem(await query("partition=x&timestamp=-1"), 422, "invalid-records")).errors.map((
      { pointer }: { pointer: string },
    ) => pointer),
    ["partition", "timestamp"],
  );
  const broken = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{",
  });
  await problem(broken, 422, "invalid-json");
  assertEquals(await readTopic(service.broker.bootstrap, "t"), [], "nothing was written");
});

Deno.test("POST /topics/{topic}/records makes no topic, and says when there is too much", async () => {
  await using service = await TestService.open({ maxBodyBytes: 4 * 1024 * 1024 });
  await service.broker.createTopic("t", 1);
  const post = (topic: string, body: unknown) =>
    fetch(`${service.url}/topics/${topic}/records`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  await problem(await post("missing", { records: [{ value: 1 }] }), 404, "unknown-topic");
  assertEquals(service.broker.broker.state.log.topics.byName("missing"), undefined);
  await problem(await post("a%20b", { records: [{ value: 1 }] }), 400, "invalid-topic");
  const many = Array.from({ length: 10_001 }, (_, n) => ({ value: n }));
  await problem(await post("t", { records: many }), 413, "too-many-records");
  await problem(await post("t", { records: [{ value: "x".repeat(5_000_000) }] }), 413, "body-too-large");
  assertEquals((await (await post("t", { records: many.slice(1) })).json()).records.length, 10_000);
  const large = { records: [{ value: 1 }, { value: "x".repeat(2_000_000) }, { value: 3 }] };
  const { errors } = await problem(await post("t", large), 413, "record-too-large");
  assertEquals(errors.map(({ pointer }: { pointer: string }) => pointer), ["/records/1"]);
  const log = await readTopic(service.broker.bootstrap, "t");
  assertEquals(log.slice(10_000).map(({ value }) => value), ["1", "3"], "the others are written");
  await withAdmin(
    service,
    (admin) => admin.createPartitions({ topicPartitions: [{ topic: "t", count: 2 }] }),
  );
  const added = await post("t", { records: [{ value: 1, partition: 1 }] });
  assertEquals(
    [added.status, await added.json()],
    [201, { records: [{ partition: 1, offset: 0 }] }],
    "a new one",
  );
});
