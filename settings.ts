/** The table of settings: name, kind, default, help. `--help`, `--print-config` and reading all come from it.
 *
 * Left out: where values come from, and rules between settings, which are in config.ts.
 * @module */
import { readMeasurementSpec } from "./kafka/measurements.ts";
import { isTopicName } from "./kafka/topics.ts";
import { readCatalogueEntry, readWindowSize } from "./kafka/windows.ts";
import { logLevels } from "./logger.ts";
import {
  integer,
  isHost,
  isHostAndPort,
  isOneLine,
  isOrigin,
  isPath,
  isReachableHost,
  isReadableFile,
  list,
  oneOf,
  type Setting,
  text,
  tileOrigin,
  toggle,
} from "./setting_kinds.ts";

const maxMs = 2 ** 31 - 1; // what a timer of the runtime can wait for

/** The first two are those that the counter's own programs watch. */
const usualVideos = [
  "93f98662-8907-4f43-bb4c-280501481046=Stream processing made simple",
  "69e7266c-753e-4ed3-b7fc-9035133a293f=Counting without losing count",
  "2f1d8f0e-5c1b-4c58-9a34-6c5d0f0e7a11=A river of records",
  "c0a8f3d2-7b64-4e0f-8f5a-1de2b9c4a6f3=Windows that close on time",
].join(",");

