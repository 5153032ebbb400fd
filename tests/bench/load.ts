/** The load of a benchmark: one job, told as JSON in the first argument; the outcome goes to stdout.
 *
 * Clients are plain TCP sockets that read no more of HTTP, SSE and WebSocket than they need, so that the load costs little beside
 * what it measures. Left out: what a job is for (main.ts).
 * @module */
import type { Job, Outcome } from "./main.ts";
import { connect, Latencies, postRequest, readAnswer, RecordCounter } from "./wire.ts";

const job: Job = JSON.parse(Deno.args[0]!);
const topic = `bench${crypto.randomUUID().slice(0, 8)}`;
const outcome = job.kind === "posts" ? await posts(job) : await deliveries(job);
console.log(JSON.stringify(outcome));
Deno.exit(0); // viewers' sockets are still open

async function posts({ port, concurrency, seconds }: Job & { kind: "posts" }): Promise<Outcome> {
  const latencies = new Latencies();
  let count = 0;
  const began = performance.now(), until = began + seconds * 1000;
  await Promise.all(Array.from({ length: concurrency }, async (_, worker) => {
    const client = await connect(port);
    const request = postRequest(topic, JSON.stringify({ name: `mover ${worker}`, lat: 52.52, lon: 13.405 }));
    while (performance.now() < until) {
      const sent = performance.now();
      await client.write(request);
      await readAnswer(client);
      latencies.add(performance.now() - sent);
      count++;
    }
    client.close();
  }));
  return { count, expected: count, seconds: (performance.now() - began) / 1000, ...latencies.percentiles() };
}

async function deliveries(
  { port, transport, viewers, recordsPerSecond, seconds }: Job & { kind: "deliveries" },
): Promise<Outcome> {
  const counter = new RecordCounter();
  await Promise.all(
    Array.from(
      { length: viewers },
      (_, i) => counter.open({ port, transport, topic, sampled: i % 50 === 0 }),
    ),
  );
  const poster = await connect(port);
  const began = performance.now(), until = began + seconds * 1000;
  let posted = 0;
  while (performance.now() < until) {
    const due = Math.floor((performance.now() - began) / 1000 * recordsPerSecond) - posted;
    if (due > 0) {
      const batch = Array.from(
        { length: due },
        (_, i) => ({ name: `mover ${(posted + i) % 50}`, lat: 52.5, lon: 13.4 }),
      );
      await poster.write(postRequest(topic, JSON.stringify(batch)));
      await readAnswer(poster);
      posted += due;
    }
    await new Promise((resolve) => setTimeout(resolve, Math.max(1, 1000 / recordsPerSecond / 2)));
  }
  const expected = posted * viewers;
  // What is on the way still arrives; whoever needs longer than this did not keep up.
  const patience = performance.now() + 2_000;
  while (counter.records < expected && performance.now() < patience) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const took = (performance.now() - began) / 1000;
  return { count: counter.records, expected, seconds: took, ...counter.latencies.percentiles() };
}
