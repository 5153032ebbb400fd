/** A real Apache Kafka for tests: one KRaft node, broker and controller in one process, from Maven Central's jars.
 *
 * The jars (45 MB) are fetched once into the tests' cache. A node listens on 127.0.0.1 only, on ports found free when
 * it was made, and keeps them and its data through {@linkcode ApacheKafka.stop} or {@linkcode ApacheKafka.kill} and the
 * next {@linkcode ApacheKafka.start}. TLS and SASL come by `properties`. Left out: more than one node.
 * @see {@link https://kafka.apache.org/documentation/#kraft} for the settings @module */
import { type Finished, freePort, onPath, Program, run, testCache } from "./programs.ts";

/** The release whose jars are used; its tools are a client of the tests of their own. */
export const apacheKafkaVersion = "4.3.1";

const toolClasses = {
  topics: "org.apache.kafka.tools.TopicCommand",
  "console-producer": "org.apache.kafka.tools.ConsoleProducer",
  "console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
  "configs": "kafka.admin.ConfigCommand",
  "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
  "producer-perf": "org.apache.kafka.tools.ProducerPerformance",
  "consumer-perf": "org.apache.kafka.tools.ConsumerPerformance",
  "delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
  "get-offsets": "org.apache.kafka.tools.GetOffsetShell",
  "log-dirs": "org.apache.kafka.tools.LogDirsCommand",
  "cluster": "org.apache.kafka.tools.ClusterTool",
  "broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
} as const;

/** A command line tool of the Java distribution. */
export type JavaTool = keyof typeof toolClasses;

/** Fetches the jars unless they are in the cache.
 * @returns null when they are there, else why they cannot be had */
export function installApacheKafka(): string | null {
  if (installed()) return null;
  if (onPath("mvn") === null) return "mvn is not on the PATH and Kafka's jars are not in the cache";
  const home = kafkaHome();
  Deno.mkdirSync(home, { recursive: true });
  const work = Deno.makeTempDirSync({ dir: home, prefix: "fetch-" });
  try {
    Deno.writeTextFileSync(`${work}/pom.xml`, pom());
    const { success, stdout } = new Deno.Command("mvn", {
      args: [
        "--quiet",
        "--batch-mode",
        `--file=${work}/pom.xml`,
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
        `-DoutputDirectory=${work}/lib`,
      ],
    }).outputSync();
    if (!success) {
      const first = new TextDecoder().decode(stdout).split("\n").find((line) => line.includes("ERROR")) ?? "";
      return `Maven could not fetch Kafka ${apacheKafkaVersion}: ${first}`;
    }
    try {
      Deno.renameSync(`${work}/lib`, `${home}/lib`); // one step, so a half-fetched folder is never used
    } catch (error) {
      if (!installed()) throw error; // else another run was faster
    }
    return null;
  } finally {
    Deno.removeSync(work, { recursive: true });
  }
}

/** Runs a command line tool of the Java distribution.
 * @param args as its own help tells, `--bootstrap-server` included
 * @throws {Error} when it fails or takes longer than `timeoutMs` (120 000), with what it printed */
export function javaTool(
  tool: JavaTool,
  args: readonly string[],
  options: { stdin?: string; timeoutMs?: number } = {},
): Promise<Finished> {
  return run("java", { args: javaArguments("256m", "error", toolClasses[tool], args), ...options });
}

/** Starts a command line tool of the Java distribution that goes on until it is ended.
 * @param logFile what it prints goes to the end of it */
export function startJavaTool(tool: JavaTool, args: readonly string[], logFile: string): Program {
  return Program.start("java", javaArguments("256m", "error", toolClasses[tool], args), { logFile });
}

/** A single node. Closing it ends the process and removes its data. */
export class ApacheKafka implements AsyncDisposable {
  #folder: string;
  #port: number;
  #jvm: readonly string[];
  #node: Program | null = null;

  private constructor(folder: string, port: number, jvm: readonly string[]) {
    this.#folder = folder;
    this.#port = port;
    this.#jvm = jvm;
  }

  /** Makes a node with an empty log and starts it.
   * @param properties lines that go after our own server.properties and win over them
   * @param jvm arguments that win over those of the small JVM of tests, see {@linkcode defaultJvm}
   * @throws {Error} with the end of its log when it does not start within five minutes */
  static async open(
    properties: Readonly<Record<string, string>> = {},
    jvm: readonly string[] = [],
  ): Promise<ApacheKafka> {
    const folder = await Deno.makeTempDir({ prefix: "tailrace-kafka-" });
    try {
      const [port, controllerPort] = [freePort(), freePort()];
      const settings = { ...serverProperties(folder, port, controllerPort), ...properties };
      const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
      await Deno.writeTextFile(`${folder}/server.properties`, lines.join(""));
      const clusterId = crypto.getRandomValues(new Uint8Array(16)).toBase64({ alphabet: "base64url" }).slice(
        0,
        22,
      );
      // As one argument: an id may begin with "-".
      const format = ["format", `--cluster-id=${clusterId}`, "--config", `${folder}/server.properties`];
      await run("java", { args: javaArguments("128m", "error", "kafka.tools.StorageTool", format) });
      const kafka = new ApacheKafka(folder, port, jvm);
      await kafka.start();
      return kafka;
    } catch (error) {
      await Deno.remove(folder, { recursive: true });
      throw error;
    }
  }