/** The table. A row's key is the environment variable; the flag is the same in kebab case. */
export const settings = {
  HOST: text("a host name or address", isHost, {
    group: "listen",
    help: "Where HTTP listens",
    fallback: "127.0.0.1",
  }),
  PORT: integer(0, 65535, { group: "listen", help: "Port of HTTP; 0 takes any free one", fallback: "8000" }),
  KAFKA_BROKERS: list("a comma list of host:port", isHostAndPort, {
    group: "kafka",
    help: "Kafka to use; empty uses the embedded broker",
  }),
  KAFKA_CLIENT_ID: text(
    "1 to 249 printable characters",
    (found) => /^.{1,249}$/.test(found) && isOneLine(found),
    {
      group: "kafka",
      help: "Name that Kafka sees in its own log and quotas",
      fallback: "tailrace",
    },
  ),
  KAFKA_SSL: toggle({ group: "kafka", help: "TLS to Kafka" }),
  KAFKA_SSL_CA_FILE: text("a readable PEM file", isReadableFile, {
    group: "kafka",
    help: "Certificates to trust instead of the system's",
  }),
  KAFKA_SSL_CERT_FILE: text("a readable PEM file", isReadableFile, {
    group: "kafka",
    help: "Certificate to show to Kafka (mTLS)",
  }),
  KAFKA_SSL_KEY_FILE: text("a readable PEM file", isReadableFile, {
    group: "kafka",
    help: "Key of that certificate",
  }),
  KAFKA_SASL_MECHANISM: oneOf(["", "plain", "scram-sha-256", "scram-sha-512"], {
    fallback: "",
    group: "kafka",
    help: "How to log in to Kafka; empty does not",
  }),
  KAFKA_SASL_USERNAME: text("printable text", isOneLine, { group: "kafka", help: "Name to log in with" }),
  KAFKA_SASL_PASSWORD: text("printable text", isOneLine, {
    group: "kafka",
    help: "Password to log in with",
    secret: true,
  }),
  DATA_DIR: text("a path", isPath, {
    group: "store",
    help: "Folder of the embedded broker's log and of the measurements",
    fallback: "./data",
  }),
  BROKER_HOST: text("a host name or address", isHost, {
    group: "broker",
    help: "Where the embedded broker listens, and where the other subcommands look for it",
    fallback: "127.0.0.1",
  }),
  BROKER_PORT: integer(0, 65535, {
    group: "broker",
    help: "Port of the embedded broker; 0 takes any free one",
    fallback: "9092",
  }),
  BROKER_ADVERTISED_HOST: text("a host name or address that leads to this machine", isReachableHost, {
    group: "broker",
    help: "What Kafka clients are told to connect to; empty is where the embedded broker listens",
  }),
  BROKER_ADVERTISED_PORT: integer(0, 65535, {
    group: "broker",
    help: "Port that Kafka clients are told; 0 is the one listened on",
    fallback: "0",
  }),
  BROKER_USERS_FILE: text("a readable file", isPath, {
    group: "access",
    help: "Who may log in to the embedded broker, one line of `tailrace user` each; empty lets everybody in",
  }),
  BROKER_TLS_CERT_FILE: text("a readable PEM file", isPath, {
    group: "access",
    help: "Certificate (and those between it and its root) of the embedded broker; empty is no TLS",
  }),
  BROKER_TLS_KEY_FILE: text("a readable PEM file", isPath, {
    group: "access",
    help: "Key of that certificate",
  }),
  BROKER_HTTP: toggle({
    group: "alone",
    help: "Health and metrics of a broker alone over HTTP, at HOST and PORT",
  }),
  BROKER_SYNC: oneOf(["full", "normal"], {
    group: "store",
    help: "full: an acknowledged record is on disk; normal: it survives a killed process, not a power cut",
    fallback: "full",
  }),
  RETENTION_MS: integer(1, Number.MAX_SAFE_INTEGER, {
    group: "store",
    help: "How long embedded topics keep records, unless set for a topic",
    unit: "ms",
    fallback: String(24 * 3600 * 1000),
    unlimited: true,
  }),
  RETENTION_BYTES: integer(1, Number.MAX_SAFE_INTEGER, {
    group: "store",
    help: "How much each partition of embedded topics keeps, unless set for a topic",
    unit: "bytes",
    fallback: String(2 ** 30),
    unlimited: true,
  }),
  HEARTBEAT_MS: integer(10, maxMs, {
    group: "http",
    help: "Between two SSE comments or WebSocket pings",
    unit: "ms",
    fallback: "15000",
  }),
  MAX_CONNECTIONS: integer(1, 10_000_000, {
    group: "http",
    help: "Most viewers at a time",
    fallback: "10000",
  }),
  MAX_BODY_BYTES: integer(1, 2 ** 31 - 1, {
    group: "http",
    help: "Longest request body",
    unit: "bytes",
    fallback: String(2 ** 20),
  }),
  DRAIN_TIMEOUT_MS: integer(0, maxMs, {
    group: "http",
    help: "Longest wait for open work at shutdown",
    unit: "ms",
    fallback: "10000",
  }),
  CORS_ORIGINS: list("a comma list of origins such as https://example.org, or *", isOrigin, {
    group: "http",
    help: "Other sites whose pages may use this service",
  }),
  LOG_LEVEL: oneOf(logLevels, { group: "log", help: "Least level that is logged", fallback: "info" }),
  LOG_FORMAT: oneOf(["text", "json"], {
    group: "log",
    help: "text for people, json for machines; by default text on a terminal",
    fallback: () => Deno.stderr.isTerminal() ? "text" : "json",
  }),
  GEO_TOPIC: text("1 to 249 of a-z A-Z 0-9 . _ -", isTopicName, {
    group: "topic",
    help: "Topic of positions, for the page /geo, the demo and publish",
    fallback: "geostream",
  }),
  VIDEO_TOPIC: text("1 to 249 of a-z A-Z 0-9 . _ -", isTopicName, {
    group: "topic",
    help: "Topic of video frames, for the page /video, the demo and publish",
    fallback: "video",
  }),
  MAX_FRAME_BYTES: integer(1_024, 7 * 2 ** 20, {
    group: "topic",
    help: "Largest video frame that is taken",
    unit: "bytes",
    fallback: String(900 * 2 ** 10),
  }),
  VIDEO_RETENTION_MS: integer(1_000, Number.MAX_SAFE_INTEGER, {
    group: "topic",
    help: "How long video topics that are made here keep frames",
    unit: "ms",
    fallback: String(3600 * 1000),
    unlimited: true,
  }),
  VIDEO_RETENTION_BYTES: integer(2 ** 20, Number.MAX_SAFE_INTEGER, {
    group: "topic",
    help: "How much each partition of such a topic keeps",
    unit: "bytes",
    fallback: String(2 ** 30),
    unlimited: true,
  }),
  MEASUREMENTS: list(
    "a comma list of name:first:last:step with step above 0 and last reached from first in at most 1999 steps, or of humidity, temperature, pressure; or none",
    (item) => item === "none" || readMeasurementSpec(item) !== undefined,
    {
      group: "topic",
      help:
        "What is counted into histograms, name:first:last:step,… (those named by default need no numbers); or none",
      fallback: "humidity,temperature,pressure",
    },
  ),
  MEASUREMENTS_RETENTION_MS: integer(1_000, Number.MAX_SAFE_INTEGER, {
    group: "topic",
    help: "How long DATA_DIR/measurements.db keeps a measurement",
    unit: "ms",
    fallback: String(30 * 24 * 3600 * 1000),
    unlimited: true,
  }),
  MEASUREMENTS_RETENTION_BYTES: integer(2 ** 20, Number.MAX_SAFE_INTEGER, {
    group: "topic",
    help: "How large that file may become, about",
    unit: "bytes",
    fallback: String(2 ** 30),
    unlimited: true,
  }),
  CLICKS_TOPIC: text("1 to 249 of a-z A-Z 0-9 . _ -", isTopicName, {
    group: "topic",
    help: "Topic of likes: a record's value is the video's id",
    fallback: "video_clicks_ingestion",
  }),
  WINDOWS: list(
    "a comma list of 1 to 8 lengths such as 30s, 5m, 1h, 24 h at most; or none",
    (item) => item === "none" || readWindowSize(item) !== undefined,
    {
      group: "topic",
      help: "Lengths of the windows in which likes are counted; or none. All instances need the same",
      fallback: "1m,5m,10m",
    },
  ),
  GRACE_MS: integer(0, 24 * 3_600_000, {
    group: "topic",
    help: "How long a window waits for late events after its end",
    unit: "ms",
    fallback: "10000",
  }),
  WINDOWS_KEPT: integer(1, 1_000, {
    group: "topic",
    help: "Finished windows of each video and length that are kept to be shown",
    fallback: "60",
  }),
  ONE_MINUTE_TOPIC: text("1 to 249 of a-z A-Z 0-9 . _ -", isTopicName, {
    group: "topic",
    help: "Topic of finished windows of 1m",
    fallback: "one_minute_aggregation_topic",
  }),
  FIVE_MINUTE_TOPIC: text("1 to 249 of a-z A-Z 0-9 . _ -", isTopicName, {
    group: "topic",
    help: "Topic of finished windows of 5m",
    fallback: "five_minute_aggregation_topic",
  }),
  TEN_MINUTE_TOPIC: text("1 to 249 of a-z A-Z 0-9 . _ -", isTopicName, {
    group: "topic",
    help: "Topic of finished windows of 10m",
    fallback: "ten_minute_aggregation_topic",
  }),
  VIDEOS: list(
    "a comma list of id=title, in which %2C is a comma",
    (item) => readCatalogueEntry(item) !== undefined,
    {
      group: "topic",
      help: "Videos that are known by name, for /videos/metadata, the page /aggregations and the demo",
      fallback: usualVideos,
    },
  ),
  TILE_URL: text("an http(s) URL with {z}, {x} and {y}", (found) => tileOrigin(found) !== null, {
    group: "pages",
    help: "Map tiles for the page /geo; empty shows land outlines",
  }),
  INSECURE: toggle({
    group: "run",
    help: "Listen beyond loopback although there is no authentication",
  }),
  DEMO: toggle({
    group: "pages",
    help: "Demo vehicles, a demo video, demo measurements and likes inside the service",
  }),
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof settings;
/** What a setting is once it was read. */
export type SettingValue<N extends SettingName> = NonNullable<ReturnType<(typeof settings)[N]["parse"]>>;
/** Gives what settings were read as. */
export type GetSetting = <N extends SettingName>(name: N) => SettingValue<N>;
/** Every setting by name, in the order of the table. */
export const settingNames = Object.keys(settings) as SettingName[];
