/** Counts requests by API and error, and the bytes of all connections. @module */

import { errorName } from "./wire/error_codes.ts";

/** Counters of one broker since its start. */
export class RequestCounters {
  bytesIn = 0;
  bytesOut = 0;
  readonly #requests = new Map<string, Map<number, number>>();

  /** Counts one answered request.
   * @param errorCode the first error in its answer, 0 for none */
  count(api: string, errorCode: number): void {
    const byError = this.#requests.get(api) ?? new Map<number, number>();
    if (byError.size === 0) this.#requests.set(api, byError);
    byError.set(errorCode, (byError.get(errorCode) ?? 0) + 1);
  }

  /** All counts, with the names of the errors. */
  snapshot(): { api: string; error: string; count: number }[] {
    return [...this.#requests].flatMap(([api, byError]) =>
      [...byError].map(([code, count]) => ({ api, error: errorName(code), count }))
    );
  }
}
