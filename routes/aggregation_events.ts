/** `GET /aggregations/events?id=…&size=…`: windows of some videos as server-sent events `window`.
 *
 * `id` and `size` may repeat, or hold several with commas between; without `size` all lengths are followed, and without `id` the finished
 * windows of all videos. Left out: what is told, and when (aggregation_stream.ts).
 * @module */
import type { Context } from "hono";
import type { EndReason } from "../kafka/viewer.ts";
import { type AskedWindows, readWindows } from "./aggregation_request.ts";
import { type WindowOutlet, type WindowSources, WindowStream } from "./aggregation_stream.ts";
import { answerEvents, bye, SseBody, sseWire } from "./sse.ts";
import type { StreamDeps } from "./streams.ts";

/** What streams of windows work with. */
export type WindowStreamDeps = StreamDeps & WindowSources;

/** Answers with a stream of windows.
 * @throws {StreamError} what `readWindows` refuses */
export async function windowEventsResponse(c: Context, deps: WindowStreamDeps): Promise<Response> {
  const lastEventId = c.req.header("last-event-id");
  const asked = readWindows(new URL(c.req.url), deps.aggregations.sizes, lastEventId);
  if (asked.sizes.every(({ isOver }) => isOver)) return new Response(null, { status: 204 });
  // Topics that are not there yet are waited for.
  return await answerEvents(c, deps, [], () => {
    const connection = new WindowEvents(asked, deps);
    connection.open(deps);
    return connection.body;
  });
}

/** One client's connection. */
class WindowEvents implements WindowOutlet {
  readonly transport = "sse";
  readonly wire = sseWire;
  readonly body: SseBody;
  readonly #windows: WindowStream;

  constructor(asked: AskedWindows, sources: WindowSources) {
    this.#windows = new WindowStream(asked, sources, this);
    this.body = new SseBody(() => this.#windows.room(), () => this.#windows.close());
  }

  open(deps: StreamDeps): void {
    this.body.open(deps, {
      onDrain: () => this.end("draining", false),
      idAtBeat: () => this.#windows.newPlace,
    });
    this.#windows.open();
    if (this.body.isEnded) this.#windows.close(); // its end was known at once
  }

  ready(): boolean {
    return this.body.ready();
  }

  write(text: string): void {
    this.body.write(text);
  }

  end(reason: EndReason, isTold: boolean): void {
    if (!isTold) this.body.write(bye({ reason }));
    this.body.end();
  }
}
