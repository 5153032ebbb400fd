/** Random requests that a client could send: every field of every served API, by its type and by what its name means.
 *
 * Most values are plausible (a topic that exists, a partition of it, a group, a batch whose checksum holds), so that
 * requests get past the first check and change something; the rest are not. What answers tell (member ids, producer
 * ids, topic ids) is used in later requests. Names of topics and groups begin with `fuzz`: nothing else on the
 * broker is touched. Left out: frames that are not what the protocol says; mutations.ts makes those. @module */
import { gzipSync, zstdCompressSync } from "node:zlib";
import { batchOf } from "../kafka/broker/batches.ts";
import { requestFrame, type Value, type Values } from "../protocol/codec.ts";
import { type ApiSchema, type Field, type FieldType, within } from "../protocol/schema.ts";
import type { Random } from "../random.ts";

/** A request that is right in form. */
export interface MadeRequest {
  readonly api: ApiSchema;
  readonly version: number;
  readonly frame: Uint8Array<ArrayBuffer>;
}

/** An API as it is served. */
export interface ServedApi {
  readonly schema: ApiSchema;
  readonly from: number;
  readonly to: number;
}

/** Topics that are made before the fuzzing begins, with partitions 0..3. */
export const fuzzTopics = Array.from({ length: 6 }, (_, n) => `fuzz-${n}`);

/** How many of the learnt values of a kind are kept. */
const maxLearnt = 32;
const text = new TextEncoder();
const noId = "0".repeat(32);
const configs: readonly (readonly [string, readonly string[]])[] = [
  ["cleanup.policy", ["delete", "compact", "compact,delete", "none"]],
  ["retention.ms", ["-1", "3600000", "1", "x"]],
  ["retention.bytes", ["-1", "1000000", "0", "-5"]],
  ["max.message.bytes", ["1048588", "100", "999999999999"]],
  ["message.timestamp.type", ["CreateTime", "LogAppendTime", ""]],
  ["min.compaction.lag.ms", ["0", "1000"]],
  ["delete.retention.ms", ["0", "86400000"]],
  ["segment.ms", ["1000", "0"]],
  ["compression.type", ["producer", "gzip", "none"]],
  ["no.such.config", ["1"]],
];

/** Makes requests; what they hold is told by `random` alone. */
export class RequestMaker {
  readonly #random: Random;
  readonly #apis: readonly ServedApi[];
  readonly #learnt = new Map<string, Value[]>();

  constructor(random: Random, apis: readonly ServedApi[]) {
    this.#random = random;
    this.#apis = apis;
  }

  /** Any API in any of its versions. */
  next(correlationId: number): MadeRequest {
    const { schema: api, from, to } = this.#pick(this.#apis);
    const version = this.#random.between(from, to);
    const values = this.#struct(api.request, version, api.name);
    const clientId = this.#chance(10) ? null : "fuzz";
    return { api, version, frame: requestFrame(api, version, correlationId, clientId, values) };
  }

  /** Keeps what an answer gives to go on with. */
  learn(api: ApiSchema, answer: Values): void {
    if (api.key === 11 && answer.memberId !== "") {
      this.#keep("memberId", answer.memberId);
      this.#keep("generationId", answer.generationId);
    }
    if (api.key === 22 && answer.errorCode === 0) {
      this.#keep("producerId", answer.producerId);
      this.#keep("producerEpoch", answer.producerEpoch);
    }
    if (api.key === 3 || api.key === 19) {
      for (const { name, topicId } of (answer.topics ?? []) as Values[]) {
        if (fuzzTopics.includes(String(name)) && topicId !== noId) this.#keep("topicId", topicId);
      }
    }
  }

