/** The command line: subcommands, their flags and their exit codes.
 *
 * Flags of settings come from the table in settings.ts (subcommand.ts). 0: done, or ended by a signal; 1: failed; 2: the
 * command line or a setting makes no sense. An error is one line on stderr. Left out: what the subcommands
 * do, which is in their own files.
 * @module */
import { Command, CommanderError } from "commander";
import { ConfigError } from "../config.ts";
import about from "../deno.json" with { type: "json" };
import { broker } from "./broker.ts";
import { addLooks } from "./cli_looks.ts";
import { addPublish } from "./cli_publish.ts";
import { demo } from "./demo.ts";
import { pair, wholeNumber } from "./flags.ts";
import { CommandError, UsageError } from "./run.ts";
import { serve } from "./serve.ts";
import { clientGroups, type CliProcess, subcommand } from "./subcommand.ts";
import { createTopics, listTopics } from "./topics.ts";
import { user } from "./user.ts";

const brokerGroups = ["broker", "access", "store", "run", "listen", "alone", "log"] as const;
/** What names the topics of features, and what they are made with. */
const topicSettings = [
  ...["GEO_TOPIC", "VIDEO_TOPIC", "MAX_FRAME_BYTES", "VIDEO_RETENTION_MS", "VIDEO_RETENTION_BYTES"] as const,
  ...["MEASUREMENTS", "CLICKS_TOPIC", "WINDOWS", "ONE_MINUTE_TOPIC", "FIVE_MINUTE_TOPIC"] as const,
  ...["TEN_MINUTE_TOPIC"] as const,
];
const serveGroups = [
  ...["listen", "http", "kafka", "broker", "access", "store", "topic", "pages", "run", "log"] as const,
];

/** Reads a command line and runs its subcommand.
 * @returns the exit code */
export async function runCli(args: readonly string[], process: CliProcess): Promise<number> {
  try {
    await program(process).parseAsync([...args], { from: "user" });
    return 0;
  } catch (error) {
    if (process.signal.aborted && error === process.signal.reason) return 0;
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      // Without a subcommand the help was printed, which says more than the error.
      if (error.code !== "commander.help") process.error(`${usageMessage(error.message)}\n`);
      return 2;
    }
    if (error instanceof ConfigError || error instanceof CommandError) {
      process.error(`${oneLine(error.message)}\n`);
      return error instanceof CommandError && !(error instanceof UsageError) ? 1 : 2;
    }
    process.error(`${error instanceof Error ? oneLine(error.message) : error}\n`);
    return 1;
  }
}

function program(process: CliProcess): Command {
  const root = new Command("tailrace")
    .description(
      "Positions live on a map, video that goes on where each viewer left it, histograms of measurements, and " +
        "likes counted in windows, through Kafka or the embedded broker",
    )
    .version(about.version, "--version", "Print the version")
    .helpOption("-h, --help", "Print this help")
    .helpCommand(false)
    .configureHelp({ subcommandTerm: termOf, minWidthToWrap: 20 }) // beside the longest flag in 80 columns too
    .exitOverride()
    .configureOutput({ writeOut: process.out, writeErr: process.error, outputError: () => {} });
  addServe(root, process);
  subcommand(root, process, {
    name: "broker",
    description: "The embedded broker alone",
    groups: brokerGroups,
    purpose: "broker",
  }, (config, run) => broker(config, run));
  subcommand(root, process, {
    name: "demo",
    description: "Demo vehicles, a demo video, measurements and likes, against any Kafka",
    groups: clientGroups,
    settings: [
      "VIDEO_TOPIC",
      "VIDEO_RETENTION_MS",
      "VIDEO_RETENTION_BYTES",
      "MEASUREMENTS",
      "CLICKS_TOPIC",
      "VIDEOS",
    ],
    topic: "GEO_TOPIC",
  }, (config, run) => demo(config, run));
  addTopics(root, process);
  addPublish(root, process);
  addLooks(root, process);
  subcommand(root, process, {
    name: "user",
    description: "Print a user's line for BROKER_USERS_FILE; the password comes from stdin",
    groups: ["log"],
    extend: (command) => command.argument("<name>", "Name to log in with"),
  }, (_config, run, { args: [name] }) => user(String(name), run));
  return root;
}

function addServe(root: Command, process: CliProcess): void {
  subcommand(root, process, {
    name: "serve",
    description: "The whole service (this is the default)",
    groups: serveGroups,
    purpose: "serve",
    isDefault: true,
    // What is no subcommand comes here, as this is the default.
    extend: (command) => command.argument("[unknown...]").usage("[options]"),
  }, (config, run, { args: [unknown = []] }) => {
    const [first] = unknown as string[];
    if (first !== undefined) {
      const names = root.commands.map((command) => command.name()).join(", ");
      throw new UsageError(`Unknown subcommand: found ${JSON.stringify(first)}, allowed: ${names}`);
    }
    return serve(config, run);
  });
}

function addTopics(root: Command, process: CliProcess): void {
  const topics = root.command("topics").description("Make and list topics").helpCommand(false);
  subcommand(
    topics,
    process,
    {
      name: "create",
      description:
        "Make topics that are missing; without a name those of positions, video, measurements, histograms, " +
        "likes and their windows",
      groups: clientGroups,
      settings: topicSettings,
      extend: (command) =>
        command.argument("[name...]", "Names of topics")
          .option("--partitions <n>", "Number of partitions", wholeNumber("--partitions", 1, 10_000))
          .option("--config <name=value...>", "Topic settings of Kafka, such as retention.ms=3600000"),
    },
    (config, run, { args: [names], options: { partitions, config: pairs } }) =>
      createTopics(config, names as string[], {
        ...(partitions === undefined ? {} : { partitions: partitions as number }),
        ...(pairs === undefined ? {} : { configs: Object.fromEntries((pairs as string[]).map(pair)) }),
      }, run),
  );
  subcommand(topics, process, {
    name: "list",
    description: "List topics",
    groups: clientGroups,
    extend: (command) => command.option("--json", "As JSON"),
  }, (config, run, { options }) => listTopics(config, { json: options.json === true }, run));
}

/** How a subcommand is listed; what `serve` takes besides options is only there to be refused. */
function termOf(command: Command): string {
  const args = command.name() === "serve" ? [] : command.registeredArguments;
  const shown = args.map((arg) => {
    const name = arg.variadic ? `${arg.name()}...` : arg.name();
    return arg.required ? ` <${name}>` : ` [${name}]`;
  });
  return `${command.name()}${command.commands.length > 0 ? "" : " [options]"}${shown.join("")}`;
}

/** `error: unknown option '--prot'\n(Did you mean --port?)` → one line in the form of the other errors. */
function usageMessage(message: string): string {
  const [first = "", ...more] = message.replace(/^error: /, "").split("\n");
  return oneLine(`Cannot read the command line: ${[first, ...more].join(" ")}, see --help`);
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " ");
}
