/** kcat (librdkafka) on the embedded broker: it makes topics, writes with every codec, reads, and shares a group.
 *
 * librdkafka is what most clients outside Java are built on, and kcat its command line. SASL and
 * TLS are in secured_broker_test.ts. @module */
import { assert, assertEquals } from "@std/assert";
import { createTopic } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { Program, run } from "../programs.ts";
import { requires } from "../requirements.ts";
import { brokerForTests, checkOrderByKey, keyedLines, lines, newTopic, sorted } from "./broker.ts";

const { ignore } = requires("kcat");
const broker = brokerForTests(ignore);

function kcat(args: readonly string[], stdin?: string) {
  return run("kcat", { args: ["-b", broker.bootstrap, ...args], ...(stdin === undefined ? {} : { stdin }) });
}

Deno.test({
  name: "kcat makes a topic by its first record and reads back what every codec wrote, in order",
  ignore,
  fn: async () => {
    const topic = newTopic("kcat-codecs");
    const wanted: string[] = [];
    for (const codec of ["none", "gzip", "snappy", "lz4", "zstd"]) {
      const sent = keyedLines(100).map((line) => line.replace("key-", `${codec}-`));
      await kcat(["-P", "-t", topic, "-K:", "-z", codec, "-X", "acks=all"], sent.join("\n"));
      wanted.push(...sent);
    }
    const read = lines(
      (await kcat(["-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%k:%s\n"])).stdout,
    );
    assertEquals(sorted(read), sorted(wanted));
    checkOrderByKey(read);
  },
});

Deno.test({
  name: "kcat keeps null values, empty values, headers and large records apart",
  ignore,
  fn: async () => {
    const topic = newTopic("kcat-values");
    await kcat(
      ["-P", "-t", topic, "-p", "0", "-K:", "-Z", "-H", "unit=m", "-H", "note="],
      "tombstone:\nsome:value",
    );
    await kcat(["-P", "-t", topic, "-p", "0", "-K:"], "empty:");
    const large = "x".repeat(900_000);
    await kcat(["-P", "-t", topic, "-p", "0", "-K:"], `large:${large}`);
    const format = "%k|%S|%h|%o\n";
    const read = lines((await kcat(["-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", format])).stdout);
    assertEquals(read, [
      "tombstone|-1|unit=m,note=|0",
      "some|5|unit=m,note=|1",
      "empty|0||2",
      "large|900000||3",
    ]);
  },
});

Deno.test({
  name: "kcat finds offsets by time and reads from the middle of a partition",
  ignore,
  fn: async () => {
    const topic = newTopic("kcat-offsets");
    await kcat(["-P", "-t", topic, "-p", "0", "-K:"], keyedLines(50).join("\n"));
    const format = ["-q", "-e", "-f", "%o %T\n"];
    const all = lines((await kcat(["-C", "-t", topic, "-p", "0", "-o", "beginning", ...format])).stdout);
    assertEquals(all.map((line) => line.split(" ")[0]), Array.from({ length: 50 }, (_, n) => String(n)));
    const tail = lines((await kcat(["-C", "-t", topic, "-p", "0", "-o", "-5", ...format])).stdout);
    assertEquals(tail, all.slice(-5));
    const at = all[30]!.split(" ")[1]!;
    const firstAt = all.findIndex((line) => Number(line.split(" ")[1]) >= Number(at));
    const query = (await kcat(["-Q", "-t", `${topic}:0:${at}`])).stdout;
    assert(query.includes(`offset ${firstAt}`), query);
  },
});

Deno.test({
  name: "kcat -L shows one broker and the partitions of a topic",
  ignore,
  fn: async () => {
    const topic = newTopic("kcat-list");
    await createTopic(broker.bootstrap, topic, 3);
    const metadata = JSON.parse((await kcat(["-L", "-J", "-t", topic])).stdout);
    assertEquals(metadata.brokers.map((each: { name: string }) => each.name), [broker.bootstrap]);
    assertEquals(metadata.topics[0].partitions.length, 3);
  },
});

