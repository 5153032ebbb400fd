/** Between a foreign client and the service: cuts connections after so many bytes, wherever in an event that is.
 *
 * Left out: anything but passing bytes on; heads of requests are kept as they came. @module */

/** What a client said at the start of a connection. */
export interface SeenRequest {
  readonly path: string;
  /** Value of its `Last-Event-ID`, null without one. */
  readonly lastEventId: string | null;
}

/** A listener that passes connections on to a port of 127.0.0.1. */
export class CuttingProxy implements AsyncDisposable {
  readonly requests: SeenRequest[] = [];
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.TcpConn>();
  readonly #tasks = new Set<Promise<void>>();

  /** @param target port of the service
   * @param cutAfter bytes of the answer after which the first, second… connection is cut; later ones are not */
  constructor(target: number, cutAfter: readonly number[]) {
    this.#run(this.#accept(target, cutAfter));
  }

  get host(): string {
    return `127.0.0.1:${this.#listener.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) this.#close(connection);
    await Promise.all(this.#tasks);
  }

  async #accept(target: number, cutAfter: readonly number[]): Promise<void> {
    let accepted = 0;
    for await (const client of this.#listener) {
      const limit = cutAfter[accepted++] ?? Infinity;
      this.#open.add(client);
      this.#run(this.#serve(client, target, limit));
    }
  }

  async #serve(client: Deno.TcpConn, target: number, limit: number): Promise<void> {
    const service = await Deno.connect({ hostname: "127.0.0.1", port: target });
    this.#open.add(service);
    try {
      await Promise.all([
        this.#pass(client, service, Infinity, this.#keepHead()),
        this.#pass(service, client, limit),
      ]);
    } finally {
      this.#close(client);
      this.#close(service);
    }
  }

  /** Passes bytes on until `limit` have passed or one side has ended; then both are closed. */
  async #pass(
    from: Deno.TcpConn,
    to: Deno.TcpConn,
    limit: number,
    onBytes?: (bytes: Uint8Array) => void,
  ): Promise<void> {
    const buffer = new Uint8Array(16 * 1024);
    let left = limit;
    try {
      while (left > 0) {
        const n = await from.read(buffer);
        if (n === null) break;
        const bytes = buffer.subarray(0, Math.min(n, left));
        onBytes?.(bytes);
        for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
        left -= bytes.length;
      }
    } catch {
      // one of the two is closed
    }
    this.#close(from);
    this.#close(to);
  }

  #keepHead(): (bytes: Uint8Array) => void {
    const decoder = new TextDecoder();
    let head = "", kept = false;
    return (bytes) => {
      if (kept) return;
      head += decoder.decode(bytes, { stream: true });
      if (!head.includes("\r\n\r\n")) return;
      kept = true;
      const path = head.split(" ")[1]!;
      this.requests.push({ path, lastEventId: /^last-event-id: *(.*)\r$/im.exec(head)?.[1] ?? null });
    };
  }

  #close(connection: Deno.TcpConn): void {
    if (!this.#open.delete(connection)) return;
    connection.close();
  }

  #run(task: Promise<void>): void {
    const running = task.catch(() => {}).finally(() => this.#tasks.delete(running));
    this.#tasks.add(running);
  }
}
