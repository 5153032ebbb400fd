/** What a subcommand gets besides its settings, and how it says that it failed. @module */
import type { Config } from "../config.ts";
import { Kafka } from "../kafka/client.ts";
import { hostAndPort } from "../kafka/embedded.ts";
import type { Logger } from "../logger.ts";
import { isWildcard } from "../setting_kinds.ts";

/** The surroundings of a running subcommand. */
export interface CommandRun {
  readonly log: Logger;
  /** Aborts at SIGINT and SIGTERM; a subcommand then ends its work and resolves. */
  readonly signal: AbortSignal;
  /** Writes to stdout, as it is. */
  readonly out: (text: string) => void;
  /** Whether stdout is a terminal. */
  readonly isTerminal: boolean;
}

/** A subcommand that could not do its work: the message is one line for the terminal, the exit code 1. */
export class CommandError extends Error {
  override readonly name: string = "CommandError";
}

/** A command line that makes no sense: the message is one line for the terminal, the exit code 2. */
export class UsageError extends CommandError {
  override readonly name = "UsageError";
}

/** Where subcommands find Kafka: KAFKA_BROKERS, else the embedded broker of a service on this machine. */
export function brokersOf(config: Config): readonly string[] {
  if (config.kafkaBrokers.length > 0) return config.kafkaBrokers;
  const { brokerHost, brokerAdvertisedHost } = config;
  const listening = brokerHost === "0.0.0.0" ? "127.0.0.1" : isWildcard(brokerHost) ? "::1" : brokerHost;
  // What its clients are told, if that is set: a certificate is for that name.
  return [hostAndPort(brokerAdvertisedHost ?? listening, config.brokerAdvertisedPort || config.brokerPort)];
}

/** Waits for `work`, but no longer than until `signal` aborts; then it rejects with the signal's reason,
 * which ends a subcommand without an error. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Connects to Kafka.
 * @throws {CommandError} when no broker answers */
export async function connectKafka(
  config: Config,
  { log, signal }: Pick<CommandRun, "log" | "signal">,
): Promise<Kafka> {
  const brokers = brokersOf(config);
  const kafka = new Kafka({
    brokers,
    clientId: config.kafkaClientId,
    ssl: config.kafkaSsl,
    sasl: config.kafkaSasl,
    log,
  });
  try {
    await abortable(kafka.clusterId(), signal);
    return kafka;
  } catch (error) {
    await kafka[Symbol.asyncDispose]();
    if (signal.aborted) throw signal.reason;
    const hint = config.kafkaBrokers.length > 0 ? "" : " (is `tailrace serve` or `tailrace broker` running?)";
    const reason = (error as Error).message;
    throw new CommandError(`Cannot reach Kafka at ${brokers.join(",")}: ${reason}${hint}`, { cause: error });
  }
}
