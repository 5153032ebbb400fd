/** Foreign clients on the embedded broker where it asks for TLS and a login: kafkajs, kcat, kafka-python and the Java
 * console tools; and the service and its subcommands themselves.
 *
 * kcat logs in with PLAIN alone: SCRAM of librdkafka 2.0.2 answers with another nonce than it was sent.
 * kafka-python writes a comma or an equal sign in a name as it is, so it has a user without.
 * Left out: client certificates, which the broker does not ask for. @module */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Kafka, logLevel, Partitioners, type SASLOptions } from "kafkajs";
import { javaTool } from "../apache_kafka.ts";
import { writeCertificate } from "../certificate.ts";
import { postJson, SseClient } from "../clients.ts";
import { runCli } from "../commands/cli.ts";
import { run } from "../programs.ts";
import { requires, testPython } from "../requirements.ts";
import { Service } from "../service.ts";
import { keyedLines, lines, newTopic, sorted } from "./broker.ts";

const user = "ta,i=l", simpleUser = "tail", password = 'race=,"!';
const mechanisms = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] as const;

/** A secured service, and what its clients need to know. */
interface Secured {
  readonly service: Service;
  readonly folder: string;
  readonly caFile: string;
}

/** Runs a test on a service that asks for a login, and for TLS unless told otherwise. */
async function withSecured(
  test: (secured: Secured) => Promise<void>,
  { tls = true, command = "broker" as "broker" | "serve" } = {},
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tailrace-secured-" });
  try {
    await writeCertificate(folder);
    for (const name of [user, simpleUser]) {
      const made = await runCli(["user", name], { stdin: `${password}\n` });
      await Deno.writeTextFile(`${folder}/users`, made.stdout, { append: true });
    }
    const files = { BROKER_TLS_CERT_FILE: `${folder}/cert.pem`, BROKER_TLS_KEY_FILE: `${folder}/key.pem` };
    const settings = { BROKER_USERS_FILE: `${folder}/users`, ...(tls && files) };
    await using service = await Service.open({ command, settings });
    await test({ service, folder, caFile: `${folder}/ca.pem` });
    assertEquals(service.log().includes(password), false, "no secret in the log");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("the service works on its own broker where that asks for TLS and a login", () =>
  withSecured(async ({ service }) => {
    await using viewer = await SseClient.open(`${service.url}/geo/secured/events`);
    await viewer.first("ready");
    const position = { name: "a", lat: 1, lon: 2 };
    assertEquals((await postJson(`${service.url}/producer/secured`, position)).status, 200);
    assertEquals((await viewer.first("position")).name, "a");
    assertEquals((await fetch(`${service.url}/readyz`).then((answer) => answer.json())).status, "ok");
    assertStringIncludes(service.log(), "(embedded, TLS, with logins, data in ");
    assertEquals((await service.terminate()).code, 0);
    await service.start();
    assertEquals((await postJson(`${service.url}/producer/secured`, position)).status, 200);
  }, { command: "serve" }));

Deno.test("subcommands log in to the broker of a service on this machine", () =>
  withSecured(async ({ service, caFile }) => {
    const [, port] = service.bootstrap.split(":");
    const env = {
      BROKER_PORT: port!,
      KAFKA_SSL: "true",
      KAFKA_SSL_CA_FILE: caFile,
      KAFKA_SASL_MECHANISM: "scram-sha-256",
      KAFKA_SASL_USERNAME: user,
      KAFKA_SASL_PASSWORD: password,
    };
    assertEquals((await runCli(["topics", "create", "made"], { env })).stdout, "made created\n");
    for (const mechanism of ["plain", "scram-sha-256", "scram-sha-512"]) {
      const { stdout, stderr } = await runCli(["topics", "list"], {
        env: { ...env, KAFKA_SASL_MECHANISM: mechanism },
      });
      assertEquals([stdout.includes("made"), stderr], [true, ""], mechanism);
    }
    const wrong = await runCli(["topics", "list"], { env: { ...env, KAFKA_SASL_PASSWORD: "no" } });
    assertEquals(wrong.code, 1);
    assertStringIncludes(wrong.stderr, "wrong user name or password");
    const none = await runCli(["topics", "list"], { env: { BROKER_PORT: port! } });
    assertEquals(none.code, 1);
  }));

/** kafkajs as its users set it up for a secured cluster. */
async function withKafkajs(
  { service, caFile }: Secured,
  mechanism: string,
  given: string,
  test: (kafka: Kafka) => Promise<void>,
  tls = true,
): Promise<void> {
  const sasl = { mechanism: mechanism.toLowerCase(), username: user, password: given } as SASLOptions;
  await test(
    new Kafka({
      brokers: [service.bootstrap],
      ...(tls && { ssl: { ca: [await Deno.readTextFile(caFile)] } }),
      sasl,
      logLevel: logLevel.NOTHING,
      retry: { retries: 0 },
    }),
  );
}

for (const tls of [true, false]) {
  Deno.test(`kafkajs logs in with every mechanism, ${tls ? "over TLS" : "on loopback without TLS"}`, () =>
    withSecured(async (secured) => {
      for (const mechanism of mechanisms) {
        await withKafkajs(secured, mechanism, password, async (kafka) => {
          const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
          await producer.connect();
          try {
            const messages = Array.from({ length: 100 }, (_, n) => ({ value: `${n}`.padEnd(500) }));
            const sent = await producer.send({ topic: `js-${mechanism}`, messages });
            assertEquals(sent[0]?.errorCode, 0);
          } finally {
            await producer.disconnect();
          }
        }, tls);
        await withKafkajs(secured, mechanism, "wrong", async (kafka) => {
          const admin = kafka.admin();
          const failure = await assertRejects(() => admin.connect());
          await admin.disconnect();
          assertStringIncludes((failure as Error).message, "wrong user name or password");
        }, tls);
      }
    }, { tls }));
}

for (const tls of [true, false]) {
  Deno.test({
    name: `kcat logs in with PLAIN, ${tls ? "over TLS" : "on loopback without TLS"}`,
    ignore: requires("kcat").ignore,
    fn: () =>
      withSecured(async ({ service, caFile }) => {
        const topic = newTopic("kcat");
        const kcat = (given: string, args: readonly string[], stdin = "") => {
          const protocol = tls ? ["SASL_SSL", `ssl.ca.location=${caFile}`] : ["SASL_PLAINTEXT"];
          const options = [`security.protocol=${protocol[0]}`, ...protocol.slice(1), "sasl.mechanisms=PLAIN"];
          const login = [`sasl.username=${user}`, `sasl.password=${given}`];
          const set = [...options, ...login].flatMap((option) => ["-X", option]);
          return run("kcat", { args: ["-b", service.bootstrap, ...set, ...args], stdin });
        };
        const sent = keyedLines(200);
        await kcat(password, ["-P", "-t", topic, "-K:", "-X", "acks=all"], sent.join("\n"));
        const read = await kcat(password, [
          "-C",
          "-t",
          topic,
          "-o",
          "beginning",
          "-e",
          "-q",
          "-f",
          "%k:%s\n",
        ]);
        assertEquals(sorted(lines(read.stdout)), sorted(sent));
        const failure = await assertRejects(() => kcat("wrong", ["-L", "-m", "2"]), Error);
        assertStringIncludes(failure.message, "wrong user name or password");
      }, { tls }),
  });
}

Deno.test({
  name: "kafka-python logs in with every mechanism, over TLS",
  ignore: requires("kafka-python").ignore,
  fn: () =>
    withSecured(async ({ service, caFile }) => {
      const script = new URL("secured_client.py", import.meta.url).pathname;
      for (const mechanism of mechanisms) {
        const args = [script, service.bootstrap, mechanism, caFile, simpleUser];
        const { stdout } = await run(testPython(), { args: [...args, password, newTopic("python")] });
        assertEquals(stdout, "read 100\n", mechanism);
        const failure = await run(testPython(), { args: [...args, "wrong", newTopic("python")] });
        assertEquals(failure.stdout, "refused\n", mechanism);
      }
    }),
});

Deno.test({
  name: "the Java console tools log in with every mechanism, over TLS",
  ignore: requires("apache-kafka").ignore,
  fn: () =>
    withSecured(async ({ service, folder, caFile }) => {
      for (const mechanism of mechanisms) {
        const file = `${folder}/${mechanism}.properties`;
        const config = async (given: string) => {
          const module = mechanism === "PLAIN" ? "plain.PlainLoginModule" : "scram.ScramLoginModule";
          // Backslashes are doubled once for the properties file; the quote is one more for the login configuration.
          const login = `username="${user}" password="${given.replaceAll('"', '\\\\"')}"`;
          await Deno.writeTextFile(
            file,
            [
              "security.protocol=SASL_SSL",
              "ssl.truststore.type=PEM",
              `ssl.truststore.location=${caFile}`,
              `sasl.mechanism=${mechanism}`,
              `sasl.jaas.config=org.apache.kafka.common.security.${module} required ${login};`,
            ].join("\n"),
          );
        };
        const topic = newTopic("java");
        const server = ["--bootstrap-server", service.bootstrap];
        await config(password);
        const sent = keyedLines(50);
        await javaTool("console-producer", [...server, "--topic", topic, "--command-config", file], {
          stdin: sent.join("\n") + "\n",
        });
        const { stdout } = await javaTool("console-consumer", [
          ...[
            ...server,
            "--topic",
            topic,
            "--from-beginning",
            "--max-messages",
            "50",
            "--timeout-ms",
            "30000",
          ],
          ...["--command-config", file, "--group", newTopic("group")],
        ]);
        assertEquals(lines(stdout), sent);
        await config("wrong");
        const list = [...server, "--command-config", file, "--list"];
        const failure = await assertRejects(() => javaTool("topics", list), Error);
        assertStringIncludes(failure.message, "wrong user name or password");
      }
      assert(service.log().includes('"kind":"sasl"'));
    }),
});
