// @ts-check
/** The panel that publishes: a camera or a file, a preview, how fast and how fine; and what became of it.
 * @module */
/** @import { CaptureOptions } from "./capture.js" */
import { byId } from "../shared/dom.js";
import { count, rate, setText, wholeDuration } from "../shared/format.js";
import { Capture, listCameras } from "./capture.js";
import { isTopicName } from "./page_url.js";
import { kilobytes, Publisher } from "./publisher.js";

/** @template {HTMLElement} [E=HTMLInputElement] @param {string} id @returns {E} */
const part = (id) => /** @type {E} */ (byId(id));

/** The panel. */
export class PublishPanel {
  #options;
  #capture;
  /** @type {Publisher | null} */ #publisher = null;
  /** @type {"camera" | "file"} */ #source = "camera";
  #hasPicture = false;
  #trouble = "";

  /** @param {{ topic: () => string, onToggle: () => void, onPublish: (topic: string) => void }} options
   *   `topic`: the one that is proposed; `onPublish`: it is there to be seen */
  constructor(options) {
    this.#options = options;
    this.#capture = new Capture(part("publish-canvas"), this.#readOptions(), {
      hasRoom: () => this.#publisher?.hasRoom ?? false,
      onFrame: (jpeg, capturedAt) => this.#publisher?.send(jpeg, capturedAt),
      onSkip: () => this.#publisher?.skip(),
      onTrouble: (why) => {
        this.#trouble = why;
        this.tick();
      },
    });
    byId("publish-close").addEventListener("click", () => this.close());
    byId("publish").addEventListener("keydown", ({ key }) => key === "Escape" && this.close());
    byId("source").addEventListener("change", () => this.#chooseSource());
    part("camera").addEventListener("change", () => this.#openSource());
    part("file").addEventListener("change", () => this.#openSource());
    for (const id of ["publish-fps", "publish-width", "publish-quality"]) {
      part(id).addEventListener("change", () => this.#capture.options = this.#readOptions());
    }
    byId("publish-form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#publisher) this.#stop();
      else this.#start();
    });
  }

  get isOpen() {
    return !byId("publish").hidden;
  }

  open() {
    byId("publish").hidden = false;
    if (!this.#publisher) part("publish-topic").value = this.#options.topic();
    this.#options.onToggle();
    this.tick();
    this.#openSource();
    byId("publish-close").focus({ preventScroll: true });
    byId("publish").scrollIntoView({ block: "nearest" });
  }

  close() {
    this.#stop();
    this.#capture.close();
    this.#hasPicture = false;
    byId("publish").hidden = true;
    this.#options.onToggle();
    byId("publish-button").focus();
  }

  /** Shows what is true now. */
  tick() {
    if (!this.isOpen) return;
    const publisher = this.#publisher;
    const start = /** @type {HTMLButtonElement} */ (byId("publish-start"));
    setText(start, publisher ? "Stop" : "Start");
    start.disabled = !publisher && !this.#hasPicture;
    start.classList.toggle("is-on", publisher !== null);
    for (const id of ["publish-topic", "camera", "file"]) part(id).disabled = publisher !== null;
    for (const radio of document.querySelectorAll("#source input")) {
      /** @type {HTMLInputElement} */ (radio).disabled = publisher !== null;
    }
    const now = Date.now();
    setText(byId("publish-stored"), publisher ? count(publisher.stored) : "–");
    setText(byId("publish-rate"), publisher ? `${rate(publisher.frames.perSecond(now))} fps` : "–");
    setText(byId("publish-bytes"), publisher ? `${kilobytes(publisher.bytesPerSecond(now))}/s` : "–");
    setText(byId("publish-unstored"), publisher ? count(publisher.unstored) : "–");
    setText(byId("publish-skipped"), publisher ? count(publisher.skipped) : "–");
    setText(byId("publish-frame"), publisher?.newest || "–");
    const message = this.#message(now);
    byId("publish-message").dataset["how"] = message.how;
    setText(byId("publish-message"), message.text);
    setText(byId("publish-hint"), this.#hasPicture ? "" : this.#hint());
    byId("publish-hint").hidden = this.#hasPicture;
  }

  /** @param {number} now @returns {{ how: "" | "ok" | "bad", text: string }} */
  #message(now) {
    const publisher = this.#publisher;
    if (this.#trouble) return { how: "bad", text: this.#trouble };
    if (!publisher) return { how: "", text: "" };
    if (publisher.trouble) return { how: "bad", text: publisher.trouble };
    if (publisher.state === "waiting") {
      const next = wholeDuration((publisher.retryAt ?? now) - now + 999);
      return { how: "bad", text: `The connection is lost. Next try in ${next}.` };
    }
    if (publisher.state === "connecting") return { how: "", text: "Connecting …" };
    return { how: "ok", text: publisher.stored > 0 ? "Publishing." : "Sending the first frame …" };
  }

  #hint() {
    if (this.#source === "file") return "Choose a video, or JPEGs";
    return this.#trouble ? "No picture" : "Waiting for the camera …";
  }

  #chooseSource() {
    const chosen = /** @type {HTMLInputElement} */ (document.querySelector("#source input:checked"));
    this.#source = chosen.value === "file" ? "file" : "camera";
    byId("camera-field").hidden = this.#source !== "camera";
    byId("file-field").hidden = this.#source !== "file";
    this.#openSource();
  }

  async #openSource() {
    this.#trouble = "";
    this.#hasPicture = false;
    this.#capture.options = this.#readOptions();
    this.tick();
    try {
      if (this.#source === "camera") {
        if (!navigator.mediaDevices) throw new Error("Browsers give a camera only to https and localhost");
        await this.#capture.openCamera(part("camera").value);
        await this.#showCameras();
        this.#hasPicture = true;
      } else {
        const files = [...part("file").files ?? []];
        await this.#capture.openFiles(files);
        this.#hasPicture = files.length > 0;
      }
    } catch (error) {
      this.#trouble = cameraWords(error);
    }
    this.tick();
  }

  async #showCameras() {
    /** @type {HTMLSelectElement} */
    const select = part("camera");
    const { value } = select;
    const cameras = await listCameras();
    if (cameras.length === 0) return;
    select.replaceChildren(...cameras.map(({ id, name }) => new Option(name, id, false, id === value)));
  }

  #start() {
    const topic = part("publish-topic").value.trim();
    if (!isTopicName(topic)) {
      this.#trouble = `“${topic}” is no topic's name`;
      return this.tick();
    }
    this.#trouble = "";
    const source = this.#source === "camera" ? "browser camera" : "browser file";
    this.#publisher = new Publisher({ topic, source, onChange: () => this.tick() });
    this.#capture.isOn = true;
    this.#options.onPublish(topic);
    this.tick();
  }

  #stop() {
    this.#capture.isOn = false;
    this.#publisher?.close();
    this.#publisher = null;
    this.tick();
  }

  /** @returns {CaptureOptions} */
  #readOptions() {
    const number = (/** @type {string} */ id) => Number(part(id).value);
    return { fps: number("publish-fps"), width: number("publish-width"), quality: number("publish-quality") };
  }
}

/** Why there is no camera, in words. @param {unknown} error */
function cameraWords(error) {
  if (error instanceof DOMException) {
    if (error.name === "NotAllowedError") return "The browser was not allowed to use the camera";
    if (error.name === "NotFoundError") return "There is no camera here; a file will do too";
    if (error.name === "NotReadableError") return "The camera is in use elsewhere";
  }
  return error instanceof Error ? error.message : String(error);
}
