/** `tailrace publish …`: what may be published, and the flags of each. Left out: doing it (publish_geo.ts, publish_likes.ts,
 * publish_measurements.ts, publish_video.ts). @module */
import type { Command } from "commander";
import { clientGroups, type CliProcess, subcommand } from "./subcommand.ts";
import { delimiter, lineOfText, pastTime, positiveNumber, videoIds, wholeNumber } from "./flags.ts";
import { publishGeo } from "./publish_geo.ts";
import { publishLikes } from "./publish_likes.ts";
import { publishMeasurements } from "./publish_measurements.ts";
import { maxSourceLength, publishVideo } from "./publish_video.ts";
import { UsageError } from "./run.ts";

const videoExamples = `
Examples:
  tailrace publish video holiday.mp4 --loop        at its own pace, again and again
  tailrace publish video shots/ --fps 2            a folder of JPEGs
  tailrace publish video rtsp://camera/1           what a camera sends
  tailrace publish video a.avi --loop --start -9m  nine minutes at once, then on
  film-me --mjpeg | tailrace publish video -       from a program, as it comes

Motion JPEG (.avi, .mjpeg), folders, and JPEGs on stdin are published as they are;
all else goes through ffmpeg, which has to be on the PATH.
`;

const likeExamples = `
Examples:
  tailrace publish likes                           one a second, of VIDEOS, until Ctrl-C
  tailrace publish likes --video a --video b --rate 6000 --count 500
  tailrace publish likes --file likes.txt          a video's id on each line
  tail -f clicks.csv | tailrace publish likes --file -

Behind an id and a comma there may be its time: ISO 8601, a day, or seconds or
milliseconds since 1970; without a zone it is UTC. A line that holds no like is left out,
and told.
`;

const measurementExamples = `
Examples:
  tailrace publish measurements                    one a second, in turn, until Ctrl-C
  tailrace publish measurements --csv log.csv --measurement temperature
  tailrace publish measurements --csv weather.csv --measurement humidity \\
    --time "Observed at" --value rel_hum --speed 60
  read-sensor | tailrace publish measurements --csv - --measurement noise --time 1 --value 2

A column is a name in the first line, or a number from 1 on. Times are ISO 8601, days, or
seconds or milliseconds since 1970; without a zone they are UTC. A line that holds no
measurement is left out, and told.
`;

/** Adds `publish` to the command line. */
export function addPublish(root: Command, process: CliProcess): void {
  const publish = root.command("publish").helpCommand(false)
    .description("Publish positions, likes, measurements and video");
  addGeo(publish, process);
  addLikes(publish, process);
  addMeasurements(publish, process);
  addVideo(publish, process);
}

