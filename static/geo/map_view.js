// @ts-check
/** The Leaflet map of the page: base map, tiles where there are any, movers, scale; going where something is.
 * Left out: what moves (movers.js), what the page does with a click.
 * @module */
/** @import { LatLng } from "leaflet" */
/** @import { GeoData } from "../../routes/pages.ts" */
/** @import { HeadStyle } from "./heads.js" */
/** @import { Mover, Movers } from "./movers.js" */
import { isDark } from "../shared/frame.js";
import { palette } from "../shared/series.js";
import * as L from "../shared/leaflet.js";
import { Basemap } from "./basemap.js";
import { MoversLayer } from "./movers_layer.js";

/** @typedef {object} MapViewOptions
 * @property {HTMLElement} element
 * @property {Movers} movers
 * @property {() => Pick<HeadStyle, "followed" | "trailMs" | "until" | "pace">} look
 * @property {() => void} ask called when a frame must be drawn
 * @property {(mover: Mover | null) => void} onPick a click, on a mover or beside all
 * @property {() => void} onDrag the map was moved by hand */

const isStill = matchMedia("(prefers-reduced-motion: reduce)");

/** The map. */
export class MapView {
  map;
  layer;
  #basemap = new Basemap(isDark);
  #options;
  #movers;
  /** @type {string | null} */ #hovered = null;
  /** @type {HeadStyle | null} */ #style = null;

  /** @param {MapViewOptions} options */
  constructor(options) {
    this.#options = options;
    this.#movers = options.movers;
    this.map = L.map(options.element, {
      zoomControl: false,
      attributionControl: false,
      zoomSnap: 0.25,
      zoomDelta: 1,
      wheelPxPerZoomLevel: 100,
      minZoom: 1.5,
      maxZoom: 19,
      worldCopyJump: true,
      zoomAnimation: !isStill.matches,
      inertia: !isStill.matches,
    }).setView([25, 10], 2);
    L.control.attribution({ position: "bottomright", prefix: false }).addTo(this.map);
    L.control.zoom({ position: "bottomright" }).addTo(this.map);
    L.control.scale({ position: "bottomleft", imperial: false, maxWidth: 120 }).addTo(this.map);
    this.map.addLayer(this.#basemap);
    this.layer = new MoversLayer(options.movers, () => this.#headStyle(), options.ask);
    this.map.addLayer(this.layer);
    options.movers.isGliding = !isStill.matches;
    this.#listen();
    this.#basemap.load();
  }

  /** Shows tiles, and whose map it is. @param {GeoData} data */
  use({ tileUrl, attribution }) {
    if (tileUrl) L.tileLayer(tileUrl, { maxZoom: 19 }).addTo(this.map);
    this.map.attributionControl.addAttribution(attribution);
  }

  /** Shows others from now on. @param {Movers} movers */
  show(movers) {
    this.#movers = movers;
    movers.isGliding = !isStill.matches;
    this.layer.show(movers);
  }

  /** Shows all movers, or all of a box: west, south, east, north in degrees.
   * @param {[number, number, number, number] | null} [box] @returns {boolean} false if there are none */
  fit(box = this.#movers.bounds()) {
    if (!box) return false;
    const [west, south, east, north] = box;
    const isNarrow = this.map.getSize().x < 600;
    this.map.fitBounds([[south, west], [north, east]], {
      paddingTopLeft: isNarrow ? [24, 32] : [48, 48],
      paddingBottomRight: isNarrow ? [32, 32] : [110, 48], // names stand at the right of their marks
      maxZoom: 15,
      animate: !isStill.matches,
    });
    return true;
  }

  /** Puts a mover in the middle, and close enough to see it move.
   * @param {{ lat: number, lon: number }} place @param {boolean} [isSmooth] */
  goTo({ lat, lon }, isSmooth = true) {
    const zoom = Math.max(this.map.getZoom(), 14);
    this.map.setView([lat, lon], zoom, { animate: isSmooth && !isStill.matches });
  }

  /** Keeps a place in the middle, at once. @param {{ lat: number, lon: number }} place */
  keepIn({ lat, lon }) {
    this.map.panTo([lat, lon], { animate: false });
  }

  /** Moves along with a mover, in the time its mark takes. @param {Mover} mover */
  moveWith({ lat, lon, glideMs }) {
    const isSmooth = !isStill.matches && glideMs > 100;
    this.map.panTo([lat, lon], { animate: isSmooth, duration: glideMs / 1000, easeLinearity: 1 });
  }

  /** Draws what the colours of the page say now. */
  restyle() {
    this.#style = null;
    this.#basemap.redraw();
    this.layer.redraw();
  }

  #listen() {
    const { onPick, onDrag, ask, element } = this.#options;
    this.map.on("click", (event) => onPick(this.layer.at(event.latlng)));
    this.map.on("dragstart", onDrag);
    this.map.on("mousemove", (event) => this.#hover(event.latlng));
    element.addEventListener("mouseleave", () => {
      this.#hovered = null;
      ask();
    });
    addEventListener("themechange", () => this.restyle());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.restyle());
    new ResizeObserver(() => this.map.invalidateSize({ animate: false })).observe(element);
  }

  /** @param {LatLng} place */
  #hover(place) {
    const name = this.layer.at(place)?.name ?? null;
    if (name === this.#hovered) return;
    this.#hovered = name;
    this.#options.element.classList.toggle("is-over", name !== null);
    this.#options.ask();
  }

  /** @returns {HeadStyle} */
  #headStyle() {
    const dark = isDark();
    const base = this.#style ??= {
      colors: palette(dark),
      casing: dark ? "#fff" : "#000",
      outline: dark ? "#0b0e11" : "#ffffff",
      edge: dark ? "#ffffff8c" : "#1b2630a6",
      ink: dark ? "#eef2f5" : "#14181d",
      halo: dark ? "#12161be6" : "#ffffffe6",
      accent: dark ? "#6cb4f0" : "#0b5fa5",
      hovered: null,
      followed: null,
      trailMs: 0,
      until: 0,
      pace: 1,
    };
    return { ...base, hovered: this.#hovered, ...this.#options.look() };
  }
}
