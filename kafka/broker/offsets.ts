/** What consumer groups leave behind on disk: the offsets they committed, and each group's generation.
 *
 * Every look-up goes to SQLite, so there is nothing in memory that a failed commit would have to take back.
 * Members are not stored: after a restart they are told that they are unknown, and join anew.
 *
 * Offsets that a producer commits within its transaction are held back until that ends. As in Kafka the newer of two
 * commits wins, whichever way it came: a held one that was overtaken changes nothing when its transaction commits.
 * @module */

import type { GroupError } from "./group_messages.ts";
import { lazyStatement, type Store } from "./store.ts";
import type { Topic, Topics } from "./topics.ts";

/** A position a group wants to remember. */
export interface NewOffset {
  readonly topic: Topic;
  readonly partition: number;
  /** Offset of the next record the group wants. */
  readonly offset: number;
  /** Leader epoch of the record before it, −1 if the client did not say. */
  readonly leaderEpoch: number;
  /** The client's own note; "" for none. */
  readonly metadata: string;
}

/** A position a group remembered. */
export interface CommittedOffset extends Omit<NewOffset, "topic"> {
  readonly topic: string;
}

/** What is known of a group over restarts. */
export interface StoredGroup {
  readonly id: string;
  readonly generation: number;
  /** Null if it never had members: only its offsets were ever used. */
  readonly protocolType: string | null;
  /** When it lost its last member, in milliseconds since the epoch; null while it has some. */
  readonly emptySince: number | null;
}

/** The groups in memory, as a deletion changes them. */
export interface GroupMemory {
  check(groupId: string): GroupError;
  forget(groupId: string): void;
  undo(): void;
}

const schema = `
  CREATE TABLE IF NOT EXISTS consumer_groups (
    id TEXT PRIMARY KEY, generation INTEGER NOT NULL, protocol_type TEXT, empty_ms INTEGER) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS committed_offsets (
    group_id TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, position INTEGER NOT NULL,
    leader_epoch INTEGER NOT NULL, metadata BLOB NOT NULL, committed_ms INTEGER NOT NULL,
    PRIMARY KEY (group_id, topic, partition)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS committed_offsets_topic ON committed_offsets (topic);
  CREATE TABLE IF NOT EXISTS held_offsets (
    id INTEGER PRIMARY KEY, producer INTEGER NOT NULL, group_id TEXT NOT NULL, topic TEXT NOT NULL,
    partition INTEGER NOT NULL, position INTEGER NOT NULL, leader_epoch INTEGER NOT NULL, metadata BLOB NOT NULL,
    overtaken INTEGER NOT NULL DEFAULT 0, UNIQUE (producer, group_id, topic, partition));
  CREATE INDEX IF NOT EXISTS held_offsets_group ON held_offsets (group_id, topic, partition);
`;

const columns = "topic, partition, position, leader_epoch, metadata";
const utf8 = { encode: new TextEncoder(), decode: new TextDecoder() };

/** The offsets and generations of all groups. */
export class Offsets {
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #now: () => number;
  readonly #saveGroup;
  readonly #meetGroup;
  readonly #saveOffset;
  readonly #one;
  readonly #all;
  readonly #forgetTopic;
  readonly #forgetOld;
  readonly #forgetGroup;
  readonly #hold;
  readonly #held;
  readonly #isHeld;
  readonly #isHolding;
  readonly #overtake;
  readonly #release;