function addGeo(publish: Command, process: CliProcess): void {
  subcommand(publish, process, {
    name: "geo",
    description: "Replay GeoJSON and GPX tracks, all files at once; - is stdin",
    groups: clientGroups,
    topic: "GEO_TOPIC",
    extend: (command) =>
      command.argument("<file...>", "Files to replay")
        .option(
          "--interval <ms>",
          "Between two positions of a track (default 1000)",
          wholeNumber("--interval", 0, 86_400_000),
        )
        .option("--own-times", "Replay by the times in the files")
        .option("--speed <n>", "With --own-times: n times as fast (default 1)", positiveNumber("--speed"))
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

function addLikes(publish: Command, process: CliProcess): void {
  subcommand(publish, process, {
    name: "likes",
    description: "Publish likes of a file; without one, made-up ones",
    groups: clientGroups,
    settings: ["VIDEOS"],
    topic: "CLICKS_TOPIC",
    extend: (command) =>
      command.option("--file <file>", "File with a video's id on each line; - is stdin")
        .option(
          "--video <id>",
          "Without --file: what is liked, at random; may repeat (default: those of VIDEOS)",
          videoIds("--video"),
        )
        .option(
          "--rate <n>",
          "Likes a minute (default: 60; with --file as fast as Kafka takes them)",
          positiveNumber("--rate", 6e6),
        )
        .option("--count <n>", "End after so many", wholeNumber("--count", 1, 1e12 - 1))
        .addHelpText("after", likeExamples),
  }, (config, run, { options: { file, video, rate, count } }) => {
    if (file !== undefined && video !== undefined) {
      throw new UsageError("Cannot use --video: found --file beside it, allowed: one of them");
    }
    return publishLikes(config, {
      ...(file === undefined ? {} : { file: String(file) }),
      videos: (video ?? []) as string[],
      ...(rate === undefined ? {} : { rate: rate as number }),
      count: (count ?? Infinity) as number,
    }, run);
  });
}

function addMeasurements(publish: Command, process: CliProcess): void {
  const column = (flag: string) => lineOfText(flag, 200);
  subcommand(publish, process, {
    name: "measurements",
    description: "Publish measurements of a CSV file; without one, made-up ones",
    groups: clientGroups,
    settings: ["MEASUREMENTS"],
    extend: (command) =>
      command.option("--csv <file>", "File to publish; - is stdin")
        .option("--measurement <name>", "Which it is; without --csv the only one that is made up")
        .option("--time <column>", "With --csv: when it was measured", column("--time"))
        .option("--value <column>", "With --csv: what was measured", column("--value"))
        .option(
          "--delimiter <text>",
          "With --csv: what is between columns; default: as in the first line",
          delimiter,
        )
        .option(
          "--speed <n>",
          "With --csv: n times as fast as its own times; default: as fast as Kafka takes it",
          positiveNumber("--speed"),
        )
        .option(
          "--interval <ms>",
          "Without --csv: between two of them (default 1000)",
          wholeNumber("--interval", 0, 86_400_000),
        )
        .option("--count <n>", "End after so many", wholeNumber("--count", 1, 1e12 - 1))
        .addHelpText("after", measurementExamples),
  }, (config, run, { options }) => {
    const { csv, measurement, time, value, delimiter, speed, interval, count } = options;
    refuseBeside(csv !== undefined, { time, value, delimiter, speed }, { interval });
    const columns = {
      ...(time === undefined ? {} : { time: String(time) }),
      ...(value === undefined ? {} : { value: String(value) }),
      ...(delimiter === undefined ? {} : { delimiter: String(delimiter) }),
    };
    return publishMeasurements(config, {
      ...(csv === undefined ? {} : {
        csv: { file: String(csv), columns, ...(speed === undefined ? {} : { speed: speed as number }) },
      }),
      ...(measurement === undefined ? {} : { measurement: String(measurement) }),
      intervalMs: (interval ?? 1000) as number,
      count: (count ?? Infinity) as number,
    }, run);
  });
}

/** @throws {UsageError} for a flag that means nothing with, or without, `--csv` */
function refuseBeside(
  hasCsv: boolean,
  only: Readonly<Record<string, unknown>>,
  never: Readonly<Record<string, unknown>>,
): void {
  const given = Object.entries(hasCsv ? never : only).find(([, value]) => value !== undefined);
  if (!given) return;
  const [found, allowed] = hasCsv ? ["--csv beside it", "without --csv"] : ["no --csv", "with --csv"];
  throw new UsageError(`Cannot use --${given[0]}: found ${found}, allowed: ${allowed}`);
}

function addVideo(publish: Command, process: CliProcess): void {
  subcommand(
    publish,
    process,
    {
      name: "video",
      description: "Publish a video frame by frame: a file, a folder of JPEGs, a camera's URL; - is stdin",
      groups: clientGroups,
      settings: ["MAX_FRAME_BYTES", "VIDEO_RETENTION_MS", "VIDEO_RETENTION_BYTES"],
      topic: "VIDEO_TOPIC",
      extend: (command) =>
        command.argument("<video>", "What to publish")
          .option(
            "--fps <n>",
            "At most so many frames a second; of JPEGs that say no rate, so many (default 25, on stdin as they come)",
            positiveNumber("--fps", 240),
          )
          .option(
            "--quality <n>",
            "Of the JPEGs that ffmpeg makes: 2 (best) to 31 (default 5)",
            wholeNumber("--quality", 2, 31),
          )
          .option("--loop", "Begin again at the end")
          .option(
            "--start <time>",
            "Time of the first frame, such as -10m: what lies before now goes out at once",
            pastTime("--start"),
          )
          .option(
            "--name <text>",
            "Name of the stream, key of its records (default: the topic)",
            lineOfText("--name", 200),
          )
          .option(
            "--source <text>",
            "What the records say they come from (default: the file or URL)",
            lineOfText("--source", maxSourceLength),
          )
          .addHelpText("after", videoExamples),
    },
    (config, run, { args: [video], options: { fps, quality, loop, start, name, source } }) =>
      publishVideo(config, String(video), {
        loop: loop === true,
        ...(fps === undefined ? {} : { fps: fps as number }),
        ...(quality === undefined ? {} : { quality: quality as number }),
        ...(start === undefined ? {} : { startMs: start as number }),
        ...(name === undefined ? {} : { name: String(name) }),
        ...(source === undefined ? {} : { source: String(source) }),
      }, run),
  );
}
