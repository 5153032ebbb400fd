/** Bytes to lines, for drivers on both of their ends. @module */

/** Decodes UTF-8 and cuts it into lines, without their ends; what comes last needs no end. */
export class TextLineStream implements TransformStream<Uint8Array<ArrayBuffer>, string> {
  readonly readable: ReadableStream<string>;
  readonly writable: WritableStream<Uint8Array<ArrayBuffer>>;

  constructor() {
    const decoder = new TextDecoderStream();
    let parts: string[] = [];
    const lines = new TransformStream<string, string>({
      transform(text, controller) {
        const pieces = text.split("\n");
        for (const piece of pieces.slice(0, -1)) {
          controller.enqueue(parts.join("") + piece);
          parts = [];
        }
        parts.push(pieces.at(-1)!);
      },
      flush(controller) {
        const rest = parts.join("");
        if (rest !== "") controller.enqueue(rest);
      },
    });
    this.writable = decoder.writable as WritableStream<Uint8Array<ArrayBuffer>>;
    this.readable = decoder.readable.pipeThrough(lines);
  }
}