  /** host:port of its one listener. */
  get bootstrap(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Process id of the newest start. */
  get pid(): number {
    if (!this.#node) throw new Error("Cannot tell the process as Kafka is not running");
    return this.#node.pid;
  }

  /** Starts it on its ports with the data it had. Resolves when it serves.
   * @throws {Error} with the end of its log when it does not within five minutes */
  async start(): Promise<void> {
    if (this.#node) throw new Error("Cannot start Kafka as it is running");
    const logFile = `${this.#folder}/kafka-${Date.now()}.log`;
    const args = javaArguments("512m", "info", "kafka.Kafka", [`${this.#folder}/server.properties`]);
    args.splice(args.indexOf("-cp"), 0, ...this.#jvm);
    const node = Program.start("java", args, { logFile });
    this.#node = node;
    try {
      const started = (log: string) => log.includes("Kafka Server started") || null;
      await node.printed(started, "Kafka to start", 300_000);
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  /** Ends it as an administrator would, with SIGTERM. */
  async stop(): Promise<void> {
    await this.#node?.stop();
    this.#node = null;
  }

  /** Ends it as a power cut would, with SIGKILL. */
  async kill(): Promise<void> {
    await this.#node?.kill();
    this.#node = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

function serverProperties(folder: string, port: number, controllerPort: number): Record<string, string> {
  return {
    "node.id": "1",
    "process.roles": "broker,controller",
    "listeners": `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${port}`,
    "controller.listener.names": "CONTROLLER",
    "controller.quorum.voters": `1@127.0.0.1:${controllerPort}`,
    "log.dirs": `${folder}/log`,
    // One node cannot hold the three copies that Kafka's own topics are made with by default.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    // Groups of tests are complete at once. A node that was killed is believed dead after the usual time: less would be enough for one
    // that a busy machine keeps waiting, and its partitions would be without a leader.
    "group.initial.rebalance.delay.ms": "0",
    "broker.session.timeout.ms": "9000",
    "broker.heartbeat.interval.ms": "500",
  };
}

/** The JVM that Kafka's own start script makes, for measurements: it takes back what the small one leaves out. */
export const defaultJvm: readonly string[] = [
  "-Xmx1G",
  "-Xms1G",
  "-server",
  "-XX:TieredStopAtLevel=4",
  "-XX:-UseSerialGC",
  "-XX:+UseG1GC",
  "-XX:MaxGCPauseMillis=20",
  "-XX:InitiatingHeapOccupancyPercent=35",
  "-XX:+ExplicitGCInvokesConcurrent",
];

/** What javac has to know to compile against Kafka's jars. */
export function kafkaClassPath(): string {
  return `${kafkaHome()}/lib/*`;
}

/** Arguments of `java` for a small JVM that starts fast, has Kafka's jars and logs to stderr.
 * @param heap as for -Xmx
 * @param level of what is logged
 * @param main name of the class to run
 * @param classes a folder with classes beside Kafka's */
export function javaArguments(
  heap: string,
  level: string,
  main: string,
  args: readonly string[],
  classes?: string,
): string[] {
  return [
    `-Xmx${heap}`,
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    `-Dorg.slf4j.simpleLogger.defaultLogLevel=${level}`,
    "-cp",
    classes === undefined ? kafkaClassPath() : `${classes}:${kafkaClassPath()}`,
    main,
    ...args,
  ];
}

function kafkaHome(): string {
  return `${testCache()}/apache-kafka-${apacheKafkaVersion}`;
}

function installed(): boolean {
  try {
    return Deno.statSync(`${kafkaHome()}/lib`).isDirectory;
  } catch {
    return false;
  }
}

/** kafka-tools brings the command line, and asks for all of Kafka Connect, which nothing here runs. */
function pom(): string {
  const dependency = (group: string, artifact: string, version: string, rest = "") =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId>` +
    `<version>${version}</version>${rest}</dependency>`;
  const withoutConnect = "<exclusions><exclusion><groupId>org.apache.kafka</groupId>" +
    "<artifactId>connect-runtime</artifactId></exclusion></exclusions>";
  return `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>tailrace.tests</groupId><artifactId>apache-kafka</artifactId><version>1</version>
<dependencies>
${dependency("org.apache.kafka", "kafka_2.13", apacheKafkaVersion)}
${dependency("org.apache.kafka", "kafka-tools", apacheKafkaVersion, withoutConnect)}
${dependency("org.slf4j", "slf4j-simple", "1.7.36")}
</dependencies></project>
`;
}
