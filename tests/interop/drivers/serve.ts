/** The loop of a driver written in TypeScript: questions from standard input, answers to standard output.
 *
 * Left out: the questions, which are in ../driver_protocol.ts. @module */
import { Buffer } from "node:buffer";
import type { Op, Ops, Value } from "../driver_protocol.ts";
import { TextLineStream } from "../lines.ts";

/** How a driver answers; what it does not have it does not list. */
export type Handlers = { [O in Op]?: (args: Ops[O][0]) => Promise<Ops[O][1]> };

/** Answers until the input ends; then calls `end` and ends the process.
 * @param codeOf Kafka's number in an error of the library, or null */
export async function serveDriver(
  handlers: Handlers,
  codeOf: (error: unknown) => number | null,
  end: () => Promise<void>,
): Promise<never> {
  for await (const line of Deno.stdin.readable.pipeThrough(new TextLineStream())) {
    const { id, op, ...args } = JSON.parse(line) as { id: number; op: Op };
    const handler = handlers[op] as ((args: unknown) => Promise<unknown>) | undefined;
    // Not awaited: questions are answered concurrently.
    (handler ? handler(args) : Promise.reject(new Error(`This driver has no ${op}`))).then(
      (ok) => say({ id, ok }),
      (error) => {
        console.error(error);
        say({ id, error: { code: codeOf(error), message: String(error?.message ?? error) } });
      },
    );
  }
  await end();
  Deno.exit(0);
}

/** Bytes of a value to write. */
export function toBytes(value: Value): Buffer | null {
  if (value === null) return null;
  return typeof value === "string" ? Buffer.from(value) : Buffer.alloc(value.bytes, "x");
}

/** A value that was read, as it is told. */
export function toValue(bytes: Uint8Array | null | undefined): Value {
  if (bytes === null || bytes === undefined) return null;
  return bytes.length > 1000 ? { bytes: bytes.length } : Buffer.from(bytes).toString();
}

/** Text of a key or of a header's value. */
export function toText(bytes: Uint8Array | string | null | undefined): string | null {
  if (bytes === null || bytes === undefined) return null;
  return typeof bytes === "string" ? bytes : Buffer.from(bytes).toString();
}

function say(answer: unknown): void {
  let bytes = new TextEncoder().encode(`${JSON.stringify(answer)}\n`);
  while (bytes.length > 0) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
}
