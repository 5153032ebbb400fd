// @ts-check
/** Leaflet, as the type checker sees it. A browser that asks for this path gets Leaflet's own module
 * (routes/assets.ts), as it cannot resolve a bare name without an inline import map, which our
 * Content-Security-Policy forbids.
 * @module */
// @ts-types="@types/leaflet"
export * from "leaflet";
