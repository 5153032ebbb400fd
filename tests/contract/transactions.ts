/** What transactions are to a client, whichever Kafka it talks to: every odd request with its error, version by version,
 * and what readers see. One suite, run by the test files beside it.
 *
 * Apache Kafka ends a transaction bit by bit and answers CONCURRENT_TRANSACTIONS meanwhile: those requests are put again.
 * Left out: what only the embedded broker does (tests/kafka/broker/transactions_test.ts), among it that a fenced
 * InitProducerId changes nothing.
 * @module */
import { assertEquals } from "@std/assert";
import { eventually } from "../eventually.ts";
import { type Initialised, type Producer, TransactionClient } from "../kafka/broker/transaction_client.ts";
import { readAll } from "../kafka/broker/transaction_reader.ts";

const A = [{ value: "a" }];
const PLAIN = { id: -1, epoch: -1 };
/** The coordinator is not there yet, or the transaction before is not quite done. */
const AGAIN = new Set([14, 15, 16, 51]);

/** Registers the suite.
 * @param on the kind of Kafka, for the tests' names
 * @param ignore whether the machine has not got it
 * @param bootstrap its host:port; asked for inside the tests only */
export function transactionContract(on: string, ignore: boolean, bootstrap: () => string): void {
  const test = (claim: string, fn: (client: TransactionClient) => Promise<void>) =>
    Deno.test({
      name: `transactions on ${on}: ${claim}`,
      ignore,
      fn: () => withClient(Number(bootstrap().split(":").at(-1)), fn),
    });

  test("InitProducerId refuses what makes no sense, and fences by version", initialising);
  test("AddPartitionsToTxn, AddOffsetsToTxn and EndTxn tell wrong producers apart, by version", claims);
  test("EndTxn knows what was done already and what cannot be", endings);
  test("Produce takes transactional batches of an open transaction only", producing);
  test("readers of committed records stop at the last stable offset and are told what was aborted", reading);
  test("markers are the same bytes", marking);
  test("the next producer takes back what its predecessor left open", fencing);
  test("records may be deleted under an open transaction", deleting);
  test("offsets are held back until the commit, and the newer of two wins", offsets);
}

async function withClient(port: number, test: (client: TransactionClient) => Promise<void>): Promise<void> {
  const name = crypto.randomUUID().slice(0, 8);
  using client = await TransactionClient.connect(port, { id: `id-${name}`, topic: `t-${name}` });
  await client.ask(19, 4, {
    topics: [{ name: client.topic, numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] }],
    timeoutMs: 10_000,
  });
  await eventually("the topic", async () => (await client.fetch()).error === 0);
  // Apache Kafka makes its own topics for these now.
  for (const [key, keyType] of [["g", 0], [client.id, 1]] as const) {
    await eventually(
      "a coordinator",
      async () => (await client.ask(10, 1, { key, keyType })).errorCode === 0,
    );
  }
  await test(client);
}

type Answer = Initialised | number | readonly number[];

/** Puts a request until its error is not one of those that pass. */
function settled<T extends Answer>(ask: () => Promise<T>): Promise<T> {
  return eventually("an answer that stands", async () => {
    const answer = await ask();
    return errorsIn(answer).some((error) => AGAIN.has(error)) ? undefined : { answer };
  }, 60_000).then(({ answer }) => answer);
}

function errorsIn(answer: Answer): readonly number[] {
  if (typeof answer === "number") return [answer];
  return "error" in answer ? [answer.error] : answer;
}

async function begin(client: TransactionClient, producer: Producer, partitions = [0]): Promise<void> {
  assertEquals(await settled(() => client.add(producer, partitions)), partitions.map(() => 0));
}

const initialise = (client: TransactionClient, options: Parameters<TransactionClient["init"]>[0] = {}) =>
  settled(() => client.init(options));

