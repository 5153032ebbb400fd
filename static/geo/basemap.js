// @ts-check
/** The map that needs no tile server: land, borders and names of countries everywhere, streets where
 * static/geo/streets.json has them. It lies below tiles too, where there are any, and shows while they load
 * or when their server is away.
 *
 * Drawn on one canvas a little larger than the map, anew when the map shows what was not drawn. Left out:
 * what moves.
 * @module */
/** @import { Map as LeafletMap, ZoomAnimEvent } from "leaflet" */
/** @import { Line } from "./lines.js" */
/** @import { Streets } from "./streets.js" */
/** @import { View } from "./view_canvas.js" */
import * as L from "../shared/leaflet.js";
import { addLine, toLand, toLine } from "./lines.js";
import { mercatorX, mercatorY } from "./movers.js";
import { drawStreets, readStreets } from "./streets.js";
import { ViewCanvas, viewOf } from "./view_canvas.js";

/** @typedef {{ name: string, weight: number, x: number, y: number }} Country */
/** @typedef {{ land: Line[], coasts: Line[], borders: Line[], countries: Country[] }} World */

const padding = 0.25;
const labelFont = '500 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/** Colours of the map; static/geo/geo.css has the sea as the map's background. */
const looks = {
  light: {
    land: "#f4f2ed",
    coast: "#b9c6cf",
    border: "#cfc9bd",
    country: "#7c7a73",
    park: "#dfe9d5",
    parkName: "#5d7a50",
    water: "#b9d3e4",
    waterName: "#4a7291",
    casing: "#d9d4c8",
    major: "#ffffff",
    minor: "#fbfaf7",
    streetName: "#77736a",
    halo: "#f4f2edd9",
  },
  dark: {
    land: "#1b1f24",
    coast: "#35414c",
    border: "#353b43",
    country: "#7d8791",
    park: "#1c2a23",
    parkName: "#6d8f7b",
    water: "#14303f",
    waterName: "#5b8ba5",
    casing: "#15181c",
    major: "#3a424c",
    minor: "#2d343c",
    streetName: "#8b949e",
    halo: "#1b1f24d9",
  },
};

/** @typedef {typeof looks.light} Look */

/** The offline map as a layer. */
export class Basemap extends L.Layer {
  /** @type {ViewCanvas | null} */ #canvas = null;
  /** @type {World} */ #world = { land: [], coasts: [], borders: [], countries: [] };
  /** @type {Streets | null} */ #streets = null;
  #isDark;

  /** @param {() => boolean} isDark */
  constructor(isDark) {
    super();
    this.#isDark = isDark;
  }

  /** Fetches what is drawn. A map without it still works, so a failure only leaves the sea. */
  async load() {
    await Promise.all([
      fetchJson("/static/geo/world.json").then((world) => {
        this.#world = readWorld(world);
        this.redraw();
      }).catch(warn),
      fetchJson("/static/geo/streets.json").then((streets) => {
        this.#streets = readStreets(streets);
        this.redraw();
      }).catch(warn),
    ]);
  }

  /** @override @param {LeafletMap} map */
  onAdd(map) {
    const pane = map.createPane("basemap");
    this.#canvas = new ViewCanvas(map, pane);
    this.redraw();
    return this;
  }

  /** @override */
  onRemove() {
    this.#canvas?.remove();
    this.#canvas = null;
    return this;
  }

  /** @override */
  getEvents() {
    return {
      zoomanim: (/** @type {any} */ event) => this.#canvas?.animate(/** @type {ZoomAnimEvent} */ (event)),
      zoom: () => this.#canvas?.rescale(),
      move: () => this.#isShort() && this.redraw(),
      moveend: () => this.#canvas?.covers() || this.redraw(),
      resize: () => this.redraw(),
      viewreset: () => this.redraw(),
    };
  }

  /** Draws what the map shows. */
  redraw() {
    if (!this.#canvas || !this._map) return;
    const view = viewOf(this._map, padding);
    this.#canvas.adopt(view);
    const { context } = this.#canvas;
    const look = this.#isDark() ? looks.dark : looks.light;
    drawWorld(context, view, this.#world, look);
    if (this.#streets) drawStreets(context, view, this.#streets, look);
  }

  /** Whether a drag has come to the end of what was drawn; a zoom is waited for. */
  #isShort() {
    return this.#canvas?.view?.zoom === this._map.getZoom() && !this.#canvas.covers();
  }
}

/** @param {CanvasRenderingContext2D} context @param {View} view @param {World} world @param {Look} look */
function drawWorld(context, view, { land, coasts, borders, countries }, look) {
  context.lineJoin = "round";
  context.beginPath();
  for (const ring of land) addLine(context, view, ring, true);
  context.fillStyle = look.land;
  context.fill("evenodd");
  context.beginPath();
  for (const coast of coasts) addLine(context, view, coast, false);
  context.strokeStyle = look.coast;
  context.lineWidth = 1;
  context.stroke();
  context.beginPath();
  for (const line of borders) addLine(context, view, line, false);
  context.strokeStyle = look.border;
  context.stroke();
  if (view.zoom <= 8) drawCountries(context, view, countries, look);
}

/** Names countries, the large ones first, where there is room.
 * @param {CanvasRenderingContext2D} context
 * @param {View} view
 * @param {Country[]} countries
 * @param {Look} look */
function drawCountries(context, view, countries, look) {
  /** @type {[number, number, number][]} */
  const taken = [];
  context.font = labelFont;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillStyle = look.country;
  context.strokeStyle = look.halo;
  context.lineWidth = 3;
  const { k, ox, oy, width, height, copies } = view;
  for (const { name, weight, x, y } of countries) {
    const half = context.measureText(name).width / 2;
    if (weight / 360 * k < half * 1.1) continue; // a name longer than its country
    for (const copy of copies) {
      const px = (x + copy) * k - ox, py = y * k - oy;
      if (px < -half || py < 0 || px > width + half || py > height) continue;
      if (taken.some(([tx, ty, th]) => Math.abs(ty - py) < 16 && Math.abs(tx - px) < th + half + 6)) continue;
      taken.push([px, py, half]);
      context.strokeText(name, px, py);
      context.fillText(name, px, py);
    }
  }
  context.textAlign = "start";
}

/** @param {{ features: { properties: any, geometry: any }[] }} collection GeoJSON of routes/outlines.ts
 * @returns {World} */
function readWorld({ features }) {
  /** @type {World} */
  const world = { land: [], coasts: [], borders: [], countries: [] };
  for (const { properties, geometry } of features) {
    const { coordinates } = geometry;
    if (properties.kind === "land") {
      for (const ring of coordinates.flat()) {
        const { land, coast } = toLand(ring);
        world.land.push(land);
        world.coasts.push(coast);
      }
    } else if (properties.kind === "borders") world.borders = coordinates.map(toLine);
    else {
      const [lon, lat] = coordinates;
      const place = { x: mercatorX(lon), y: mercatorY(lat) };
      world.countries.push({ name: properties.name, weight: properties.weight, ...place });
    }
  }
  world.countries.sort((a, b) => b.weight - a.weight);
  return world;
}

/** @param {string} url */
async function fetchJson(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return await response.json();
}

/** @param {unknown} error */
const warn = (error) => console.warn("The offline map is not complete:", error);
