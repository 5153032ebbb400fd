/** The checks a batch has to pass before it is appended, as strict as Apache Kafka's and in its order: first what the
 * header says, then every record, decompressed. What Kafka sets right is set right in place: an append time that no
 * client may claim, a newest time unlike that of the records.
 *
 * Stricter than Kafka where it takes what no reader could read: offsets in a batch that are not 0, 1, 2, …, lengths of
 * compressed records that do not fit. The whole table is tests/interop/strict_batches.ts.
 * Left out: what depends on other batches (sequences in producers.ts, transactions in 00_produce.ts). @module */

import { MAX_RECORDS_BYTES, openRecords, openRecordsLater, TooManyBytes } from "./compression.ts";
import type { NewBatch } from "./log.ts";
import { Breath } from "./pace.ts";
import type { Partition } from "./partition.ts";
import { errors } from "./wire/error_codes.ts";
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  codecs,
  correctTimes,
  hasValidCrc,
  readBatchHeader,
} from "./wire/record_batch.ts";
import { RecordWalk } from "./wire/records.ts";

/** Up to here a batch of an older format has its magic byte. */
const OLD_HEADER_BYTES = 17;
/** Records decompressed at once; more of them are opened in another thread. */
const AT_ONCE_BYTES = 2 * 1024 * 1024;
/** Records walked between two looks at the time, in a batch that is checked later. */
const WALK_STEP = 1000;
/** Wrong records that an answer names. */
const MAX_RECORD_ERRORS = 100;

/** Why a batch is refused. */
export interface Refusal {
  readonly error: number;
  readonly message: string;
  /** The records it is refused for, if it is for some. */
  readonly records?: readonly RecordError[];
}

/** What is wrong with one record. */
export interface RecordError {
  /** Its place in the batch. */
  readonly index: number;
  readonly message: string;
}

/** Checks a batch that was produced to a partition.
 * @param version of the Produce request
 * @returns a promise for a big one only */
export function checkBatch(
  version: number,
  partition: Partition,
  given: Uint8Array,
  nowMs: number,
): NewBatch | Refusal | Promise<NewBatch | Refusal> {
  const wrong = checkFrame(partition, given);
  if (wrong !== undefined) return wrong;
  const header = readBatchHeader(given);
  const bytes = given.subarray(0, header.size);
  const refused = checkHeader(version, bytes, header);
  if (refused !== undefined) return refused;
  const check = new RecordCheck(partition, bytes, header, nowMs);
  const body = bytes.subarray(BATCH_HEADER_BYTES);
  if (header.codec === codecs.none) return check.all(body);
  try {
    return check.all(openRecords(header.codec, body, AT_ONCE_BYTES));
  } catch (error) {
    return error instanceof TooManyBytes ? checkLater(check, header.codec, body) : cannotOpen();
  }
}

/** Whether there is one whole batch. */
function checkFrame(partition: Partition, bytes: Uint8Array): Refusal | undefined {
  const { maxMessageBytes } = partition.topic.settings;
  if (bytes.byteLength < OLD_HEADER_BYTES) return refusal(errors.INVALID_RECORD, "There is no whole batch");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = view.getInt32(8) + 12;
  const magic = view.getInt8(16);
  if (magic === 2 ? size < BATCH_HEADER_BYTES : size < OLD_HEADER_BYTES || magic < 0 || magic > 2) {
    return refusal(errors.CORRUPT_MESSAGE, `A batch of format ${magic} cannot have ${size} bytes`);
  }
  if (size > bytes.byteLength) {
    return refusal(errors.INVALID_RECORD, `The batch says it has ${size} bytes, ${bytes.byteLength} came`);
  }
  if (size > maxMessageBytes) {
    return refusal(
      errors.MESSAGE_TOO_LARGE,
      `The batch has ${size} bytes, the topic takes ${maxMessageBytes}`,
    );
  }
  if (magic !== 2) return refusal(errors.INVALID_RECORD, `The format of the batch is ${magic}, not 2`);
  const rest = bytes.byteLength - size; // what is less than a batch is not looked at
  if (rest >= OLD_HEADER_BYTES && view.getInt32(size + 8) + 12 <= rest) {
    return refusal(errors.INVALID_RECORD, "There is more than one batch");
  }
  return undefined;
}

function checkHeader(version: number, bytes: Uint8Array, header: BatchHeader): Refusal | undefined {
  if (!hasValidCrc(bytes)) return refusal(errors.CORRUPT_MESSAGE, "The checksum of the batch is wrong");
  if (header.baseOffset !== 0) return refusal(errors.INVALID_RECORD, "The base offset of the batch is not 0");
  if (header.recordCount <= 0 || header.recordCount !== header.lastOffsetDelta + 1) {
    return refusal(errors.INVALID_RECORD, "The number of records does not match the last offset");
  }
  if (header.isControl) return refusal(errors.INVALID_RECORD, "Clients must not send control batches");
  if (header.producerId >= 0 && (header.producerEpoch < 0 || header.baseSequence < 0)) {
    return refusal(errors.INVALID_RECORD, "An idempotent batch needs an epoch and a sequence");
  }
  if (header.codec > codecs.zstd) {
    return refusal(errors.UNSUPPORTED_COMPRESSION_TYPE, `There is no codec ${header.codec}`);
  }
  if (header.codec === codecs.zstd && version < 7) {
    return refusal(errors.UNSUPPORTED_COMPRESSION_TYPE, "zstd needs Produce v7");
  }
  return undefined;
}

