/** The clients that have to be compiled: the drivers of franz-go and the Java client, and go-sse.
 *
 * What was built is kept in the tests' cache under a name that holds a digest of the sources (and of what they are built
 * with), so a change builds anew and nothing else does. Left out: removing what old sources gave. @module */
import { apacheKafkaVersion, javaArguments, kafkaClassPath } from "../apache_kafka.ts";
import { run, testCache } from "../programs.ts";
import { testGo } from "../requirements.ts";
import type { DriverCommand } from "./driver.ts";

const folder = new URL("./drivers/", import.meta.url).pathname;

/** Compiling for the first time fetches modules and builds them on two busy cores. */
const buildMs = 300_000;

/** franz-go's driver, built by Go when it is not in the cache. */
export async function franzDriver(): Promise<DriverCommand> {
  return { program: await builtByGo("franz", `${folder}franz`), args: [] };
}

/** Path of go-sse's client of streams, built by Go when it is not in the cache. */
export function goStreamClient(): Promise<string> {
  return builtByGo("gosse", new URL("./stream_clients/gosse", import.meta.url).pathname);
}

/** The Java client's driver, compiled by javac when it is not in the cache. */
export async function javaDriver(): Promise<DriverCommand> {
  const sources = `${folder}java`;
  const classes = await built("java", sources, apacheKafkaVersion, async (made) => {
    const files = sourceFiles(sources).map((name) => `${sources}/${name}`);
    await run("javac", {
      args: ["-Xlint:all,-classfile,-processing", "-Werror", "-cp", kafkaClassPath(), "-d", made, ...files],
      timeoutMs: buildMs,
    });
  });
  return { program: "java", args: javaArguments("256m", "warn", "Driver", [], classes) };
}

function builtByGo(name: string, sources: string): Promise<string> {
  return built(name, sources, "go", async (made) => {
    await run(testGo(), {
      args: ["build", "-C", sources, "-trimpath", "-o", made, "."],
      env: { GOTOOLCHAIN: "auto", GOFLAGS: "-buildvcs=false" },
      timeoutMs: buildMs,
    });
  });
}

/** Path of what `build` makes of the files in a folder; it is given another one, which then takes the name in one step,
 * so that what was broken off is never used. */
async function built(
  name: string,
  sources: string,
  tools: string,
  build: (made: string) => Promise<void>,
): Promise<string> {
  const parts = sourceFiles(sources).map((file) => `${file}\n${Deno.readTextFileSync(`${sources}/${file}`)}`);
  const text = new TextEncoder().encode([tools, ...parts].join("\n"));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text)).toHex().slice(0, 16);
  const drivers = `${testCache()}/drivers`;
  const path = `${drivers}/${name}-${digest}`;
  if (exists(path)) return path;
  await Deno.mkdir(drivers, { recursive: true });
  const made = `${drivers}/.${name}-${crypto.randomUUID()}`;
  try {
    await build(made);
    await Deno.rename(made, path);
  } catch (error) {
    if (!exists(path)) throw error; // else another run was faster
  } finally {
    await Deno.remove(made, { recursive: true }).catch(() => {}); // it has its name, or was never made
  }
  return path;
}

function sourceFiles(path: string): string[] {
  return [...Deno.readDirSync(path)].filter((entry) => entry.isFile).map((entry) => entry.name).sort();
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
