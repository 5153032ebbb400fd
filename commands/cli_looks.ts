/** `tailrace tail|plot|view`: what looks at the data, and the flags of each. Left out: doing it (tail.ts, plot.ts, view.ts). @module */
import type { Command } from "commander";
import type { Until } from "../kafka/viewer.ts";
import { pastTime, wholeNumber } from "./flags.ts";
import { plot } from "./plot.ts";
import { processScreen } from "./plot_screen.ts";
import { UsageError } from "./run.ts";
import { clientGroups, type CliProcess, subcommand } from "./subcommand.ts";
import { readFrom, readUntil, tail, type TailOptions } from "./tail.ts";
import { maxViewLimit, view } from "./view.ts";

/** Adds them to the command line. */
export function addLooks(root: Command, process: CliProcess): void {
  addTail(root, process);
  addPlot(root, process);
  addView(root, process);
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

function addPlot(root: Command, process: CliProcess): void {
  subcommand(root, process, {
    name: "plot",
    description: "Draw the running histogram of a measurement, and on as it grows",
    groups: clientGroups,
    settings: ["MEASUREMENTS"],
    extend: (command) =>
      command.argument("<measurement>", "Such as temperature")
        .option("--once", "Draw the newest, and end")
        .option("--ascii", "Draw with nothing but ASCII"),
  }, (config, run, { args: [measurement], options: { once, ascii } }) => {
    const colour = run.isTerminal && !process.env.get("NO_COLOR");
    const style = { once: once === true, ascii: ascii === true, colour };
    return plot(config, String(measurement), style, run, processScreen(process.env));
  });
}

function addView(root: Command, process: CliProcess): void {
  subcommand(root, process, {
    name: "view",
    description: "Print the stored rows of a measurement, the newest last",
    groups: ["log"],
    settings: ["DATA_DIR"],
    extend: (command) =>
      command.argument("<measurement>", "Such as temperature")
        .option(
          "--limit <n>",
          "The newest so many (default 20; with --since all)",
          wholeNumber("--limit", 1, maxViewLimit),
        )
        .option(
          "--since <time>",
          "What was measured then or later, such as -1h or 2026-01-31T12:00Z",
          pastTime("--since"),
        )
        .option("--csv", "As CSV")
        .option("--json", "Each row as a line of JSON")
        .option("--hist", "With --csv or --json: the histogram after each row"),
  }, (config, run, { args: [measurement], options: { limit, since, csv, json, hist } }) => {
    if (csv && json) throw new UsageError("Cannot use --csv: found --json beside it, allowed: one of them");
    if (hist && !csv && !json) {
      throw new UsageError("Cannot use --hist: found neither --csv nor --json, allowed: with one of them");
    }
    return view(config, String(measurement), {
      limit: (limit ?? (since === undefined ? 20 : null)) as number | null,
      ...(since === undefined ? {} : { since: since as number }),
      format: csv ? "csv" : json ? "json" : "table",
      hist: hist === true,
    }, run);
  });
}