/** One big batch after the other, so that memory holds only one of them opened. */
let bigOnes: Promise<unknown> = Promise.resolve();

function checkLater(check: RecordCheck, codec: number, body: Uint8Array): Promise<NewBatch | Refusal> {
  const checked = bigOnes.then(async () => {
    try {
      return await check.allLater(await openRecordsLater(codec, body, MAX_RECORDS_BYTES));
    } catch (error) {
      if (!(error instanceof TooManyBytes)) return cannotOpen();
      return refusal(errors.MESSAGE_TOO_LARGE, `The records have more than ${MAX_RECORDS_BYTES} bytes`);
    }
  });
  return bigOnes = checked;
}

/** Kafka's own answer to it: an exception that nobody expected. */
function cannotOpen(): Refusal {
  return refusal(errors.UNKNOWN_SERVER_ERROR, "The records cannot be decompressed");
}

/** Walks the records of one batch. */
class RecordCheck {
  readonly #partition: Partition;
  readonly #bytes: Uint8Array;
  readonly #header: BatchHeader;
  readonly #nowMs: number;
  #newest = -1;
  #walked = 0;
  #error: number | undefined;
  readonly #wrong: RecordError[] = [];

  constructor(partition: Partition, bytes: Uint8Array, header: BatchHeader, nowMs: number) {
    this.#partition = partition;
    this.#bytes = bytes;
    this.#header = header;
    this.#nowMs = nowMs;
  }

  all(records: Uint8Array): NewBatch | Refusal {
    const walk = new RecordWalk(records);
    return this.#walk(walk, this.#header.recordCount) ? this.#result(walk) : broken();
  }

  /** As {@link all}, giving the loop back meanwhile. */
  async allLater(records: Uint8Array): Promise<NewBatch | Refusal> {
    const walk = new RecordWalk(records);
    const breath = new Breath();
    while (this.#walked < this.#header.recordCount) {
      if (!this.#walk(walk, Math.min(this.#walked + WALK_STEP, this.#header.recordCount))) return broken();
      await breath.pause();
    }
    return this.#result(walk);
  }

  /** Walks up to the record of that number; false if one is broken. */
  #walk(walk: RecordWalk, until: number): boolean {
    const { compacts, appendTime, timestampAheadMs, timestampBehindMs } = this.#partition.topic.settings;
    const { baseTimestamp, maxTimestamp, isLogAppendTime } = this.#header;
    const latest = this.#nowMs + timestampAheadMs;
    const oldest = this.#nowMs - timestampBehindMs;
    for (; this.#walked < until; this.#walked++) {
      if (!walk.next() || walk.offsetDelta !== this.#walked) return false;
      const timestamp = isLogAppendTime ? maxTimestamp : baseTimestamp + walk.timestampDelta;
      if (timestamp > this.#newest) this.#newest = timestamp;
      if (compacts && walk.keyLength < 0) {
        this.#refuse(errors.INVALID_RECORD, "A compacted topic cannot take a record without a key");
      } else if (appendTime || timestamp === -1) {
        if (isLogAppendTime) this.#refuse(errors.INVALID_TIMESTAMP, "A client cannot set the append time");
      } else if (!(timestamp <= latest && timestamp >= oldest && Number.isSafeInteger(timestamp))) {
        this.#refuse(
          errors.INVALID_TIMESTAMP,
          `The time ${timestamp} is not within ${oldest} and ${latest}`,
        );
      }
    }
    return true;
  }

  #refuse(error: number, message: string): void {
    if (this.#error !== errors.INVALID_TIMESTAMP) this.#error = error;
    if (this.#wrong.length < MAX_RECORD_ERRORS) this.#wrong.push({ index: this.#walked, message });
  }

  #result(walk: RecordWalk): NewBatch | Refusal {
    if (!walk.atEnd) return broken();
    if (this.#error !== undefined) {
      const records = this.#wrong;
      return { error: this.#error, message: records[0]?.message ?? "", records };
    }
    const [partition, bytes, maxTimestamp] = [this.#partition, this.#bytes, this.#newest];
    if (partition.topic.settings.appendTime) return { partition, bytes, header: this.#header, maxTimestamp };
    if (this.#header.maxTimestamp === maxTimestamp && !this.#header.isLogAppendTime) {
      return { partition, bytes, header: this.#header, maxTimestamp };
    }
    correctTimes(bytes, maxTimestamp);
    return { partition, bytes, header: readBatchHeader(bytes), maxTimestamp };
  }
}

function broken(): Refusal {
  return refusal(errors.INVALID_RECORD, "The records of the batch are broken");
}

export function refusal(error: number, message: string): Refusal {
  return { error, message };
}
