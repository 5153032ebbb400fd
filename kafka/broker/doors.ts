/** The ways in: the listening socket for everybody, and one on loopback for the process around the broker.
 *
 * What everybody's door asks for (TLS, a login) and where it is said to be (an advertised address) would stand in the
 * way of that process itself: its certificate need not be one that it trusts, nor its advertised address one that leads
 * back here. So with any of these it gets a door of its own, on 127.0.0.1, for one user with a password that nobody
 * else knows.
 * @module */

import type { BrokerState } from "./apis/mod.ts";
import type { BrokerLogger } from "./logger.ts";
import { Authenticator } from "./sasl.ts";
import { makeKeys } from "./sasl_credentials.ts";
import { oneUser, type UserDirectory, UsersFile } from "./sasl_users.ts";
import type { Listener } from "./sockets.ts";
import { checkTls, listenTls, type TlsFiles } from "./tls.ts";

/** Listening and what is asked for there. */
export interface DoorOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** With it clients speak TLS. */
  readonly tls?: TlsFiles;
  /** File of those who may log in, by SASL; without it everybody may do everything. */
  readonly usersFile?: string;
  /** Opens a second door, on 127.0.0.1, for this user alone. */
  readonly ownLogin?: { readonly username: string; readonly password: string };
}

/** One way in. */
export interface Door {
  readonly listener: Listener;
  /** Asks who connects; undefined lets everybody in. */
  readonly authenticator: Authenticator | undefined;
  /** The broker; its host and port are what clients of this door are told to connect to. */
  readonly broker: BrokerState;
}

/** The doors before the broker is behind them: their sockets listen, and what comes meanwhile waits. */
export interface Entrance {
  /** What everybody's socket listens on. */
  readonly address: Deno.NetAddr;
  /** Where the own door is, if there is one. */
  readonly own: Deno.NetAddr | undefined;
  doors(broker: BrokerState): Door[];
}

/** Opens the listening sockets.
 * @param secret see {@link Authenticator}
 * @throws {Error} one line: a port is taken, the address is not one of this machine, the certificate cannot be used;
 * what is wrong with the file of users, and in which line */
export async function openEntrance(
  options: DoorOptions,
  secret: Uint8Array,
  logger: BrokerLogger,
): Promise<Entrance> {
  const { host, port, tls, usersFile, ownLogin } = options;
  const everybody = usersFile === undefined ? undefined : await UsersFile.open(usersFile, logger);
  const owner = ownLogin && oneUser(ownLogin.username, await makeKeys(ownLogin.password));
  const ask = (directory?: UserDirectory) => directory && new Authenticator({ directory, secret });
  const main = await listen(host, port, tls);
  const own = owner && await listen("127.0.0.1", 0);
  return {
    address: main.addr,
    own: own?.addr,
    doors(broker) {
      const doors: Door[] = [{ listener: main, authenticator: ask(everybody), broker }];
      if (own === undefined) return doors;
      const ownBroker = { ...broker, host: own.addr.hostname, port: own.addr.port };
      return [...doors, { listener: own, authenticator: ask(owner), broker: ownBroker }];
    },
  };
}

async function listen(hostname: string, port: number, tls?: TlsFiles): Promise<Listener> {
  try {
    if (tls !== undefined) checkTls(tls);
  } catch (error) {
    throw new Error(`Cannot use the TLS certificate and its key: ${messageOf(error)}`, { cause: error });
  }
  try {
    return tls === undefined ? Deno.listen({ hostname, port }) : await listenTls(hostname, port, tls);
  } catch (error) {
    const why = error instanceof Deno.errors.AddrInUse ? "the port is taken" : messageOf(error);
    throw new Error(`Cannot listen on ${hostname}:${port} for Kafka clients as ${why}`, { cause: error });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
