/** What all subcommands have in common: the flags of their settings, `--print-config`, a log. Left out: which subcommands there are
 * (cli.ts).
 * @module */
import { type Command, Option } from "commander";
import {
  type Config,
  flagKey,
  flagOf,
  type Flags,
  misspelt,
  printConfig,
  type Purpose,
  readConfig,
  type SettingName,
  settingNames,
  settings,
} from "../config.ts";
import { createLogger } from "../logger.ts";
import type { Setting, SettingGroup } from "../setting_kinds.ts";
import { isTopicName } from "../kafka/topics.ts";
import { type CommandRun, UsageError } from "./run.ts";

/** What the command line touches of the process. */
export interface CliProcess {
  readonly env: ReadonlyMap<string, string>;
  /** Aborts at SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  readonly isTerminal: boolean;
}

/** Groups of settings that every client of Kafka takes. */
export const clientGroups = ["kafka", "broker", "log"] as const;

/** A subcommand as the command line lists it. */
export interface Subcommand {
  readonly name: string;
  readonly description: string;
  /** Settings that it takes as flags: whole groups, and single ones. */
  readonly groups: readonly SettingGroup[];
  readonly settings?: readonly SettingName[];
  /** The setting that is called `--topic` here. */
  readonly topic?: SettingName;
  readonly purpose?: Purpose;
  readonly isDefault?: boolean;
  /** Adds arguments and flags that are no settings. */
  readonly extend?: (command: Command) => void;
}

/** What was given besides settings. */
export interface Given {
  readonly args: readonly unknown[];
  readonly options: Readonly<Record<string, unknown>>;
}

/** Adds a subcommand that reads its settings, prints them if only that was asked, and runs `action`. */
export function subcommand(
  parent: Command,
  process: CliProcess,
  wanted: Subcommand,
  action: (config: Config, run: CommandRun, given: Given) => Promise<void>,
): void {
  const { name, description, topic, purpose = "client", isDefault = false, extend = (same) => same } = wanted;
  const command = parent.command(name, { isDefault }).description(description);
  if (topic) addTopic(command, topic);
  extend(command);
  const keys = addSettings(command, wanted);
  command.option("--print-config", "Print the settings with where they come from, and end");
  command.action(async () => {
    const options = command.opts<Record<string, string | boolean | undefined>>();
    const flags: Flags = {
      ...Object.fromEntries(keys.map((key) => [key, options[key]])),
      ...(topic && options.topic !== undefined ? { [flagKey(topic)]: options.topic } : {}),
    };
    const config = readConfig(flags, process.env, purpose);
    if (options.printConfig) return process.out(printConfig(flags, process.env));
    const { signal, out, isTerminal } = process;
    const log = createLogger({ level: config.logLevel, format: config.logFormat, write: process.error });
    for (const [found, meant] of misspelt(process.env)) log.warn("setting misspelt?", { found, meant });
    await action(config, { log, signal, out, isTerminal }, { args: command.processedArgs, options });
  });
}

/** Adds the flags of settings; gives the keys under which they are found. */
function addSettings(command: Command, { groups, settings: singles = [] }: Subcommand): string[] {
  const keys: string[] = [];
  for (const name of settingNames) {
    const setting: Setting = settings[name];
    if (!groups.includes(setting.group) && !singles.includes(name)) continue;
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

/** `--topic`: a setting under the name that fits here. */
function addTopic(command: Command, name: SettingName): void {
  const { help, fallback, allowed }: Setting = settings[name];
  command.option("--topic <name>", `${help} (${name}, default ${fallback})`, (value) => {
    if (isTopicName(value)) return value;
    throw new UsageError(`Cannot use --topic: found ${JSON.stringify(value)}, allowed: ${allowed}`);
  });
}
