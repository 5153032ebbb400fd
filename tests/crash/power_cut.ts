/** A power cut for a process that runs under power_cut.c: the folder as a disk may hold it when the power goes.
 *
 * Of each file there is what its last sync promised; of what was written later there is nothing, the first writes, any
 * of them, or any of their sectors, since a disk writes in an order of its own. Files that appear, vanish or get
 * another name do so in order, at the latest with the next sync of anything in the folder, as journalling file systems
 * do it. Left out: disks that lie about a sync. @module */
import type { Random } from "../random.ts";
import { onPath, testCache } from "../programs.ts";

/** What of the writes that were not synced is on the disk. */
export type Survivors = "none" | "first" | "any" | "sectors";

/** The folder at some moment. */
export interface DiskImage {
  /** Bytes by file name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** When the power went, in milliseconds since the epoch. */
  readonly atMs: number;
}

const ops = { open: 1, write: 2, truncate: 3, sync: 4, unlink: 5, renameFrom: 6, renameTo: 7 } as const;
const headerBytes = 32;
const sectorBytes = 512;
const source = new URL("power_cut.c", import.meta.url);

interface Operation {
  readonly op: number;
  readonly file: number;
  readonly timeMs: number;
  readonly offset: number;
  readonly data: Uint8Array;
}

/** A file: what is synced, and what came after that. */
interface DiskFile {
  synced: Uint8Array;
  size: number;
  pending: Operation[];
}

/** Compiles the library to preload, unless the tests' cache has it.
 * @returns the environment of a process that is to be watched
 * @throws {Error} with what the compiler says */
export function watched(dataDir: string, journal: string): Record<string, string> {
  const code = Deno.readTextFileSync(source);
  let hash = 5381;
  for (let i = 0; i < code.length; i++) hash = (Math.imul(hash, 33) ^ code.charCodeAt(i)) >>> 0;
  const library = `${testCache()}/power_cut-${hash.toString(16)}.so`;
  if (!exists(library)) compile(library);
  return { LD_PRELOAD: library, POWER_CUT_DIR: dataDir, POWER_CUT_JOURNAL: journal };
}

/** Replays a journal, and takes half an entry off its end; moments are asked for in ascending order. */
export class Disk {
  readonly #operations: readonly Operation[];
  readonly #random: Random;
  readonly #files = new Map<string, DiskFile>();
  readonly #open = new Map<number, DiskFile>();
  /** Names as the last sync left them; those of now are the keys of #files. */
  #syncedNames = new Map<string, DiskFile>();
  #renamed: DiskFile | undefined;
  #done = 0;

  /** @param base what the folder held when the journal began */
  constructor(journal: string, base: ReadonlyMap<string, Uint8Array>, random: Random) {
    const { operations, bytes } = readJournal(journal);
    this.#operations = operations;
    Deno.truncateSync(journal, bytes); // the next process goes on behind the last whole entry
    this.#random = random;
    for (const [name, bytes] of base) {
      this.#files.set(name, { synced: bytes.slice(), size: bytes.length, pending: [] });
    }
    this.#syncedNames = new Map(this.#files);
  }

  /** How many operations the journal holds. */
  get length(): number {
    return this.#operations.length;
  }

  /** How many of them are syncs: a journal without any has watched nothing. */
  get syncs(): number {
    return this.#operations.filter(({ op }) => op === ops.sync).length;
  }

