/** The command line: subcommands, their flags and their exit codes.
 *
 * Flags of settings come from the table in settings.ts. 0: done, or ended by a signal; 1: failed; 2: the
 * command line or a setting makes no sense. An error is one line on stderr. Left out: what the subcommands
 * do, which is in their own files.
 * @module */
import { Command, CommanderError, Option } from "commander";
import {
  type Config,
  ConfigError,
  flagKey,
  flagOf,
  type Flags,
  misspelt,
  printConfig,
  type Purpose,
  readConfig,
  settingNames,
  settings,
} from "../config.ts";
import about from "../deno.json" with { type: "json" };
import { isTopicName } from "../kafka/topics.ts";
import type { Until } from "../kafka/viewer.ts";
import { createLogger } from "../logger.ts";
import type { Setting, SettingGroup } from "../setting_kinds.ts";
import { broker } from "./broker.ts";
import { demo } from "./demo.ts";
import { publishGeo } from "./publish.ts";
import { CommandError, type CommandRun, UsageError } from "./run.ts";
import { serve } from "./serve.ts";
import { readFrom, readUntil, tail, type TailOptions } from "./tail.ts";
import { createTopics, listTopics } from "./topics.ts";
import { user } from "./user.ts";

/** What the command line touches of the process. */
export interface CliProcess {
  readonly env: ReadonlyMap<string, string>;
  /** Aborts at SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  readonly isTerminal: boolean;
}

const clientGroups = ["kafka", "broker", "log"] as const;
const brokerGroups = ["broker", "access", "store", "run", "listen", "alone", "log"] as const;
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
    .description("Positions posted over HTTP, live on a map, through Kafka or the embedded broker")
    .version(about.version, "--version", "Print the version")
    .helpOption("-h, --help", "Print this help")
    .helpCommand(false)
    .configureHelp({ subcommandTerm: termOf })
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
    description: "Demo vehicles, against any Kafka",
    groups: clientGroups,
    extend: addTopic,
  }, (config, run) => demo(config, run));
  addTopics(root, process);
  addPublish(root, process);
  addTail(root, process);
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
      description: "Make topics that are missing; without a name those of positions and video",
      groups: [...clientGroups, "topic"],
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

function addPublish(root: Command, process: CliProcess): void {
  const publish = root.command("publish").description("Publish files").helpCommand(false);
  subcommand(publish, process, {
    name: "geo",
    description: "Replay GeoJSON and GPX tracks, all files at once; - is stdin",
    groups: clientGroups,
    extend: (command) =>
      addTopic(command.argument("<file...>", "Files to replay"))
        .option(
          "--interval <ms>",
          "Between two positions of a track (default 1000)",
          wholeNumber("--interval", 0, 86_400_000),
        )
        .option("--own-times", "Replay by the times in the files")
        .option("--speed <n>", "With --own-times: n times as fast (default 1)", positiveNumber)
        .option("--loop", "Begin again at the end")
        .option("--name <name>", "Instead of the names in the files"),
  }, (config, run, { args: [files], options }) => {
    const { interval, ownTimes, speed, name } = options;
    if (ownTimes && interval !== undefined) {
      throw new UsageError("Cannot use --interval: found --own-times beside it, allowed: one of them");
    }
    if (speed !== undefined && !ownTimes) {
      throw new UsageError("Cannot use --speed: found no --own-times, allowed: with --own-times");
    }
    return publishGeo(config, files as string[], {
      pace: ownTimes ? { speed: (speed ?? 1) as number } : { intervalMs: (interval ?? 1000) as number },
      loop: options.loop === true,
      ...(name === undefined ? {} : { name: String(name) }),
    }, run);
  });
}

function addTail(root: Command, process: CliProcess): void {
  const collect = (value: string, before: string[] = []) => [...before, value];
  subcommand(
    root,
    process,
    {
      name: "tail",
      description: "Print the records of a topic, and on as they come",
      groups: clientGroups,
      extend: (command) =>
        command.argument("<name>", "Topic")
          .option(
            "--from <place>",
            "latest, earliest, a time, -N: the last N records (default latest)",
            readFrom,
          )
          .option("--until <place>", "latest: the end as it is now; or a time (default: never)", readUntil)
          .option("--key <text>", "Only records with this key; may repeat", collect)
          .option("--where <condition>", "Only records such as speed>50 or name~bus; may repeat", collect)
          .option("--limit <n>", "End after so many records", wholeNumber("--limit", 1, 1e12 - 1))
          .option("--json", "Each record as a line of JSON"),
    },
    (config, run, { args: [topic], options: { from, until, key, where, limit, json } }) =>
      tail(config, String(topic), {
        from: (from ?? { kind: "latest" }) as TailOptions["from"],
        ...(until === undefined ? {} : { until: until as Until }),
        keys: (key ?? []) as string[],
        where: (where ?? []) as string[],
        ...(limit === undefined ? {} : { limit: limit as number }),
        json: json === true,
        colour: run.isTerminal && !process.env.get("NO_COLOR"),
      }, run),
  );
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

interface Subcommand {
  readonly name: string;
  readonly description: string;
  readonly groups: readonly SettingGroup[];
  readonly purpose?: Purpose;
  readonly isDefault?: boolean;
  /** Adds arguments and flags that are no settings. */
  readonly extend?: (command: Command) => Command;
}

