/** `tailrace publish …`: what may be published, and the flags of each. Left out: doing it (publish_geo.ts, publish_video.ts). @module */
import type { Command } from "commander";
import { clientGroups, type CliProcess, subcommand } from "./subcommand.ts";
import { lineOfText, pastTime, positiveNumber, wholeNumber } from "./flags.ts";
import { publishGeo } from "./publish_geo.ts";
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

/** Adds `publish` to the command line. */
export function addPublish(root: Command, process: CliProcess): void {
  const publish = root.command("publish").description("Publish files, folders and cameras").helpCommand(
    false,
  );
  addGeo(publish, process);
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