  /** Makes its tables if they are missing, and lets go of a topic's offsets when the topic is deleted.
   * @param now milliseconds since the epoch */
  constructor(store: Store, topics: Topics, now: () => number = Date.now) {
    this.#store = store;
    this.#topics = topics;
    this.#now = now;
    const { db } = store;
    db.exec(schema);
    // A generation never goes back, whatever happened to the writes in between.
    this.#saveGroup = lazyStatement(
      db,
      `INSERT INTO consumer_groups VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET
         generation = max(generation, excluded.generation), protocol_type = excluded.protocol_type,
         empty_ms = excluded.empty_ms`,
    );
    this.#meetGroup = lazyStatement(db, "INSERT OR IGNORE INTO consumer_groups VALUES (?, 0, NULL, ?)");
    this.#saveOffset = lazyStatement(
      db,
      `INSERT INTO committed_offsets VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
         position = excluded.position, leader_epoch = excluded.leader_epoch, metadata = excluded.metadata,
         committed_ms = excluded.committed_ms`,
    );
    const ofGroup = `SELECT ${columns} FROM committed_offsets WHERE group_id = ?`;
    this.#one = lazyStatement(db, `${ofGroup} AND topic = ? AND partition = ?`);
    this.#all = lazyStatement(db, ofGroup);
    this.#forgetTopic = lazyStatement(db, "DELETE FROM committed_offsets WHERE topic = ?");
    this.#forgetOld = lazyStatement(
      db,
      "DELETE FROM committed_offsets WHERE group_id = ? AND committed_ms < ?",
    );
    this.#forgetGroup = lazyStatement(
      db,
      `DELETE FROM consumer_groups WHERE id = ?1
         AND NOT EXISTS (SELECT 1 FROM committed_offsets WHERE group_id = ?1)
         AND NOT EXISTS (SELECT 1 FROM held_offsets WHERE group_id = ?1)`,
    );
    // The ids of the rows are their order: a replaced one gets a new id.
    this.#hold = lazyStatement(
      db,
      `INSERT OR REPLACE INTO held_offsets (producer, group_id, topic, partition, position, leader_epoch, metadata)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#held = lazyStatement(
      db,
      `SELECT id, group_id, overtaken, ${columns} FROM held_offsets WHERE producer = ? ORDER BY id`,
    );
    const ofPartition = "WHERE group_id = ? AND topic = ? AND partition = ?";
    this.#isHolding = lazyStatement(db, "SELECT 1 FROM held_offsets WHERE group_id = ? LIMIT 1");
    this.#isHeld = lazyStatement(db, `SELECT 1 FROM held_offsets ${ofPartition} LIMIT 1`);
    this.#overtake = lazyStatement(db, `UPDATE held_offsets SET overtaken = 1 ${ofPartition} AND id < ?`);
    this.#release = lazyStatement(db, "DELETE FROM held_offsets WHERE producer = ?");
    topics.onDelete((topic) => this.forgetTopic(topic.name));
  }

  /** The groups known so far. */
  groups(): StoredGroup[] {
    return this.#store.db.prepare("SELECT * FROM consumer_groups").all().map((row) => ({
      id: String(row.id),
      generation: Number(row.generation),
      protocolType: row.protocol_type === null ? null : String(row.protocol_type),
      emptySince: row.empty_ms === null ? null : Number(row.empty_ms),
    }));
  }

  /** Remembers a group's generation.
   * @throws {StorageError} if it did not reach the disk */
  saveGroup(group: StoredGroup): Promise<void> {
    const { id, generation, protocolType, emptySince } = group;
    return this.#store.write(() => void this.#saveGroup().run(id, generation, protocolType, emptySince));
  }

  /** Remembers positions of a group, and the group itself if it is new.
   * @returns for each position whether it was taken: false if its topic was deleted meanwhile
   * @throws {StorageError} if nothing reached the disk */
  commit(groupId: string, offsets: readonly NewOffset[]): Promise<boolean[]> {
    return this.#store.write(() => {
      const nowMs = this.#now();
      const isHolding = this.#isHolding().get(groupId) !== undefined;
      this.#meetGroup().run(groupId, nowMs);
      return offsets.map(({ topic, partition, offset, leaderEpoch, metadata }) => {
        // Here and not before the write: a topic made anew must not inherit what its predecessor's readers
        // commit.
        if (this.#topics.byId(topic.uuid) === undefined) return false;
        const note = utf8.encode.encode(metadata); // text columns end at the first NUL when read
        this.#saveOffset().run(groupId, topic.name, partition, offset, leaderEpoch, note, nowMs);
        if (isHolding) this.#overtake().run(groupId, topic.name, partition, Number.MAX_SAFE_INTEGER);
        return true;
      });
    });
  }

  /** Holds positions of a group back until a producer's transaction ends, and meets the group if it is new. Inside a
   * store write only.
   * @returns for each position whether it was taken: false if its topic was deleted meanwhile */
  hold(producerId: number, groupId: string, offsets: readonly NewOffset[]): boolean[] {
    this.#meetGroup().run(groupId, this.#now());
    return offsets.map(({ topic, partition, offset, leaderEpoch, metadata }) => {
      if (this.#topics.byId(topic.uuid) === undefined) return false;
      const note = utf8.encode.encode(metadata);
      this.#hold().run(producerId, groupId, topic.name, partition, offset, leaderEpoch, note);
      return true;
    });
  }

  /** The producer's transaction ends: what it held back is committed, or dropped. Inside a store write only. */
  release(producerId: number, commit: boolean): void {
    const nowMs = this.#now();
    for (const row of commit ? this.#held().all(producerId) : []) {
      if (row.overtaken !== 0) continue;
      const [groupId, topic, partition] = [String(row.group_id), String(row.topic), Number(row.partition)];
      const { position = 0, leader_epoch = -1, metadata = null, id = 0 } = row;
      this.#meetGroup().run(groupId, nowMs);
      this.#saveOffset().run(groupId, topic, partition, position, leader_epoch, metadata, nowMs);
      this.#overtake().run(groupId, topic, partition, id);
    }
    this.#release().run(producerId);
  }

  /** Whether an open transaction holds back a position of a group. */
  isHeld(groupId: string, topic: string, partition: number): boolean {
    return this.#isHeld().get(groupId, topic, partition) !== undefined;
  }

  /** The position of a group in one partition, undefined if it has none. */
  fetch(groupId: string, topic: string, partition: number): CommittedOffset | undefined {
    const row = this.#one().get(groupId, topic, partition);
    return row && committedOffset(row);
  }

  /** All positions of a group, by topic and partition. */
  fetchAll(groupId: string): CommittedOffset[] {
    return this.#all().all(groupId).map(committedOffset);
  }

  /** Forgets what all groups committed for a topic, also what is held back; inside a store write only. */
  forgetTopic(topic: string): void {
    this.#forgetTopic().run(topic);
    this.#store.db.prepare("DELETE FROM held_offsets WHERE topic = ?").run(topic);
  }

  /** Forgets groups and all their positions, also what is held back.
   * @param memory asked inside the write: `check` says which groups go (NONE), then `forget` is told of each; `undo`
   * takes that back if nothing reached the disk
   * @returns what `check` said of each
   * @throws {StorageError} if nothing reached the disk */
  deleteGroups(groupIds: readonly string[], memory: GroupMemory): Promise<GroupError[]> {
    const { db } = this.#store;
    return this.#store.write(() => {
      const errors = groupIds.map((groupId) => memory.check(groupId));
      const going = groupIds.filter((_, at) => errors[at] === "NONE");
      for (const groupId of going) {
        db.prepare("DELETE FROM committed_offsets WHERE group_id = ?").run(groupId);
        db.prepare("DELETE FROM held_offsets WHERE group_id = ?").run(groupId);
        db.prepare("DELETE FROM consumer_groups WHERE id = ?").run(groupId);
      }
      for (const groupId of going) memory.forget(groupId);
      return errors;
    }, () => memory.undo());
  }

  /** Forgets positions of a group, also what is held back of them.
   * @throws {StorageError} if nothing reached the disk */
  deleteOffsets(groupId: string, places: readonly { topic: string; partition: number }[]): Promise<void> {
    const ofPartition = "WHERE group_id = ? AND topic = ? AND partition = ?";
    return this.#store.write(() => {
      const statements = ["committed_offsets", "held_offsets"]
        .map((table) => this.#store.db.prepare(`DELETE FROM ${table} ${ofPartition}`));
      for (const { topic, partition } of places) {
        for (const statement of statements) statement.run(groupId, topic, partition);
      }
    });
  }

  /** Whether a group has any position, committed or held back. */
  hasOffsets(groupId: string): boolean {
    return this.#all().get(groupId) !== undefined || this.#isHolding().get(groupId) !== undefined;
  }

  /** Forgets positions committed before `beforeMs`, and those of the groups that are left without any.
   * @param groupIds groups without members
   * @returns the groups that are forgotten
   * @throws {StorageError} if nothing reached the disk */
  expire(groupIds: readonly string[], beforeMs: number): Promise<string[]> {
    return this.#store.write(() =>
      groupIds.filter((groupId) => {
        this.#forgetOld().run(groupId, beforeMs);
        this.#forgetGroup().run(groupId);
        return !this.hasOffsets(groupId);
      })
    );
  }
}

function committedOffset(row: Record<string, unknown>): CommittedOffset {
  return {
    topic: String(row.topic),
    partition: Number(row.partition),
    offset: Number(row.position),
    leaderEpoch: Number(row.leader_epoch),
    metadata: utf8.decode.decode(row.metadata as Uint8Array),
  };
}
