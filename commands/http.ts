/** The HTTP port of a subcommand. @module */
import type { Config } from "../config.ts";
import { CommandError } from "./run.ts";

/** Opens it.
 * @throws {CommandError} when it is taken */
export function listenHttp(
  { host, port }: Pick<Config, "host" | "port">,
  handler: Deno.ServeHandler<Deno.NetAddr>,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve({ hostname: host, port, automaticCompression: true, onListen() {} }, handler);
  } catch (error) {
    const reason = error instanceof Deno.errors.AddrInUse
      ? "another program listens there"
      : (error as Error).message;
    throw new CommandError(`Cannot listen on ${host}:${port}: ${reason}`, { cause: error });
  }
}

/** Where it is: `http://host:port/`. */
export function urlOf({ host }: Pick<Config, "host">, { addr }: Deno.HttpServer<Deno.NetAddr>): string {
  return `http://${host.includes(":") ? `[${host}]` : host}:${addr.port}/`;
}
