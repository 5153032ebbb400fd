/** The HTTP port of a subcommand. @module */
import type { Config } from "../config.ts";
import type { Logger } from "../logger.ts";
import { CommandError } from "./run.ts";

/** Opens it. A body that breaks off half-way is a line of the log: its answer has begun.
 * @throws {CommandError} when it is taken */
export function listenHttp(
  { host, port }: Pick<Config, "host" | "port">,
  handler: Deno.ServeHandler<Deno.NetAddr>,
  log: Logger,
): Deno.HttpServer<Deno.NetAddr> {
  const onError = (error: unknown) => {
    log.error("an answer broke off", { error });
    return new Response(null, { status: 500 });
  };
  try {
    return Deno.serve(
      { hostname: host, port, automaticCompression: true, onListen() {}, onError },
      handler,
    );
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
