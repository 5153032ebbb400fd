// @ts-check
/** A canvas that lies on a Leaflet map and stays in its place while the map moves and zooms.
 *
 * Leaflet moves and scales it with the map by CSS; drawing anew is up to its owner, who calls `adopt` with
 * the view it draws. Left out: what is drawn.
 * @module */
/** @import { Map as LeafletMap, Point, ZoomAnimEvent } from "leaflet" */
import * as L from "../shared/leaflet.js";

/** What a canvas shows: pixel = (mercator + copy) × k − origin.
 * @typedef {object} View
 * @property {number} zoom
 * @property {number} k CSS pixels across the world
 * @property {number} ox CSS pixels
 * @property {number} oy
 * @property {number} width CSS pixels
 * @property {number} height
 * @property {number} dpr device pixels per CSS pixel
 * @property {Point} corner its upper left corner, in layer points
 * @property {readonly number[]} copies which copies of the world are in sight: 0, or also −1 and 1 */

/** The view that a map shows, and `padding` of its size more on each side.
 * @param {LeafletMap} map @param {number} padding @returns {View} */
export function viewOf(map, padding) {
  const size = map.getSize();
  const zoom = map.getZoom();
  const k = 256 * 2 ** zoom;
  const corner = map.containerPointToLayerPoint(size.multiplyBy(-padding)).round();
  const origin = map.getPixelOrigin().add(corner);
  const width = Math.ceil(size.x * (1 + 2 * padding));
  const height = Math.ceil(size.y * (1 + 2 * padding));
  const copies = [-1, 0, 1].filter((copy) => copy * k < origin.x + width && (copy + 1) * k > origin.x);
  const dpr = Math.min(2, devicePixelRatio || 1); // finer than 2 costs memory and nobody sees it
  return { zoom, k, ox: origin.x, oy: origin.y, width, height, dpr, corner, copies };
}

/** One canvas in a pane of the map. */
export class ViewCanvas {
  canvas = document.createElement("canvas");
  context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
  /** What it shows now; null before it was drawn. @type {View | null} */ view = null;
  #map;

  /** @param {LeafletMap} map @param {HTMLElement} pane */
  constructor(map, pane) {
    this.#map = map;
    this.canvas.className = "leaflet-zoom-animated view-canvas";
    this.canvas.setAttribute("aria-hidden", "true"); // the list says the same in words
    pane.append(this.canvas);
  }

  /** Makes it the canvas of `view`, empty, with CSS pixels as its unit. @param {View} view */
  adopt(view) {
    this.view = view;
    resize(this.canvas, view);
    L.DomUtil.setTransform(this.canvas, view.corner, 1);
    clear(this.context, view);
  }

  /** Scales what was drawn to the map's present zoom, between two drawings (pinching). */
  rescale() {
    if (!this.view) return;
    const { corner, zoom } = this.view;
    const scale = this.#map.getZoomScale(this.#map.getZoom(), zoom);
    L.DomUtil.setTransform(this.canvas, this.#cornerAt(corner, zoom), scale);
  }

  /** Goes along with an animated zoom. @param {ZoomAnimEvent} event */
  animate(event) {
    if (!this.view) return;
    const { ox, oy, zoom } = this.view;
    const corner = this.#map.unproject(L.point(ox, oy), zoom);
    // Private to Leaflet, and the only way: its own image overlays do the same.
    const map = /** @type {any} */ (this.#map);
    const to = map._latLngToNewLayerPoint(corner, event.zoom, event.center);
    L.DomUtil.setTransform(this.canvas, to, this.#map.getZoomScale(event.zoom, zoom));
  }

  /** Whether the map still shows nothing that was not drawn. */
  covers() {
    if (!this.view || this.view.zoom !== this.#map.getZoom()) return false;
    const { ox, oy, width, height } = this.view;
    const { min, max } = this.#map.getPixelBounds();
    return !!min && !!max && min.x >= ox && min.y >= oy && max.x <= ox + width && max.y <= oy + height;
  }

  remove() {
    this.canvas.remove();
  }

  /** @param {Point} corner @param {number} zoom */
  #cornerAt(corner, zoom) {
    if (zoom === this.#map.getZoom()) return corner;
    const { ox, oy } = /** @type {View} */ (this.view);
    return this.#map.latLngToLayerPoint(this.#map.unproject(L.point(ox, oy), zoom));
  }
}

/** Gives a canvas the size of a view, and styles it so.
 * @param {HTMLCanvasElement} canvas
 * @param {View} view */
export function resize(canvas, { width, height, dpr }) {
  const [w, h] = [Math.round(width * dpr), Math.round(height * dpr)];
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
}

/** @param {CanvasRenderingContext2D} context @param {View} view */
export function clear(context, { width, height, dpr }) {
  context.setTransform(dpr, 0, 0, dpr, 0, 0);
  context.globalAlpha = 1;
  context.clearRect(0, 0, width, height);
}
