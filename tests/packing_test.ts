/** The single binary of `deno task compile`: that everything it needs at run time is packed into it, and no more.
 *
 * The task's own command is run, with Deno itself as the base binary (DENORT_BIN): the real base is fetched from a host
 * that not every machine reaches. What is so packed does not run, but the list of embedded files is the same.
 * @module */
import { assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { run } from "./programs.ts";

const root = new URL("..", import.meta.url).pathname;

Deno.test("deno task compile packs the pages, the workers and the libraries, and nothing that only tests use", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const words = config.tasks.compile.command.split(" ");
    words[words.indexOf("--output") + 1] = `${folder}/tailrace`;
    const { stderr, stdout } = await run("sh", {
      args: ["-c", 'cd "$1" && shift && exec "$@"', "sh", root, Deno.execPath(), ...words.slice(1)],
      env: { DENORT_BIN: Deno.execPath(), NO_COLOR: "1" },
      timeoutMs: 120_000,
    });
    const packed = packedPaths(stdout + stderr);
    const holds = (path: string) => packed.some((each) => each === path || covers(each, path));

    const wanted = [
      "main.ts",
      "kafka/broker/worker.ts",
      "kafka/processors/worker.ts",
      "routes/socketio_rooms.ts",
      ...filesUnder("static"),
      ...filesUnder("commands", ".ts"),
    ];
    assertEquals(wanted.filter((path) => !holds(path)), [], "files that are not in the binary");
    const libraries = [
      ...["@platformatic/wasm-utils", "@tmcw/togeojson", "@xmldom/xmldom", "commander", "hono", "kafkajs"],
      ...["kafkajs-snappy", "leaflet", "topojson-client", "uplot", "world-atlas", "zod"],
      ...["engine.io", "socket.io", "socket.io-adapter", "socket.io-parser", "ws"],
    ];
    const hasLibrary = (name: string) => packed.some((each) => each.includes(`/${name}/`));
    assertEquals(libraries.filter((name) => !hasLibrary(name)), [], "libraries that are not in the binary");
    const testsOnly = ["playwright-core", "axe-core", "socket.io-client"].filter(hasLibrary);
    assertEquals(
      [...testsOnly, ...packed.filter((each) => each.startsWith("tests/"))],
      [],
      "what only tests use",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Paths of the tree that the packing prints; a folder that is packed as a whole ends with `/*`. */
function packedPaths(output: string): string[] {
  const paths: string[] = [];
  const folders: string[] = [];
  for (const line of output.split("\n")) {
    const [, indent, folder, name] = line.match(/^((?:│ | {2})*)[├└]─([─┬]) (.+?)(?: \([^()]*\))?$/) ?? [];
    if (indent === undefined || name === undefined) continue;
    folders.length = indent.length / 2;
    const path = [...folders, name].join("/");
    if (folder === "┬") folders.push(name);
    else paths.push(path);
  }
  return paths;
}

function covers(packed: string, path: string): boolean {
  return packed.endsWith("/*") && path.startsWith(packed.slice(0, -1));
}

/** Paths of all files in a folder of the repository, from its root. */
function filesUnder(folder: string, ending = ""): string[] {
  return [...Deno.readDirSync(root + folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesUnder(`${folder}/${name}`, ending) : name.endsWith(ending) ? [`${folder}/${name}`] : []
  );
}
