/** The broker that the foreign clients of this folder are tried on: ours, as `tailrace broker` runs it.
 *
 * With TAILRACE_TEST_BOOTSTRAP=host:port they are tried on that one instead: a test that fails on a real Kafka too is
 * wrong itself.
 * @module */
import { Service } from "../service.ts";
export { newTopic } from "../new_topic.ts";

/** Starts the embedded broker with an empty log before the first test of a file, and ends it after the last.
 * @param ignore whether all tests of the file are ignored: then nothing is started
 * @returns a broker that may be used inside the tests */
export function brokerForTests(ignore: boolean): { readonly bootstrap: string } {
  let bootstrap = Deno.env.get("TAILRACE_TEST_BOOTSTRAP") ?? "";
  let service: Service | null = null;
  if (!ignore && bootstrap === "") {
    Deno.test.beforeAll(async () => {
      service = await Service.open({ command: "broker" });
      bootstrap = service.bootstrap;
    });
    Deno.test.afterAll(async () => {
      await service?.[Symbol.asyncDispose]();
    });
  }
  return {
    get bootstrap() {
      return bootstrap;
    },
  };
}

/** `count` lines `key-<n mod keys>:<n>`, as kcat and the console tools take and print them with `:` between. */
export function keyedLines(count: number, keys = 7): string[] {
  return Array.from({ length: count }, (_, n) => `key-${n % keys}:${n}`);
}

/** Lines of a program's output, without the empty one at its end. */
export function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

/** Fails unless the records of each key lie in the order of their numbers; `found` are lines `key:number`.
 * @throws {Error} naming the first pair out of order */
export function checkOrderByKey(found: readonly string[]): void {
  const newest = new Map<string, number>();
  for (const line of found) {
    const [key, number] = [line.slice(0, line.indexOf(":")), Number(line.slice(line.indexOf(":") + 1))];
    const before = newest.get(key) ?? -1;
    if (number <= before) throw new Error(`Record ${number} of ${key} came after its record ${before}`);
    newest.set(key, number);
  }
}

/** Compares sets of lines: sorted copies, for `assertEquals`. */
export function sorted(items: readonly string[]): string[] {
  return items.toSorted();
}
