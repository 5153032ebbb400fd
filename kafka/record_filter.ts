/** `where=`: which records are shown, by what their JSON values hold.
 *
 * `path=text`, `path!=text`, `path<number`, `path<=number`, `path>number`, `path>=number`, `path~part`; the path is dotted
 * (`vehicle.speed>50`, `stops.0.name=Hafen`), an empty one is the whole value (`~error`). Left out: alternatives (`or`); names with dots in them;
 * exact comparison of integers beyond 2^53, which JSON's numbers lack here.
 * @module */
import { StreamError } from "../errors.ts";
import type { Picker } from "./feed.ts";
import type { RecordView } from "./record_view.ts";

/** Conditions that one request may have. */
const maxConditions = 32;

type Test = (found: unknown) => boolean;

/** Reads conditions, all of which have to hold.
 * @returns undefined when there is none
 * @throws {StreamError} 400 `invalid-where` */
export function readWhere(conditions: readonly string[]): Picker<RecordView> | undefined {
  if (conditions.length === 0) return undefined;
  if (conditions.length > maxConditions) {
    throw invalid(`Cannot use ${conditions.length} where=: at most ${maxConditions} are read`);
  }
  const tests = conditions.map(readCondition);
  return (view) => tests.every((holds) => holds(view.value));
}

function readCondition(condition: string): Test {
  const found = /^([^=!<>~]*)(!=|<=|>=|=|<|>|~)(.*)$/s.exec(condition);
  if (!found) {
    throw invalid(
      `Cannot use where=${
        condition.slice(0, 80)
      }: path=text, path!=text, path<number, path>number or path~part is wanted`,
    );
  }
  const [, path, operator, wanted] = found as unknown as [string, string, string, string];
  const steps = path === "" ? [] : path.split(".");
  const holds = readTest(operator, wanted, condition);
  return (value) => holds(steps.reduce(member, value));
}

function readTest(operator: string, wanted: string, condition: string): Test {
  if (operator === "=") return (found) => equals(found, wanted);
  if (operator === "!=") return (found) => !equals(found, wanted);
  if (operator === "~") return (found) => textOf(found)?.includes(wanted) ?? false;
  const bound = wanted.trim() === "" ? NaN : Number(wanted);
  if (Number.isNaN(bound)) {
    throw invalid(`Cannot use where=${condition.slice(0, 80)}: a number is wanted after ${operator}`);
  }
  const compare = { "<": less, "<=": atMost, ">": more, ">=": atLeast }[operator]!;
  return (found) => typeof found === "number" && compare(found, bound);
}

const less = (a: number, b: number) => a < b, atMost = (a: number, b: number) => a <= b;
const more = (a: number, b: number) => a > b, atLeast = (a: number, b: number) => a >= b;

/** A member of an object or an array, undefined where there is none. */
function member(value: unknown, step: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
  return (value as Record<string, unknown>)[step];
}

/** Whether a string, number, boolean or null is what the text says; numbers are compared as such. */
function equals(found: unknown, wanted: string): boolean {
  if (typeof found === "number") return wanted.trim() !== "" && Number(wanted) === found;
  return textOf(found) === wanted;
}

/** Undefined for objects and arrays, and where there is nothing. */
function textOf(found: unknown): string | undefined {
  return found === undefined || typeof found === "object" && found !== null ? undefined : String(found);
}

function invalid(detail: string): StreamError {
  return new StreamError("invalid-where", 400, detail);
}
