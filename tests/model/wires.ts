/** Both wires as clients read them, written against their standards and not against our own code.
 *
 * Left out: where the text comes from.
 * @see {@link https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream} @module */
import type { Told } from "./account.ts";

/** Reads an event stream, in whatever pieces it comes; an event counts when its blank line is there. */
export class SseParser {
  #rest = "";
  #event = "";
  #id: string | null = null;
  #data: string[] = [];

  take(text: string): Told[] {
    const told: Told[] = [];
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) {
      if (line !== "") this.#line(line);
      else {
        if (this.#data.length > 0) {
          told.push({ event: this.#event, id: this.#id, data: JSON.parse(this.#data.join("\n")) });
        } else if (this.#id !== null) told.push({ event: "id", id: this.#id, data: null });
        this.#event = "";
        this.#id = null;
        this.#data = [];
      }
    }
    return told;
  }

  #line(line: string): void {
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event = value;
    else if (field === "id") this.#id = value;
    else if (field === "data") this.#data.push(value);
  }
}

/** Reads a message of `tailrace.v1.json`: an object, or several with line feeds between. */
export function parseJsonEvents(text: string): Told[] {
  return text.split("\n").map((line) => {
    const { type, cursor, ...data } = JSON.parse(line);
    return { event: type, id: cursor ?? null, data };
  });
}
