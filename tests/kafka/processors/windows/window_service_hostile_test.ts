/** Instances that lose Kafka, each other and their memberships while they count: whoever believes what, each window has one count. @module */
import { WindowService } from "../../../../kafka/processors/windows/window_service.ts";
import { silentLogger } from "../../../../logger.ts";
import { pause } from "../../../eventually.ts";
import { Random } from "../../../random.ts";
import { BrokerProxy } from "../../broker_proxy.ts";
import { connect, TestBroker } from "../../test_broker.ts";
import { ServiceGround } from "./service_ground.ts";

const heartbeatApi = 12, endTransactionApi = 26;

/** An instance, and its own way to the broker, on which things happen. */
class Instance implements AsyncDisposable {
  readonly #parts = new AsyncDisposableStack();
  readonly #proxy: BrokerProxy;
  #isAway = false;

  constructor({ bootstrap, settings }: ServiceGround) {
    const [hostname, port] = bootstrap.split(":") as [string, string];
    this.#proxy = this.#parts.use(new BrokerProxy({ hostname, port: Number(port) }));
    const kafka = this.#parts.use(connect(this.#proxy.bootstrap));
    this.#parts.use(new WindowService({ kafka, settings, log: silentLogger }));
  }

  /** What may become of it; all but the first last until `mend`. */
  readonly troubles: Readonly<Record<string, () => unknown>> = {
    cut: () => this.#proxy.cutAll(),
    away: async () => {
      if (!this.#isAway) await this.#proxy.stop();
      this.#isAway = true;
    },
    silentHeart: () => this.#proxy.onRequest = ({ api }) => api === heartbeatApi ? "drop" : "pass",
    lostCommits: () => this.#proxy.onAnswer = ({ api }) => api === endTransactionApi ? "cut" : "pass",
    slow: () => this.#proxy.onAnswer = () => pause(200).then(() => "pass"),
  };

  mend(): void {
    this.#proxy.onRequest = this.#proxy.onAnswer = () => "pass";
    if (this.#isAway) this.#proxy.start();
    this.#isAway = false;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

Deno.test("WindowService: instances are cut, silent, slow, away, ended and begun, and each window is published with one count, the right one", async () => {
  const random = new Random("instances that count windows, in trouble");
  await using broker = await TestBroker.open();
  await using ground = await ServiceGround.open(broker.bootstrap);
  await using parts = new AsyncDisposableStack();
  const begin = () => parts.use(new Instance(ground));
  const instances = [begin(), begin(), begin()];
  const happened: string[] = [];
  try {
    for (let step = 0; step < 8; step++) {
      const at = random.between(0, 2), instance = instances[at]!;
      const kinds = [...Object.keys(instance.troubles), "ended"];
      const kind = kinds[random.between(0, kinds.length - 1)]!;
      happened.push(`${kind} ${at}`);
      if (kind === "ended") {
        instance.mend();
        instances[at] = begin();
        await instance[Symbol.asyncDispose]();
      } else await instance.troubles[kind]!();
      await ground.send(random);
      await pause(random.between(0, 1_500));
      if (random.between(0, 2) === 0) instances[random.between(0, 2)]!.mend();
    }
    for (const instance of instances) instance.mend();
    await ground.finished(120_000);
  } catch (cause) {
    throw new Error(`It was wrong after ${happened.join(", ")}`, { cause });
  }
});