async function initialising(client: TransactionClient): Promise<void> {
  const error = async (options: Parameters<TransactionClient["init"]>[0]) =>
    (await initialise(client, options)).error;
  assertEquals(await error({ id: "" }), 42);
  for (const timeoutMs of [0, -1, 900_001]) assertEquals(await error({ timeoutMs }), 50);
  assertEquals(await error({ id: null, timeoutMs: 0 }), 0);
  const first = await initialise(client, { producer: { id: 77, epoch: 3 } });
  assertEquals([first.error, first.epoch], [0, 0], "nobody had the id before");
  const second = await initialise(client, { producer: first });
  assertEquals(second, { ...first, epoch: 1 });
  assertEquals(await initialise(client, { producer: first }), second, "sent again");
  assertEquals(await initialise(client), { ...first, epoch: 2 });
  for (const [version, fenced] of [[3, 47], [4, 90]] as const) {
    for (const producer of [first, { ...first, epoch: 9 }, { id: first.id + 1_000_000, epoch: 2 }]) {
      assertEquals(await error({ version, producer }), fenced);
    }
    assertEquals(await error({ version, producer: { id: first.id, epoch: -1 } }), 42);
    assertEquals(await error({ version, producer: { id: -1, epoch: 2 } }), 42);
  }
}

async function claims(client: TransactionClient): Promise<void> {
  const { id, epoch } = await initialise(client);
  using nobody = await client.another({ id: `${client.id}-nobody` });
  using nameless = await client.another({ id: "" });
  for (const version of [0, 1, 2, 3]) {
    const fenced = version >= 2 ? 90 : 47;
    const cases: [who: TransactionClient, producer: Producer, error: number][] = [
      [client, { id, epoch: epoch - 1 }, fenced],
      [client, { id, epoch: epoch + 1 }, fenced],
      [client, { id: id + 1_000_000, epoch }, 49],
      [nobody, { id, epoch }, 49],
      [nameless, { id, epoch }, 42],
    ];
    for (const [who, producer, error] of cases) {
      assertEquals(await settled(() => who.add(producer, [0], version)), [error], `v${version}`);
      assertEquals(await settled(() => who.addGroup(producer, "g", version)), error, `v${version}`);
      assertEquals(await settled(() => who.end(producer, true, version)), error, `v${version}`);
      const told = error === 90 ? 47 : error;
      const committing = () => who.commitOffsets(producer, "g", [[0, 1]], version);
      assertEquals(await settled(committing), [told], `v${version}`);
    }
    const errors = await client.add({ id, epoch }, [0, 7], version);
    assertEquals(errors.toSorted((a, b) => b - a), [55, 3], `v${version}`); // in any order
  }
  assertEquals(await client.end({ id, epoch }, true), 48, "nothing of this began a transaction");
}

async function endings(client: TransactionClient): Promise<void> {
  const producer = await initialise(client);
  assertEquals([await client.end(producer, true), await client.end(producer, false)], [48, 48]);
  for (const commit of [true, false]) {
    await begin(client, producer);
    assertEquals(await settled(() => client.end(producer, commit)), 0);
    assertEquals(await settled(() => client.end(producer, commit)), 0);
    assertEquals(await settled(() => client.end(producer, !commit)), 48);
  }
}

async function producing(client: TransactionClient): Promise<void> {
  const producer = await initialise(client);
  assertEquals(await client.produce(producer, 0, A), [48, -1]);
  assertEquals(await client.produce(producer, 0, A, { version: 11 }), [120, -1]);
  assertEquals(
    await client.produce(PLAIN, -1, A, { transactional: false }),
    [0, 0],
    "the id alone means nothing",
  );
  await begin(client, producer);
  const error = async (who: Producer, transactionalId: string | null = client.id) =>
    (await client.produce(who, 0, A, { transactionalId }))[0];
  assertEquals(await error(producer, null), 53);
  assertEquals(await error(producer, ""), 42);
  assertEquals(await error(producer, `${client.id}-nobody`), 49);
  assertEquals(await error({ ...producer, id: producer.id + 1_000_000 }), 49);
  assertEquals(await error({ ...producer, epoch: 1 }), 47);
  assertEquals(await client.produce(producer, 0, A), [0, 1]);
  assertEquals(await client.produce(producer, 0, A), [0, 1], "sent again");
  assertEquals(await client.produce(producer, 5, A), [45, -1]);
  const plainly = { transactional: false, transactionalId: null };
  assertEquals(await client.produce(producer, 1, A, plainly), [48, -1]);
  assertEquals(await settled(() => client.end(producer, true)), 0);
  await eventually("the marker", async () => (await client.fetch()).stable === 3);
  assertEquals(await client.produce(producer, 1, A), [48, -1]);
  assertEquals(await client.produce(producer, 1, A, plainly), [0, 3]);
}

