/** `/client.js` on the real service in a program without a page: several streams over one connection, WebSockets, seek,
 * speed, bounded reads. Left out: what browsers do (client_test.ts), restarts (restart_test.ts).
 * @module */
import { assert, assertEquals, assertGreater, assertLess, assertThrows } from "@std/assert";
import { follow, followAll } from "../../static/shared/stream.js";
import { eventually } from "../eventually.ts";
import { Service } from "../service.ts";

interface Told {
  readonly places: string[];
  readonly resumes: string[];
  readonly ends: string[];
  readonly problems: { code?: string; stream?: string; status: number }[];
  readonly states: string[];
}

/** Callbacks that write down what they are told. */
function listen(): { told: Told; ears: Record<string, unknown> } {
  const told: Told = { places: [], resumes: [], ends: [], problems: [], states: [] };
  const ears = {
    onRecord: ({ topic, offset }: { topic: string; offset: number }) =>
      told.places.push(`${topic}:${offset}`),
    onReady: ({ resume }: { resume: string }) => told.resumes.push(resume),
    onEnd: ({ stream = "" }) => told.ends.push(stream),
    onError: (problem: Told["problems"][number]) => told.problems.push(problem),
    onState: ({ name }: { name: string }) => told.states.push(name),
  };
  return { told, ears };
}

async function post(
  service: Service,
  topic: string,
  count: number,
  timestamp?: (i: number) => number,
): Promise<void> {
  const records = Array.from({ length: count }, (_, i) => ({
    key: `k${i}`,
    value: { i },
    ...(timestamp && { timestamp: timestamp(i) }),
  }));
  const response = await fetch(`${service.url}/topics/${topic}/records`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ records }),
  });
  assertEquals(response.status, 201, await response.text());
}

async function open(): Promise<Service> {
  const service = await Service.open();
  const main = new URL("../../main.ts", import.meta.url).pathname;
  const args = ["run", "--quiet", "-A", main, "topics", "create", "a", "b"];
  const { success } = await new Deno.Command(Deno.execPath(), {
    args,
    env: { KAFKA_BROKERS: service.bootstrap },
  }).output();
  assert(success);
  return service;
}

const upTo = (topic: string, end: number, from = 0) =>
  Array.from({ length: end - from }, (_, i) => `${topic}:${from + i}`);

Deno.test("follow() without an EventSource says what is missing", () => {
  const none = undefined as unknown as typeof EventSource;
  const original = globalThis.EventSource;
  globalThis.EventSource = none;
  try {
    assertThrows(() => follow("http://127.0.0.1:1/geo/x/events"), TypeError, "there is no EventSource here");
  } finally {
    globalThis.EventSource = original;
  }
});

