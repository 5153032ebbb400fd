/** `/socket.io/`: finished windows for clients of Socket.IO 4 and 5, over polling and WebSocket.
 *
 * The package is loaded with the first such client: it takes 0.1 s and some megabytes that a service without them saves. Left out: what
 * clients call and are sent (socketio_rooms.ts), the protocol below (socketio_engine.ts), the client's own script.
 * @module */
import { Hono } from "hono";
import type { Config } from "../config.ts";
import type { Aggregations } from "../kafka/processors/windows/types.ts";
import type { Logger } from "../logger.ts";
import type { AppEnv } from "./middleware.ts";
import type { SocketRooms } from "./socketio_rooms.ts";
import { refusal, refusedRequest, type StreamDeps } from "./streams.ts";

/** What Socket.IO needs. */
export interface SocketIoDeps extends Pick<StreamDeps, "hub" | "connections"> {
  readonly aggregations: Aggregations;
  readonly config: Pick<Config, "maxConnections" | "heartbeatMs" | "maxBodyBytes">;
  readonly log: Logger;
}

/** Of one message, as Socket.IO has it; less where MAX_BODY_BYTES is less. */
const maxPayloadBytes = 1_000_000;

/** Polling, and upgrades to WebSocket. */
export function socketIoRoutes(deps: SocketIoDeps): Hono<AppEnv> {
  const { config, connections, aggregations, log } = deps;
  let loading: Promise<SocketRooms> | undefined;
  const load = async () => {
    const { SocketRooms } = await import("./socketio_rooms.ts");
    return new SocketRooms({
      aggregations,
      connections,
      heartbeatMs: config.heartbeatMs,
      maxPayloadBytes: Math.min(maxPayloadBytes, config.maxBodyBytes),
      log,
    });
  };
  return new Hono<AppEnv>().on(["GET", "POST"], "/socket.io/", async (c) => {
    const { engine } = await (loading ??= load());
    const isNew = !c.req.query("sid"), refused = isNew ? refusal(deps) : null;
    if (refused) throw refusedRequest(refused, "open a session");
    return await engine.answer(c.req.raw);
  });
}
