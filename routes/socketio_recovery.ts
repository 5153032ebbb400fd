/** Who is in which room, and what clients missed that were cut off: Socket.IO's connection state recovery.
 *
 * The package numbers each event in an argument more, which every client is handed; one that takes exactly what it expects breaks by it.
 * So only clients that are known to stand it get numbers (socketio_javascript.ts), and only what such a client is in the room for is
 * kept. An event is encoded once for those with numbers and once for the others. Both what is kept and who is waited for are bounded;
 * who comes back too late, or to another instance, begins afresh and is not `recovered`. Beyond the package: who was sent nothing yet
 * comes back, too, and who is back before its old connection is known to be broken takes its place.
 * Left out: events to several rooms, to all of them or with an acknowledgement, `except`, bytes (nothing here sends such); and a timer:
 * what is too old is let go of at the next event.
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
  readonly recovers: boolean;
  /** Number that the next event had when it came. */
  readonly since: number;
  /** Numbers of the first and the newest event that were sent to it, 0 for none. */
  first: number;
  told: number;
  /** Rooms that it joined after the first one, and the number that the next event had then. */
  readonly joined: Map<string, number>;
}

/** A client that was cut off. */
interface Away {
  readonly session: Omit<Session, "missedPackets">;
  readonly sinceMs: number;
  /** Number that the next event after it went away had. */
  readonly next: number;
  /** It is on its way back, and has what came before this number. */
  returning?: number;
}

/** An event that somebody may have missed. */
interface Kept {
  readonly room: string;
  readonly data: readonly unknown[];
}

/** The same with its number. */
interface Missed {
  readonly number: number;
  readonly data: unknown[];
}

