/** A broker with users, alice and bob among them, and a connection that has not logged in. @module */

import { assertEquals } from "@std/assert";
import { type Broker, type BrokerOptions, startBroker } from "../../../kafka/broker/mod.ts";
import { makeKeys, userLine } from "../../../kafka/broker/sasl_credentials.ts";
import { optionsFor, withFolder } from "./harness.ts";
import { RawClient } from "./raw_client.ts";
import * as sasl from "./sasl_client.ts";

/** What a test gets. */
export interface WithUsers {
  readonly broker: Broker;
  readonly client: RawClient;
  readonly usersFile: string;
  /** `kind reason` of the lines about refused connections. */
  readonly refusals: string[];
  /** Messages of all other lines. */
  readonly lines: string[];
  /** Logs `client` in as alice.
   * @throws {Error} if it cannot */
  logIn(mechanism?: string): Promise<void>;
}

/** Passwords by user. */
export const passwords: Readonly<Record<string, string>> = { alice: "secret", "b,o=b": "päss,=\"'" };

/** The lines of these users, made once. */
let made: Promise<string> | undefined;
export function usersText(): Promise<string> {
  return made ??= Promise.all(
    Object.entries(passwords).map(async ([name, password]) => userLine(name, await makeKeys(password, 4096))),
  ).then((lines) => lines.join("\n") + "\n");
}

/** Runs a test with such a broker. */
export function withUsers(
  options: Partial<BrokerOptions>,
  test: (given: WithUsers) => Promise<void>,
): Promise<void> {
  return withFolder(async (dataDir) => {
    const usersFile = `${dataDir}/users`;
    await Deno.writeTextFile(usersFile, await usersText());
    const [refusals, lines]: [string[], string[]] = [[], []];
    const line = (message: string, fields?: Record<string, unknown>): void => {
      if (message === "connection refused") refusals.push(`${fields?.kind} ${fields?.reason}`);
      else lines.push(message);
    };
    const logger = { debug() {}, info: line, warn: line, error: line };
    await using broker = await startBroker(optionsFor(dataDir, { logger, usersFile, ...options }));
    using client = await RawClient.connect(broker.port, options.tls && caOf(options.tls));
    const logIn = async (mechanism = "SCRAM-SHA-256") => {
      assertEquals((await sasl.logIn(client, mechanism, "alice", "secret")).error, 0);
    };
    await test({ broker, client, usersFile, refusals, lines, logIn });
  });
}

function caOf(tls: object): string {
  return (tls as { ca?: string }).ca ?? "";
}
