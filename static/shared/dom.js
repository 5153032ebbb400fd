// @ts-check
/** Finding the elements of a page.
 * @module */

/** The element with an id, which the page's HTML must have.
 * @param {string} id @returns {HTMLElement} @throws {Error} if it has not */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`The page has no #${id}`);
  return element;
}
