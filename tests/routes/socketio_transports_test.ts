/** Socket.IO's two transports by themselves, on real HTTP, where it is the moment that matters. @module */
import { setImmediate } from "node:timers";
import { assertEquals } from "@std/assert";
import type { EngineRequest, Packet } from "../../routes/socketio_engine.ts";
import { PollingTransport } from "../../routes/socketio_polling.ts";
import { SocketTransport } from "../../routes/socketio_socket.ts";
import { pause } from "../eventually.ts";

function request(): EngineRequest {
  return {
    method: "GET",
    url: "",
    headers: {},
    connection: { remoteAddress: "" },
    _query: { EIO: "4" },
    isJavaScript: false,
  };
}

Deno.test("an answer to a poll that has just broken off fails nobody", async () => {
  let transport!: PollingTransport;
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => {
    const asked = request();
    transport = new PollingTransport(asked);
    transport.on("error", () => {});
    transport.onRequest(asked);
    return asked.answer!;
  });
  const noop: Packet = { type: "noop" };
  for (let n = 0; n < 300; n++) {
    const client = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
    await client.write(new TextEncoder().encode("GET / HTTP/1.1\r\nhost: x\r\n\r\n"));
    await client.read(new Uint8Array(500));
    // The runtime is told of it a moment later than it knows: in some of these rounds this is that moment.
    if (n % 2 === 0) await pause(0);
    client.close();
    if (n % 3 === 0) await pause(0);
    if (n % 3 === 1) await new Promise(setImmediate);
    transport.send([noop]);
  }
});

Deno.test("bytes over a socket, also those in base64, end the session, and are no failure of ours", async () => {
  for (const message of [new Uint8Array(3), "bAAAA", "b", "b!"]) {
    const failures: unknown[] = [], errors: string[] = [], closed = Promise.withResolvers<void>();
    await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (asked) => {
      const { socket, response } = Deno.upgradeWebSocket(asked);
      const options = { maxLength: 100, onFailure: (error: unknown) => failures.push(error) };
      const transport = new SocketTransport(request(), socket, options);
      transport.on("packet", () => errors.push("a packet"));
      transport.on("error", (error: Error) => {
        errors.push(error.message);
        transport.close();
      });
      transport.on("close", () => closed.resolve());
      return response;
    });
    const client = new WebSocket(`ws://127.0.0.1:${server.addr.port}`);
    const ended = new Promise((resolve) => client.onclose = resolve);
    client.onopen = () => client.send(message);
    await Promise.all([closed.promise, ended]);
    assertEquals([errors, failures], [["bytes are not read here"], []]);
  }
});
