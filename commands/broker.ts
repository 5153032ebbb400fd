/** `tailrace broker`: the embedded broker alone, for other programs and services to use. @module */
import type { Config } from "../config.ts";
import { type EmbeddedBroker, startEmbeddedBroker } from "../kafka/embedded.ts";
import { CommandError, type CommandRun } from "./run.ts";

/** Starts the embedded broker as the settings say.
 * @throws {CommandError} when it cannot start: a port is taken, the data folder is in use */
export async function openBroker(config: Config, { log }: Pick<CommandRun, "log">): Promise<EmbeddedBroker> {
  try {
    return await startEmbeddedBroker({
      host: config.brokerHost,
      port: config.brokerPort,
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

/** Runs the embedded broker until `run.signal` aborts.
 * @throws {CommandError} when it cannot start, or fails */
export async function broker(config: Config, run: CommandRun): Promise<void> {
  await using embedded = await openBroker(config, run);
  const { promise: stopped, resolve: stop } = Promise.withResolvers<null>();
  if (run.signal.aborted) stop(null);
  run.signal.addEventListener("abort", () => stop(null), { once: true });
  run.out(`Kafka at ${embedded.host}:${embedded.port}, data in ${config.dataDir}\n`);
  const failure = await Promise.race([stopped, embedded.failed]);
  if (failure) throw new CommandError(`The embedded broker failed: ${failure.message}`, { cause: failure });
}
