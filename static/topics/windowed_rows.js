// @ts-check
/** A long list with as many elements as fit on the screen: rows of one height, drawn where they are looked at.
 *
 * The keyboard's part is that of a listbox: one stop for the Tab key, arrows, Home, End and the page keys move.
 * Left out: what is in a row.
 * @see {@link https://www.w3.org/WAI/ARIA/apg/patterns/listbox/}
 * @module */

/** Rows above and below what is in sight. */
const spare = 3;

/** @typedef {{ element: HTMLElement, number: number }} Row */

/** @template {Row} R */
export class WindowedRows {
  /** Number of the row that the keyboard is on; −1: none. */
  active = -1;
  /** Numbers of the first row there is, and after the last. */
  first = 0;
  end = 0;
  /** Numbers of the first row in sight, and after the last. */
  top = 0;
  bottom = 0;
  #box;
  #sizer = document.createElement("div");
  #makeRow;
  #fill;
  #heightOf;
  #height = 32;
  #boxHeight = 0;
  #sizerHeight = -1;
  /** @type {R[]} */ #rows = [];

  /** @param {{ box: HTMLElement, makeRow: () => R, fill: (row: R) => void, heightOf: () => number,
   *   onPick: (number: number) => void, onMove?: (number: number) => void,
   *   onKey?: (event: KeyboardEvent) => boolean, onSize?: () => void }} options
   *   `heightOf`: of a row, px; `onPick`: Enter, Space or a click; `onMove`: the keyboard is on another row */
  constructor({ box, makeRow, fill, heightOf, onPick, onMove, onKey, onSize }) {
    this.#box = box;
    this.#makeRow = makeRow;
    this.#fill = fill;
    this.#heightOf = heightOf;
    this.#sizer.className = "sizer";
    this.#sizer.setAttribute("role", "presentation");
    box.append(this.#sizer);
    box.addEventListener("click", (event) => {
      const target = /** @type {Element} */ (event.target);
      const row = this.#rows.find(({ element, number }) => number >= 0 && element.contains(target));
      if (!row) return;
      this.active = row.number;
      onPick(row.number);
    });
    box.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || onKey?.(event)) return;
      const isPicked = event.key === "Enter" || event.key === " ";
      const to = this.#target(event.key);
      if (isPicked && this.active >= this.first && this.active < this.end) onPick(this.active);
      else if (to !== null && this.end > this.first) {
        this.activate(to);
        onMove?.(this.active);
      } else if (!isPicked) return;
      event.preventDefault();
    });
    new ResizeObserver(() => {
      this.#measure();
      this.place();
      onSize?.();
    }).observe(box);
    this.#measure();
  }

  get rowHeight() {
    return this.#height;
  }

  /** Where the end of the list is in sight, px. */
  get endTop() {
    return Math.max(0, (this.end - this.first) * this.#height - this.#boxHeight);
  }

  /** There are these rows now. @param {number} first @param {number} end */
  setRange(first, end) {
    this.first = first;
    this.end = end;
    if (this.active >= 0) this.active = Math.max(first, Math.min(end - 1, this.active));
    const height = (end - first) * this.#height;
    if (height === this.#sizerHeight) return;
    this.#sizerHeight = height;
    this.#sizer.style.height = `${height}px`;
  }

  /** Draws the rows where the list is looked at. @param {number} [scrollTop] if known */
  place(scrollTop = this.#box.scrollTop) {
    const { first, end } = this;
    this.top = Math.min(end, first + Math.max(0, Math.floor(scrollTop / this.#height)));
    this.bottom = Math.min(end, this.top + Math.ceil(this.#boxHeight / this.#height) + 1);
    const from = Math.max(first, this.top - spare), to = Math.min(end, this.bottom + spare);
    while (this.#rows.length < to - from) this.#rows.push(this.#newRow());
    const count = this.#rows.length;
    for (const row of this.#rows) row.number = -1;
    for (let number = from; number < to; number++) {
      // A row keeps its element while it is in sight, so a screen reader's place does not jump.
      const row = /** @type {R} */ (this.#rows[number % count]);
      row.number = number;
      row.element.style.transform = `translateY(${(number - first) * this.#height}px)`;
      row.element.classList.toggle("is-active", number === this.active);
      this.#fill(row);
    }
    let activeId = "";
    for (const { element, number } of this.#rows) {
      element.hidden = number < 0;
      if (number >= 0 && number === this.active) activeId = element.id;
    }
    if (activeId) this.#box.setAttribute("aria-activedescendant", activeId);
    else this.#box.removeAttribute("aria-activedescendant");
  }

  /** Puts the keyboard on a row and brings it into sight. @param {number} number */
  activate(number) {
    this.active = Math.max(this.first, Math.min(this.end - 1, number));
    this.reveal(this.active);
    this.place();
  }

  /** @param {number} number */
  reveal(number) {
    const top = (number - this.first) * this.#height;
    const { scrollTop } = this.#box;
    if (top < scrollTop) this.#box.scrollTop = top;
    else if (top + this.#height > scrollTop + this.#boxHeight) {
      this.#box.scrollTop = top + this.#height - this.#boxHeight;
    }
  }

  #newRow() {
    const row = this.#makeRow();
    row.element.id = `${this.#box.id}-row-${this.#rows.length}`;
    row.element.setAttribute("role", "option");
    this.#sizer.append(row.element);
    return row;
  }

  #measure() {
    this.#boxHeight = this.#box.clientHeight;
    const height = this.#heightOf();
    if (height === this.#height) return;
    this.#height = height;
    this.setRange(this.first, this.end);
  }

  /** @param {string} key @returns {number | null} */
  #target(key) {
    const page = Math.max(1, Math.floor(this.#boxHeight / this.#height) - 1);
    const at = this.active < 0
      ? (key === "ArrowUp" || key === "PageUp" ? this.bottom : this.top - 1)
      : this.active;
    /** @type {Record<string, number>} */
    const targets = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: this.first,
      End: this.end - 1,
    };
    return targets[key] ?? null;
  }
}