/** An event as the package hands it to an adapter. */
interface EventPacket {
  type?: number;
  nsp?: string;
  readonly data: readonly unknown[];
}
/** Of a packet that is an event. */
const eventType = 2;
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
  /** Clients with numbers that are here, by their secret. */
  readonly #here = new Map<string, Socket>();
  /** Events `#next - #kept.length` … `#next - 1`. */
  #kept: Kept[] = [];
  /** Their numbers by room, of those before `#indexed`: who comes back asks for it, and very many may come back at once. */
  readonly #numbersOf = new Map<string, number[]>();
  #indexed = 0;
  /** Begins anywhere: what a client was told by another instance, or by this one before a restart, is no number of this one. */
  #next = 1 + crypto.getRandomValues(new Uint32Array(1))[0]!;

  /** Whether anybody is told what goes to a room, now or when it comes back. */
  isWanted(room: string): boolean {
    return this.rooms.has(room) || this.#awaited.has(room);
  }

  override addAll(id: string, rooms: Set<string>): void {
    const socket = (this.nsp as Namespace).sockets.get(id as never), data = socket && dataOf(socket);
    if (data?.recovers && data.first > 0) {
      for (const room of rooms) if (!socket!.rooms.has(room)) data.joined.set(room, this.#next);
    }
    super.addAll(id, rooms);
  }

  override broadcast(packet: EventPacket, options: Broadcast): void {
    const { name, sockets } = this.nsp as Namespace, [room] = options.rooms as Set<string>;
    packet.nsp = name;
    this.#forgetOld();
    const numbered: Socket[] = [], plain: Socket[] = [];
    for (const id of this.rooms.get(room!) ?? []) {
      const socket = sockets.get(id as never);
      if (socket) (dataOf(socket).recovers === true ? numbered : plain).push(socket);
    }
    if (plain.length > 0) this.#write(plain, packet);
    if (numbered.length === 0 && !this.#awaited.has(room!)) return;
    const number = this.#keep(room!, packet.data);
    for (const socket of numbered) setTold(dataOf(socket), number);
    if (numbered.length > 0) this.#write(numbered, { ...packet, data: [...packet.data, String(number)] });
  }

  /** Takes in a client that has come about, or come back.
   * @param recovers whether it takes numbers; asked of who is new */
  welcome(socket: Socket, recovers: () => boolean): void {
    const pid = pidOf(socket), here = this.#here;
    if (socket.recovered) this.#tellMeanwhile(socket, pid);
    else {
      const calls = { ids: new Set(), sizes: new Set(), joined: new Map() };
      socket.data = { ...calls, recovers: recovers(), since: this.#next, first: 0, told: 0 };
    }
    if (!dataOf(socket).recovers) return;
    here.set(pid, socket);
    socket.once("disconnect", () => here.get(pid) === socket && here.delete(pid));
  }

  override persistSession(session: Away["session"]): void {
    if (!(session.data as ClientData).recovers || session.rooms.length > maxSessionRooms) return;
    this.#forget(session.pid);
    this.#away.set(session.pid, { session, sinceMs: performance.now(), next: this.#next });
    this.#awayRooms += session.rooms.length;
    for (const room of session.rooms) this.#awaited.set(room, (this.#awaited.get(room) ?? 0) + 1);
    this.#forgetOld();
    for (const pid of this.#away.keys()) {
      if (this.#away.size <= maxSessions && this.#awayRooms <= maxSessionRooms) break;
      this.#forget(pid);
    }
  }

  /** @param offset number of the newest event that the client has; empty: none */
  override restoreSession(pid: string, offset: string): Promise<Session> {
    // A client knows of a broken connection long before it answers no ping.
    this.#here.get(pid)?.conn.close(true);
    this.#forgetOld();
    return Promise.resolve(this.#restore(pid, offset) as Session);
  }

  /** @returns null when it cannot be told what it missed */
  #restore(pid: string, offset: string): Session | null {
    const away = this.#away.get(pid);
    if (!away || away.returning !== undefined) return null;
    const { session } = away, data = session.data as ClientData, from = firstMissed(away, offset);
    if (!(from >= this.#first)) {
      this.#forget(pid);
      return null;
    }
    away.returning = this.#next;
    const missed = this.#missed(session.rooms, from, data);
    if (missed.length > 0) setTold(data, missed.at(-1)!.number, missed[0]!.number);
    return { ...session, missedPackets: missed.map((one) => one.data) };
  }

  /** What ended between a client's return and its welcome, which are some turns of the loop apart. Nobody comes back twice. */
  #tellMeanwhile(socket: Socket, pid: string): void {
    const from = this.#away.get(pid)?.returning ?? this.#next;
    this.#forget(pid);
    for (const { number, data } of this.#missed([...socket.rooms], from, dataOf(socket))) {
      setTold(dataOf(socket), number);
      this.#write([socket], { type: eventType, nsp: this.nsp.name, data });
    }
  }

  /** @returns events of some rooms from a number on, in their order, as those with numbers are sent them */
  #missed(rooms: readonly string[], from: number, { joined }: ClientData): Missed[] {
    const first = this.#first;
    for (this.#indexed = Math.max(this.#indexed, first); this.#indexed < this.#next; this.#indexed++) {
      const { room } = this.#kept[this.#indexed - first]!, numbers = this.#numbersOf.get(room);
      if (numbers) numbers.push(this.#indexed);
      else this.#numbersOf.set(room, [this.#indexed]);
    }
    const numbers = rooms.flatMap((room) => {
      const start = Math.max(from, joined.get(room) ?? 0);
      return this.#numbersOf.get(room)?.filter((one) => one >= start) ?? [];
    });
    return numbers.sort((a, b) => a - b).map((number) => ({
      number,
      data: [...this.#kept[number - first]!.data, String(number)],
    }));
  }

  /** Number of the oldest event that is kept. */
  get #first(): number {
    return this.#next - this.#kept.length;
  }

  #forgetOld(): void {
    const nowMs = performance.now();
    for (const [pid, { sinceMs }] of this.#away) {
      if (nowMs - sinceMs <= recoverWithinMs) break;
      this.#forget(pid);
    }
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
    if (this.#kept.length > maxEvents) {
      this.#kept = this.#kept.slice(-maxEvents / 2);
      this.#numbersOf.clear();
      this.#indexed = 0;
    }
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

/** The secret by which a client comes back; the package's types keep it to themselves. */
function pidOf(socket: Socket): string {
  return (socket as unknown as { readonly pid: string }).pid;
}

function setTold(data: ClientData, newest: number, oldest = newest): void {
  data.first ||= oldest;
  data.told = newest;
}

/** @returns the number from which a client missed what is in its rooms, NaN for a claim that is none */
function firstMissed({ session, next }: Away, offset: string): number {
  const { since, first, told } = session.data as ClientData;
  if (!/^\d{0,15}$/.test(offset)) return NaN;
  const seen = Number(offset || NaN);
  if (seen === told) return next;
  // A client keeps the offset of a session before, until it is told something in this one.
  return seen >= since && seen < told ? seen + 1 : first || next;
}
