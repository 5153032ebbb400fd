import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import {
  type Config,
  ConfigError,
  flagKey,
  type Flags,
  misspelt,
  printConfig,
  type Purpose,
  readConfig,
  settingNames,
  settings,
} from "../config.ts";
import { type Setting, tileOrigin } from "../setting_kinds.ts";

const read = (flags: Flags = {}, env: Record<string, string> = {}, purpose?: Purpose): Config =>
  readConfig(flags, new Map(Object.entries(env)), purpose);

function refusal(flags: Flags, env: Record<string, string> = {}, purpose?: Purpose): string {
  const { message } = assertThrows(() => read(flags, env, purpose), ConfigError);
  assert(!message.includes("\n"), `one line: ${message}`);
  return message;
}

Deno.test("readConfig() gives the documented defaults", () => {
  const { logFormat, ...config } = read();
  assertMatch(logFormat, /^(text|json)$/);
  assertEquals(config, {
    host: "127.0.0.1",
    port: 8000,
    kafkaBrokers: [],
    kafkaClientId: "tailrace",
    kafkaSsl: null,
    kafkaSasl: null,
    dataDir: "./data",
    brokerHost: "127.0.0.1",
    brokerPort: 9092,
    brokerAdvertisedHost: null,
    brokerAdvertisedPort: 0,
    brokerUsersFile: null,
    brokerTls: null,
    brokerHttp: false,
    brokerSync: "full",
    retentionMs: 86_400_000,
    retentionBytes: 1_073_741_824,
    heartbeatMs: 15_000,
    maxConnections: 10_000,
    maxBodyBytes: 1_048_576,
    drainTimeoutMs: 10_000,
    corsOrigins: [],
    logLevel: "info",
    geoTopic: "geostream",
    videoTopic: "video",
    maxFrameBytes: 921_600,
    videoRetentionMs: 3_600_000,
    videoRetentionBytes: 1_073_741_824,
    measurements: [
      { name: "humidity", first: 40, last: 79, step: 1 },
      { name: "temperature", first: -25, last: 24, step: 1 },
      { name: "pressure", first: 800, last: 1100, step: 100 },
    ],
    measurementsRetentionMs: 2_592_000_000,
    measurementsRetentionBytes: 1_073_741_824,
    windows: {
      clicksTopic: "video_clicks_ingestion",
      sizes: [
        { ms: 60_000, name: "1m", type: "1min", event: "1", topic: "one_minute_aggregation_topic" },
        { ms: 300_000, name: "5m", type: "5min", event: "5", topic: "five_minute_aggregation_topic" },
        { ms: 600_000, name: "10m", type: "10min", event: "10", topic: "ten_minute_aggregation_topic" },
      ],
      graceMs: 10_000,
      kept: 60,
    },
    videos: [
      { id: "93f98662-8907-4f43-bb4c-280501481046", title: "Stream processing made simple" },
      { id: "69e7266c-753e-4ed3-b7fc-9035133a293f", title: "Counting without losing count" },
      { id: "2f1d8f0e-5c1b-4c58-9a34-6c5d0f0e7a11", title: "A river of records" },
      { id: "c0a8f3d2-7b64-4e0f-8f5a-1de2b9c4a6f3", title: "Windows that close on time" },
    ],
    tileUrl: null,
    insecure: false,
    demo: false,
  });
});

Deno.test("readConfig() takes a flag before a variable before the default", () => {
  assertEquals(read({ port: "1" }, { PORT: "2" }).port, 1);
  assertEquals(read({}, { PORT: "2" }).port, 2);
  assertEquals(read({}, { PORT: "" }).port, 8000, "an empty variable is none");
  assertEquals(
    read({ kafkaBrokers: "" }, { KAFKA_BROKERS: "a:1" }).kafkaBrokers,
    [],
    "an empty flag is given",
  );
  assertEquals(read({ demo: false }, { DEMO: "yes" }).demo, false);
});

Deno.test("readConfig() gives what cannot be changed", () => {
  const config = read({}, { KAFKA_BROKERS: "a:1,b:2", KAFKA_SSL: "on" });
  assert(Object.isFrozen(config) && Object.isFrozen(config.kafkaBrokers) && Object.isFrozen(config.kafkaSsl));
});

