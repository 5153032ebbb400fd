// @ts-check
/** The tip over a bar: which window it is and what it counts. One for the page.
 *
 * For pointers; everyone else has the table of a video's page.
 * @module */
import { byId } from "../shared/dom.js";
import { setText } from "../shared/format.js";
import { barsViews } from "./bars_view.js";
import { barText } from "./words.js";

/** Shows it where the pointer is. @param {() => number} now the service's time */
export function wireTip(now) {
  const tip = byId("tip");
  /** @param {PointerEvent} event */
  const show = (event) => {
    const element = event.target instanceof Element ? event.target.closest("svg.bars") : null;
    const view = element && barsViews.get(element);
    const { bar, middle = 0, y = 0 } = view?.at(event.clientX) ?? {};
    tip.hidden = !bar;
    if (!view || !bar) return;
    setText(tip, barText(bar, view.ms, now()));
    const half = tip.offsetWidth / 2;
    const left = Math.min(innerWidth - half - 8, Math.max(half + 8, middle));
    tip.style.transform = `translate(${Math.round(left - half)}px, ${
      Math.round(y - tip.offsetHeight - 4)
    }px)`;
  };
  addEventListener("pointermove", show, { passive: true });
  addEventListener("pointerdown", show, { passive: true });
  addEventListener("scroll", () => tip.hidden = true, { passive: true, capture: true });
}
