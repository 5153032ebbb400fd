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
    for (const one of wanted) outcomes.push(await remove(one, broker));
    out.int32(0); // throttle_time_ms
    out.structs(outcomes, ({ name, uuid, error }) => {
      out.nullableString(name); // null only from v6 on, where it may be
      if (version >= 6) out.uuid(uuid);
      out.errorCode(error);
      if (version >= 5) out.nullableString(error === errors.NONE ? null : errorName(error));
    });
    out.tags();
  },
};

async function remove(wanted: Wanted, broker: BrokerState): Promise<Outcome> {
  const byId = wanted.uuid !== NO_ID;
  if (byId === (wanted.name !== null)) return { ...wanted, error: errors.INVALID_REQUEST }; // both or neither
  const topic = find(wanted, broker);
  const unknown = byId ? errors.UNKNOWN_TOPIC_ID : errors.UNKNOWN_TOPIC_OR_PARTITION;
  if (topic === undefined) return { ...wanted, error: unknown };
  try {
    const deleted = await broker.log.topics.delete(topic);
    return { name: topic.name, uuid: topic.uuid, error: deleted ? errors.NONE : unknown };
  } catch (error) {
    return { ...wanted, error: itemError(error, "DeleteTopics", broker) };
  }
}

function find({ name, uuid }: Wanted, broker: BrokerState): Topic | undefined {
  const { topics } = broker.log;
  return name === null ? topics.byId(uuid) : topics.byName(name);
}
