/** What holds of instances that count clicks in windows, whichever Kafka they count on: one suite, run by the test files beside it.
 *
 * The instances are in this process, on a topic of the test's own. Left out: what a user sees (aggregations.ts), kill -9 (tests/crash/).
 * @module */
import type { Admin } from "kafkajs";
import { deleteTopic, plainKafka } from "../clients.ts";
import { ServiceGround } from "../kafka/processors/windows/service_ground.ts";
import { Random } from "../random.ts";

/** Registers the suite.
 * @param on the kind of Kafka, for the tests' names
 * @param ignore whether the machine has not got it
 * @param bootstrap host:port; asked for inside the tests only */
export function windowsContract(on: string, ignore: boolean, bootstrap: () => string): void {
  const test = (claim: string, fn: (ground: ServiceGround) => Promise<void>) =>
    Deno.test({
      name: `windows that are counted on ${on}: ${claim}`,
      ignore,
      async fn() {
        await using ground = await ServiceGround.open(bootstrap());
        await fn(ground);
      },
    });
  test("instances come and go, and each window is published with one count, the right one", comeAndGo);
  test("clicks get more partitions, which are counted too", morePartitions);
  test("a topic of clicks that is made anew is counted from its beginning", madeAnew);
}

async function comeAndGo(ground: ServiceGround): Promise<void> {
  const random = new Random("instances that count windows");
  const first = ground.count();
  await ground.send(random);
  await ground.dealt([first], [3], [3]);
  await ground.send(random);
  const second = ground.count();
  await ground.send(random);
  await ground.dealt([first, second], [1, 2], [1, 2]);
  await ground.send(random);
  await first[Symbol.asyncDispose]();
  await ground.send(random);
  await second[Symbol.asyncDispose]();
  await ground.send(random);
  ground.count();
  ground.count();
  await ground.send(random);
  await ground.finished();
}

/** What kafkajs's admin can do that others of the tests' clients cannot. */
async function asAdmin(ground: ServiceGround, work: (admin: Admin) => Promise<unknown>): Promise<void> {
  const admin = plainKafka(ground.bootstrap).admin();
  await admin.connect();
  await work(admin).finally(() => admin.disconnect());
}

async function morePartitions(ground: ServiceGround): Promise<void> {
  const random = new Random("clicks that get more partitions");
  const instances = [ground.count({ watchMs: 200 }), ground.count({ watchMs: 200 })];
  await ground.send(random);
  await ground.dealt(instances, [1, 2], [1, 2]);
  const topicPartitions = [{ topic: ground.settings.clicksTopic, count: 5 }];
  await asAdmin(ground, (admin) => admin.createPartitions({ topicPartitions, timeout: 25_000 }));
  await ground.dealt(instances, [2, 3], [1, 2]);
  ground.partitions = 5;
  await ground.send(random);
  await ground.finished();
}

async function madeAnew(ground: ServiceGround): Promise<void> {
  const random = new Random("clicks that are made anew"), { clicksTopic } = ground.settings;
  const first = ground.count();
  await ground.send(random);
  await ground.finished();
  await deleteTopic(ground.bootstrap, clicksTopic);
  await ground.make();
  await ground.send(random);
  await ground.finished();
  await first[Symbol.asyncDispose]();
  await ground.send(random);
  ground.count();
  await ground.finished();
}
