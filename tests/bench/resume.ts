/** All viewers of a topic come back at once, each with its id: the load's side of it. @module */
import { Feeder } from "./feeder.ts";
import { tell, toldLines } from "./load_process.ts";
import { type Spread, spreadOf } from "./measure.ts";
import { Offsets, RawViewer } from "./viewer.ts";

export interface ResumeJob {
  readonly kind: "resume";
  readonly port: number;
  readonly bootstrap: string;
  readonly transport: "websocket" | "sse";
  readonly viewers: number;
  /** How many records a viewer lacks at most: each has a place of its own among the last so many. */
  readonly behind: number;
}

/** ms from the moment they all come back. */
export interface Resumed {
  /** Until the first record. */
  readonly first: Spread;
  /** Until the end of the log. */
  readonly all: Spread;
  readonly records: number;
  /** Viewers for which a record is missing or came twice, or whose start was not exact. */
  readonly wrong: number;
}

const patienceMs = 120_000;

/** Steps: `open` (fills the topic, and everybody is served), `back`. */
export async function runResume(job: ResumeJob): Promise<void> {
  using feeder = await Feeder.connect(job.bootstrap);
  const topic = `resume-${crypto.randomUUID().slice(0, 8)}`;
  await feeder.makeTopics([topic], job.behind);
  const { port, transport } = job;
  let cluster = "";
  tell({});
  for await (const step of toldLines()) {
    if (step === "open") {
      await Promise.all(Array.from({ length: job.viewers }, async () => {
        const viewer = await RawViewer.open({ port, transport, topic, cursor: "latest" });
        const found = Promise.withResolvers<string>();
        const decoder = new TextDecoder();
        let text = "";
        viewer.read(new Uint8Array(16 * 1024), (bytes) => {
          text += decoder.decode(bytes);
          const id = /v1\.[0-9a-f]{8}/.exec(text)?.[0];
          if (id) found.resolve(id);
        });
        cluster = await found.promise;
      }));
      tell({});
    }
    if (step === "back") tell(await comeBack(job, topic, cluster, feeder.written - 1));
  }
}

async function comeBack(job: ResumeJob, topic: string, cluster: string, last: number): Promise<Resumed> {
  const { port, transport, viewers, behind } = job;
  const began = performance.now();
  const firsts: number[] = [], ends: number[] = [];
  let records = 0, wrong = 0;
  const all = Promise.all(Array.from({ length: viewers }, async (_, n) => {
    const lacks = Math.max(1, Math.ceil(behind * (n + 1) / viewers));
    const id = `${cluster}.0:${last - lacks}`;
    const viewer = await RawViewer.open({ port, transport, topic, id });
    const offsets = new Offsets();
    let opening = "";
    const decoder = new TextDecoder();
    await viewer.read(new Uint8Array(64 * 1024), (bytes) => {
      if (offsets.first === undefined) opening += decoder.decode(bytes);
      offsets.take(bytes);
      if (offsets.first === undefined) return;
      const ms = performance.now() - began;
      if (firsts[n] === undefined) firsts[n] = ms;
      if (offsets.next > last) {
        ends.push(ms);
        viewer.close();
      }
    });
    records += offsets.next - (offsets.first ?? 0);
    const exact = opening.includes('"resume":"exact"') && offsets.first === last - lacks + 1;
    if (!exact || offsets.breaks > 0) wrong++;
  }));
  await Promise.race([all, new Promise((resolve) => setTimeout(resolve, patienceMs))]);
  return { first: spreadOf(firsts.filter((ms) => ms !== undefined)), all: spreadOf(ends), records, wrong };
}
