/** `tailrace broker`: the embedded broker alone, for other programs and services to use; health and metrics of it over
 * HTTP. @module */
import type { Config } from "../config.ts";
import about from "../deno.json" with { type: "json" };
import { type EmbeddedBroker, hostAndPort, startEmbeddedBroker } from "../kafka/embedded.ts";
import { createBrokerMetrics } from "../metrics.ts";
import { createOperationsApp } from "../routes/app.ts";
import { listenHttp, urlOf } from "./http.ts";
import { CommandError, type CommandRun } from "./run.ts";

/** Starts the embedded broker as the settings say.
 * @param ownDoor whether this process itself uses it as a Kafka client
 * @throws {CommandError} when it cannot start: a port is taken, the data folder is in use, a file of users is wrong */
export async function openBroker(
  config: Config,
  { log }: Pick<CommandRun, "log">,
  ownDoor: boolean,
): Promise<EmbeddedBroker> {
  const { brokerAdvertisedHost: host, brokerAdvertisedPort: port, brokerUsersFile: usersFile } = config;
  const tls = readTls(config);
  const isPlain = host === null && port === 0 && usersFile === null && tls === null;
  try {
    return await startEmbeddedBroker({
      host: config.brokerHost,
      port: config.brokerPort,
      ...(host !== null && { advertisedHost: host }),
      ...(port !== 0 && { advertisedPort: port }),
      ...(usersFile !== null && { usersFile }),
      ...(tls !== null && { tls }),
      ownDoor: ownDoor && !isPlain,
      dataDir: config.dataDir,
      sync: config.brokerSync,
      retentionMs: config.retentionMs,
      retentionBytes: config.retentionBytes,
      log,
    });
  } catch (error) {
    throw new CommandError((error as Error).message, { cause: error });
  }
}

/** Where a broker is and what it asks for, in a few words: `127.0.0.1:9092 (TLS, with logins, data in ./data)`. */
export function describeBroker(config: Config, { host, port }: EmbeddedBroker): string {
  const tls = config.brokerTls ? "TLS, " : "";
  const logins = config.brokerUsersFile ? "with logins, " : "";
  return `${hostAndPort(host, port)} (embedded, ${tls}${logins}data in ${config.dataDir})`;
}

/** Runs the embedded broker until `run.signal` aborts.
 * @throws {CommandError} when it cannot start, or fails */
export async function broker(config: Config, run: CommandRun): Promise<void> {
  await using embedded = await openBroker(config, run, false);
  const { promise: stopped, resolve: stop } = Promise.withResolvers<null>();
  if (run.signal.aborted) stop(null);
  run.signal.addEventListener("abort", () => stop(null), { once: true });
  await using http = config.brokerHttp ? openHttp(config, run, embedded) : undefined;
  if (http) run.out(`Health and metrics at ${urlOf(config, http)}\n`);
  run.out(`Kafka at ${describeBroker(config, embedded)}\n`);
  const failure = await Promise.race([stopped, embedded.failed]);
  if (failure) throw new CommandError(`The embedded broker failed: ${failure.message}`, { cause: failure });
}

function openHttp(
  config: Config,
  { log, signal }: CommandRun,
  embedded: EmbeddedBroker,
): Deno.HttpServer<Deno.NetAddr> {
  const metrics = createBrokerMetrics(about.version);
  metrics.broker(() => embedded.metrics());
  const app = createOperationsApp({
    config,
    log,
    metrics,
    checks: {
      sqlite: () => embedded.checkWritable(),
      // deno-lint-ignore require-await
      draining: async () => {
        if (signal.aborted) throw new Error("the broker is shutting down");
      },
    },
    service: { version: about.version },
  });
  return listenHttp(config, (request, info) => app.fetch(request, { info }), log);
}

/** @throws {CommandError} when a file cannot be read */
function readTls({ brokerTls }: Config): { certificate: string; key: string } | null {
  if (brokerTls === null) return null;
  try {
    const { certFile, keyFile } = brokerTls;
    return { certificate: Deno.readTextFileSync(certFile), key: Deno.readTextFileSync(keyFile) };
  } catch (error) {
    throw new CommandError(`Cannot read the TLS certificate or its key: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
