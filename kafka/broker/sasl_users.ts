/** The file of users: read at the start, and again when it has changed, so that users come and go without a restart.
 * A file that became unreadable or wrong leaves the users as they were, and says so in the log once.
 * @module */

import type { BrokerLogger } from "./logger.ts";
import { parseUsers, type UserKeys, type Users } from "./sasl_credentials.ts";

/** Who may log in. */
export interface UserDirectory {
  /** Users of now. */
  readonly users: Users;
  /** Brings them up to date; resolves at once where there is nothing to read. */
  refresh(): Promise<void>;
}

/** One user that is known from the start and never changes. */
export function oneUser(name: string, keys: UserKeys): UserDirectory {
  return { users: new Map([[name, keys]]), refresh: () => Promise.resolve() };
}

/** Longest file that is read: some ten thousand users, in bytes. */
const MAX_BYTES = 8 * 1024 * 1024;
/** Least time between two looks at the file, in milliseconds. */
const RECHECK_MS = 1_000;

/** Users from a file. */
export class UsersFile implements UserDirectory {
  users: Users = new Map();
  readonly #path: string;
  readonly #logger: BrokerLogger;
  readonly #recheckMs: number;
  /** What identifies the content that was read last, or why it could not be. */
  #seen = "";
  #lookedMs = -Infinity;
  #looking: Promise<void> | undefined;

  private constructor(path: string, logger: BrokerLogger, recheckMs: number) {
    this.#path = path;
    this.#logger = logger;
    this.#recheckMs = recheckMs;
  }

  /** Reads the file.
   * @throws {Error} one line: what is wrong with it, and in which line */
  static async open(path: string, logger: BrokerLogger, recheckMs = RECHECK_MS): Promise<UsersFile> {
    const file = new UsersFile(path, logger, recheckMs);
    try {
      file.#seen = await stamp(path);
      file.users = await read(path);
    } catch (error) {
      throw new Error(`Cannot read users of ${path}: ${messageOf(error)}`, { cause: error });
    }
    if (file.users.size === 0) logger.warn("nobody can log in as the file of users has none", { file: path });
    file.#lookedMs = performance.now();
    return file;
  }

  /** Looks whether the file has changed, at most once a second, and reads it if so; never rejects. */
  refresh(): Promise<void> {
    if (this.#looking !== undefined) return this.#looking;
    if (performance.now() - this.#lookedMs < this.#recheckMs) return Promise.resolve();
    return this.#looking = this.#look().finally(() => {
      this.#lookedMs = performance.now();
      this.#looking = undefined;
    });
  }

  async #look(): Promise<void> {
    const seen = await stamp(this.#path).catch(messageOf);
    if (seen === this.#seen) return;
    this.#seen = seen;
    try {
      this.users = await read(this.#path);
      this.#logger.info("users read again", { file: this.#path, users: this.users.size });
    } catch (error) {
      const reason = messageOf(error);
      this.#logger.error("cannot read users, the old ones stay", { file: this.#path, reason });
    }
  }
}

/** Changes whenever the file was written or replaced. */
async function stamp(path: string): Promise<string> {
  const { mtime, ctime, size, ino, isFile } = await Deno.stat(path);
  if (!isFile) throw new Error("found no file there");
  if (size > MAX_BYTES) throw new Error(`found ${size} bytes, allowed: ${MAX_BYTES}`);
  return [mtime?.getTime(), ctime?.getTime(), size, ino].join(" ");
}

async function read(path: string): Promise<Users> {
  return parseUsers(await Deno.readTextFile(path));
}

function messageOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  return error instanceof Error ? error.message : String(error);
}
