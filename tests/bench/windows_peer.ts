/** Kafka Streams beside which counting is measured: its jars from Maven Central, and windows_peer/WindowsPeer.java compiled, both kept in
 * the tests' cache. Left out: what it counts, and when it is done (windows.ts). @module */
import { apacheKafkaVersion } from "../apache_kafka.ts";
import { Program, run, testCache } from "../programs.ts";

/** How it runs. */
export interface PeerOptions {
  readonly bootstrap: string;
  readonly clicksTopic: string;
  /** By size in ms. */
  readonly topics: ReadonlyMap<number, string>;
  readonly graceMs: number;
  readonly guarantee: "at_least_once" | "exactly_once_v2";
  readonly logFile: string;
}

const source = new URL("windows_peer/WindowsPeer.java", import.meta.url).pathname;
/** What was best for it of what we tried: one thread, its own default of the cache, the collector that takes least CPU and memory. */
const cacheBytes = 10 * 2 ** 20, threads = 1, heap = "512m", collector = "-XX:+UseSerialGC";
const installMs = 300_000;

/** Fetches and compiles what is not in the cache.
 * @returns the class path */
export async function installPeer(): Promise<string> {
  const home = `${testCache()}/kafka-streams-${apacheKafkaVersion}`, lib = `${home}/lib`;
  await Deno.mkdir(home, { recursive: true });
  if (!await Deno.stat(lib).then(() => true, () => false)) {
    const work = await Deno.makeTempDir({ dir: home, prefix: "fetch-" });
    await Deno.writeTextFile(`${work}/pom.xml`, pom());
    const args = ["--quiet", "--batch-mode", `--file=${work}/pom.xml`, "dependency:copy-dependencies"];
    await run("mvn", { args: [...args, `-DoutputDirectory=${work}/lib`], timeoutMs: installMs });
    await Deno.rename(`${work}/lib`, lib);
    await Deno.remove(work, { recursive: true });
  }
  const classes = `${home}/classes`;
  await run("javac", {
    args: ["-Xlint:all,-classfile,-processing", "-cp", `${lib}/*`, "-d", classes, source],
  });
  return `${classes}:${lib}/*`;
}

/** Starts it; it runs until it is ended. */
export function startPeer(classPath: string, options: PeerOptions): Program {
  const { bootstrap, clicksTopic, topics, graceMs, guarantee, logFile } = options;
  const id = `peer-${crypto.randomUUID()}`;
  const of = [...topics].flatMap(([ms, topic]) => [ms, topic]);
  const args = [bootstrap, id, clicksTopic, graceMs, guarantee, cacheBytes, threads, ...of].map(String);
  const level = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn";
  const jvm = [`-Xmx${heap}`, collector, level, "-cp", classPath];
  return Program.start("java", [...jvm, "WindowsPeer", ...args], { logFile });
}

function pom(): string {
  const dependency = (group: string, artifact: string, version: string) =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`;
  return `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>tailrace.tests</groupId><artifactId>kafka-streams</artifactId><version>1</version>
<dependencies>
${dependency("org.apache.kafka", "kafka-streams", apacheKafkaVersion)}
${dependency("org.slf4j", "slf4j-simple", "1.7.36")}
</dependencies></project>
`;
}
