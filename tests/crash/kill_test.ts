/** kill -9 of the whole service, embedded broker and all, under posting.
 *
 * Three times in a normal run; `deno task crash` does it twenty times (TAILRACE_CRASHES). Beside the posts over HTTP, an
 * idempotent producer of kafkajs writes straight to the broker and sends again what had no answer: none of that may be
 * there twice, and each at the offset it was told. Left out: a power cut (what `BROKER_SYNC=full` is for). @module */
import { assert, assertEquals } from "@std/assert";
import { Partitioners } from "kafkajs";
import { createTopic, plainKafka, readTopic } from "../clients.ts";
import { eventually, pause } from "../eventually.ts";
import { Random } from "../random.ts";
import { Service } from "../service.ts";
import { checkNothingLost, Poster, Watcher } from "./posting.ts";

const times = Number(Deno.env.get("TAILRACE_CRASHES") ?? 3);

Deno.test(`kill -9 of the service under posting, ${times} times, loses and repeats nothing that was acknowledged`, async () => {
  const random = new Random("moments of kill -9");
  await using service = await Service.open();
  const { bootstrap } = service;
  await createTopic(bootstrap, "outside", 1);
  const starts: number[] = [];
  let records: number;
  {
    await using watcher = new Watcher(`${service.url}/geo/crash/events?cursor=earliest`);
    await using poster = new Poster(`${service.url}/producer/crash`, 16);
    await using outside = new OutsideProducer(bootstrap, "outside");
    await poster.more(50);
    for (let n = 0; n < times; n++) {
      await pause(random.between(0, 400));
      await service.kill();
      await service.start();
      starts.push(service.startSeconds);
      await poster.more(50);
      await outside.more(5);
    }
    await poster.stop();
    await outside.stop();
    records = await checkNothingLost(bootstrap, "crash", poster, [watcher]);
    assert(poster.unanswered >= times, "posts were on their way when it died");

    const log = await readTopic(bootstrap, "outside");
    assertEquals(
      log.map(({ value }) => Number(value)),
      outside.offsets.map((_, n) => n),
      "each once, in order",
    );
    assertEquals(log.map(({ offset }) => offset), outside.offsets, "each where the producer was told");
  }
  const sorted = starts.toSorted((a, b) => a - b);
  const shown = [sorted[0]!, sorted[sorted.length >> 1]!, sorted.at(-1)!].map((s) => s.toFixed(2));
  console.log(
    `kill -9 ×${times}: ${records} records, started in ${shown.join(" / ")} s (least / median / most)`,
  );
});

/** An idempotent kafkajs producer that sends numbers one after the other and does not give up. */
class OutsideProducer implements AsyncDisposable {
  /** The offset that each number was acknowledged with. */
  readonly offsets: number[] = [];
  #stopped = false;
  #working: Promise<void>;

  constructor(bootstrap: string, topic: string) {
    this.#working = this.#send(bootstrap, topic);
  }

  async more(count: number): Promise<void> {
    const wanted = this.offsets.length + count;
    await eventually(
      `${count} more records of the outside producer`,
      () => this.offsets.length >= wanted,
      60_000,
    );
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#working;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #send(bootstrap: string, topic: string): Promise<void> {
    const producer = plainKafka(bootstrap).producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      idempotent: true,
      maxInFlightRequests: 1,
      retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 100 },
    });
    await producer.connect();
    for (let n = 0; !this.#stopped; n++) {
      const [sent] = await producer.send({ topic, messages: [{ value: String(n) }] });
      this.offsets.push(Number(sent!.baseOffset));
      await pause(2);
    }
    await producer.disconnect();
  }
}