async function reading(client: TransactionClient): Promise<void> {
  const timestamp = Date.now() - 1_000;
  const producer = await initialise(client);
  await client.produce(PLAIN, -1, [{ value: "plain", timestamp: timestamp - 5 }], { transactional: false });
  await begin(client, producer);
  await client.produce(producer, 0, [{ value: "lost", timestamp }, { value: "lost", timestamp }]);
  const committed = await client.fetch();
  assertEquals([committed.end, committed.stable, committed.aborted], [3, 1, []]);
  assertEquals((await client.fetch({ committed: false })).aborted, null);
  for (const offset of [1, 2, 3]) {
    const { error, records } = await client.fetch({ offset });
    assertEquals([error, records.byteLength], [0, 0]);
  }
  assertEquals((await client.fetch({ offset: 4 })).error, 1);
  assertEquals([await client.offsetAt(-1), await client.offsetAt(-1, { committed: false })], [1, 3]);
  for (const time of [timestamp, -3]) {
    assertEquals([await client.offsetAt(time), await client.offsetAt(time, { committed: false })], [-1, 1]);
  }
  assertEquals(await settled(() => client.end(producer, false)), 0);
  await eventually("the marker", async () => (await client.fetch()).stable === 4);
  for (const [offset, aborted] of [[0, 1], [2, 1], [3, 1], [4, 0]] as const) {
    assertEquals((await client.fetch({ offset })).aborted, aborted === 1 ? [`${producer.id}@1`] : []);
  }
  assertEquals(await readAll(client), [{ offset: 0, value: "plain" }]);
  assertEquals((await readAll(client, { committed: false })).length, 3);
}

async function marking(client: TransactionClient): Promise<void> {
  const producer = await initialise(client);
  for (const commit of [true, false]) {
    await begin(client, producer, [1]);
    assertEquals(await settled(() => client.end(producer, commit)), 0);
  }
  await eventually("the markers", async () => (await client.fetch({ partition: 1 })).stable === 2);
  const { records } = await client.fetch({ partition: 1 });
  assertEquals(records.byteLength, 2 * 78);
  for (const [at, type] of [[0, "01"], [78, "00"]] as const) {
    const marker = records.slice(at, at + 78);
    const view = new DataView(marker.buffer);
    assertEquals([view.getBigInt64(0), view.getBigInt64(27) === view.getBigInt64(35)], [
      BigInt(at / 78),
      true,
    ]);
    view.setUint32(17, 0); // checksum and times differ
    for (const time of [27, 35]) view.setBigInt64(time, 0n);
    view.setBigInt64(0, 0n);
    view.setBigInt64(43, 0n); // producer id
    assertEquals(
      marker.toHex(),
      "0000000000000000" + "00000042" + "00000000" + "02" + "00000000" + "0030" + "00000000" +
        "0000000000000000" +
        "0000000000000000" + "0000000000000000" + "0000" + "ffffffff" + "00000001" + "20000000080000" + "00" +
        type + "0c000000000000" + "00",
    );
  }
}

