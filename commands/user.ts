/** `tailrace user NAME`: makes the line of a user for BROKER_USERS_FILE from a password on stdin.
 *
 * On a terminal the password is asked for twice and not shown; else it is the first line of stdin. Left out: changing
 * the file, which `>>` and an editor do.
 * @module */
import { isUserName, makeKeys, userLine } from "../kafka/broker/sasl_credentials.ts";
import { CommandError, type CommandRun, UsageError } from "./run.ts";

/** Where the password comes from. */
export interface PasswordSource {
  isTerminal(): boolean;
  /** Whether keys come one by one and are not shown. */
  setRaw(isRaw: boolean): void;
  read(bytes: Uint8Array): Promise<number | null>;
}

const maxPasswordBytes = 1024;
const enter = new Set([10, 13]), backspace = new Set([8, 127]);
const ctrlC = 3, ctrlD = 4;

/** Prints the line of a user.
 * @param prompt writes to the terminal beside stdout, which may be a file
 * @throws {UsageError} when the name cannot be one
 * @throws {CommandError} when there is no password, or the two differ */
export async function user(
  name: string,
  { out, signal }: Pick<CommandRun, "out" | "signal">,
  source: PasswordSource = Deno.stdin,
  prompt: (text: string) => void = promptOnStderr,
): Promise<void> {
  if (!isUserName(name)) {
    throw new UsageError(
      `Cannot make user: found name ${JSON.stringify(name)}, allowed: 1 to 255 characters, no colon, ` +
        "no # in front, no space around",
    );
  }
  const password = source.isTerminal()
    ? await askTwice(name, source, prompt, signal)
    : (await readLine(source)).replace(/\r$/, "");
  if (password === "" || password.includes("\0")) {
    throw new CommandError(`Cannot make user ${name}: found no password on stdin, wanted one line`);
  }
  out(`${userLine(name, await makeKeys(password))}\n`);
}

async function askTwice(
  name: string,
  source: PasswordSource,
  prompt: (text: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const ask = async (text: string): Promise<string> => {
    prompt(text);
    source.setRaw(true);
    try {
      return await readLine(source, signal);
    } finally {
      source.setRaw(false);
      prompt("\n");
    }
  };
  const first = await ask(`Password of ${name}: `);
  const second = await ask("Once more: ");
  if (first !== second) throw new CommandError(`Cannot make user ${name}: found two different passwords`);
  return first;
}

/** Bytes up to the end of a line as text; with `signal` as a terminal gives them, key by key. */
async function readLine(source: PasswordSource, signal?: AbortSignal): Promise<string> {
  const line: number[] = [];
  const bytes = new Uint8Array(256);
  while (true) {
    const count = await source.read(bytes);
    if (count === null) return decode(line);
    for (const byte of bytes.subarray(0, count)) {
      if (enter.has(byte) && (byte === 10 || signal)) return decode(line);
      if (signal && (byte === ctrlC || byte === ctrlD)) throw new CommandError("No user was made");
      if (signal && backspace.has(byte)) dropCharacter(line);
      else line.push(byte);
      if (line.length > maxPasswordBytes) {
        throw new CommandError(`Cannot use password: found more than ${maxPasswordBytes} bytes`);
      }
    }
  }
}

/** Takes back the last character, which in UTF-8 may be several bytes. */
function dropCharacter(line: number[]): void {
  while ((line.at(-1) ?? 0) >>> 6 === 0b10) line.pop();
  line.pop();
}

function decode(bytes: readonly number[]): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
  } catch {
    throw new CommandError("Cannot use password: found bytes that are not UTF-8");
  }
}

function promptOnStderr(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}