  #keep(kind: string, value: Value | undefined): void {
    if (value === undefined) return;
    const known = this.#learnt.get(kind) ?? [];
    known.push(value);
    this.#learnt.set(kind, known.slice(-maxLearnt));
  }

  #struct(fields: readonly Field[], version: number, parent: string): Values {
    const values: Values = {};
    for (const field of fields) {
      if (!within(field.versions, version)) continue;
      if (field.tag !== undefined && !this.#chance(20)) continue;
      if (
        within(field.nullable, version) && !isNameOnly(field, version) &&
        this.#chance(isNullMostly.has(field.name) ? 80 : 20)
      ) {
        values[field.name] = null;
      } else {
        values[field.name] = this.#value(field.name, field.type, version, parent);
      }
    }
    return values;
  }

  #value(name: string, type: FieldType, version: number, parent: string): Value {
    switch (type.kind) {
      case "struct":
        return this.#struct(type.fields, version, name);
      case "array": {
        if (isEmptyMostly.has(name) && this.#chance(90)) return [];
        const length = this.#chance(1) ? this.#random.between(50, 300) : this.#pick([0, 1, 1, 1, 1, 2, 3]);
        return Array.from({ length }, () => this.#value(name, type.of, version, parent));
      }
      case "bool":
        return this.#chance(50);
      case "uuid":
        return this.#learntOr("topicId", () => "00112233445566778899aabbccddeeff");
      case "records":
        return this.#batch();
      case "bytes":
        return this.#bytes(name);
      case "str":
        return this.#string(name, parent);
      default:
        return this.#number(name, type.kind);
    }
  }

  #string(name: string, parent: string): string {
    if (this.#chance(3)) {
      return this.#pick(["", "ü".repeat(200), "a".repeat(300), "\0", "../..", "__proto__"]);
    }
    if (parent === "configs" || name === "configurationKeys") {
      const [config, values] = this.#pick(configs);
      return name === "value" ? this.#pick(values) : config;
    }
    if (parent === "protocols" || name === "protocolName") return this.#pick(["range", "roundrobin"]);
    switch (name) {
      case "groupId":
      case "groups":
      case "groupsNames":
      case "key":
      case "coordinatorKeys":
        return this.#chance(90) ? `fuzz-group-${this.#random.between(0, 20)}` : this.#anyName("group");
      case "memberId":
        return this.#chance(40) ? "" : String(this.#learntOr("memberId", () => "nobody"));
      case "groupInstanceId":
        return `instance-${this.#random.between(0, 4)}`;
      case "protocolType":
        return this.#pick(["consumer", "consumer", "connect"]);
      case "transactionalId":
      case "v3AndBelowTransactionalId":
        return `fuzz-tx-${this.#random.between(0, 8)}`;
      case "resourceName":
        return this.#chance(80) ? this.#topic() : "1";
      case "mechanism":
        return this.#pick(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI"]);
      case "statesFilter":
        return this.#pick(["Stable", "Empty", "stable", "Other"]);
      case "typesFilter":
        return this.#pick(["classic", "consumer"]);
      case "clientSoftwareName":
      case "clientSoftwareVersion":
        return this.#pick(["fuzz", "1.2.3", "-", "a b"]);
      default:
        return this.#topic();
    }
  }

  #topic(): string {
    return this.#chance(90) ? this.#pick(fuzzTopics) : this.#anyName("topic");
  }

  /** Few of these come twice: they fill the broker up to its bounds. */
  #anyName(kind: string): string {
    return `fuzz-${kind}-${this.#random.between(0, 1_000_000)}`;
  }

  #number(name: string, kind: "i8" | "i16" | "i32" | "i64"): number {
    if (this.#chance(4)) return this.#pick(extremes[kind]);
    switch (name) {
      case "acks":
        return this.#pick([-1, -1, 1, 0]);
      case "maxWaitMs":
        return this.#pick([0, 0, 1, 10, 30]);
      case "minBytes":
        return this.#pick([0, 1, 1, 1_000_000]);
      case "maxBytes":
      case "partitionMaxBytes":
        return this.#pick([0, 1, 1000, 1_000_000]);
      case "sessionId":
        return this.#chance(90) ? 0 : 7;
      case "sessionTimeoutMs":
        return this.#random.between(6000, 9000);
      case "rebalanceTimeoutMs":
        return this.#random.between(50, 2000);
      case "transactionTimeoutMs":
        return this.#random.between(1000, 10_000);
      case "numPartitions":
      case "count":
        return this.#pick([1, 1, 2, 4, -1, 0, 20_000]);
      case "replicationFactor":
        return this.#pick([1, 1, -1, 3]);
      case "resourceType":
        return this.#pick([2, 2, 2, 4, 8]);
      case "configOperation":
      case "keyType":
        return this.#random.between(0, 3);
      case "timestamp":
        return this.#pick([-1, -2, -3, 0, Date.now() - 1000]);
      case "isolationLevel":
        return this.#random.between(0, 1);
      case "generationId":
      case "generationIdOrMemberEpoch":
        return this.#chance(30) ? -1 : Number(this.#learntOr("generationId", () => 1));
      case "producerId":
      case "v3AndBelowProducerId":
        return Number(this.#learntOr("producerId", () => -1));
      case "producerEpoch":
      case "v3AndBelowProducerEpoch":
        return Number(this.#learntOr("producerEpoch", () => 0));
    }
    if (/epoch/i.test(name)) return this.#pick([-1, 0, 0, 1]);
    if (/offset/i.test(name)) return this.#pick([0, 0, 1, this.#random.between(0, 500), -1]);
    if (/partition|index/i.test(name)) return this.#random.between(0, 3);
    return this.#random.between(-1, 100);
  }

  #bytes(name: string): Uint8Array {
    if (name === "authBytes") return text.encode(this.#pick(["\0user\0password", "n,,n=user,r=abc", "x"]));
    const subscription = "0001" + "00000001" + "0006" + text.encode("fuzz-1").toHex() + "ffffffff" +
      "00000000";
    return this.#chance(50) ? Uint8Array.fromHex(subscription) : this.#noise(this.#random.between(0, 60));
  }

  #batch(): Uint8Array {
    if (this.#chance(3)) return this.#noise(this.#random.between(0, 100));
    const count = this.#random.between(1, 5);
    const records = Array.from({ length: count }, () => ({
      key: this.#chance(70) ? `k${this.#random.between(0, 20)}` : null,
      value: this.#chance(90) ? this.#noise(this.#random.between(0, 200)) : null,
      timestamp: Date.now() - this.#random.between(0, 5000),
      headers: this.#chance(20) ? [["h", this.#chance(50) ? "v" : null]] as const : [],
    }));
    const codec = this.#chance(80) ? 0 : this.#random.between(1, 4);
    const transactional = this.#chance(8) ? 0x10 : 0;
    const control = this.#chance(2) ? 0x20 : 0;
    const producer = transactional !== 0 || this.#chance(25)
      ? {
        producerId: Number(this.#learntOr("producerId", () => 1)),
        epoch: Number(this.#learntOr("producerEpoch", () => 0)),
        sequence: this.#chance(60) ? 0 : this.#random.between(0, 20),
      }
      : {};
    return batchOf(records, {
      attributes: codec | transactional | control,
      ...producer,
      ...(codec === 1 ? { compress: (bytes) => gzipSync(bytes) } : {}),
      ...(codec === 4 ? { compress: (bytes) => zstdCompressSync(bytes) } : {}),
      ...(this.#chance(3) ? { lastOffsetDelta: this.#random.between(-1, 9) } : {}),
      ...(this.#chance(2) ? { count: this.#pick([0, -1, 2 ** 31 - 1]) } : {}),
      ...(this.#chance(2) ? { magic: this.#random.between(0, 3) } : {}),
    });
  }

  #noise(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#random.between(0, 255));
  }

  #learntOr(kind: string, other: () => Value): Value {
    const known = this.#learnt.get(kind);
    return known === undefined || this.#chance(10) ? other() : this.#pick(known);
  }

  #chance(percent: number): boolean {
    return this.#random.between(1, 100) <= percent;
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#random.between(0, items.length - 1)] as T;
  }
}

const isNullMostly = new Set(["transactionalId", "groupInstanceId"]);
/** Metadata lets a name be null from v10 on, but takes an id in its place from v12 on only. */
const isNameOnly = (field: Field, version: number) =>
  field.name === "name" && field.nullable?.from === 10 && version < 12;
const isEmptyMostly = new Set(["assignments", "forgottenTopicsData"]);
const extremes: Readonly<Record<"i8" | "i16" | "i32" | "i64", readonly number[]>> = {
  i8: [-128, 127],
  i16: [-32768, 32767],
  i32: [-(2 ** 31), 2 ** 31 - 1],
  i64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER], // beyond these the broker refuses a request, see its reader
};
