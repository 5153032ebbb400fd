/** Who is in which room, and what clients missed that were cut off: Socket.IO's connection state recovery, for those who ask for it.
 *
 * The package numbers each event in an argument more, which every client is handed; one that takes exactly what it expects breaks by it
 * (python-socketio calls `handler(data, number)`). So only clients that connect with `auth: { recover: true }` get numbers, and only
 * what such a client is in the room for is kept. An event is encoded once for those with numbers and once for the others. Both what is
 * kept and who is waited for are bounded; who comes back too late, or to another instance, begins afresh and is not `recovered`.
 * Left out: events to several rooms, to all of them or with an acknowledgement, `except`, bytes (nothing here sends such); and a timer:
 * what is too old is seen when it is asked for.
 * @see {@link https://socket.io/docs/v4/connection-state-recovery}
 * @module */
import { Adapter, type Session } from "socket.io-adapter";
import type { Namespace, Socket } from "socket.io";
import { messageOf, SocketTransport } from "./socketio_socket.ts";

/** How long a client may be away, ms; how many of them are waited for, with how many rooms together; how many events are kept. */
export const recoverWithinMs = 120_000;
const maxSessions = 10_000, maxSessionRooms = 200_000, maxEvents = 20_000;

/** What this service keeps with a client. */
export interface ClientData {
  /** Ids that were registered, and names of the sizes that were asked for. */
  readonly ids: Set<string>;
  readonly sizes: Set<string>;
  /** It takes numbers. */
  recovers: boolean;
  /** Number of the newest event that was sent to it. */
  told: number;
}

/** A client that was cut off. */
interface Away {
  readonly session: Omit<Session, "missedPackets">;
  readonly sinceMs: number;
  /** Number that the next event after it went away had. */
  readonly next: number;
}

/** An event that somebody may have missed. */
interface Kept {
  readonly room: string;
  readonly data: readonly unknown[];
}

/** An event as the package hands it to an adapter. */
interface EventPacket {
  nsp?: string;
  readonly data: readonly unknown[];
}
type Broadcast = Parameters<Adapter["broadcast"]>[1];
/** What the types of the package keep to themselves: the way of a packet that is encoded already. */
interface PacketWriter {
  writeToEngine(packets: readonly unknown[], options: object): void;
}

/** Rooms of this instance. */
export class RecoveringAdapter extends Adapter {
  /** By their secret, who went away first is first. */
  readonly #away = new Map<string, Away>();
  /** How many of those are in a room. */
  readonly #awaited = new Map<string, number>();
  #awayRooms = 0;
  /** Events `#next - #kept.length` … `#next - 1`. */
  #kept: Kept[] = [];
  #next = 1;

  /** Whether anybody is told what goes to a room, now or when it comes back. */
  isWanted(room: string): boolean {
    return this.rooms.has(room) || this.#awaited.has(room);
  }

  override broadcast(packet: EventPacket, options: Broadcast): void {
    const { name, sockets } = this.nsp as Namespace, [room] = options.rooms as Set<string>;
    packet.nsp = name;
    const numbered: Socket[] = [], plain: Socket[] = [];
    for (const id of this.rooms.get(room!) ?? []) {
      const socket = sockets.get(id as never);
      if (socket) (dataOf(socket).recovers === true ? numbered : plain).push(socket);
    }
    if (plain.length > 0) this.#write(plain, packet);
    if (numbered.length === 0 && !this.#awaited.has(room!)) return;
    const number = this.#keep(room!, packet.data);
    for (const socket of numbered) dataOf(socket).told = number;
    if (numbered.length > 0) this.#write(numbered, { ...packet, data: [...packet.data, String(number)] });
  }

  override persistSession(session: Away["session"]): void {
    if (!(session.data as ClientData).recovers || session.rooms.length > maxSessionRooms) return;
    this.#forget(session.pid);
    this.#away.set(session.pid, { session, sinceMs: performance.now(), next: this.#next });
    this.#awayRooms += session.rooms.length;
    for (const room of session.rooms) this.#awaited.set(room, (this.#awaited.get(room) ?? 0) + 1);
    for (const [pid, { sinceMs }] of this.#away) {
      const isOver = performance.now() - sinceMs > recoverWithinMs;
      if (!isOver && this.#away.size <= maxSessions && this.#awayRooms <= maxSessionRooms) break;
      this.#forget(pid);
    }
  }

  override restoreSession(pid: string, offset: string): Promise<Session> {
    const seen = /^\d{1,15}$/.test(offset) ? Number(offset) : NaN;
    return Promise.resolve(this.#restore(pid, seen) as Session);
  }

  /** @param seen number of the newest event that the client has, NaN for what is none
   * @returns null when it cannot be told what it missed */
  #restore(pid: string, seen: number): Session | null {
    const away = this.#away.get(pid);
    this.#forget(pid); // nobody comes back twice
    if (!away || performance.now() - away.sinceMs > recoverWithinMs) return null;
    const { session, next } = away, data = session.data as ClientData;
    const from = seen === data.told ? next : seen + 1, first = this.#next - this.#kept.length;
    if (!(seen <= data.told) || from < first) return null;
    const rooms = new Set(session.rooms), missedPackets: unknown[][] = [];
    for (let number = from; number < this.#next; number++) {
      const kept = this.#kept[number - first]!;
      if (!rooms.has(kept.room)) continue;
      missedPackets.push([...kept.data, String(number)]);
      data.told = number;
    }
    return { ...session, missedPackets };
  }

  #forget(pid: string): void {
    const rooms = this.#away.get(pid)?.session.rooms ?? [];
    this.#away.delete(pid);
    this.#awayRooms -= rooms.length;
    for (const room of rooms) {
      const left = this.#awaited.get(room)! - 1;
      if (left > 0) this.#awaited.set(room, left);
      else this.#awaited.delete(room);
    }
  }

  /** @returns its number */
  #keep(room: string, data: readonly unknown[]): number {
    this.#kept.push({ room, data });
    // Half at a time, as taking one off the front moves all the others.
    if (this.#kept.length > maxEvents) this.#kept = this.#kept.slice(-maxEvents / 2);
    return this.#next++;
  }

  #write(clients: readonly Socket[], packet: EventPacket): void {
    const { encoder } = (this.nsp as Namespace).server;
    const encoded = encoder.encode(packet as never), options = { preEncoded: true, compress: false };
    const message = messageOf(encoded[0] as string);
    for (const { client } of clients) {
      const { readyState, transport } = client.conn;
      const isSent = readyState === "open" && transport instanceof SocketTransport &&
        transport.sendNow(message);
      if (!isSent) (client as unknown as PacketWriter).writeToEngine(encoded, options);
    }
  }
}

/** What is kept with a client; its socket has none of it yet when it has just come about. */
export function dataOf({ data }: Socket): ClientData {
  return data as ClientData;
}
