/** What the broker asks of a socket: where it comes from, and whether an error means that the other side is gone.
 * @module */

/** A connection with or without TLS. */
export type Socket = Deno.TcpConn | Deno.TlsConn;

/** Whether an address of a socket never leaves this machine. */
export function isLoopback(address: string): boolean {
  return address === "::1" || /^(::ffff:)?127\./.test(address);
}

/** Whether a read, a write or a handshake failed only because the client went away. */
export function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.UnexpectedEof;
}