async function fencing(client: TransactionClient): Promise<void> {
  const zombie = await initialise(client);
  await begin(client, zombie);
  await client.produce(zombie, 0, A);
  const next = await initialise(client);
  assertEquals([next.id, next.epoch], [zombie.id, 2]);
  await eventually("the marker", async () => (await client.fetch()).stable === 2);
  assertEquals(await client.produce(zombie, 1, A), [47, -1]);
  const ending = (version?: number) => settled(() => client.end(zombie, true, version));
  assertEquals([await ending(), await ending(1)], [90, 47]);
  const adding = (version?: number) => settled(() => client.add(zombie, [0], version));
  assertEquals([await adding(), await adding(1)], [[90], [47]]);
  assertEquals((await initialise(client, { producer: zombie })).error, 90);
  await begin(client, next);
  assertEquals(await client.produce(next, 1, A), [45, -1]);
  assertEquals(await client.produce(next, 0, A), [0, 2]);
  assertEquals(await settled(() => client.end(next, true)), 0);
  await eventually("the marker", async () => (await client.fetch()).stable === 4);
  assertEquals((await readAll(client)).map(({ offset }) => offset), [2]);
}

async function deleting(client: TransactionClient): Promise<void> {
  const producer = await initialise(client);
  await begin(client, producer);
  for (const sequence of [0, 1, 2]) await client.produce(producer, sequence, A);
  const partitions = [{ partitionIndex: 0, offset: 2 }];
  await client.ask(21, 1, { topics: [{ name: client.topic, partitions }], timeoutMs: 10_000 });
  assertEquals((await client.fetch({ offset: 1 })).error, 1);
  const { start, stable, end, records } = await client.fetch({ offset: 2 });
  assertEquals([start, stable, end, records.byteLength], [2, 2, 3, 0]);
  assertEquals([await client.offsetAt(-2), await client.offsetAt(-1)], [2, 2]);
  assertEquals(await settled(() => client.end(producer, false)), 0);
  await eventually("the marker", async () => (await client.fetch({ offset: 2 })).stable === 4);
  assertEquals((await client.fetch({ offset: 2 })).aborted, [`${producer.id}@0`]);
  assertEquals(await readAll(client, { from: 2 }), []);
}

async function offsets(client: TransactionClient): Promise<void> {
  const group = `g-${client.id}`;
  const producer = await initialise(client);
  assertEquals(await settled(() => client.commitOffsets(producer, group, [[0, 1]])), [48], "no group in it");
  const addGroup = () => settled(() => client.addGroup(producer, group));
  const commit = (...positions: [number, number][]) =>
    settled(() => client.commitOffsets(producer, group, positions));
  assertEquals(await addGroup(), 0);
  assertEquals(await settled(() => client.commitOffsets(producer, "", [[0, 1]])), [24]);
  assertEquals(await commit([0, 5], [1, 5]), [0, 0]);
  await client.commitPlainly(group, [[1, 77]]);
  assertEquals(await client.committed(group, { stable: true }), [88, -1]);
  assertEquals(await client.committed(group), [0, -1]);
  assertEquals(await client.committed(group, { partition: 1, stable: true }), [88, -1]);
  assertEquals(await client.committed(group, { partition: 1 }), [0, 77]);
  const member = (generationId: number, memberId: string) =>
    settled(() => client.commitOffsets(producer, group, [[0, 5]], 3, { generationId, memberId }));
  assertEquals([await member(3, "m"), await member(-1, "m"), await member(0, "")], [[25], [0], [25]]);
  assertEquals(await settled(() => client.end(producer, true)), 0);
  await eventually("the commit", async () => (await client.committed(group, { stable: true }))[1] === 5);
  assertEquals(await client.committed(group, { partition: 1 }), [0, 77], "it came later");
  assertEquals(await addGroup(), 0);
  assertEquals(await commit([0, 99]), [0]);
  assertEquals(await settled(() => client.end(producer, false)), 0);
  await eventually("the abort", async () => (await client.committed(group, { stable: true }))[0] === 0);
  assertEquals(await client.committed(group), [0, 5]);
}
