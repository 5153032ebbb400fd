/** socket.io-client as a page has it, in Chromium: who is taken for it there, and comes back to what it missed.
 *
 * Left out: other browsers; everything that is the same on Node (socketio_test.ts). @module */
import library from "socket.io-client/dist/socket.io.js" with { type: "text" };
import { assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually } from "../eventually.ts";
import { TestBrowser } from "../pages/browser.ts";
import { requires } from "../requirements.ts";
import { SocketIoGround } from "./socketio_ground.ts";

/** What the page keeps for the test. */
interface Held {
  io: (options: object) => Held["socket"];
  socket: {
    readonly connected: boolean;
    readonly recovered: boolean;
    readonly io: { readonly engine: { close(): void; readonly transport: { readonly name: string } } };
    connect(): void;
    on(event: string, act: (...args: unknown[]) => void): void;
    emitWithAck(event: string, data: object): Promise<unknown>;
  };
  told: unknown[][];
}

/** Connects, and is sent what two windows of an id had, one of them while it is cut off.
 * @returns what its handler was called with, and whether it was recovered */
async function cutOff(page: Page, ground: SocketIoGround, options: { transports?: string[]; auth?: object }) {
  await page.evaluate(async (asked) => {
    const held = globalThis as unknown as Held;
    const socket = held.socket = held.io({ forceNew: true, reconnection: false, ...asked });
    held.told = [];
    socket.on("live_aggregations_1", (...args) => void held.told.push(args));
    await socket.emitWithAck("register_room", { rooms: ["a"] });
    await socket.emitWithAck("consume_1_min_aggregations", {});
  }, options);
  const told = async (count: number) => {
    await page.waitForFunction((n) => (globalThis as unknown as Held).told.length >= n, count);
    return await page.evaluate(() => (globalThis as unknown as Held).told);
  };
  await page.waitForFunction(() =>
    (globalThis as unknown as Held).socket.io.engine.transport.name === "websocket"
  );
  ground.windows.close("1m", "a", 1);
  await told(1);
  await page.evaluate(() => (globalThis as unknown as Held).socket.io.engine.close());
  await eventually("the service to know", () => ground.connections.size === 0);
  ground.windows.close("1m", "a", 2);
  await page.evaluate(() => (globalThis as unknown as Held).socket.connect());
  await page.waitForFunction(() => (globalThis as unknown as Held).socket.connected);
  const recovered = await page.evaluate(() => (globalThis as unknown as Held).socket.recovered);
  const all = await told(recovered ? 2 : 1);
  await page.evaluate(() => (globalThis as unknown as Held).socket.io.engine.close());
  await eventually("nobody", () => ground.connections.size === 0);
  return { recovered, counts: all.map(([data]) => (data as { count: number }).count), args: all[0]!.length };
}

Deno.test({
  name:
    "a page's socket.io-client is recovered as it is; one that begins with a WebSocket when it asks for it",
  ignore: requires("chromium").ignore,
  async fn() {
    await using ground = new SocketIoGround();
    await using browser = await TestBrowser.launch();
    await browser.page(ground.url, async (page) => {
      await page.evaluate(library);
      const recovered = { recovered: true, counts: [1, 2], args: 2 }, transports = ["websocket"];
      const afresh = { recovered: false, counts: [1], args: 1 };
      assertEquals(await cutOff(page, ground, {}), recovered);
      assertEquals(await cutOff(page, ground, { auth: { recover: false } }), afresh);
      assertEquals(await cutOff(page, ground, { transports }), afresh);
      assertEquals(await cutOff(page, ground, { transports, auth: { recover: true } }), recovered);
    });
  },
});
