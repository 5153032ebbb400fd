/** A load in a process of its own: told its job as JSON in its first argument, then line by line on its standard input; it answers in
 * lines of JSON on its standard output. @module */
import { TextLineStream } from "../interop/lines.ts";

/** The process as the benchmark holds it. */
export class LoadProcess<Answer> implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: ReadableStreamDefaultReader<string>;

  /** @param file beside this one */
  constructor(file: string, job: unknown) {
    const script = new URL(file, import.meta.url).pathname;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", script, JSON.stringify(job)],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#lines = this.#child.stdout.pipeThrough(new TextLineStream()).getReader();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** The next answer.
   * @throws {Error} when the process has ended */
  async answer(): Promise<Answer> {
    const { value, done } = await this.#lines.read();
    if (done) throw new Error("The load process ended before it answered");
    return JSON.parse(value);
  }

  /** Tells it something, and waits for the answer. */
  async ask(line: string): Promise<Answer> {
    await this.#input.write(new TextEncoder().encode(`${line}\n`));
    return await this.answer();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // it has ended
    }
    await this.#child.status;
    await this.#input.close().catch(() => {});
    await this.#lines.cancel();
  }
}

/** In the process: what it is told, line by line. */
export function toldLines(): AsyncIterable<string> {
  return Deno.stdin.readable.pipeThrough(new TextLineStream());
}

/** In the process: answers. */
export function tell(answer: unknown): void {
  console.log(JSON.stringify(answer));
}
