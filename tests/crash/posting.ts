/** People who go on posting and watching while something dies under them, and what must be true of them afterwards.
 *
 * {@linkcode Poster} posts positions as fast as they are acknowledged and remembers which were; {@linkcode Watcher} is a viewer that comes
 * back with its last event id, as a browser does. Left out: making things die; the tests here do that. @module */
import { assert, assertEquals } from "@std/assert";
import { type Answer, postJson, readTopic, SseClient } from "../clients.ts";
import { eventually, pause } from "../eventually.ts";

/** Several posters at once, each posting numbered positions of a name of its own, one after the other. */
export class Poster implements AsyncDisposable {
  /** Ids of the posts that were answered with 200, in the order of the answers. */
  readonly acknowledged: string[] = [];
  /** Every other answer. */
  readonly refused: Answer[] = [];
  /** How many posts had no answer, as the connection broke or was refused. */
  unanswered = 0;
  /** The longest that an answer took, in seconds. */
  slowestSeconds = 0;
  #stopped = false;
  #working: Promise<unknown>;

  /** @param url where to post
   * @param count how many post at the same time */
  constructor(url: string, count: number) {
    this.#working = Promise.all(Array.from({ length: count }, (_, n) => this.#post(url, `poster-${n}`)));
  }

  /** Waits until so many more posts were acknowledged. */
  async more(count: number, timeoutMs = 60_000): Promise<void> {
    const wanted = this.acknowledged.length + count;
    const state = () => [this.acknowledged.length, this.unanswered, this.refused.at(-1)?.body];
    await eventually(`${count} more posts`, () => this.acknowledged.length >= wanted, timeoutMs, state);
  }

  /** Ends it when what is on its way has its answer. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#working;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #post(url: string, name: string): Promise<void> {
    for (let n = 1; !this.#stopped; n++) {
      try {
        const answer = await postJson(url, { name, lat: n / 1000 % 89, lon: 10 });
        this.slowestSeconds = Math.max(this.slowestSeconds, answer.seconds);
        if (answer.status === 200) {
          this.acknowledged.push(answer.body.message_id);
        } else {
          this.refused.push(answer);
          await pause(50);
        }
      } catch (error) {
        if ((error as Error).name === "TimeoutError") throw error; // no answer and no broken connection: it hung
        this.unanswered++;
        await pause(20);
      }
    }
  }
}

/** A record of a topic as a watcher saw it. */
interface SeenRecord {
  readonly place: string;
  readonly messageId: string;
}

/** A viewer over SSE that reconnects with its last event id until it is stopped. */
export class Watcher implements AsyncDisposable {
  /** In the order they came. */
  readonly seen: SeenRecord[] = [];
  /** What each `ready` said of the resume. */
  readonly resumes: string[] = [];
  #stopped = false;
  #working: Promise<void>;

  constructor(url: string) {
    this.#working = this.#watch(url);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#working;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #watch(url: string): Promise<void> {
    let lastEventId: string | undefined;
    while (!this.#stopped) {
      let viewer: SseClient;
      try {
        viewer = await SseClient.open(url, lastEventId === undefined ? {} : { lastEventId });
      } catch {
        await pause(20);
        continue;
      }
      let taken = 0;
      while (!this.#stopped && (viewer.ended === null || taken < viewer.events.length)) {
        for (const event of viewer.events.slice(taken)) this.#take(event.event, event.data);
        taken = viewer.events.length;
        await pause(5);
      }
      await viewer[Symbol.asyncDispose]();
      // What came between the last look and the end was not taken, so its ids do not count.
      lastEventId = viewer.events[taken - 1]?.id || lastEventId;
    }
  }

  #take(event: string, data: string): void {
    const parsed = JSON.parse(data);
    if (event === "ready") this.resumes.push(parsed.resume);
    if (event !== "position") return;
    this.seen.push({ place: `${parsed.partition}:${parsed.offset}`, messageId: parsed.message_id });
  }
}

/** Fails unless every acknowledged post is in the topic once, nothing is there twice, and the watchers saw each record of
 * the topic once, at the place where it is.
 * @returns how many records the topic holds */
export async function checkNothingLost(
  bootstrap: string,
  topic: string,
  poster: Poster,
  watchers: readonly Watcher[],
): Promise<number> {
  const log = await readTopic(bootstrap, topic);
  const places = new Map(log.map((record) => [
    `${record.partition}:${record.offset}`,
    JSON.parse(record.value!).message_id as string,
  ]));
  assertEquals(places.size, log.length, "no offset is used twice");
  const ids = new Set(places.values());
  assertEquals(ids.size, log.length, "no record is there twice");
  const lost = poster.acknowledged.filter((id) => !ids.has(id));
  assertEquals(lost, [], `of ${poster.acknowledged.length} acknowledged records, these are lost`);

  for (const { seen, resumes } of watchers) {
    await eventually("every record at a watcher", () => seen.length >= log.length, 60_000, () => [
      seen.length,
      log.length,
      resumes,
    ]);
    for (const { place, messageId } of seen) {
      assertEquals(messageId, places.get(place), `what was seen at ${place}`);
    }
    assertEquals(new Set(seen.map(({ place }) => place)).size, seen.length, "no record was seen twice");
    assert(resumes.slice(1).every((resume) => resume === "exact"), `resumes: ${resumes.join(" ")}`);
  }
  return log.length;
}
