/** The settings of the program: read once from the table in settings.ts, checked one by one and together.
 *
 * Flag > environment variable > default. A secret may also come from a file (`NAME_FILE`, `--name-file`).
 * What was read is frozen; nothing else touches `Deno.env`. Left out: what is
 * counted (counting_settings.ts), and a settings file.
 * @module */
import { readMeasurements, readVideos, readWindows } from "./counting_settings.ts";
import type { MeasurementSpec } from "./kafka/measurements.ts";
import type { CatalogueEntry, WindowSettings } from "./kafka/windows.ts";
import type { LogLevel } from "./logger.ts";
import { ConfigError, isReadableFile, isWildcard, nearMisses, type Setting } from "./setting_kinds.ts";
import {
  type GetSetting as Get,
  type SettingName,
  settingNames,
  settings,
  type SettingValue,
} from "./settings.ts";

export { ConfigError } from "./setting_kinds.ts";
export { type SettingName, settingNames, settings } from "./settings.ts";

/** The settings as the program uses them. Times are in milliseconds, sizes in bytes. */
export interface Config {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** `host:port` each; empty: the embedded broker. */
  readonly kafkaBrokers: readonly string[];
  readonly kafkaClientId: string;
  readonly kafkaSsl:
    | { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string }
    | null;
  readonly kafkaSasl: {
    readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
    readonly username: string;
    readonly password: string;
  } | null;
  readonly dataDir: string;
  readonly brokerHost: string;
  /** 0: any free port. */
  readonly brokerPort: number;
  /** What Kafka clients are told; null: what the embedded broker listens on. */
  readonly brokerAdvertisedHost: string | null;
  /** 0: the one listened on. */
  readonly brokerAdvertisedPort: number;
  /** Null: everybody may use the embedded broker. */
  readonly brokerUsersFile: string | null;
  /** Null: the embedded broker speaks no TLS. */
  readonly brokerTls: { readonly certFile: string; readonly keyFile: string } | null;
  /** Health and metrics of `tailrace broker` at host and port. */
  readonly brokerHttp: boolean;
  /** `full`: an acknowledged record is on disk; `normal`: it survives a killed process, not a power cut. */
  readonly brokerSync: "full" | "normal";
  /** -1: no limit. */
  readonly retentionMs: number;
  /** Of each partition; -1: no limit. */
  readonly retentionBytes: number;
  /** Between two SSE comments or WebSocket pings. */
  readonly heartbeatMs: number;
  readonly maxConnections: number;
  readonly maxBodyBytes: number;
  readonly drainTimeoutMs: number;
  /** Origins as browsers send them, or `*`. */
  readonly corsOrigins: readonly string[];
  readonly logLevel: LogLevel;
  readonly logFormat: "text" | "json";
  readonly geoTopic: string;
  readonly videoTopic: string;
  /** Of one video frame. */
  readonly maxFrameBytes: number;
  /** Of video topics that are made here; -1: no limit. */
  readonly videoRetentionMs: number;
  /** Of each of their partitions; -1: no limit. */
  readonly videoRetentionBytes: number;
  /** Counted into histograms. */
  readonly measurements: readonly MeasurementSpec[];
  /** Of the file of measurements; -1: no limit. */
  readonly measurementsRetentionMs: number;
  readonly measurementsRetentionBytes: number;
  /** In what likes are counted. */
  readonly windows: WindowSettings;
  /** Videos that are known by name, in their order. */
  readonly videos: readonly CatalogueEntry[];
  /** With `{z}`, `{x}`, `{y}`; null: land outlines. */
  readonly tileUrl: string | null;
  /** Listening beyond loopback is meant. */
  readonly insecure: boolean;
  readonly demo: boolean;
}

/** Flags by the camel case of the setting's name (`kafkaBrokers`); switches are booleans. */
export type Flags = Readonly<Record<string, string | boolean | undefined>>;

