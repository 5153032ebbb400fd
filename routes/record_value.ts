/** What a record holds, for features whose records are JSON. Left out: records of any kind (kafka/record_view.ts).
 * @module */
import type { z } from "zod";
import type { KafkaRecord } from "../kafka/fetch_response.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The value as its schema has it.
 * @returns null for what is no JSON, or another one: any program may write to a topic */
export function readValue<T extends z.ZodType>(schema: T, { value }: KafkaRecord): z.infer<T> | null {
  if (value === null) return null;
  let json: unknown;
  try {
    json = JSON.parse(decoder.decode(value));
  } catch {
    return null;
  }
  return schema.safeParse(json).data ?? null;
}
