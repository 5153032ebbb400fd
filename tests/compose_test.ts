/** compose.yaml by the rules of the Compose Specification, as far as they matter to what the file uses, so
 * that a slip is found where there is no Docker.
 * @see {@link https://github.com/compose-spec/compose-spec/blob/main/schema/compose-spec.json} @module */
import { assert, assertArrayIncludes, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parse } from "yaml";
import { readConfig, settings } from "../config.ts";

interface Service {
  image?: string;
  build?: string;
  restart?: string;
  init?: boolean;
  environment?: Record<string, string | number | boolean | null>;
  volumes?: string[];
  ports?: string[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: Record<string, unknown>;
  stop_grace_period?: string;
  cap_drop?: string[];
  security_opt?: string[];
}

const root = new URL("../", import.meta.url);
const text = await Deno.readTextFile(new URL("compose.yaml", root));
const file = parse(text, { uniqueKeys: true });
const services = Object.entries(file.services as Record<string, Service>);
const environment = (name: string) => file.services[name].environment as Record<string, unknown>;

const duration = /^(\d+(\.\d+)?(us|ms|s|m|h))+$/;
const serviceName = /^[a-zA-Z0-9._-]+$/;

/** Seconds of a duration such as `1m30s`. */
function seconds(value: unknown): number {
  assertMatch(String(value), duration);
  const factors: Record<string, number> = { us: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 };
  return [...String(value).matchAll(/([\d.]+)(us|ms|s|m|h)/g)]
    .reduce((sum, [, number, unit]) => sum + Number(number) * factors[unit!]!, 0);
}

Deno.test("compose.yaml has only the members that the specification names", () => {
  const top = ["name", "services", "volumes"];
  assertArrayIncludes(top, Object.keys(file));
  assertMatch(file.name, /^[a-z0-9][a-z0-9_-]*$/);
  const members = [
    ...["image", "build", "restart", "init", "environment", "volumes", "ports", "depends_on", "healthcheck"],
    ...["stop_grace_period", "cap_drop", "security_opt"],
  ];
  for (const [name, service] of services) {
    assertMatch(name, serviceName);
    assertArrayIncludes(members, Object.keys(service), name);
  }
});

Deno.test("compose.yaml gives each service one image, of an exact version, or a build with its Dockerfile", async () => {
  for (const [name, { image, build }] of services) {
    assertEquals([image, build].filter((given) => given !== undefined).length, 1, name);
    if (image !== undefined) assertMatch(image, /^[a-z0-9./_-]+:\d+\.\d+\.\d+$/);
    if (build !== undefined) assert((await Deno.stat(new URL(`${build}/Dockerfile`, root))).isFile);
  }
});

Deno.test("compose.yaml checks the health of each service by a command in exec form", () => {
  for (const [name, { healthcheck }] of services) {
    assert(healthcheck, name);
    const { test, interval, timeout, start_period: startPeriod, retries, ...rest } = healthcheck;
    assertEquals(rest, {});
    assert(Array.isArray(test) && test.length > 1 && test.every((part) => typeof part === "string"), name);
    assertEquals(test[0], "CMD");
    for (const value of [interval, timeout, startPeriod]) assert(seconds(value) > 0, name);
    assert(Number.isInteger(retries) && Number(retries) > 0, name);
  }
});

Deno.test("compose.yaml waits for services that it has, by conditions that exist and can come true", () => {
  const conditions = ["service_started", "service_healthy", "service_completed_successfully"];
  for (const [, { depends_on: dependencies = {} }] of services) {
    for (const [name, { condition, ...rest }] of Object.entries(dependencies)) {
      assert(name in file.services, name);
      assert(conditions.includes(condition), condition);
      assertEquals(rest, {});
      if (condition === "service_healthy") assert(file.services[name].healthcheck, name);
    }
  }
});

Deno.test("compose.yaml starts services again, and gives them longer to stop than they take", () => {
  for (const [name, { restart, stop_grace_period: grace }] of services) {
    assert(["no", "always", "on-failure", "unless-stopped"].includes(String(restart)), name);
    assert(seconds(grace) * 1000 > readConfig({}, new Map()).drainTimeoutMs, name);
  }
});

Deno.test("compose.yaml opens ports to this machine only, each host port once", () => {
  const taken: string[] = [];
  for (const [name, { ports = [] }] of services) {
    for (const port of ports) {
      const match = /^127\.0\.0\.1:(\d{1,5}):(\d{1,5})(\/(tcp|udp))?$/.exec(port);
      assert(match, `${name}: ${port}`);
      for (const number of [match[1], match[2]]) assert(Number(number) >= 1 && Number(number) <= 65535);
      taken.push(match[1]!);
    }
  }
  assertEquals(new Set(taken).size, taken.length);
});

Deno.test("compose.yaml declares the volumes that it uses, and uses those that it declares", () => {
  const used = services.flatMap(([, { volumes = [] }]) =>
    volumes.map((volume) => {
      const match = /^([a-zA-Z0-9][a-zA-Z0-9_.-]*):(\/[^:]+)(:(ro|rw))?$/.exec(volume);
      assert(match, volume);
      return match[1]!;
    })
  );
  assertEquals(new Set(used), new Set(Object.keys(file.volumes)));
  for (const [name, volume] of Object.entries(file.volumes)) {
    assert(volume === null || typeof volume === "object", name);
  }
});

Deno.test("compose.yaml names settings that exist, with values that they allow", () => {
  const given = environment("tailrace");
  for (const [name, value] of Object.entries(given)) {
    const known = name in settings || (name.endsWith("_FILE") && name.slice(0, -5) in settings);
    assert(known, `${name} is no setting`);
    assert(typeof value === "string" || typeof value === "number", `${name} has to be in quotes`);
  }
  const config = readConfig({}, new Map(Object.entries(given).map(([name, value]) => [name, String(value)])));
  assertEquals(config.kafkaBrokers, ["kafka:19092"]);
  assert(file.services.tailrace.ports.some((port: string) => port.endsWith(`:${config.port}`)));
  const { test } = file.services.tailrace.healthcheck;
  assertStringIncludes(test.join(" "), `127.0.0.1:${config.port}/readyz`);
});

Deno.test("compose.yaml gives Kafka listeners that fit together, and a log on the volume", () => {
  const kafka = environment("kafka");
  const byName = (setting: string) =>
    new Map(
      String(kafka[setting]).split(",").map((listener) => {
        const match = /^([A-Z]+):\/\/([a-z0-9.]*):(\d+)$/.exec(listener);
        assert(match, listener);
        return [match[1]!, { host: match[2]!, port: match[3]! }];
      }),
    );
  const listeners = byName("KAFKA_LISTENERS");
  const advertised = byName("KAFKA_ADVERTISED_LISTENERS");
  const protocols = new Map(
    String(kafka.KAFKA_LISTENER_SECURITY_PROTOCOL_MAP).split(",").map((pair) =>
      pair.split(":") as [string, string]
    ),
  );
  assertEquals([...protocols.keys()].sort(), [...listeners.keys()].sort());
  const controller = String(kafka.KAFKA_CONTROLLER_LISTENER_NAMES);
  assertEquals(kafka.KAFKA_CONTROLLER_QUORUM_VOTERS, `1@localhost:${listeners.get(controller)?.port}`);
  for (const [name, { port }] of advertised) assertEquals(listeners.get(name)?.port, port, name);
  assert(!advertised.has(controller));
  const inside = advertised.get(String(kafka.KAFKA_INTER_BROKER_LISTENER_NAME))!;
  assertEquals(environment("tailrace").KAFKA_BROKERS, `${inside.host}:${inside.port}`);
  assert(inside.host in file.services);
  const [published] = file.services.kafka.ports as string[];
  assertEquals(published, `127.0.0.1:${advertised.get("EXTERNAL")?.port}:${listeners.get("EXTERNAL")?.port}`);
  assert(file.services.kafka.volumes.includes(`kafka-data:${kafka.KAFKA_LOG_DIRS}`));
  assertMatch(String(kafka.CLUSTER_ID), /^[A-Za-z0-9_-]{22}$/, "16 bytes in base64url");
  for (const [name, value] of Object.entries(kafka)) {
    assertMatch(name, /^(KAFKA(_[A-Z]+)+|CLUSTER_ID)$/);
    assert(typeof value === "string" || typeof value === "number", name);
    if (name.endsWith("_REPLICATION_FACTOR")) assertEquals(value, 1, name);
  }
});

Deno.test("Dockerfile takes the Deno that the project is made for, and copies all that main.ts needs", async () => {
  const dockerfile = await Deno.readTextFile(new URL("Dockerfile", root));
  const version = /^FROM denoland\/deno:(\d+\.\d+\.\d+)$/m.exec(dockerfile)?.[1];
  assertStringIncludes(await Deno.readTextFile(new URL("README.md", root)), `deno@${version}`);
  assertMatch(dockerfile, /^USER deno$/m);
  const entry = JSON.parse(/^ENTRYPOINT (\[.*\])$/m.exec(dockerfile)![1]!) as string[];
  assertEquals([entry[0], entry[1], entry.at(-1)], ["deno", "run", "main.ts"]);
  const task = JSON.parse(await Deno.readTextFile(new URL("deno.json", root))).tasks.start.command as string;
  const permissions = (words: readonly string[]) => words.filter((word) => word.startsWith("--allow-"));
  assertEquals(permissions(entry), permissions(task.split(" ")));
  const ignored = (await Deno.readTextFile(new URL(".dockerignore", root))).trim().split("\n");
  for (
    const needed of [
      "main.ts",
      "config.ts",
      "kafka",
      "routes",
      "static",
      "commands",
      "deno.json",
      "deno.lock",
    ]
  ) {
    assert(!ignored.includes(needed), needed);
  }
});
