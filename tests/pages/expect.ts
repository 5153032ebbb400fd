/** What a test expects of a page: asked again and again until it holds, or the test fails with what was seen last and what was wanted.
 *
 * A page shows what came in its next frame, in its next half-second or with the next answer: what was waited for and what is looked at
 * next are hardly ever changed at once, and even an address is told to the test a moment after it was changed. So tests read a page
 * through here. What must not change is looked at when it could have: what comes too early is seen, as it stays.
 * @module */
import { assertEquals } from "@std/assert";
import type { Locator, Page } from "playwright-core";
import { eventually } from "../eventually.ts";
import { seriousFindings } from "./accessibility.ts";

/** A selector, of whose elements the first one is meant, or a locator of one element. */
type Place = string | Locator;

/** Waits until what is read is what is wanted.
 * @param what is read, as it completes "Timed out waiting for …"
 * @param wanted a value, deeply equal; or a pattern of a text
 * @returns what was read
 * @throws {Error} with what was read last */
export async function becomes<T>(
  what: string,
  read: () => T | Promise<T>,
  wanted: T | RegExp,
): Promise<T> {
  let seen: unknown = "nothing yet";
  return (await eventually(
    what,
    async () => {
      const value = await read();
      seen = value;
      if (!isWanted(value, wanted)) return null;
      return { value };
    },
    undefined,
    () => `found ${told(seen)}, wanted ${told(wanted)}`,
  )).value;
}

/** Waits until an element's text, without superfluous white space, is what is wanted. */
export function says(page: Page, place: Place, wanted: string | RegExp): Promise<string> {
  return becomes<string>(`the text of ${place}`, () => textOf(page, place), wanted);
}

/** Waits until an element's text has a part in it. */
export async function saysPart(page: Page, place: Place, part: string): Promise<void> {
  let seen = "";
  await eventually(
    `the text of ${place}`,
    async () => (seen = await textOf(page, place)).includes(part),
    undefined,
    () => `found ${told(seen)}, wanted ${told(part)} in it`,
  );
}

/** The text of an element now, without superfluous white space: for what a test compares with later. */
export async function textOf(page: Page, place: Place): Promise<string> {
  return (await at(page, place).textContent())?.replace(/\s+/g, " ").trim() ?? "";
}

/** Waits until an element has an attribute, `null` for none. */
export async function hasAttribute(
  page: Page,
  place: Place,
  name: string,
  wanted: string | RegExp | null,
): Promise<void> {
  await becomes(`${name} of ${place}`, () => at(page, place).getAttribute(name), wanted);
}

/** Waits until a field has a value. */
export async function hasValue(page: Page, place: Place, wanted: string): Promise<void> {
  await becomes(`the value of ${place}`, () => at(page, place).inputValue(), wanted);
}

/** Waits until a box is ticked, or is not. */
export async function isChecked(page: Page, place: Place, wanted = true): Promise<void> {
  await becomes(`whether ${place} is checked`, () => at(page, place).isChecked(), wanted);
}

/** Waits until a control can be used, or cannot. */
export async function isEnabled(page: Page, place: Place, wanted = true): Promise<void> {
  await becomes(`whether ${place} is enabled`, () => at(page, place).isEnabled(), wanted);
}

/** Waits until an element is seen, or is not: then it may be missing, too. */
export async function isSeen(page: Page, place: Place, wanted = true): Promise<void> {
  await becomes(`whether ${place} is seen`, () => at(page, place).isVisible(), wanted);
}

/** Waits until there are so many elements. */
export async function hasCount(elements: Locator, wanted: number): Promise<void> {
  await becomes(`the number of ${elements}`, () => elements.count(), wanted);
}

/** Waits until the elements have just these texts. */
export async function hasTexts(elements: Locator, wanted: readonly string[]): Promise<void> {
  await becomes(`the texts of ${elements}`, () => elements.allTextContents(), [...wanted]);
}

/** Waits until the page's address has a path, and a query where one is given. */
export async function isAt(page: Page, pathname: string, search?: string): Promise<void> {
  const read = () => {
    const url = new URL(page.url());
    return search === undefined ? url.pathname : url.pathname + url.search;
  };
  await becomes("the address", read, pathname + (search ?? ""));
}

/** Waits until a parameter of the page's address is what is wanted, `null` for none.
 * @returns its value */
export async function hasParameter(
  page: Page,
  name: string,
  wanted: string | RegExp | null,
): Promise<string> {
  return await becomes(`${name} in the address`, () => new URL(page.url()).searchParams.get(name), wanted) ??
    "";
}

/** Waits until the page is as wide as its window, so that it does not scroll sideways. */
export async function isAsWideAs(page: Page, wanted: number): Promise<void> {
  await becomes("the page's width", () => page.evaluate(() => document.documentElement.scrollWidth), wanted);
}

/** Waits until axe finds nothing that keeps people out. */
export async function isAccessible(page: Page): Promise<void> {
  await becomes("axe to find nothing", () => seriousFindings(page), []);
}

/** Presses what a notice offers until the page says that it is live again, as it may come back by itself just when it is pressed. */
export async function goesOn(page: Page, word = "Live"): Promise<void> {
  let seen = "";
  await eventually(
    `the page to go on, "${word}"`,
    async () => {
      seen = await textOf(page, "#state");
      if (seen === word) return true;
      const button = page.locator("#notice-action");
      if (await button.isVisible()) await button.click({ timeout: 1_000 });
      return false;
    },
    undefined,
    () => `found ${told(seen)}`,
  );
}

function at(page: Page, place: Place): Locator {
  return typeof place === "string" ? page.locator(place).first() : place;
}

function isWanted(value: unknown, wanted: unknown): boolean {
  if (wanted instanceof RegExp) return typeof value === "string" && wanted.test(value);
  try {
    assertEquals(value, wanted);
    return true;
  } catch {
    return false;
  }
}

function told(value: unknown): string {
  return value instanceof RegExp ? String(value) : JSON.stringify(value) ?? String(value);
}
