// @ts-check
/** uPlot, as the type checker sees it. A browser that asks for this path gets uPlot's own module
 * (routes/assets.ts), as it cannot resolve a bare name without an inline import map, which our
 * Content-Security-Policy forbids.
 * @module */
export { default } from "uplot";
