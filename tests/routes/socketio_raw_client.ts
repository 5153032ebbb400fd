/** Socket.IO by hand, over a WebSocket: a client that says of itself what a test likes.
 *
 * Left out: polling, pings (a test is over before one comes). @module */
import { eventually } from "../eventually.ts";
import type { SocketIoGround } from "./socketio_ground.ts";

/** A connection on which a test says what it likes. */
export class RawClient {
  readonly messages: string[] = [];
  readonly #socket: WebSocket;
  readonly #closed = Promise.withResolvers<void>();
  #calls = 0;
  sid = "";
  pid = "";

  private constructor(ground: SocketIoGround) {
    const url = `ws://127.0.0.1:${ground.port}/socket.io/?EIO=4&transport=websocket`;
    this.#socket = new WebSocket(url);
    this.#socket.onmessage = ({ data }) => void this.messages.push(data);
    this.#socket.onclose = () => this.#closed.resolve();
  }

  /** @param claim what it says of itself */
  static async open(ground: SocketIoGround, claim: object): Promise<RawClient> {
    const client = new RawClient(ground);
    await client.message("0{");
    client.say(`40${JSON.stringify(claim)}`);
    const welcome = await client.message("40{");
    return Object.assign(client, JSON.parse(welcome.slice(2)));
  }

  say(text: string): void {
    this.#socket.send(text);
  }

  /** Calls the service, and waits for its acknowledgement. */
  async call(event: string, data: object): Promise<void> {
    const id = ++this.#calls;
    this.say(`42${id}${JSON.stringify([event, data])}`);
    await this.message(`43${id}[`);
  }

  /** Waits for a message that starts so. */
  async message(start: string): Promise<string> {
    return await eventually(start, () => this.messages.find((one) => one.startsWith(start)));
  }

  get events(): unknown[][] {
    return this.messages.filter((one) => one.startsWith("42")).map((one) => JSON.parse(one.slice(2)));
  }

  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  async close(): Promise<void> {
    this.#socket.close();
    await this.closed;
  }
}