Deno.test("readConfig() names the setting, the value found and what is allowed", () => {
  const cases: [name: string, value: string, allowed: string][] = [
    ["PORT", "http", "an integer in 0..65535"],
    ["PORT", "65536", "an integer in 0..65535"],
    ["PORT", "-1", "an integer in 0..65535"],
    ["PORT", "80.5", "an integer in 0..65535"],
    ["HOST", "a b", "a host name or address"],
    ["KAFKA_BROKERS", "localhost", "a comma list of host:port"],
    ["KAFKA_BROKERS", "a:1,b:99999", "a comma list of host:port"],
    ["KAFKA_SSL", "maybe", "true | false"],
    ["KAFKA_SSL_CA_FILE", "/no/such/file", "a readable PEM file"],
    ["KAFKA_SASL_MECHANISM", "gssapi", "plain | scram-sha-256 | scram-sha-512"],
    ["BROKER_SYNC", "off", "full | normal"],
    ["BROKER_ADVERTISED_HOST", "0.0.0.0", "a host name or address that leads to this machine"],
    ["BROKER_ADVERTISED_HOST", "::", "a host name or address that leads to this machine"],
    ["BROKER_ADVERTISED_HOST", "a b", "a host name or address that leads to this machine"],
    ["BROKER_ADVERTISED_PORT", "-1", "an integer in 0..65535"],
    ["BROKER_HTTP", "maybe", "true | false"],
    ["BROKER_USERS_FILE", "a\nb", "a readable file"],
    ["BROKER_TLS_CERT_FILE", "a\nb", "a readable PEM file"],
    ["BROKER_TLS_KEY_FILE", "a\nb", "a readable PEM file"],
    ["RETENTION_MS", "-2", "-1 for no limit"],
    ["MAX_BODY_BYTES", "0", "an integer in 1.."],
    ["CORS_ORIGINS", "https://a.example/path", "a comma list of origins"],
    ["LOG_LEVEL", "loud", "debug | info | warn | error"],
    ["GEO_TOPIC", "two words", "1 to 249 of a-z A-Z 0-9 . _ -"],
    ["GEO_TOPIC", "..", "1 to 249"],
    ["VIDEO_TOPIC", "two words", "1 to 249 of a-z A-Z 0-9 . _ -"],
    ["MAX_FRAME_BYTES", "1000", "1024"],
    ["VIDEO_RETENTION_BYTES", "1", "1048576"],
    ["TILE_URL", "https://tiles.example/", "{z}, {x} and {y}"],
    ["TILE_URL", "ftp://tiles.example/{z}/{x}/{y}", "an http(s) URL"],
  ];
  for (const [name, value, allowed] of cases) {
    const message = refusal({}, { [name]: value });
    assertStringIncludes(message, `Cannot use ${name}: found ${JSON.stringify(value)} (environment ${name})`);
    assertStringIncludes(message, allowed);
    assertStringIncludes(
      refusal({ [flagKey(name)]: value }),
      `(flag --${name.toLowerCase().replaceAll("_", "-")})`,
    );
  }
});

Deno.test("readConfig() refuses an unknown flag", () => {
  assertStringIncludes(refusal({ kafkaBroker: "a:1" }), 'Unknown setting --kafka-broker: found "a:1"');
});

Deno.test("readConfig() reads lists, addresses with colons and -1 for no limit", () => {
  const config = read({}, {
    KAFKA_BROKERS: "k1:9092, [::1]:9093,",
    RETENTION_MS: "-1",
    CORS_ORIGINS: "https://a.example,http://localhost:3000",
    LOG_LEVEL: "WARN",
  });
  assertEquals(config.kafkaBrokers, ["k1:9092", "[::1]:9093"]);
  assertEquals(config.retentionMs, -1);
  assertEquals(config.corsOrigins, ["https://a.example", "http://localhost:3000"]);
  assertEquals(config.logLevel, "warn");
});

