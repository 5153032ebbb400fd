/** Connections that were refused or ended for what they did: counted by kind, and told in the log, one line each, until
 * there are so many that the rest is told in one line. A flood cannot fill the disk. @module */

import type { BrokerLogger } from "./logger.ts";

/** Why: too many connections or too much memory, TLS, the login, what was sent, how slowly. */
export const refusalKinds = ["limit", "tls", "sasl", "protocol", "slow"] as const;
export type RefusalKind = typeof refusalKinds[number];

/** Lines of one kind in one {@link WINDOW_MS}. */
const LINES = 20;
const WINDOW_MS = 10_000;

interface Window {
  sinceMs: number;
  lines: number;
  suppressed: number;
}

/** Counts and tells. */
export class Refusals {
  readonly #logger: BrokerLogger;
  readonly #now: () => number;
  readonly #counts = new Map<RefusalKind, number>(refusalKinds.map((kind) => [kind, 0]));
  readonly #windows = new Map<RefusalKind, Window>();

  /** @param now milliseconds of a clock that only goes forward; for tests */
  constructor(logger: BrokerLogger, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#now = now;
  }

  /** @param client address and port
   * @param reason what was found, and what was wanted */
  add(kind: RefusalKind, client: string, reason: string): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    const nowMs = this.#now();
    const window = this.#windows.get(kind) ?? { sinceMs: nowMs, lines: 0, suppressed: 0 };
    this.#windows.set(kind, window);
    if (nowMs - window.sinceMs >= WINDOW_MS) this.#turn(kind, window, nowMs);
    if (window.lines >= LINES) {
      window.suppressed += 1;
      return;
    }
    window.lines += 1;
    this.#logger.warn("connection refused", { kind, client, reason });
  }

  /** Tells what was left out of the log; to be called from time to time. */
  flush(): void {
    const nowMs = this.#now();
    for (const [kind, window] of this.#windows) {
      if (nowMs - window.sinceMs >= WINDOW_MS) this.#turn(kind, window, nowMs);
    }
  }

  /** Refused connections by kind since the start. */
  snapshot(): { kind: RefusalKind; count: number }[] {
    return [...this.#counts].map(([kind, count]) => ({ kind, count }));
  }

  #turn(kind: RefusalKind, window: Window, nowMs: number): void {
    if (window.suppressed > 0) {
      const { suppressed } = window;
      this.#logger.warn("more connections refused than have lines", { kind, suppressed });
    }
    window.sinceMs = nowMs;
    window.lines = 0;
    window.suppressed = 0;
  }
}
