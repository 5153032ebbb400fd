/** Reads the notation of notations.ts into types that codec.ts and the fuzzer walk. @module */
import { type ApiNotation, notations } from "./notations.ts";

/** Versions from..to, both included. */
export interface VersionRange {
  readonly from: number;
  readonly to: number;
}

/** What a field holds. */
export type FieldType =
  | { readonly kind: "i8" | "i16" | "i32" | "i64" | "bool" | "str" | "bytes" | "records" | "uuid" }
  | { readonly kind: "array"; readonly of: FieldType }
  | { readonly kind: "struct"; readonly fields: readonly Field[] };

/** One field of a struct. */
export interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly versions: VersionRange;
  /** Versions in which it may be null; undefined for never. */
  readonly nullable: VersionRange | undefined;
  /** Undefined: zero, empty, false. */
  readonly fallback: number | boolean | null | undefined;
  /** Its number among the tagged fields; undefined when it is no tagged field. */
  readonly tag: number | undefined;
}

/** One API, ready to be encoded and decoded. */
export interface ApiSchema extends Omit<ApiNotation, "request" | "response"> {
  readonly request: readonly Field[];
  readonly response: readonly Field[];
}

const always: VersionRange = { from: 0, to: Infinity };

/** The schema of an API.
 * @throws {Error} if the table has none */
export function schemaOf(key: number): ApiSchema {
  const schema = schemas.get(key);
  if (schema === undefined) throw new Error(`Cannot build requests of api ${key} as notations.ts has none`);
  return schema;
}

/** Whether a version lies within a range. */
export function within(range: VersionRange | undefined, version: number): boolean {
  return range !== undefined && version >= range.from && version <= range.to;
}

/** Reads the fields of one struct.
 * @throws {SyntaxError} if the notation is broken */
export function parseFields(notation: string): Field[] {
  const tokens = notation.replaceAll(/\s*,\s*/g, " , ").trim().split(/\s+/);
  const parser = new Parser(tokens);
  const fields = parser.fields();
  if (parser.next() !== undefined) throw new SyntaxError(`Cannot read notation: ${notation}`);
  return fields;
}

class Parser {
  #at = 0;
  readonly #tokens: readonly string[];

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  next(): string | undefined {
    return this.#tokens[this.#at];
  }

  /** Up to the bracket that closes the struct, or the end. */
  fields(): Field[] {
    const fields: Field[] = [];
    while (this.next() !== undefined && !/^[\])]/.test(this.next()!)) {
      fields.push(this.#field());
      if (this.next() === ",") this.#at++;
    }
    return fields;
  }

  #take(): string {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw new SyntaxError("Cannot read notation: it ends too early");
    return token;
  }

  #field(): Field {
    const [, name, versions] = matched(/^(\w+)(?:\{([^}]*)\})?$/, this.#take());
    const { type, suffix } = this.#type();
    const [, nullable, nullableFrom, fallback] = matched(/^(\?)?(?:\{([^}]*)\})?(?:=(.*))?$/, suffix);
    const tag = /^tag(\d+)$/.exec(this.next() ?? "")?.[1];
    if (tag !== undefined) this.#at++;
    return {
      name: name!,
      type,
      versions: rangeOf(versions),
      nullable: nullable === undefined ? undefined : rangeOf(nullableFrom),
      fallback: fallbackOf(fallback),
      tag: tag === undefined ? undefined : Number(tag),
    };
  }

  #type(): { type: FieldType; suffix: string } {
    const token = this.#take();
    if (token === "[" || token === "(") {
      const struct: FieldType = { kind: "struct", fields: this.fields() };
      const suffix = this.#take().slice(1);
      return { type: token === "[" ? { kind: "array", of: struct } : struct, suffix };
    }
    const [, open, kind, suffix] = matched(/^(\[)?([a-z]+\d*)\]?(.*)$/, token);
    const scalar = { kind } as FieldType;
    return { type: open === undefined ? scalar : { kind: "array", of: scalar }, suffix: suffix ?? "" };
  }
}

function matched(pattern: RegExp, token: string): (string | undefined)[] {
  const found = pattern.exec(token);
  if (found === null) throw new SyntaxError(`Cannot read notation at ${token}`);
  return [...found];
}

function rangeOf(text: string | undefined): VersionRange {
  if (text === undefined) return always;
  const [, from, to, only] = matched(/^(?:(\d+)\+|(?:\d+)?-(\d+)|(\d+))$/, text);
  if (from !== undefined) return { from: Number(from), to: Infinity };
  if (only !== undefined) return { from: Number(only), to: Number(only) };
  return { from: Number(/^\d+/.exec(text)?.[0] ?? 0), to: Number(to) };
}

function fallbackOf(text: string | undefined): number | boolean | null | undefined {
  if (text === undefined) return undefined;
  if (text === "null") return null;
  return text === "true" ? true : Number(text);
}

/** Every API of the table, by key. */
export const schemas: ReadonlyMap<number, ApiSchema> = new Map(
  notations.map((api) => [api.key, {
    ...api,
    request: parseFields(api.request),
    response: parseFields(api.response),
  }]),
);
