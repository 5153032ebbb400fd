/** What the broker asks of a socket: where it comes from, and whether an error means that the other side is gone.
 * @module */

/** A connection with or without TLS. */
export interface Socket {
  readonly remoteAddr: Deno.NetAddr;
  /** @returns bytes read, or null at the end */
  read(into: Uint8Array): Promise<number | null>;
  /** @returns bytes written, which may be fewer than given */
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
  /** With TLS: resolves once the two sides have agreed. */
  handshake?(): Promise<void>;
  /** Without TLS: to be called at first. */
  setNoDelay?(): void;
}

/** A socket that listens. */
export interface Listener {
  readonly addr: Deno.NetAddr;
  accept(): Promise<Socket>;
  close(): void;
}

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
