/** The program: `tailrace [serve|broker|demo|topics|publish|tail|plot|view|user] …`. Left out: everything but the process itself.
 * @module */
import { runCli } from "./commands/cli.ts";
import { environment } from "./config.ts";

const encoder = new TextEncoder();

function writeTo(stream: { writeSync(bytes: Uint8Array): number }): (text: string) => void {
  return (text) => {
    const bytes = encoder.encode(text);
    try {
      for (let done = 0; done < bytes.length;) done += stream.writeSync(bytes.subarray(done));
    } catch {
      // Nobody reads any more; `tailrace … | head` is no reason to fail.
    }
  };
}

if (import.meta.main) {
  const stop = new AbortController();
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT", "SIGBREAK"] : ["SIGINT", "SIGTERM"];
  for (const name of signals) {
    Deno.addSignalListener(name, () => {
      // The second one means: now.
      if (stop.signal.aborted) Deno.exit(130);
      stop.abort();
    });
  }
  const code = await runCli(Deno.args, {
    env: environment(),
    signal: stop.signal,
    out: writeTo(Deno.stdout),
    error: writeTo(Deno.stderr),
    isTerminal: Deno.stdout.isTerminal(),
  });
  Deno.exit(code);
}