Deno.test({
  name: "kcat -G shares a topic between two processes, and goes on where the group stopped",
  ignore,
  fn: async () => {
    const [topic, group] = [newTopic("kcat-group"), newTopic("group")];
    await createTopic(broker.bootstrap, topic, 4);
    const folder = await Deno.makeTempDir();
    const member = (name: string) =>
      Program.start(
        "kcat",
        [
          ...[
            "-b",
            broker.bootstrap,
            "-u",
            "-X",
            "auto.offset.reset=earliest",
            "-X",
            "auto.commit.interval.ms=100",
          ],
          ...[
            "-X",
            "session.timeout.ms=30000",
            "-X",
            "heartbeat.interval.ms=200",
            "-f",
            "record %k:%s\n",
            "-G",
            group,
            topic,
          ],
        ],
        { logFile: `${folder}/${name}.log` },
      );
    const records = (member: Program) =>
      lines(member.log()).filter((line) => line.startsWith("record ")).map((line) => line.slice(7));
    // kcat prints what it was given after each rebalance: "…assigned: topic [0], topic [1]".
    const assigned = (member: Program) =>
      lines(member.log()).filter((line) => /assigned|revoked/.test(line)).at(-1)?.match(/\[\d+\]/g)?.length ??
        0;
    try {
      await using a = member("a");
      await eventually("a to have the topic", () => assigned(a) === 4, 60_000, () => a.log());
      await using b = member("b");
      const both = () => assigned(a) === 2 && assigned(b) === 2;
      await eventually("a and b to have two partitions each", both, 60_000, () => a.log() + b.log());

      const sent = keyedLines(400, 40);
      await kcat(["-P", "-t", topic, "-K:"], sent.join("\n"));
      await eventually("every record", () => records(a).length + records(b).length >= 400, 60_000);
      assertEquals(sorted([...records(a), ...records(b)]), sorted(sent));
      assert(records(a).length > 0 && records(b).length > 0, "both members had a share");
      checkOrderByKey(records(a));
      checkOrderByKey(records(b));

      await a.stop(); // SIGTERM: it commits and leaves
      await eventually("b to have the whole topic", () => assigned(b) === 4, 60_000, () => b.log());
      const more = keyedLines(100, 40).map((line) => line.replace("key-", "more-"));
      await kcat(["-P", "-t", topic, "-K:"], more.join("\n"));
      await eventually(
        "the records sent later",
        () => records(b).filter((r) => r.startsWith("more-")).length >= 100,
      );
      await b.stop();
      assertEquals(sorted([...records(a), ...records(b)]), sorted([...sent, ...more]));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "kcat in a transaction: what it sends counts when its input ends, and not when it is killed before",
  ignore,
  fn: async () => {
    const topic = newTopic("kcat-transaction");
    await createTopic(broker.bootstrap, topic, 1);
    const producer = ["-P", "-t", topic, "-p", "0", "-m", "20", "-X", `transactional.id=${newTopic("id")}`];
    await kcat(producer, "a\nb");
    const killed = new Deno.Command("kcat", {
      args: ["-b", broker.bootstrap, ...producer],
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const writer = killed.stdin.getWriter();
    await writer.write(new TextEncoder().encode("never\n".repeat(20_000))); // it sends what fills its buffer
    const read = async (isolation: string, ...more: readonly string[]) => {
      const asked = ["-C", "-t", topic, "-p", "0", "-q", "-X", `isolation.level=${isolation}`, ...more];
      return lines((await kcat(asked)).stdout);
    };
    assertEquals((await read("read_uncommitted", "-c", "1000")).at(-1), "never");
    assertEquals(await read("read_committed", "-e"), ["a", "b"]);
    killed.kill("SIGKILL");
    await killed.status;
    await writer.abort().catch(() => {}); // nobody reads it any more
    await kcat(producer, "e"); // the next of the same id aborts what was left open
    assertEquals(await read("read_committed", "-e"), ["a", "b", "e"]);
  },
});