  /** The folder when the power goes right after the first `count` operations. */
  cutAfter(count: number, survivors: Survivors): DiskImage {
    for (; this.#done < count; this.#done++) this.#replay(this.#operations[this.#done]!);
    const names = survivors === "none" || this.#random.between(0, 1) === 0 ? this.#syncedNames : this.#files;
    const files = new Map<string, Uint8Array>();
    for (const [name, file] of names) files.set(name, this.#surviving(file, survivors));
    return { files, atMs: this.#operations[count - 1]?.timeMs ?? 0 };
  }

  #replay(operation: Operation): void {
    const { op, data } = operation;
    const file = this.#open.get(operation.file);
    switch (op) {
      case ops.open: {
        const name = nameOf(data);
        const found = this.#files.get(name) ?? { synced: new Uint8Array(0), size: 0, pending: [] };
        this.#files.set(name, found);
        this.#open.set(operation.file, found);
        return;
      }
      case ops.write:
      case ops.truncate:
        file!.pending.push(operation);
        return;
      case ops.sync:
        for (const pending of file!.pending) apply(file!, pending, 0, pending.data.length);
        file!.pending = [];
        this.#syncedNames = new Map(this.#files);
        return;
      case ops.unlink:
        this.#files.delete(nameOf(data));
        return;
      case ops.renameFrom:
        this.#renamed = this.#files.get(nameOf(data));
        this.#files.delete(nameOf(data));
        return;
      case ops.renameTo:
        if (this.#renamed !== undefined) this.#files.set(nameOf(data), this.#renamed);
        this.#renamed = undefined;
    }
  }

  #surviving(file: DiskFile, survivors: Survivors): Uint8Array {
    const copy: DiskFile = { synced: file.synced.slice(0, file.size), size: file.size, pending: [] };
    const random = this.#random;
    const first = random.between(0, file.pending.length);
    for (const [i, operation] of file.pending.entries()) {
      const { length } = operation.data;
      if (survivors === "first" && i < first || survivors === "any" && random.between(0, 1) === 0) {
        apply(copy, operation, 0, length);
      } else if (survivors === "sectors") {
        for (let at = 0; at < Math.max(length, 1); at += sectorBytes) {
          if (random.between(0, 1) === 0) apply(copy, operation, at, Math.min(length, at + sectorBytes));
        }
      }
    }
    return copy.synced.subarray(0, copy.size);
  }
}

/** The files of a folder. */
export function readFolder(folder: string): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const { name, isFile } of Deno.readDirSync(folder)) {
    if (isFile) files.set(name, Deno.readFileSync(`${folder}/${name}`));
  }
  return files;
}

/** Makes a folder hold these files and nothing else. */
export function writeFolder(folder: string, files: ReadonlyMap<string, Uint8Array>): void {
  Deno.mkdirSync(folder, { recursive: true });
  for (const { name } of Deno.readDirSync(folder)) Deno.removeSync(`${folder}/${name}`);
  for (const [name, bytes] of files) Deno.writeFileSync(`${folder}/${name}`, bytes);
}

/** Applies a write in part, or a truncation. */
function apply(file: DiskFile, { op, offset, data }: Operation, from: number, to: number): void {
  if (op === ops.truncate) {
    if (offset < file.size) file.synced.fill(0, offset, file.size);
    room(file, offset);
    file.size = offset;
    return;
  }
  room(file, offset + to);
  file.synced.set(data.subarray(from, to), offset + from);
  file.size = Math.max(file.size, offset + to);
}

function room(file: DiskFile, size: number): void {
  if (size <= file.synced.length) return;
  const grown = new Uint8Array(Math.max(size, file.synced.length * 2));
  grown.set(file.synced.subarray(0, file.size));
  file.synced = grown;
}

/** What a journal holds, and the bytes of its whole entries. */
function readJournal(journal: string): { operations: Operation[]; bytes: number } {
  const bytes = Deno.readFileSync(journal);
  const view = new DataView(bytes.buffer);
  const operations: Operation[] = [];
  let at = 0;
  while (at + headerBytes <= bytes.length) {
    const length = Number(view.getBigUint64(at + 24, true));
    const data = bytes.subarray(at + headerBytes, at + headerBytes + length);
    if (data.length < length) break; // the process died in the middle of an entry
    operations.push({
      op: view.getUint32(at, true),
      file: view.getUint32(at + 4, true),
      timeMs: Number(view.getBigUint64(at + 8, true)) / 1000,
      offset: Number(view.getBigUint64(at + 16, true)),
      data,
    });
    at += headerBytes + length;
  }
  return { operations, bytes: at };
}

function compile(library: string): void {
  const unfinished = `${library}.${crypto.randomUUID().slice(0, 8)}`;
  Deno.mkdirSync(testCache(), { recursive: true });
  const args = ["-O2", "-Wall", "-shared", "-fPIC", "-o", unfinished, source.pathname, "-ldl", "-lpthread"];
  const { success, stderr } = new Deno.Command(onPath("cc") ?? "cc", { args }).outputSync();
  if (!success) throw new Error(`Cannot compile ${source.pathname}: ${new TextDecoder().decode(stderr)}`);
  Deno.renameSync(unfinished, library);
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function nameOf(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}
