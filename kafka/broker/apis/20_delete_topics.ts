/** DeleteTopics (key 20), versions 1–6, flexible from 4; v6 takes names or ids.
 *     request  => [name:NULLABLE_STRING topic_id:UUID] (v6) [topic_name:STRING] (to v5) timeout_ms:INT32
 *     response => throttle_time_ms:INT32 [name:STRING (nullable v6) topic_id:UUID (v6) error_code:INT16
 *                 error_message:NULLABLE_STRING (v5+)]
 * A deleted topic is gone when it is answered: waiting fetches are told, committed offsets go with it; its batches are
 * freed little by little afterwards.
 * @see {@link https://kafka.apache.org/protocol#The_Messages_DeleteTopics} @module */

import type { Topic } from "../topics.ts";
import { errorName, errors } from "../wire/error_codes.ts";
import { type Api, type BrokerState, itemError } from "./mod.ts";

const NO_ID = "0".repeat(32);

interface Wanted {
  readonly name: string | null;
  readonly uuid: string;
}

interface Outcome extends Wanted {
  readonly error: number;
  /** Null with no error. */
  readonly message: string | null;
}

export const deleteTopics: Api = {
  key: 20,
  name: "DeleteTopics",
  versions: [1, 6],
  flexibleFrom: 4,
  async handle({ version, body, broker }, out) {
    const wanted: Wanted[] = version >= 6
      ? body.structs(() => ({ name: body.nullableString(), uuid: body.uuid() }))
      : body.array(() => ({ name: body.string(), uuid: NO_ID }));
    body.int32(); // timeout_ms: done when answered
    body.tags();
    const outcomes: Outcome[] = [];
    for (const [, [one, again]] of Map.groupBy(wanted, ({ name, uuid }) => `${name}\0${uuid}`)) {
      if (one === undefined) continue;
      const kind = one.name === null ? "id" : "name";
      const twice = refused(one, errors.INVALID_REQUEST, `Duplicate topic ${kind}.`);
      outcomes.push(again === undefined ? await remove(one, broker) : twice);
    }
    out.int32(0); // throttle_time_ms
    out.structs(outcomes, ({ name, uuid, error, message }) => {
      out.nullableString(name); // null only from v6 on, where it may be
      if (version >= 6) out.uuid(uuid);
      out.errorCode(error);
      if (version >= 5) out.nullableString(message);
    });
    out.tags();
  },
};

async function remove(wanted: Wanted, broker: BrokerState): Promise<Outcome> {
  const byId = wanted.uuid !== NO_ID;
  if (byId === (wanted.name !== null)) {
    const message = byId
      ? "You may not specify both topic name and topic id."
      : "Neither topic name nor id were specified.";
    return refused(wanted, errors.INVALID_REQUEST, message);
  }
  const topic = find(wanted, broker);
  const unknown = byId
    ? refused(wanted, errors.UNKNOWN_TOPIC_ID, "This server does not host this topic ID.")
    : refused(
      wanted,
      errors.UNKNOWN_TOPIC_OR_PARTITION,
      "This server does not host this topic-partition.",
    );
  if (topic === undefined) return unknown;
  try {
    const deleted = await broker.log.topics.delete(topic);
    return deleted ? { name: topic.name, uuid: topic.uuid, error: errors.NONE, message: null } : unknown;
  } catch (error) {
    const code = itemError(error, "DeleteTopics", broker);
    return refused(wanted, code, errorName(code));
  }
}

function refused({ name, uuid }: Wanted, error: number, message: string): Outcome {
  return { name, uuid, error, message };
}

function find({ name, uuid }: Wanted, broker: BrokerState): Topic | undefined {
  const { topics } = broker.log;
  return name === null ? topics.byId(uuid) : topics.byName(name);
}
