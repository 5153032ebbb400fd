/** Where a video comes from, as the command line names it. Left out: reading it (video_source.ts). @module */

/** A file or folder (`path`), `stdin`, a camera that does not wait for its reader (`live`), or something else that ffmpeg
 * fetches (`url`). */
export interface VideoPlace {
  readonly kind: "path" | "stdin" | "live" | "url";
  /** As it was given. */
  readonly text: string;
  /** For messages: without the user and password of a URL. */
  readonly shown: string;
  /** For records: of a path its last part. */
  readonly source: string;
}

const url = /^([a-z][a-z0-9+.-]*):\/\//i;
const liveSchemes = /^(rtsps?|rtmp[a-z]*|srt|udp|rtp|tcp)$/i;
/** What Linux calls cameras. */
const camera = /^\/dev\/video\d+$/;

/** Tells what `text` names; only its form counts. */
export function readPlace(text: string): VideoPlace {
  if (text === "-") return { kind: "stdin", text, shown: "stdin", source: "stdin" };
  const scheme = url.exec(text)?.[1];
  if (scheme !== undefined) {
    const shown = text.replace(/^([^:]+:\/\/)[^/?#]*@/, "$1");
    return { kind: liveSchemes.test(scheme) ? "live" : "url", text, shown, source: shown };
  }
  if (camera.test(text)) return { kind: "live", text, shown: text, source: text };
  return { kind: "path", text, shown: text, source: text.replace(/\/+$/, "").replace(/^.*\//, "") || text };
}
