/** The assertions of `@std/assert` that these tests use, over `node:assert/strict`.
 *
 * Stands in for `jsr:@std/assert@^1` where JSR cannot be reached: same names, same argument order, so that changing
 * the one line `"@std/assert"` in deno.json is enough to swap it. Left out: whatever no test here uses.
 * @module */
import strict from "node:assert/strict";

// Below `msg as string`: no message is undefined, which the types of some Nodes leave out.

/** Fails unless `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  strict.ok(expr, (msg || undefined) as string);
}

/** Fails unless both are deeply equal, with types. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  strict.deepStrictEqual(actual, expected, msg as string);
}

/** Fails if both are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  strict.notDeepStrictEqual(actual, expected, msg as string);
}

/** Fails unless both are the same value by `Object.is`. */
export function assertStrictEquals<T>(actual: unknown, expected: T, msg?: string): asserts actual is T {
  strict.strictEqual(actual, expected, msg as string);
}

/** Fails if `actual` is null or undefined. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  strict.ok(actual !== undefined && actual !== null, msg ?? `Expected a value: found ${actual}`);
}

/** Fails unless `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  strict.ok(
    actual.includes(expected),
    msg ?? `Expected ${JSON.stringify(actual)} to include ${JSON.stringify(expected)}`,
  );
}

/** Fails unless `expected` matches `actual`. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  strict.match(actual, expected, msg as string);
}

/** Fails unless every item of `expected` is deeply in `actual`. */
export function assertArrayIncludes<T>(actual: ArrayLike<T>, expected: ArrayLike<T>, msg?: string): void {
  for (const wanted of Array.from(expected)) {
    const found = Array.from(actual).some((item) => {
      try {
        strict.deepStrictEqual(item, wanted);
        return true;
      } catch {
        return false;
      }
    });
    strict.ok(found, msg ?? `Expected the array to include ${JSON.stringify(wanted)}`);
  }
}

/** Fails unless `actual` is greater than `expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  strict.ok(actual > expected, msg ?? `Expected ${actual} > ${expected}`);
}

/** Fails unless `actual` is at least `expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  strict.ok(actual >= expected, msg ?? `Expected ${actual} >= ${expected}`);
}

/** Fails unless `actual` is less than `expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  strict.ok(actual < expected, msg ?? `Expected ${actual} < ${expected}`);
}

/** Fails unless `actual` is at most `expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  strict.ok(actual <= expected, msg ?? `Expected ${actual} <= ${expected}`);
}

/** Fails unless `actual` is within `tolerance` (1e-7 by default) of `expected`. */
export function assertAlmostEquals(actual: number, expected: number, tolerance = 1e-7, msg?: string): void {
  strict.ok(
    Math.abs(actual - expected) <= tolerance,
    msg ?? `Expected ${actual} ≈ ${expected} ± ${tolerance}`,
  );
}

// deno-lint-ignore no-explicit-any
type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;

function checkError<E extends Error>(
  error: unknown,
  wanted?: ErrorClass<E>,
  includes?: string,
  msg?: string,
): E {
  if (wanted) strict.ok(error instanceof wanted, msg ?? `Expected ${wanted.name}: found ${error}`);
  if (includes !== undefined) assertStringIncludes((error as Error).message, includes, msg);
  return error as E;
}

/** Fails unless `fn` throws a `wanted` whose message includes `includes`; returns the error. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  wanted?: ErrorClass<E>,
  includes?: string,
  msg?: string,
): E {
  let thrown: unknown;
  try {
    fn();
  } catch (error) {
    thrown = error;
    return checkError(thrown, wanted, includes, msg);
  }
  throw new strict.AssertionError({ message: msg ?? "Expected the function to throw" });
}

/** Fails unless `fn` rejects with a `wanted` whose message includes `includes`; resolves to the error. */
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  wanted?: ErrorClass<E>,
  includes?: string,
  msg?: string,
): Promise<E> {
  try {
    await fn();
  } catch (error) {
    return checkError(error, wanted, includes, msg);
  }
  throw new strict.AssertionError({ message: msg ?? "Expected the function to reject" });
}

/** Fails with `msg`. */
export function fail(msg = "Failed"): never {
  strict.fail(msg);
}