Deno.test("follow() and followAll() in a program, on the real service", async (t) => {
  await using service = await open();
  await post(service, "a", 20);
  await post(service, "b", 5);
  const at = (path: string) => `${service.url}${path}`;

  for (const transport of ["sse", "websocket"] as const) {
    await t.step(
      `${transport}: followAll() brings several streams over one connection and resumes them all`,
      async () => {
        const first = listen(), second = listen(), both = listen();
        const stream = followAll([
          { url: at("/topics/a/events"), cursor: "earliest", ...first.ears },
          { url: at("/topics/b/events?where=i>2"), cursor: "earliest", ...second.ears },
        ], { transport, ...both.ears });
        await eventually("both", () => first.told.places.length >= 20 && second.told.places.length === 2);
        assertEquals(first.told.places, upTo("a", first.told.places.length));
        assertEquals(second.told.places, ["b:3", "b:4"]);
        await eventually("both to be there", () => both.told.resumes.length === 2);
        const { cursor } = stream;
        assert(/^m1\.v1\.[^;]+;v1\.[^;]+$/.test(cursor), cursor);
        stream.close();

        await post(service, "a", 1);
        const again = listen();
        const more = followAll([{ url: at("/topics/a/events") }, { url: at("/topics/b/events?where=i>2") }], {
          transport,
          cursor,
          ...again.ears,
        });
        const last = `a:${first.told.places.length}`;
        await eventually("what came meanwhile", () => again.told.places.length === 1);
        assertEquals(again.told.places, [last]);
        await eventually("both to be there", () => again.told.resumes.length === 2);
        assertEquals(again.told.resumes, ["exact", "exact"]);
        more.close();
      },
    );

    await t.step(
      `${transport}: seek() goes to another place, and nothing of the old one comes after it`,
      async () => {
        const { told, ears } = listen();
        const stream = follow(at("/topics/b/events"), { transport, cursor: "earliest", ...ears });
        await eventually("all", () => told.places.length === 5);
        stream.seek("earliest");
        await eventually("all again", () => told.places.length === 10);
        assertEquals(told.places, [...upTo("b", 5), ...upTo("b", 5)]);
        stream.pause();
        stream.seek("earliest");
        assertEquals(stream.state.name, "paused");
        stream.resume();
        await eventually("all once more", () => told.places.length === 15);
        assertEquals(told.places.slice(10), upTo("b", 5));
        stream.close();
      },
    );

    await t.step(
      `${transport}: speed paces by the records' own time, setSpeed(null) lets the rest come`,
      async () => {
        const topic = `paced-${transport}`;
        const main = new URL("../../main.ts", import.meta.url).pathname;
        const args = ["run", "--quiet", "-A", main, "topics", "create", topic];
        await new Deno.Command(Deno.execPath(), { args, env: { KAFKA_BROKERS: service.bootstrap } }).output();
        const start = Date.now() - 600_000;
        await post(service, topic, 60, (i) => start + i * 8_000);
        const { told, ears } = listen();
        const stream = follow(at(`/topics/${topic}/events`), {
          transport,
          cursor: "earliest",
          speed: 10,
          ...ears,
        });
        await eventually("some", () => told.places.length >= 5);
        assertLess(told.places.length, 30); // these take 24 seconds, and all of them longer than is waited for
        stream.setSpeed(null);
        await eventually("all", () => told.places.length === 60);
        assertEquals(told.places, upTo(topic, 60));
        stream.close();
      },
    );

    await t.step(`${transport}: a bounded read ends`, async () => {
      const { told, ears } = listen();
      const stream = follow(at("/topics/b/events?until=latest"), { transport, cursor: "earliest", ...ears });
      await eventually("the end", () => stream.state.name === "ended" && told.ends.length > 0);
      assertEquals([told.places, told.ends, told.problems], [upTo("b", 5), [""], []]);
      assert(stream.cursor.endsWith(".end"), stream.cursor);
    });

    await t.step(`${transport}: an unknown topic and a bad filter fail for good, and say why`, async () => {
      const { told, ears } = listen();
      const streams = [
        follow(at("/topics/nowhere/events"), { transport, ...ears }),
        follow(at("/topics/a/events?where=x>y"), { transport, ...ears }),
      ];
      await eventually("the failures", () => streams.every(({ state }) => state.name === "failed"));
      await eventually("why", () => told.problems.length === 2);
      assertEquals(told.problems.map(({ code }) => code).sort(), ["invalid-where", "unknown-topic"]);
    });

    await t.step(`${transport}: records of all streams are records, whatever they are called`, async () => {
      const { told, ears } = listen();
      const streams = [
        follow(at("/histograms/pressure/events"), { transport, cursor: "earliest", ...ears }),
        followAll([{ url: at("/geo/geostream/events"), cursor: "earliest", ...ears }], { transport }),
      ];
      const send = (path: string, body: unknown) =>
        fetch(at(path), { method: "POST", body: JSON.stringify(body) }).then((answer) =>
          answer.body?.cancel()
        );
      await send("/histograms/pressure/measurements", { measurement: 900 });
      await send("/producer/geostream", { name: "a", lat: 1, lon: 2 });
      await eventually("both", () => new Set(told.places.map((place) => place.split(":")[0])).size === 2);
      for (const stream of streams) stream.close();
    });

    await t.step(`${transport}: a callback that throws stops nothing`, async () => {
      const thrown: unknown[] = [];
      const keep = (event: Event) => {
        event.preventDefault();
        thrown.push(event);
      };
      globalThis.addEventListener("error", keep);
      let count = 0;
      const stream = follow(at("/topics/b/events"), {
        transport,
        cursor: "earliest",
        onRecord: () => {
          count++;
          throw new Error("of the test");
        },
      });
      await eventually("all", () => count === 5);
      await eventually("the reports", () => thrown.length === 5);
      globalThis.removeEventListener("error", keep);
      stream.close();
    });
  }

  await t.step("websocket: what comes while it is paused waits, and the place stays", async () => {
    const { told, ears } = listen();
    const stream = follow(at("/topics/a/events"), { transport: "websocket", ...ears });
    await eventually("it", () => stream.state.name === "open");
    stream.pause();
    const { cursor } = stream;
    await post(service, "a", 50);
    await post(service, "b", 1); // as long as a record takes to be seen by others
    assertEquals([told.places.length, stream.cursor], [0, cursor]);
    stream.resume();
    await eventually("what waited", () => told.places.length === 50);
    assertGreater(stream.cursor.length, 0);
    assertEquals(told.states.filter((name) => name === "connecting").length, 1);
    stream.close();
  });
});
