import { assert, assertEquals, assertRejects } from "@std/assert";
import { ProcessorThread, type ThreadOptions } from "../../../kafka/processors/thread.ts";
import { createLogger } from "../../../logger.ts";
import { eventually } from "../../eventually.ts";
import { Random } from "../../random.ts";
import { TestBroker } from "../test_broker.ts";
import { ServiceGround } from "./windows/service_ground.ts";

/** How long a thread may take to start: its modules are type-checked first, perhaps on a busy machine. */
const startMs = 180_000;

function optionsOn(bootstrap: string): ThreadOptions & { lines: string[] } {
  const lines: string[] = [];
  return {
    kafka: { brokers: [bootstrap], clientId: "tests", ssl: null, sasl: null },
    log: createLogger({ level: "info", format: "json", write: (line) => void lines.push(line) }),
    logLevel: "info",
    stopMs: 5_000,
    lines,
  };
}

Deno.test("ProcessorThread runs a processor of the list, asks it, and stops it", async () => {
  await using broker = await TestBroker.open();
  await using ground = await ServiceGround.open(broker.bootstrap, 2);
  const options = optionsOn(broker.bootstrap);
  await using thread = new ProcessorThread("windows", { settings: ground.settings }, options);
  await eventually("its partitions", async () => {
    const { folded, counted } = await thread.ask("status");
    return folded.length === 2 && counted.length === 2;
  }, startMs);
  await ground.send(new Random("clicks that are counted in a thread"));
  await ground.finished();
  assert(options.lines.some((line) => line.includes('"group joined"')), "its log is the program's");
  const ask = thread.ask.bind(thread) as unknown as (about: string) => Promise<unknown>;
  const unlisted = await assertRejects(() => ask("constructor"), Error);
  assertEquals(unlisted.message, "Cannot ask the processor for constructor as it is not listed");
  await thread[Symbol.asyncDispose]();
  const gone = await assertRejects(() => thread.ask("status"), Error);
  assertEquals(gone.message, "Cannot ask windows as counting was stopped or begins anew");
  assertEquals(options.lines.filter((line) => /"(warn|error)"/.test(line)), []);
});