interface Given {
  readonly args: readonly unknown[];
  readonly options: Readonly<Record<string, unknown>>;
}

/** Adds a subcommand that reads its settings, prints them if only that was asked, and runs `action`. */
function subcommand(
  parent: Command,
  process: CliProcess,
  { name, description, groups, purpose = "client", isDefault = false, extend = (same) => same }: Subcommand,
  action: (config: Config, run: CommandRun, given: Given) => Promise<void>,
): void {
  const command = extend(parent.command(name, { isDefault }).description(description));
  const keys = addSettings(command, groups);
  command.option("--print-config", "Print the settings with where they come from, and end");
  command.action(async () => {
    const options = command.opts<Record<string, string | boolean | undefined>>();
    const flags: Flags = {
      ...Object.fromEntries(keys.map((key) => [key, options[key]])),
      ...(options.topic === undefined ? {} : { geoTopic: options.topic }),
    };
    const config = readConfig(flags, process.env, purpose);
    if (options.printConfig) return process.out(printConfig(flags, process.env));
    const { signal, out, isTerminal } = process;
    const log = createLogger({ level: config.logLevel, format: config.logFormat, write: process.error });
    for (const [found, meant] of misspelt(process.env)) log.warn("setting misspelt?", { found, meant });
    await action(config, { log, signal, out, isTerminal }, { args: command.processedArgs, options });
  });
}

/** Adds the flags of the settings of some groups; gives the keys under which they are found. */
function addSettings(command: Command, groups: readonly SettingGroup[]): string[] {
  const keys: string[] = [];
  for (const name of settingNames) {
    const setting: Setting = settings[name];
    if (!groups.includes(setting.group)) continue;
    keys.push(flagKey(name));
    const { fallback, unit, allowed, isSwitch, secret } = setting;
    const standard = typeof fallback === "function" || fallback === "" || isSwitch
      ? ""
      : `, default ${fallback}`;
    const words = allowed.includes(" | ") && !isSwitch ? `; ${allowed}` : "";
    const help = `${setting.help}${words} (${name}${standard})`;
    if (isSwitch) {
      command.option(flagOf(name), help);
      command.addOption(new Option(flagOf(name).replace("--", "--no-"), `Without: ${help}`).hideHelp());
    } else {
      command.option(`${flagOf(name)} <${unit ?? "value"}>`, help);
    }
    if (secret) {
      keys.push(flagKey(`${name}_FILE`));
      command.option(`${flagOf(`${name}_FILE`)} <path>`, `File that holds it (${name}_FILE)`);
    }
  }
  return keys;
}

/** `--topic`, which is the setting GEO_TOPIC under the name that fits here. */
function addTopic(command: Command): Command {
  return command.option(
    "--topic <name>",
    "Topic of the positions (GEO_TOPIC, default geostream)",
    (value) => {
      if (isTopicName(value)) return value;
      throw new UsageError(
        `Cannot use --topic: found ${JSON.stringify(value)}, allowed: ${settings.GEO_TOPIC.allowed}`,
      );
    },
  );
}

function wholeNumber(flag: string, least: number, most: number): (value: string) => number {
  return (value) => {
    const number = /^\d{1,12}$/.test(value) ? Number(value) : NaN;
    if (number >= least && number <= most) return number;
    throw new UsageError(
      `Cannot use ${flag}: found ${JSON.stringify(value)}, allowed: an integer in ${least}..${most}`,
    );
  };
}

function positiveNumber(value: string): number {
  const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : NaN;
  if (number > 0 && Number.isFinite(number)) return number;
  throw new UsageError(`Cannot use --speed: found ${JSON.stringify(value)}, allowed: a number above 0`);
}

function pair(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new UsageError(`Cannot use --config: found ${JSON.stringify(text)}, allowed: name=value`);
}

/** `error: unknown option '--prot'\n(Did you mean --port?)` → one line in the form of the other errors. */
function usageMessage(message: string): string {
  const [first = "", ...more] = message.replace(/^error: /, "").split("\n");
  return oneLine(`Cannot read the command line: ${[first, ...more].join(" ")}, see --help`);
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " ");
}
