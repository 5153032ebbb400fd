// @ts-check
/** /client.js over frames in a program of its own, as tests/interop/frames_clients_test.ts uses it in Deno and in Node.
 *
 *     frames_client.js MODULE URL COUNT     reads until COUNT frames have come, over whatever cuts
 *
 * Prints each ready and each frame as one line of JSON.
 * @module */
import { createHash } from "node:crypto";
import process from "node:process";

const [module = "", url = "", count = ""] = process.argv.slice(2);
/** @type {typeof import("../../../static/shared/stream.js")} */
const { follow } = await import(module);
let left = Number(count);

/** @param {object} what */
const say = (what) => console.log(JSON.stringify(what));

/** @type {import("../../../static/shared/stream.js").Stream} */
const stream = follow(url, {
  transport: "frames",
  cursor: "earliest",
  onReady: ({ resume }) => say({ event: "ready", resume }),
  onRecord: ({ frame, capturedAt, jpeg }) => {
    say({ event: "frame", frame, capturedAt, digest: createHash("sha256").update(jpeg).digest("hex") });
    if (--left === 0) stream.close();
  },
  // Now instead of in some seconds.
  onState: ({ name }) => void (name === "waiting" && setTimeout(() => stream.resume(), 10)),
});
