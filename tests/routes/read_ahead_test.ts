import { assertEquals, assertRejects } from "@std/assert";
import { ReadAhead } from "../../routes/read_ahead.ts";
import { eventually, pause } from "../eventually.ts";

/** A body of pieces of 100 bytes, as many as there are, and then its end or an error; counts what was asked of it. */
function bodyOf(pieces: number, error?: Error) {
  const asked = { pieces: 0, cancelled: false };
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (asked.pieces < pieces) controller.enqueue(new Uint8Array(100).fill(asked.pieces++));
      else if (error) controller.error(error);
      else controller.close();
    },
    cancel: () => void (asked.cancelled = true),
  }, { highWaterMark: 0 });
  return { body, asked };
}

Deno.test("ReadAhead reads as many bytes as it may hold before anybody asks, and no more until somebody does", async () => {
  const { body, asked } = bodyOf(100), ahead = new ReadAhead(body, 1_000);
  await eventually("ten pieces", () => asked.pieces === 10);
  await pause(20);
  assertEquals(asked.pieces, 10);
  assertEquals((await ahead.next())?.[0], 0);
  await eventually("one more", () => asked.pieces === 11);
  await ahead.cancel();
  assertEquals(asked.cancelled, true);
  assertEquals(await ahead.next(), undefined);
});

Deno.test("ReadAhead gives every piece in order, then the end", async () => {
  const ahead = new ReadAhead(bodyOf(50).body, 300), found: number[] = [];
  for (let piece; (piece = await ahead.next());) found.push(piece[0]!);
  assertEquals(found, Array.from({ length: 50 }, (_, n) => n));
  await ahead.cancel();
});

Deno.test("ReadAhead gives what came before a body broke off, then its error", async () => {
  const ahead = new ReadAhead(bodyOf(5, new Error("cut")).body, 1_000);
  await pause(20);
  for (let n = 0; n < 5; n++) assertEquals((await ahead.next())?.[0], n);
  await assertRejects(() => ahead.next(), Error, "cut");
  await ahead.cancel();
});