/** What the settings are for: `serve` and `broker` listen, `client` connects. */
export type Purpose = "serve" | "broker" | "client";

/** Reads and checks every setting.
 * @param flags an unknown one is an error
 * @param env variables that are not settings are ignored, and so are empty ones
 * @throws {ConfigError} one line: the setting, what was found, what is allowed */
export function readConfig(
  flags: Flags,
  env: ReadonlyMap<string, string>,
  purpose: Purpose = "serve",
): Config {
  const found = findSettings(flags, env);
  const get = <N extends SettingName>(name: N) => found.get(name)!.value as SettingValue<N>;
  const orNull = (value: string) => value === "" ? null : value;
  const config: Config = {
    host: get("HOST"),
    port: get("PORT"),
    kafkaBrokers: get("KAFKA_BROKERS"),
    kafkaClientId: get("KAFKA_CLIENT_ID"),
    kafkaSsl: readSsl(get),
    kafkaSasl: readSasl(get),
    dataDir: get("DATA_DIR"),
    brokerHost: get("BROKER_HOST"),
    brokerPort: get("BROKER_PORT"),
    brokerAdvertisedHost: orNull(get("BROKER_ADVERTISED_HOST")),
    brokerAdvertisedPort: get("BROKER_ADVERTISED_PORT"),
    brokerUsersFile: orNull(get("BROKER_USERS_FILE")),
    brokerTls: readBrokerTls(get),
    brokerHttp: get("BROKER_HTTP"),
    brokerSync: get("BROKER_SYNC"),
    retentionMs: get("RETENTION_MS"),
    retentionBytes: get("RETENTION_BYTES"),
    heartbeatMs: get("HEARTBEAT_MS"),
    maxConnections: get("MAX_CONNECTIONS"),
    maxBodyBytes: get("MAX_BODY_BYTES"),
    drainTimeoutMs: get("DRAIN_TIMEOUT_MS"),
    corsOrigins: get("CORS_ORIGINS"),
    logLevel: get("LOG_LEVEL"),
    logFormat: get("LOG_FORMAT"),
    geoTopic: get("GEO_TOPIC"),
    videoTopic: get("VIDEO_TOPIC"),
    maxFrameBytes: get("MAX_FRAME_BYTES"),
    videoRetentionMs: get("VIDEO_RETENTION_MS"),
    videoRetentionBytes: get("VIDEO_RETENTION_BYTES"),
    measurements: readMeasurements(get),
    measurementsRetentionMs: get("MEASUREMENTS_RETENTION_MS"),
    measurementsRetentionBytes: get("MEASUREMENTS_RETENTION_BYTES"),
    windows: readWindows(get),
    videos: readVideos(get),
    tileUrl: orNull(get("TILE_URL")),
    insecure: get("INSECURE"),
    demo: get("DEMO"),
  };
  checkTogether(config, purpose);
  for (const value of Object.values(config)) Object.freeze(value);
  return Object.freeze(config);
}

/** The settings as lines of an environment file, each with where it came from; secrets are masked. */
export function printConfig(flags: Flags, env: ReadonlyMap<string, string>): string {
  const rows = [...findSettings(flags, env)].map(([name, { text, source }]) => {
    const secret = (settings[name] as Setting).secret;
    return { line: `${name}=${secret && text !== "" ? "***" : quotedForShell(text)}`, source };
  });
  const width = Math.max(...rows.map(({ line }) => line.length));
  return rows.map(({ line, source }) => `${line.padEnd(width)}  # ${source}\n`).join("");
}

/** The environment of this process, the only place where it is read. */
export function environment(): ReadonlyMap<string, string> {
  return new Map(Object.entries(Deno.env.toObject()));
}

