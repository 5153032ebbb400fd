/** Where likes go in, and where their windows come out.
 *
 * Left out: the links of other features (pages.ts).
 * @module */
import { type CatalogueEntry, consumeEvent, liveEvent, type WindowSettings } from "../kafka/windows.ts";

/** The ways of likes; paths are relative to the service's address. */
export interface AggregationLinks {
  /** Of likes. */
  readonly topic: string;
  readonly feature: "aggregations";
  /** For browsers; for programs the windows as they are now. */
  readonly page: string;
  /** A video that is there to be liked. */
  readonly video: string;
  /** POST: a like of that video. */
  readonly post: string;
  /** The videos that are known by name. */
  readonly videos: string;
  /** The windows of that video, as they are now and as they fill. */
  readonly windows: string;
  readonly events: string;
  readonly socket: string;
  readonly socketio: string;
  readonly sizes: readonly SizeLinks[];
}

/** The ways of all finished windows of one length. */
export interface SizeLinks {
  readonly size: string;
  readonly topic: string;
  readonly events: string;
  readonly socket: string;
  /** What a client of Socket.IO emits to be told of them, and the event that tells it. */
  readonly consume: string;
  readonly live: string;
}

/** The ways of likes; nothing where none are counted. */
export function aggregationLinks(
  { clicksTopic, sizes }: Pick<WindowSettings, "clicksTopic" | "sizes">,
  [first]: readonly CatalogueEntry[],
): AggregationLinks[] {
  if (sizes.length === 0) return [];
  const video = first?.id ?? "test", id = encodeURIComponent(video);
  return [{
    topic: clicksTopic,
    feature: "aggregations",
    page: "/aggregations",
    video,
    post: `/videos/${id}/likes`,
    videos: "/videos/metadata",
    windows: `/aggregations/${id}`,
    events: `/aggregations/events?id=${id}`,
    socket: `/aggregations/socket?id=${id}`,
    socketio: "/socket.io/",
    sizes: sizes.map((size) => {
      const { name, topic } = size;
      return {
        size: name,
        topic,
        events: `/aggregations/${name}/events`,
        socket: `/aggregations/${name}/socket`,
        consume: consumeEvent(size),
        live: liveEvent(size),
      };
    }),
  }];
}
