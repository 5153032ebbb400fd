/** What some tests need beside Deno, and what happens on a machine that has not got it.
 *
 * A test says `Deno.test({ name, ignore: requires("kcat").ignore, fn })`. Where the program is missing the test is
 * ignored and the reason printed once; with TAILRACE_REQUIRE_ALL=1 (set by .ci/run) it is an error instead, so a green
 * run there has skipped nothing. Left out: installing; .ci/run does that, and tests/apache_kafka.ts for Kafka's jars.
 * @module */
import { installApacheKafka } from "./apache_kafka.ts";
import { onPath, testCache } from "./programs.ts";

/** A program that a test may need. `apache-kafka` is Java 17 with Kafka's jars, fetched by Maven the first time; `jdk` is
 * that and a compiler. */
export type Requirement =
  | "java"
  | "maven"
  | "apache-kafka"
  | "jdk"
  | "go"
  | "chromium"
  | "kcat"
  | "curl"
  | "ffmpeg"
  | "cc"
  | PythonClient;
/** The Python libraries, as pip calls them. */
export type PythonClient =
  | "kafka-python"
  | "confluent-kafka"
  | "aiokafka"
  | "opencv-python-headless"
  | "numpy"
  | "requests"
  | "requests-sse"
  | "websockets"
  | "python-socketio"
  | "websocket-client"
  | "aiohttp";

/** Whether tests that need it are ignored, and why (null when they are not). */
export interface Availability {
  readonly ignore: boolean;
  readonly reason: string | null;
}

const javaMinimum = 17;
/** The oldest Go that fetches the one a go.mod asks for. */
const goMinimum = 21;

/** Looks for everything a test needs.
 * @returns `ignore` for Deno.test, and the reason that was printed
 * @throws {Error} when something is missing and TAILRACE_REQUIRE_ALL is 1 */
export function requires(...names: readonly Requirement[]): Availability {
  for (const name of names) {
    const reason = missing(name);
    if (reason === null) continue;
    if (Deno.env.get("TAILRACE_REQUIRE_ALL") === "1") {
      throw new Error(`Cannot run every test as TAILRACE_REQUIRE_ALL asks for: ${reason}`);
    }
    return { ignore: true, reason };
  }
  return { ignore: false, reason: null };
}

/** The first Chromium found: $CHROMIUM_PATH, then the usual names on the PATH. */
export function chromiumPath(): string | null {
  return Deno.env.get("CHROMIUM_PATH") ?? onPath("chromium", "chromium-browser", "google-chrome");
}

/** The Python that has the foreign clients: $TAILRACE_TEST_PYTHON, else the one in the tests' cache (.ci/run makes it). */
export function testPython(): string {
  return Deno.env.get("TAILRACE_TEST_PYTHON") ?? `${testCache()}/venv/bin/python`;
}

/** The Go that builds drivers: $TAILRACE_TEST_GO, the one on the PATH, else the one in the tests' cache (.ci/run makes it). */
export function testGo(): string {
  return Deno.env.get("TAILRACE_TEST_GO") ?? onPath("go") ?? `${testCache()}/go/bin/go`;
}

/** Test files run in isolates of their own but in one process, so what was found out is kept in its environment: each
 * program is looked for once, and each reason printed once, in a whole `deno test`. */
function missing(name: Requirement): string | null {
  const variable = `TAILRACE_TEST_MISSING_${name.toUpperCase().replaceAll("-", "_")}`;
  const known = Deno.env.get(variable);
  if (known !== undefined) return known || null;
  const reason = look[name]();
  Deno.env.set(variable, reason ?? "");
  if (reason !== null) console.log(`Tests that need ${name} are skipped: ${reason}`);
  return reason;
}

const look: { readonly [name in Requirement]: () => string | null } = {
  java() {
    if (onPath("java") === null) return "java is not on the PATH";
    const version = run("java", "-version")?.match(/version "(\d+)/)?.[1];
    if (version === undefined) return "`java -version` names no version";
    return Number(version) >= javaMinimum ? null : `Java ${javaMinimum} is wanted: found ${version}`;
  },
  maven: () => onPath("mvn") === null ? "mvn is not on the PATH" : null,
  "apache-kafka": () => look.java() ?? installApacheKafka(),
  jdk: () => onPath("javac") === null ? "javac is not on the PATH" : look["apache-kafka"](),
  go() {
    const version = run(testGo(), "version")?.match(/go1\.(\d+)/)?.[1];
    if (version === undefined) return "go is not on the PATH, and TAILRACE_TEST_GO is not set";
    return Number(version) >= goMinimum ? null : `Go 1.${goMinimum} is wanted: found 1.${version}`;
  },
  chromium: () => chromiumPath() === null ? "no chromium on the PATH, and CHROMIUM_PATH is not set" : null,
  cc: () => onPath("cc") === null ? "no C compiler: cc is not on the PATH" : null,
  kcat: () => onPath("kcat") === null ? "kcat is not on the PATH" : null,
  curl: () => onPath("curl") === null ? "curl is not on the PATH" : null,
  ffmpeg: () => onPath("ffmpeg") === null ? "ffmpeg is not on the PATH" : null,
  "kafka-python": () => pythonClient("kafka-python", "kafka"),
  "confluent-kafka": () => pythonClient("confluent-kafka", "confluent_kafka"),
  aiokafka: () => pythonClient("aiokafka", "aiokafka"),
  "opencv-python-headless": () => pythonClient("opencv-python-headless", "cv2"),
  numpy: () => pythonClient("numpy", "numpy"),
  requests: () => pythonClient("requests", "requests"),
  "requests-sse": () => pythonClient("requests-sse", "requests_sse"),
  websockets: () => pythonClient("websockets", "websockets"),
  "python-socketio": () => pythonClient("python-socketio", "socketio"),
  "websocket-client": () => pythonClient("websocket-client", "websocket"),
  aiohttp: () => pythonClient("aiohttp", "aiohttp"),
};

function pythonClient(name: PythonClient, module: string): string | null {
  if (run(testPython(), "-c", `import ${module}`) !== null) return null;
  return `${testPython()} has no ${name} (set TAILRACE_TEST_PYTHON to one that has)`;
}

/** What the program printed, or null when it could not be run or failed. */
function run(program: string, ...args: readonly string[]): string | null {
  try {
    const { success, stdout, stderr } = new Deno.Command(program, { args: [...args] }).outputSync();
    const decoder = new TextDecoder();
    return success ? decoder.decode(stdout) + decoder.decode(stderr) : null;
  } catch {
    return null;
  }
}
