// @ts-check
/** The Leaflet layer on which everything moves: two canvases, trails below heads, drawn from the movers and
 * nothing else.
 *
 * It never draws by itself: the page calls `draw` from its one animation frame. Left out: how trails and
 * heads look.
 * @module */
/** @import { LatLng, Map as LeafletMap, ZoomAnimEvent } from "leaflet" */
/** @import { Mover, Movers } from "./movers.js" */
/** @import { HeadStyle, Spot } from "./heads.js" */
import * as L from "../shared/leaflet.js";
import { drawHeads } from "./heads.js";
import { Trails } from "./trails.js";
import { ViewCanvas, viewOf } from "./view_canvas.js";

const trailPadding = 0.15;
/** How far from a mark a pointer may be, CSS pixels. */
const reach = 16;

/** All movers as one layer. */
export class MoversLayer extends L.Layer {
  #movers;
  #style;
  /** Called when it must be drawn. */
  #ask;
  /** @type {{ trails: ViewCanvas, heads: ViewCanvas, painter: Trails } | null} */ #parts = null;
  #isTrailDue = true;
  #isZooming = false;
  /** @type {Spot[]} */ #spots = [];

  /** @param {Movers} movers @param {() => HeadStyle} style @param {() => void} ask */
  constructor(movers, style, ask) {
    super();
    this.#movers = movers;
    this.#style = style;
    this.#ask = ask;
  }

  /** @override @param {LeafletMap} map */
  onAdd(map) {
    const pane = map.getPane("overlayPane");
    if (!pane) throw new Error("Cannot add the movers to a map without an overlay pane");
    const trails = new ViewCanvas(map, pane);
    const heads = new ViewCanvas(map, pane);
    this.#parts = { trails, heads, painter: new Trails(trails) };
    this.redraw();
    return this;
  }

  /** @override */
  onRemove() {
    this.#parts?.trails.remove();
    this.#parts?.heads.remove();
    this.#parts = null;
    return this;
  }

  /** @override */
  getEvents() {
    return {
      zoomanim: (/** @type {any} */ event) => {
        const target = /** @type {ZoomAnimEvent} */ (event);
        this.#isZooming = true;
        this.#parts?.trails.animate(target);
        this.#parts?.heads.animate(target);
      },
      zoom: () => {
        this.#parts?.trails.rescale();
        this.#ask();
      },
      move: () => this.#ask(),
      moveend: () => {
        this.#isZooming = false;
        if (!this.#parts?.trails.covers()) this.redraw();
        this.#ask();
      },
      resize: () => this.redraw(),
      viewreset: () => this.redraw(),
    };
  }

  /** Draws others from now on. @param {Movers} movers */
  show(movers) {
    this.#movers = movers;
    movers.fresh = []; // they are in the trails, which are drawn anew
    this.redraw();
  }

  /** Has the trails drawn anew: how they look, or which are shown, has changed. */
  redraw() {
    this.#isTrailDue = true;
    this.#ask();
  }

  /** Draws what there is.
   * @param {number} now performance.now()
   * @returns {boolean} whether there is more to draw in the next frame */
  draw(now) {
    const parts = this.#parts;
    if (!parts || this.#isZooming) return false; // what is there is being scaled by CSS; moveend comes after
    const { trails, heads, painter } = parts;
    const style = this.#style();
    if (this.#movers.fresh.length > 0) painter.append(this.#movers, style);
    if (this.#isTrailDue || (!painter.isDrawing && painter.isStale(now, style))) {
      painter.begin(viewOf(this._map, trailPadding), this.#movers, style);
      this.#isTrailDue = false;
    }
    painter.step(this.#movers);
    if (!painter.isDrawing && !trails.covers()) this.redraw();
    const view = viewOf(this._map, 0);
    heads.adopt(view);
    const { spots, isMoving } = drawHeads(heads.context, view, this.#movers, style, now);
    this.#spots = spots;
    return isMoving || painter.isDrawing;
  }

  /** The mover whose mark is at a place on the map, or null. @param {LatLng} place @returns {Mover | null} */
  at(place) {
    const point = this._map.latLngToContainerPoint(place);
    /** @type {{ mover: Mover, distance: number } | null} */
    let best = null;
    for (const { mover, x, y } of this.#spots) {
      const distance = Math.hypot(x - point.x, y - point.y);
      if (distance <= (best?.distance ?? reach)) best = { mover, distance };
    }
    return best?.mover ?? null;
  }
}
