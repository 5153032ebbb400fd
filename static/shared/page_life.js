// @ts-check
/** When a stream has to find its place again though nothing broke: the computer slept, the page comes out of
 * the back/forward cache, the network is back. Without a page (Deno, Node) only sleep is noticed.
 * @module */

const tickMs = 5_000;
/** A timer that is this late means that the computer slept. */
export const sleptMs = 15_000;

/** Watches until `signal` aborts.
 * @param {{ onWake: () => void, onShow: () => void, onHide: () => void, onPutAside: () => void }} ears
 *   `onWake`: the connection cannot be trusted; `onShow`: somebody looks again; `onHide`: the page may never
 *   come back; `onPutAside`: it goes into the back/forward cache, or away
 * @param {AbortSignal} signal */
export function watchLife({ onWake, onShow, onHide, onPutAside }, signal) {
  const page = typeof document === "undefined" || typeof addEventListener !== "function" ? null : document;
  let tickedAt = Date.now();
  const timer = setInterval(() => {
    const lateMs = Date.now() - tickedAt;
    tickedAt = Date.now();
    // Timers of a hidden page are late by design.
    if (lateMs > sleptMs && !page?.hidden) onWake();
  }, tickMs);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  if (!page) return;
  addEventListener("pagehide", () => {
    onHide();
    onPutAside(); // an open stream keeps a page out of the cache
  }, { signal });
  addEventListener("pageshow", (event) => {
    if (/** @type {PageTransitionEvent} */ (event).persisted) onWake();
  }, { signal });
  addEventListener("online", onWake, { signal });
  page.addEventListener("resume", onWake, { signal });
  page.addEventListener("visibilitychange", () => {
    onHide();
    if (page.hidden) return;
    tickedAt = Date.now();
    onShow();
  }, { signal });
}

/** Keeps a text for this tab over reloads. @param {string} key @param {string} text */
export function keep(key, text) {
  try {
    storage()?.setItem(key, text);
  } catch { /* full: the place is then forgotten at a reload */ }
}

/** @param {string} key */
export function kept(key) {
  return storage()?.getItem(key) ?? null;
}

/** The tab's storage; null where there is none or the browser blocks it. */
function storage() {
  try {
    return typeof sessionStorage === "undefined" ? null : sessionStorage;
  } catch {
    return null;
  }
}
