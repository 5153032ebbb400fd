/** Looks for what keeps people out of a page, with axe-core. Left out: what only people find.
 * @see {@link https://github.com/dequelabs/axe-core}
 * @module */
import axe from "axe-core";
import type { Page } from "playwright-core";

/** Runs axe in the page.
 * @returns serious and critical findings, a line each: rule, elements, what is wrong */
export async function seriousFindings(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  return await page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: typeof axe }).axe.run(document);
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, help, nodes }) =>
        `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}: ${help}`
      );
  });
}