Deno.test("readConfig() reads a secret from a file, and never shows one", async () => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "hush\n");
    const env = {
      KAFKA_BROKERS: "a:1",
      KAFKA_SASL_MECHANISM: "plain",
      KAFKA_SASL_USERNAME: "ada",
      KAFKA_SASL_PASSWORD_FILE: file,
    };
    assertEquals(read({}, env).kafkaSasl, { mechanism: "plain", username: "ada", password: "hush" });
    assert(!printConfig({}, new Map(Object.entries(env))).includes("hush"));
    assertStringIncludes(refusal({}, { ...env, KAFKA_SASL_PASSWORD: "x" }), "allowed: one of them");
    const flags = { kafkaSaslPasswordFile: "/no/such/file" };
    assertStringIncludes(refusal(flags, env), "Cannot use KAFKA_SASL_PASSWORD_FILE");
    const broken = refusal({ kafkaSaslPassword: "hu\u0000sh" }, { ...env, KAFKA_SASL_PASSWORD_FILE: "" });
    assert(!broken.includes("sh"), broken);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("readConfig() refuses settings that do not go together", () => {
  const kafka = { KAFKA_BROKERS: "a:1" };
  assertStringIncludes(refusal({}, { KAFKA_SSL: "true" }), "KAFKA_BROKERS empty");
  assertStringIncludes(refusal({}, { ...kafka, KAFKA_SASL_USERNAME: "u" }), "KAFKA_SASL_MECHANISM");
  assertStringIncludes(refusal({}, { ...kafka, KAFKA_SASL_MECHANISM: "plain" }), "KAFKA_SASL_USERNAME");
  const file = new URL(import.meta.url).pathname;
  assertStringIncludes(refusal({}, { ...kafka, KAFKA_SSL_CA_FILE: file }), "found KAFKA_SSL off");
  assertStringIncludes(
    refusal({}, { ...kafka, KAFKA_SSL: "1", KAFKA_SSL_CERT_FILE: file }),
    "allowed: both or none",
  );
  assertEquals(read({}, { ...kafka, KAFKA_SSL: "1", KAFKA_SSL_CA_FILE: file }).kafkaSsl, { caFile: file });
});

Deno.test("readConfig() wants --insecure to listen beyond loopback, only from what listens", () => {
  const everywhere = { HOST: "0.0.0.0", BROKER_HOST: "192.168.1.5" };
  const users = { BROKER_USERS_FILE: new URL(import.meta.url).pathname };
  assertStringIncludes(refusal({}, { HOST: "0.0.0.0" }), "Cannot use HOST");
  assertStringIncludes(refusal({}, { BROKER_HOST: "::" }), "Cannot use BROKER_HOST");
  assertStringIncludes(refusal({ brokerHttp: true }, everywhere, "broker"), "Cannot use HOST");
  assertStringIncludes(refusal({}, everywhere, "broker"), "Cannot use BROKER_HOST");
  assertStringIncludes(
    refusal({}, { BROKER_HOST: "10.0.0.1" }),
    "BROKER_USERS_FILE to ask who connects, or --i",
  );
  assertEquals(read({}, { BROKER_HOST: "10.0.0.1", ...users }).brokerHost, "10.0.0.1");
  assertStringIncludes(refusal({}, { HOST: "10.0.0.1", ...users }), "Cannot use HOST");
  assertEquals(read({ insecure: true }, everywhere).host, "0.0.0.0");
  assertEquals(read({}, everywhere, "client").brokerHost, "192.168.1.5");
  assertEquals(read({}, { BROKER_HOST: "0.0.0.0", KAFKA_BROKERS: "a:1" }).brokerHost, "0.0.0.0");
  for (const host of ["localhost", "127.0.0.1", "127.1.2.3", "::1"]) assertEquals(read({ host }).host, host);
  assertStringIncludes(refusal({ host: "127.0.0.1.example.org" }), "Cannot use HOST");
});

