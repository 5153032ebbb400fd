/** The checks a batch has to pass before it is appended, as strict as Apache Kafka's and in its order.
 * Left out: what depends on other batches (sequences in producers.ts, transactions). @module */

import type { NewBatch } from "./log.ts";
import type { Partition } from "./partition.ts";
import { errors } from "./wire/error_codes.ts";
import {
  BATCH_HEADER_BYTES,
  codecs,
  hasValidCrc,
  readBatchHeader,
  walkRecords,
} from "./wire/record_batch.ts";

/** Why a batch is refused. */
export interface Refusal {
  readonly error: number;
  readonly message: string;
}

/** Checks a batch that was produced to a partition.
 * @param version of the Produce request */
export function checkBatch(
  version: number,
  partition: Partition,
  bytes: Uint8Array,
  nowMs: number,
): NewBatch | Refusal {
  const { maxMessageBytes, timestampAheadMs, appendTime } = partition.topic.settings;
  if (bytes.byteLength < BATCH_HEADER_BYTES) {
    return refusal(errors.CORRUPT_MESSAGE, "The batch has no whole header");
  }
  const header = readBatchHeader(bytes);
  if (header.size > maxMessageBytes) {
    return refusal(
      errors.MESSAGE_TOO_LARGE,
      `The batch has ${header.size} bytes, the topic takes ${maxMessageBytes}`,
    );
  }
  if (header.magic !== 2) {
    return refusal(errors.INVALID_RECORD, `The format of the batch is ${header.magic}, not 2`);
  }
  if (header.size < BATCH_HEADER_BYTES || header.size > bytes.byteLength) {
    return refusal(
      errors.CORRUPT_MESSAGE,
      `The batch says it has ${header.size} bytes, ${bytes.byteLength} came`,
    );
  }
  if (header.size < bytes.byteLength) return refusal(errors.INVALID_RECORD, "There is more than one batch");
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
  const maxTimestamp = header.codec === codecs.none ? newestTimestamp(bytes, header) : header.maxTimestamp;
  if (maxTimestamp === undefined) {
    return refusal(errors.INVALID_RECORD, "The records of the batch are broken");
  }
  if (!appendTime && !(maxTimestamp <= nowMs + timestampAheadMs && Number.isSafeInteger(maxTimestamp))) {
    return refusal(
      errors.INVALID_TIMESTAMP,
      `The time ${maxTimestamp} is too far ahead of the broker's ${nowMs}`,
    );
  }
  return { partition, bytes, header, maxTimestamp };
}

/** Walks the records; undefined if they are broken. */
function newestTimestamp(
  bytes: Uint8Array,
  header: { recordCount: number; baseTimestamp: number },
): number | undefined {
  let newest = -1;
  let expected = 0;
  const whole = walkRecords(
    bytes.subarray(BATCH_HEADER_BYTES),
    header.recordCount,
    (offsetDelta, timestampDelta) => {
      if (offsetDelta !== expected) return true;
      expected += 1;
      const timestamp = header.baseTimestamp + timestampDelta;
      if (timestamp > newest) newest = timestamp;
      return false;
    },
  );
  return whole && expected === header.recordCount ? newest : undefined;
}

export function refusal(error: number, message: string): Refusal {
  return { error, message };
}
