// @ts-check
/** What arrives and how late it is drawn, over the last seconds. Pure: time is given, nothing is shown here.
 * @module */

const rateWindowMs = 3_000;
const delayWindowMs = 5_000;
const slotMs = 250;
/** Enough for a median; at high rates the newest of the window. */
const maxSamples = 1024;

/** Differences below this are taken for the time that `serverTime` was under way, and would only make delays
 * look shorter. */
const leastSkewMs = 250;

/** What the server's clock is ahead of this one, in ms.
 * @param {number} serverTime ms since the epoch, just received */
export function clockSkew(serverTime) {
  const skewMs = serverTime - Date.now();
  return Math.abs(skewMs) < leastSkewMs ? 0 : skewMs;
}

/** Counts records and their delays. */
export class Meter {
  /** Records by slot of 250 ms. @type {Map<number, number>} */ #slots = new Map();
  /** @type {{ atMs: number, delayMs: number }[]} */ #samples = [];
  #next = 0;
  #startMs = Infinity;
  /** Records since the start. */
  records = 0;
  /** Records that are known to be missing, and how often that was told. */
  missed = 0;
  gaps = 0;

  /** A record came in. @param {number} nowMs */
  arrived(nowMs) {
    this.records++;
    this.#startMs = Math.min(this.#startMs, nowMs);
    const slot = Math.floor(nowMs / slotMs);
    this.#slots.set(slot, (this.#slots.get(slot) ?? 0) + 1);
  }

  /** A record was drawn `delayMs` after its timestamp. @param {number} nowMs @param {number} delayMs */
  drawn(nowMs, delayMs) {
    this.#samples[this.#next] = { atMs: nowMs, delayMs };
    this.#next = (this.#next + 1) % maxSamples;
  }

  /** @param {number} records that are missing */
  gap(records) {
    this.gaps++;
    this.missed += records;
  }

  /** Records per second over the last 3 s, or since the first one. @param {number} nowMs */
  perSecond(nowMs) {
    const oldest = Math.floor((nowMs - rateWindowMs) / slotMs);
    let records = 0;
    for (const [slot, n] of this.#slots) {
      if (slot <= oldest) this.#slots.delete(slot);
      else records += n;
    }
    const windowMs = Math.min(rateWindowMs, Math.max(1_000, nowMs - this.#startMs));
    return records / (windowMs / 1000);
  }

  /** Median delay in ms of what was drawn in the last 5 s; null if nothing was. @param {number} nowMs */
  medianDelay(nowMs) {
    const delays = this.#samples.filter(({ atMs }) => atMs > nowMs - delayWindowMs).map(({ delayMs }) =>
      delayMs
    );
    if (delays.length === 0) return null;
    delays.sort((a, b) => a - b);
    return delays[delays.length >> 1] ?? null;
  }
}