Deno.test("readConfig() wants to know what clients are told when the broker listens everywhere", () => {
  for (const host of ["0.0.0.0", "::", "0"]) {
    const message = refusal({ insecure: true }, { BROKER_HOST: host });
    assertStringIncludes(message, `Cannot use BROKER_HOST: found "${host}" without BROKER_ADVERTISED_HOST`);
  }
  const told = read({ insecure: true }, {
    BROKER_HOST: "0.0.0.0",
    BROKER_ADVERTISED_HOST: "kafka.example.org",
    BROKER_ADVERTISED_PORT: "19092",
  });
  assertEquals([told.brokerAdvertisedHost, told.brokerAdvertisedPort], ["kafka.example.org", 19092]);
  assertEquals(read({}, { BROKER_HOST: "0.0.0.0" }, "client").brokerHost, "0.0.0.0");
});

Deno.test("readConfig() checks the files of the broker only where it is started", () => {
  const file = new URL(import.meta.url).pathname;
  const names = ["BROKER_USERS_FILE", "BROKER_TLS_CERT_FILE", "BROKER_TLS_KEY_FILE"];
  for (const missing of names) {
    const env = { ...Object.fromEntries(names.map((name) => [name, file])), [missing]: "/no/such/file" };
    for (const purpose of ["serve", "broker"] as const) {
      assertStringIncludes(
        refusal({}, env, purpose),
        `Cannot use ${missing}: found "/no/such/file", allowed: a rea`,
      );
    }
    read({}, env, "client");
    read({}, { ...env, KAFKA_BROKERS: "a:1" });
  }
  for (const one of ["BROKER_TLS_CERT_FILE", "BROKER_TLS_KEY_FILE"]) {
    assertStringIncludes(refusal({}, { [one]: file }), "found one of them, allowed: both or none");
  }
  assertEquals(read({}, { BROKER_TLS_CERT_FILE: file, BROKER_TLS_KEY_FILE: file }).brokerTls, {
    certFile: file,
    keyFile: file,
  });
});

Deno.test("readConfig() lets clients log in to the broker of this machine", () => {
  const env = {
    KAFKA_SSL: "true",
    KAFKA_SASL_MECHANISM: "plain",
    KAFKA_SASL_USERNAME: "a",
    KAFKA_SASL_PASSWORD: "b",
  };
  for (const purpose of ["client", "broker"] as const) {
    const { kafkaSsl, kafkaSasl, kafkaBrokers } = read({}, env, purpose);
    assertEquals([kafkaSsl, kafkaSasl?.username, kafkaBrokers], [{}, "a", []]);
  }
  assertStringIncludes(refusal({}, env, "serve"), "the service logs in to its embedded broker by itself");
});

