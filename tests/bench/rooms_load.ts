/** The load of rooms.ts: clients in a process of their own, told their job as JSON in the first argument. They answer when all have
 * registered, and then each line of their input by what they were told so far. @module */
import { io } from "socket.io-client";
import { tell, toldLines } from "./load_process.ts";
import { clicksOf, idsOf, type RoomsJob, type RoomsTold } from "./rooms.ts";

/** Clients that connect at the same time. */
const atOnce = 50;
const { url, transports, from, to, rooms }: RoomsJob = JSON.parse(Deno.args[0]!);
let events = 0;
const wrong: string[] = [];

/** How often a client was told of each event and id: no window twice as often as another. */
const times = new Map<string, number>();

async function connect(client: number): Promise<void> {
  const ids = new Set(idsOf(client, rooms));
  const socket = io(url, { transports: [...transports], forceNew: true });
  socket.on("disconnect", (reason) => void wrong.push(`disconnected: ${reason}`));
  socket.onAny((event: string, data: { id: string; count: number }) => {
    events++;
    const isRight = event.startsWith("live_aggregations_") && ids.has(data.id) &&
      data.count === clicksOf(data.id);
    if (!isRight) wrong.push(`${event} ${JSON.stringify(data)} to client ${client}`);
    const key = `${event} ${data.id}`;
    times.set(key, (times.get(key) ?? 0) + 1);
  });
  await socket.emitWithAck("register_room", { rooms: [...ids] });
  for (const minutes of [1, 5, 10]) await socket.emitWithAck(`consume_${minutes}_min_aggregations`, {});
}

for (let first = from; first < to; first += atOnce) {
  const batch = Array.from({ length: Math.min(atOnce, to - first) }, (_, n) => connect(first + n));
  await Promise.all(batch);
}
const told = (): RoomsTold => ({ events, wrong: [...wrong, ...twice()] });
tell(told());
for await (const _ of toldLines()) tell(told());

/** What came more often than the round that is under way can explain. */
function twice(): string[] {
  const most = Math.ceil(events / ((to - from) * rooms * 3));
  return [...times].filter(([, count]) => count > most).map(([key, count]) => `${key} came ${count} times`);
}
