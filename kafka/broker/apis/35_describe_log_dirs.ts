/** DescribeLogDirs (key 35), versions 1–4, flexible from 2.
 *     request  => [topic:STRING [partition:INT32]] (null: all)
 *     response => throttle_time_ms:INT32 error_code:INT16 (v3+) [error_code:INT16 log_dir:STRING [name:STRING
 *                 [partition_index:INT32 partition_size:INT64 offset_lag:INT64 is_future_key:BOOL]]
 *                 total_bytes:INT64 usable_bytes:INT64 (both v4+)]
 * There is one folder. A partition's size is that of its batches; what is not there is left out. The size of the disk
 * is −1 unless the process may ask for it.
 * @see {@link https://kafka.apache.org/protocol#The_Messages_DescribeLogDirs} @module */

import { statfs } from "node:fs/promises";
import { errors } from "../wire/error_codes.ts";
import type { WireWriter } from "../wire/writer.ts";
import type { Partition } from "../partition.ts";
import type { Api, BrokerState } from "./mod.ts";

interface Found {
  readonly name: string;
  readonly partitions: readonly Partition[];
}

export const describeLogDirs: Api = {
  key: 35,
  name: "DescribeLogDirs",
  versions: [1, 4],
  flexibleFrom: 2,
  async handle({ version, body, broker }, out) {
    const wanted = body.nullableStructs(() => ({
      topic: body.string(),
      partitions: new Set(body.array(() => body.int32())),
    }));
    body.tags();
    const disk = version >= 4 ? await diskOf(broker.store.dataDir) : unknown;
    const { topics } = broker.log;
    const found: Found[] = wanted === null ? [...topics] : wanted.flatMap(({ topic, partitions }) => {
      const all = topics.byName(topic)?.partitions ?? [];
      const asked = all.filter(({ number }) => partitions.has(number));
      return asked.length === 0 ? [] : [{ name: topic, partitions: asked }];
    });
    out.int32(0); // throttle_time_ms
    if (version >= 3) out.errorCode(errors.NONE);
    out.structs([broker], () => {
      writeFolder(out, broker, found);
      if (version < 4) return;
      out.int64(disk.totalBytes);
      out.int64(disk.usableBytes);
    });
    out.tags();
  },
};

function writeFolder(out: WireWriter, { store }: BrokerState, found: readonly Found[]): void {
  out.errorCode(errors.NONE);
  out.string(store.dataDir);
  out.structs(found, ({ name, partitions }) => {
    out.string(name);
    out.structs(partitions, ({ number, bytes }) => {
      out.int32(number);
      out.int64(bytes);
      out.int64(0); // offset_lag
      out.bool(false); // is_future_key
    });
  });
}

interface Disk {
  readonly totalBytes: number;
  readonly usableBytes: number;
}

const unknown: Disk = { totalBytes: -1, usableBytes: -1 };

/** The size of the disk a folder is on. Asking without the permission would stop a terminal with a question. */
async function diskOf(folder: string): Promise<Disk> {
  try {
    const { state } = await Deno.permissions.query({ name: "sys", kind: "statfs" });
    if (state !== "granted") return unknown;
    const { bsize, blocks, bavail } = await statfs(folder);
    return { totalBytes: bsize * blocks, usableBytes: bsize * bavail };
  } catch {
    return unknown; // not every file system can tell
  }
}
