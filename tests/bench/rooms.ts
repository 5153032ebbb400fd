/** `deno task bench:rooms`: Socket.IO to very many rooms of one client each.
 *
 *     deno task bench:rooms [--clients 1000] [--rooms 10] [--transport websocket|polling|both] [--rounds 3]
 *
 * The whole service on its embedded broker, and clients of `socket.io-client` in two processes of their own. Each client registers rooms
 * that nobody else has, and asks for all three sizes. A round clicks on every id within ten minutes of event time, then once so late
 * that all windows end together: three for each id, each of which has to come once, with its count, to the one client, and nothing
 * else. Seconds are from the click that ends the windows to the last delivery. CPU is the service's process with its broker and its
 * counting; of `nobody` the clients are not there yet, so the difference is what telling them costs. On Linux only.
 * @module */
import { parseArgs } from "node:util";
import { createProducer, type Producer } from "../../kafka/producer.ts";
import { silentLogger } from "../../logger.ts";
import { eventually } from "../eventually.ts";
import { connect } from "../kafka/test_broker.ts";
import { Service } from "../service.ts";
import { LoadProcess } from "./load_process.ts";
import { cpuSeconds, megabytes, row } from "./measure.ts";

/** What one process of clients is to do. */
export interface RoomsJob {
  readonly url: string;
  readonly transports: readonly string[];
  /** Numbers of its clients, from … to; each has `rooms` ids. */
  readonly from: number;
  readonly to: number;
  readonly rooms: number;
}

/** What it says when it is asked: events so far, and what was wrong with them. */
export interface RoomsTold {
  readonly events: number;
  readonly wrong: readonly string[];
}

const sizes = 3, processes = 2, minuteMs = 60_000;
const clicksTopic = "video_clicks_ingestion";

/** The ids of a client, and how often each is clicked on in a round. */
export function idsOf(client: number, rooms: number): string[] {
  return Array.from({ length: rooms }, (_, n) => `video-${client}-${n}`);
}
export function clicksOf(id: string): number {
  return 1 + Number(id.split("-")[2]) % 3;
}

if (import.meta.main) await main();

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      clients: { type: "string", default: "1000" },
      rooms: { type: "string", default: "10" },
      rounds: { type: "string", default: "3" },
      transport: { type: "string", default: "both" },
    },
  });
  const [clients, rooms, rounds] = [values.clients, values.rooms, values.rounds].map(Number);
  const transports = values.transport === "both" ? ["websocket", "polling"] : [values.transport];
  for (const transport of transports) await measure(transport, clients!, rooms!, rounds!);
}

async function measure(transport: string, clients: number, rooms: number, rounds: number): Promise<void> {
  await using service = await Service.open({ settings: { LOG_LEVEL: "warn", MAX_CONNECTIONS: "20000" } });
  await using kafka = connect(service.bootstrap);
  await using producer = createProducer(kafka, { log: silentLogger });
  const ids = Array.from({ length: clients }, (_, client) => idsOf(client, rooms)).flat();
  console.log(
    `\n${transport}: ${clients} clients in ${rooms} rooms each, ${ids.length * sizes} windows a round`,
  );
  const widths = [12, 10, 10, 12, 12, 10];
  console.log(row(["", "seconds", "CPU s", "events", "µs/event", "MB"], widths));
  const round = async (name: string, number: number, delivered: () => Promise<number>) => {
    const before = cpuSeconds(service.pid);
    await clickOnAll(producer, ids, number);
    const endedMs = performance.now();
    await endWindows(producer, number);
    const events = await delivered(), cpu = cpuSeconds(service.pid) - before;
    const seconds = (performance.now() - endedMs) / 1000, perEvent = events ? cpu * 1e6 / events : "";
    console.log(row([name, seconds, cpu, events, perEvent, megabytes(service.pid)], widths));
  };
  await round("first", 0, () => counted(service, ids, 0));
  await round("nobody", 1, () => counted(service, ids, 1));
  const share = clients / processes, connecting = cpuSeconds(service.pid), startedMs = performance.now();
  const loads = Array.from({ length: processes }, (_, n) => {
    const [from, to] = [Math.round(n * share), Math.round((n + 1) * share)];
    const job: RoomsJob = { url: service.url, transports: [transport], from, to, rooms };
    return new LoadProcess<RoomsTold>("rooms_load.ts", job);
  });
  await using ends = new AsyncDisposableStack();
  for (const load of loads) ends.use(load);
  await Promise.all(loads.map((load) => load.answer()));
  const seconds = (performance.now() - startedMs) / 1000, cpu = cpuSeconds(service.pid) - connecting;
  console.log(row(["connect", seconds, cpu, "", "", megabytes(service.pid)], widths));
  for (let n = 1; n <= rounds; n++) {
    await round(`round ${n}`, n + 1, async () => {
      const wanted = ids.length * sizes * n;
      await eventually("every delivery", async () => await toldBy(loads) >= wanted, 120_000);
      return ids.length * sizes;
    });
  }
  await counted(service, ids, rounds + 1);
  const events = await toldBy(loads);
  console.log(
    events === ids.length * sizes * rounds ? "each window once, with its count" : `${events} events`,
  );
}

/** @returns events of all clients
 * @throws {Error} when one of them was wrong */
async function toldBy(loads: readonly LoadProcess<RoomsTold>[]): Promise<number> {
  const told = await Promise.all(loads.map((load) => load.ask("tell")));
  const wrong = told.flatMap((one) => one.wrong);
  if (wrong.length > 0) throw new Error(`Wrong deliveries: ${wrong.slice(0, 5).join("; ")}`);
  return told.reduce((sum, one) => sum + one.events, 0);
}

/** Start of a round's ten minutes, ms. */
function startOf(round: number): number {
  return (Math.floor(Date.now() / (10 * minuteMs)) - 1_000 + round * 2) * 10 * minuteMs;
}

async function clickOnAll(producer: Producer, ids: readonly string[], round: number): Promise<void> {
  const timestamp = startOf(round);
  const records = ids.flatMap((id) => Array<string>(clicksOf(id)).fill(id));
  await producer.sendAll(
    clicksTopic,
    records.map((value) => ({ key: null, value, timestamp, partition: 0 })),
  );
}

async function endWindows(producer: Producer, round: number): Promise<void> {
  const timestamp = startOf(round) + 11 * minuteMs;
  await producer.sendAll(clicksTopic, [{ key: null, value: "the last one", timestamp, partition: 0 }]);
}

/** Waits until the windows of a round are closed as the service tells it over HTTP; nobody is told over Socket.IO. */
async function counted(service: Service, ids: readonly string[], round: number): Promise<number> {
  const id = ids.at(-1)!, start = startOf(round);
  await eventually("the windows to be closed", async () => {
    const response = await fetch(`${service.url}/aggregations/${id}?size=10m`);
    const { windows = [] } = await response.json();
    return windows.some((one: { window_start: number; final: boolean }) =>
      one.final && one.window_start === start
    );
  }, 120_000);
  return 0;
}
