/** Posted records: what a body asks to be written, checked field by field.
 *
 * A value that is JSON is written as JSON text with its numbers as they were posted, also those beyond 2^53. Left out: sending (records.ts).
 * @module */
import type { Context } from "hono";
import { z } from "zod";
import { type FieldError, StreamError } from "../errors.ts";
import type { OutRecord } from "../kafka/producer.ts";
import { fieldErrors, readJson, refuseFields } from "./json_body.ts";

/** Most records that one request may carry. */
export const maxRecordsPerRequest = 10_000;

const Base64 = z.strictObject({ base64: z.base64() }).transform(({ base64 }) =>
  Uint8Array.fromBase64(base64)
);
const wantedBytes = 'text or {"base64":…} is wanted';
const Bytes = z.union([z.string(), Base64], wantedBytes);
const Key = z.union([z.string(), Base64, z.null()], `${wantedBytes}, or null for none`);
const Headers = z.record(
  z.string(),
  z.union([z.string(), Base64, z.array(Bytes)], `${wantedBytes}, or a list of such`),
);

/** A record as it is posted. */
const RecordInput = z.strictObject({
  key: Key.optional(),
  value: z.unknown().transform((value, context) => {
    if (!isBase64(value)) return toValue(value);
    const bytes = Base64.safeParse(value);
    if (bytes.success) return bytes.data;
    context.addIssue({ code: "custom", message: "what is in base64 cannot be read" });
    return z.NEVER;
  }),
  headers: Headers.optional(),
  /** Default by the key. */
  partition: z.int().min(0).max(2 ** 31 - 1).optional(),
  /** ms since the epoch, default now; 0 would be taken for none by the client library. */
  timestamp: z.int().min(1).optional(),
});
const RecordsInput = z.strictObject({ records: z.array(z.unknown()).min(1) });

/** Whether a topic has a partition. */
export type HasPartition = (partition: number) => Promise<boolean>;

/** The records of a post: of a JSON body, else one record whose value is the body, with `key=`, `partition=` and `timestamp=`.
 * @throws {StreamError} 422 with one entry for each wrong field, 413 `too-many-records` */
export async function readPost(c: Context, hasPartition: HasPartition): Promise<OutRecord[]> {
  const [type] = (c.req.header("content-type") ?? "").toLowerCase().split(";").map((part) => part.trim());
  const records = type === "application/json"
    ? readRecords(await readJson(c, parseExactly))
    : [await readRaw(c)];
  const named = [...new Set(records.flatMap(({ partition }) => partition ?? []))];
  const missing = new Set<number>();
  for (const partition of named) if (!await hasPartition(partition)) missing.add(partition);
  const pointerOf = (n: number) => type === "application/json" ? `/records/${n}/partition` : "partition";
  refuse(
    records.flatMap(({ partition }, n) =>
      partition === undefined || !missing.has(partition)
        ? []
        : [{ pointer: pointerOf(n), detail: `the topic has no partition ${partition}` }]
    ),
  );
  return records;
}

function readRecords(body: unknown): OutRecord[] {
  const envelope = RecordsInput.safeParse(body);
  if (!envelope.success) refuse(fieldErrors(envelope.error.issues));
  const items = envelope.data!.records;
  if (items.length > maxRecordsPerRequest) {
    const detail = `Cannot take ${items.length} records at once: at most ${maxRecordsPerRequest} are taken`;
    throw new StreamError("too-many-records", 413, detail);
  }
  const errors: FieldError[] = [];
  const records = items.flatMap((item, n) => {
    const parsed = RecordInput.safeParse(item);
    if (parsed.success) return [toRecord(parsed.data)];
    errors.push(...fieldErrors(parsed.error.issues, ["records", n]));
    return [];
  });
  refuse(errors);
  return records;
}

/** Leaves out what was not given. */
function toRecord({ key, value, headers, partition, timestamp }: z.infer<typeof RecordInput>): OutRecord {
  return {
    value,
    ...(key !== undefined && { key }),
    ...(headers && { headers }),
    ...(partition !== undefined && { partition }),
    ...(timestamp !== undefined && { timestamp }),
  };
}

async function readRaw(c: Context): Promise<OutRecord> {
  const query = new URL(c.req.url).searchParams, key = query.get("key");
  const errors: FieldError[] = [];
  const number = (name: string, least: number, most: number) => {
    const text = query.get(name);
    if (text === null) return undefined;
    const found = /^\d{1,16}$/.test(text) ? Number(text) : Infinity;
    if (found < least || found > most) {
      errors.push({ pointer: name, detail: `a number from ${least} to ${most} is wanted` });
    }
    return found;
  };
  const partition = number("partition", 0, 2 ** 31 - 1),
    timestamp = number("timestamp", 1, Number.MAX_SAFE_INTEGER);
  refuse(errors);
  return {
    key,
    value: new Uint8Array(await c.req.arrayBuffer()),
    ...(partition !== undefined && { partition }),
    ...(timestamp !== undefined && { timestamp }),
  };
}

/** A posted value as it is written: text as text, null as none, other JSON as its text. */
function toValue(value: unknown): string | null {
  return value === null || typeof value === "string" ? value : JSON.stringify(value);
}

function isBase64(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { base64 } = value as { base64?: unknown };
  return typeof base64 === "string" && Object.keys(value).length === 1;
}

/** JSON whose numbers come out again as they were: those that a number here cannot hold stay text. */
function parseExactly(text: string): unknown {
  if (!/\d{16}|\d[eE.]/.test(text)) return JSON.parse(text);
  return JSON.parse(
    text,
    (_key, value, { source }: { source?: string } = {}) =>
      typeof value !== "number" || source === undefined || String(value) === source ? value : rawJson(source),
  );
}

/** JSON text that is written as it is; TypeScript does not know it yet.
 * @see {@link https://tc39.es/proposal-json-parse-with-source} */
const rawJson = (JSON as unknown as { rawJSON(text: string): object }).rawJSON;

function refuse(errors: readonly FieldError[]): void {
  refuseFields("invalid-records", "the records", errors);
}
