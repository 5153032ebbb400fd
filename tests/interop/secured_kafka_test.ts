/** The service on an Apache Kafka that asks for TLS and a password: each SASL mechanism of the settings, and a wrong password.
 *
 * Left out: client certificates. @module */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { ApacheKafka, javaTool } from "../apache_kafka.ts";
import { postJson, SseClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { freePort, run } from "../programs.ts";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";

const { ignore } = requires("apache-kafka");
const user = "tail", password = 'race=,"!';

Deno.test({
  name: "the service works over TLS with SASL PLAIN and SCRAM, and says so when the password is wrong",
  ignore,
  fn: async (t) => {
    const folder = await Deno.makeTempDir({ prefix: "tailrace-tls-" });
    try {
      await makeCertificate(folder);
      const ports = { secure: freePort(), plain: freePort(), controller: freePort() };
      await using _kafka = await ApacheKafka.open(secureProperties(folder, ports));
      for (const bits of [256, 512]) await addScramUser(`127.0.0.1:${ports.plain}`, bits);
      const settings = (mechanism: string, given = password) => ({
        KAFKA_SSL: "true",
        KAFKA_SSL_CA_FILE: `${folder}/ca.pem`,
        KAFKA_SASL_MECHANISM: mechanism,
        KAFKA_SASL_USERNAME: user,
        KAFKA_SASL_PASSWORD: given,
      });
      const kafkaBrokers = `127.0.0.1:${ports.secure}`;
      for (const mechanism of ["plain", "scram-sha-256", "scram-sha-512"]) {
        await t.step(mechanism, async () => {
          await using service = await Service.open({ kafkaBrokers, settings: settings(mechanism) });
          await using viewer = await SseClient.open(`${service.url}/geo/secured-${mechanism}/events`);
          await viewer.first("ready");
          const position = { name: "a", lat: 1, lon: 2 };
          assertEquals(
            (await postJson(`${service.url}/producer/secured-${mechanism}`, position)).status,
            200,
          );
          assertEquals((await viewer.first("position")).name, "a");
        });
      }
      await t.step("a wrong password", async () => {
        await using service = await Service.open({ kafkaBrokers, settings: settings("plain", "wrong") });
        await eventually("the reason", async () => {
          const response = await fetch(`${service.url}/readyz`), told = await response.text();
          assertEquals(response.status, 503, told);
          assertStringIncludes(told, "authentication failed");
          return true;
        });
        assertEquals(service.log().includes("wrong"), false, "no secret in the log");
      });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

/** A key of 127.0.0.1 in `keys.p12`, and its certificate in `ca.pem`. */
async function makeCertificate(folder: string): Promise<void> {
  const store = ["-alias", "node", "-keystore", `${folder}/keys.p12`, "-storepass", "changeit"];
  const made = ["-keyalg", "EC", "-validity", "2", "-dname", "CN=127.0.0.1", "-ext", "SAN=IP:127.0.0.1"];
  await run("keytool", { args: ["-genkeypair", ...store, "-storetype", "PKCS12", ...made] });
  await run("keytool", { args: ["-exportcert", "-rfc", ...store, "-file", `${folder}/ca.pem`] });
}

function secureProperties(
  folder: string,
  { secure, plain, controller }: { secure: number; plain: number; controller: number },
): Record<string, string> {
  const open = `SASL_SSL://127.0.0.1:${secure},PLAINTEXT://127.0.0.1:${plain}`;
  const module = "org.apache.kafka.common.security";
  // Backslashes are doubled once for the properties file; the quote is one more for the login configuration.
  const quoted = password.replaceAll('"', '\\\\"');
  return {
    "listeners": `${open},CONTROLLER://127.0.0.1:${controller}`,
    "advertised.listeners": open,
    "controller.quorum.voters": `1@127.0.0.1:${controller}`,
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL",
    "inter.broker.listener.name": "PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    "listener.name.sasl_ssl.plain.sasl.jaas.config":
      `${module}.plain.PlainLoginModule required user_${user}="${quoted}";`,
    "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": `${module}.scram.ScramLoginModule required;`,
    "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": `${module}.scram.ScramLoginModule required;`,
    "ssl.keystore.location": `${folder}/keys.p12`,
    "ssl.keystore.password": "changeit",
    "ssl.keystore.type": "PKCS12",
  };
}

async function addScramUser(bootstrap: string, bits: number): Promise<void> {
  const entity = ["--entity-type", "users", "--entity-name", user];
  // Brackets let the password hold commas.
  const config = `SCRAM-SHA-${bits}=[password=${password}]`;
  await javaTool("configs", ["--bootstrap-server", bootstrap, "--alter", "--add-config", config, ...entity]);
}