/** `KAFKA_BROKERS` → `kafkaBrokers`, the key of its flag. */
export function flagKey(name: string): string {
  return name.toLowerCase().replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** `KAFKA_BROKERS` → `--kafka-brokers`. */
export function flagOf(name: string): string {
  return `--${name.toLowerCase().replaceAll("_", "-")}`;
}

/** Variables that look like a setting with one letter wrong, missing or too much.
 *
 * Not an error, as the variable may be somebody else's; worth a warning, as `KAFKA_BROKER` would start the
 * embedded broker. */
export function misspelt(env: ReadonlyMap<string, string>): [found: string, meant: string][] {
  return nearMisses([...env.keys()].filter((name) => !name.endsWith("_FILE")), settingNames);
}

interface Found {
  readonly text: string;
  readonly source: string;
  readonly value: unknown;
}

function findSettings(flags: Flags, env: ReadonlyMap<string, string>): Map<SettingName, Found> {
  const known = new Set<string>();
  const found = new Map<SettingName, Found>();
  for (const name of settingNames) {
    const setting: Setting = settings[name];
    known.add(flagKey(name));
    if (setting.secret) known.add(flagKey(`${name}_FILE`));
    const { text, source } = findText(name, setting, flags, env);
    const value = setting.parse(text);
    if (value === undefined) {
      const shown = setting.secret ? "***" : JSON.stringify(text);
      throw new ConfigError(`Cannot use ${name}: found ${shown} (${source}), allowed: ${setting.allowed}`);
    }
    found.set(name, { text, source, value });
  }
  for (const key of Object.keys(flags)) {
    if (flags[key] !== undefined && !known.has(key)) {
      const flag = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      throw new ConfigError(`Unknown setting --${flag}: found ${JSON.stringify(flags[key])}, see --help`);
    }
  }
  return found;
}

function findText(
  name: SettingName,
  setting: Setting,
  flags: Flags,
  env: ReadonlyMap<string, string>,
): { text: string; source: string } {
  const given = flags[flagKey(name)];
  if (given !== undefined) return { text: String(given), source: `flag ${flagOf(name)}` };
  if (setting.secret) {
    const file = flags[flagKey(`${name}_FILE`)];
    if (file !== undefined) return secretFile(`${name}_FILE`, String(file), `flag ${flagOf(`${name}_FILE`)}`);
  }
  const variable = env.get(name);
  const file = setting.secret ? env.get(`${name}_FILE`) : undefined;
  if (variable && file) {
    throw new ConfigError(`Cannot use ${name}: found ${name} and ${name}_FILE, allowed: one of them`);
  }
  if (variable) return { text: variable, source: `environment ${name}` };
  if (file) return secretFile(`${name}_FILE`, file, `environment ${name}_FILE`);
  const { fallback } = setting;
  return { text: typeof fallback === "function" ? fallback() : fallback, source: "default" };
}

function secretFile(name: string, path: string, source: string): { text: string; source: string } {
  try {
    return { text: Deno.readTextFileSync(path).replace(/\r?\n$/, ""), source };
  } catch (error) {
    const reason = error instanceof Error ? error.name : String(error);
    throw new ConfigError(
      `Cannot use ${name}: found ${JSON.stringify(path)} (${source}; ${reason}), allowed: a readable file`,
    );
  }
}

function readSsl(get: Get): Config["kafkaSsl"] {
  const [caFile, certFile, keyFile] = [
    get("KAFKA_SSL_CA_FILE"),
    get("KAFKA_SSL_CERT_FILE"),
    get("KAFKA_SSL_KEY_FILE"),
  ];
  if (!get("KAFKA_SSL")) {
    if (caFile || certFile || keyFile) {
      throw new ConfigError("Cannot use KAFKA_SSL_…_FILE: found KAFKA_SSL off, allowed: with KAFKA_SSL=true");
    }
    return null;
  }
  if ((certFile === "") !== (keyFile === "")) {
    throw new ConfigError(
      `Cannot use KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE: found one of them, allowed: both or none`,
    );
  }
  return { ...(caFile ? { caFile } : {}), ...(certFile && keyFile ? { certFile, keyFile } : {}) };
}

function readSasl(get: Get): Config["kafkaSasl"] {
  const mechanism = get("KAFKA_SASL_MECHANISM");
  const [username, password] = [get("KAFKA_SASL_USERNAME"), get("KAFKA_SASL_PASSWORD")];
  if (mechanism === "") {
    if (username || password) {
      throw new ConfigError(
        "Cannot use KAFKA_SASL_MECHANISM: found none beside a user name or password, " +
          `allowed: ${settings.KAFKA_SASL_MECHANISM.allowed}`,
      );
    }
    return null;
  }
  for (const [name, value] of [["KAFKA_SASL_USERNAME", username], ["KAFKA_SASL_PASSWORD", password]]) {
    if (value === "") throw new ConfigError(`Cannot use ${name}: found none, allowed: one for ${mechanism}`);
  }
  return Object.freeze({ mechanism, username, password });
}

function readBrokerTls(get: Get): Config["brokerTls"] {
  const [certFile, keyFile] = [get("BROKER_TLS_CERT_FILE"), get("BROKER_TLS_KEY_FILE")];
  if ((certFile === "") !== (keyFile === "")) {
    throw new ConfigError(
      "Cannot use BROKER_TLS_CERT_FILE and BROKER_TLS_KEY_FILE: found one of them, allowed: both or none",
    );
  }
  return certFile === "" ? null : { certFile, keyFile };
}

function checkTogether(config: Config, purpose: Purpose): void {
  const embedded = config.kafkaBrokers.length === 0;
  if (purpose === "serve" && embedded && (config.kafkaSsl || config.kafkaSasl)) {
    throw new ConfigError(
      `Cannot use ${config.kafkaSsl ? "KAFKA_SSL" : "KAFKA_SASL_MECHANISM"}: found KAFKA_BROKERS empty ` +
        "(the service logs in to its embedded broker by itself), allowed: with KAFKA_BROKERS",
    );
  }
  if (purpose === "serve" || (purpose === "broker" && config.brokerHttp)) {
    checkHost("HOST", config.host, config.insecure, "");
  }
  if (purpose === "broker" || (purpose === "serve" && embedded)) checkBroker(config);
}

/** What the embedded broker is told. */
function checkBroker({ brokerHost, brokerAdvertisedHost, brokerUsersFile, brokerTls, insecure }: Config) {
  const isOpen = insecure || brokerUsersFile !== null;
  checkHost("BROKER_HOST", brokerHost, isOpen, "BROKER_USERS_FILE to ask who connects, ");
  if (isWildcard(brokerHost) && brokerAdvertisedHost === null) {
    throw new ConfigError(
      `Cannot use BROKER_HOST: found ${
        JSON.stringify(brokerHost)
      } without BROKER_ADVERTISED_HOST, allowed: ` +
        "with it, as Kafka clients must be told a name or address by which they reach this machine",
    );
  }
  const files: [name: SettingName, path: string | undefined][] = [
    ["BROKER_USERS_FILE", brokerUsersFile ?? undefined],
    ["BROKER_TLS_CERT_FILE", brokerTls?.certFile],
    ["BROKER_TLS_KEY_FILE", brokerTls?.keyFile],
  ];
  for (const [name, path] of files) {
    if (path === undefined || isReadableFile(path)) continue;
    const { allowed } = settings[name];
    throw new ConfigError(`Cannot use ${name}: found ${JSON.stringify(path)}, allowed: ${allowed}`);
  }
}

function checkHost(name: SettingName, host: string, isOpen: boolean, orElse: string): void {
  if (isOpen || isLoopback(host)) return;
  throw new ConfigError(
    `Cannot use ${name}: found ${JSON.stringify(host)}, allowed: a loopback address, ${orElse}` +
      "or --insecure to let anyone on the network in",
  );
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

function quotedForShell(value: string): string {
  return /[\s#"'$\\`]/.test(value) ? `'${value.replaceAll("'", `'\\''`)}'` : value;
}