Deno.test("printConfig() shows every setting with where it came from, and can be read back", () => {
  const env = new Map([["KAFKA_BROKERS", "a:1"], ["KAFKA_CLIENT_ID", "it's me"]]);
  const printed = printConfig({ port: "0", demo: true }, env);
  const lines = printed.trimEnd().split("\n");
  assertEquals(lines.length, settingNames.length);
  assertMatch(printed, /^PORT=0 +# flag --port$/m);
  assertMatch(printed, /^KAFKA_BROKERS=a:1 +# environment KAFKA_BROKERS$/m);
  assertMatch(printed, /^HOST=127\.0\.0\.1 +# default$/m);
  assertStringIncludes(printed, "KAFKA_CLIENT_ID='it'\\''s me'");
});

Deno.test("settings have help, and a default that they allow themselves", () => {
  for (const name of settingNames) {
    const { help, fallback, parse }: Setting = settings[name];
    assertMatch(help, /^[A-Za-z0-9].*[^.]$/, name);
    assert(parse(typeof fallback === "function" ? fallback() : fallback) !== undefined, name);
  }
});

Deno.test("misspelt() finds variables that are one letter off a setting", () => {
  const env = new Map(
    Object.entries({ KAFKA_BROKER: "", KAFKA_BROKERS: "", LOG_LEVLE: "", HOSTS: "", PATH: "" }),
  );
  assertEquals(misspelt(env), [["KAFKA_BROKER", "KAFKA_BROKERS"]]);
});

Deno.test("tileOrigin() gives the origin that a policy has to allow", () => {
  assertEquals(tileOrigin("https://tile.example.org/{z}/{x}/{y}.png"), "https://tile.example.org");
  assertEquals(tileOrigin("http://{s}.tile.example:8080/{z}/{x}/{y}"), "http://*.tile.example:8080");
  assertEquals(tileOrigin("https://tile.example; script-src */{z}/{x}/{y}"), null);
  assertEquals(tileOrigin("https://tile.example/{z}/{x}"), null);
});

Deno.test("readConfig() reads measurements, and refuses those that cannot go together", () => {
  const measurements = (MEASUREMENTS: string) => read({}, { MEASUREMENTS }).measurements;
  assertEquals(measurements("pressure, wind:0:12.5:0.5"), [
    { name: "pressure", first: 800, last: 1100, step: 100 },
    { name: "wind", first: 0, last: 12.5, step: 0.5 },
  ]);
  assertEquals(measurements("none"), []);
  const refused = (found: string, more: Record<string, string> = {}) =>
    refusal({}, { MEASUREMENTS: found, ...more });
  const wrong = [
    ..."wind a:1:2 a:0:1:0 a:1:0:1 a:0:10:3 a::1:1 a:0:1:x a:0:2000:1 a:0:1e308:1e307:1 sqlite_a:0:9:1 ä:0:9:1"
      .split(" "),
    "a:1e20:1.0000000000000001e20:1",
  ];
  for (const found of wrong) assertStringIncludes(refused(found), `found "${found}"`);
  assertStringIncludes(refused("Wind:0:9:1,wind:0:9:1"), "found Wind and wind, which are one name");
  assertStringIncludes(refused("a:0:9:1,hist_a:0:9:1"), "found hist_a, which holds the histogram of a");
  assertStringIncludes(refused("none,pressure"), "found none beside others");
  assertStringIncludes(
    refused("pressure", { GEO_TOPIC: "hist_pressure" }),
    "while GEO_TOPIC is hist_pressure",
  );
});

Deno.test("readConfig() reads lengths of windows, and refuses those that cannot go together", () => {
  const windows = (WINDOWS: string, more: Record<string, string> = {}) =>
    read({}, { WINDOWS, ...more }).windows;
  const { sizes } = windows("2h, 30s, 60s", { ONE_MINUTE_TOPIC: "minutes" });
  assertEquals(sizes.map(({ ms, name, type, event, topic }) => [ms, name, type, event, topic]), [
    [30_000, "30s", "30sec", "30s", "30_second_aggregation_topic"],
    [60_000, "1m", "1min", "1", "minutes"],
    [7_200_000, "120m", "120min", "120", "120_minute_aggregation_topic"],
  ]);
  assertEquals(windows("none").sizes, []);
  const refused = (found: string, more: Record<string, string> = {}) =>
    refusal({}, { WINDOWS: found, ...more });
  for (const found of "0m 1 m 1.5m -1m 25h 1d 1m;2m 9999999s".split(" ")) {
    assertStringIncludes(refused(found), `found "${found}"`);
  }
  assertStringIncludes(refused("1m,60s"), "found 1m twice");
  assertStringIncludes(refused("none,1m"), "found none beside others");
  assertStringIncludes(refused("1m,2m,3m,4m,5m,6m,7m,8m,9m"), "found 9 entries");
  assertStringIncludes(refused("7s,24h"), "sums of 86400 parts");
  assertStringIncludes(
    refused("1m", { ONE_MINUTE_TOPIC: "geostream" }),
    "Cannot use ONE_MINUTE_TOPIC: found geostream,",
  );
  assertStringIncludes(
    refused("1m", { CLICKS_TOPIC: "pressure" }),
    "Cannot use CLICKS_TOPIC: found pressure,",
  );
});

Deno.test("readConfig() reads the catalogue of videos", () => {
  const videos = (VIDEOS: string) => read({}, { VIDEOS }).videos;
  assertEquals(videos("a=One%2C two,b=x=y"), [{ id: "a", title: "One, two" }, { id: "b", title: "x=y" }]);
  assertEquals(videos("a%3Db=c"), [{ id: "a=b", title: "c" }]);
  for (const found of ["a", "=b", "a= ", "a=%", "a%0a=b"]) {
    assertStringIncludes(refusal({}, { VIDEOS: found }), `found "${found}`);
  }
  assertStringIncludes(refusal({}, { VIDEOS: "a=b,a=c" }), "found a twice");
});
