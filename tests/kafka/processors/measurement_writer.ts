/** A process that stores measurements until a number of them is there: one of several writers of a file, to be killed.
 *
 *     deno run -A measurement_writer.ts FILE END SEED
 *
 * Prints a line when it is done. */
import { MeasurementStore, StoreBusy } from "../../../kafka/processors/measurement_store.ts";
import { pause } from "../../../kafka/pause.ts";
import { Random } from "../../random.ts";
import { commitTo, rowsAt } from "./measurement_ground.ts";

const [path = "", last = "0", seed = "1"] = Deno.args;
const end = Number(last), random = new Random(null, Number(seed));

/** Waits as long as the file is busy. */
async function patiently<T>(work: () => T): Promise<T> {
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof StoreBusy)) throw error;
      await pause(random.between(1, 5));
    }
  }
}

const store = await patiently(() => MeasurementStore.open(path));
const books = store.books("humidity");
let place = (await patiently(() => books.load()))?.covered.positions[0] ?? 0;
while (place < end) {
  const next = Math.min(end, place + random.between(1, 20));
  const outcome = await patiently(() => commitTo(books, next, rowsAt(place, next)));
  if (outcome === "committed") place = next;
  else place = (await patiently(() => books.load()))?.covered.positions[0] ?? 0;
  await pause(random.between(0, 1));
}
store.close();
console.log("done");
