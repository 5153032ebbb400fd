/** What a client may do, as answers tell it that ask for authorized operations: there is no authorization, so all that
 * the kind of resource knows. Bit n stands for the operation numbered n.
 * @see {@link https://kafka.apache.org/documentation/#security_authz} @module */

/** Bits by kind of resource; `unasked` is for clients that did not ask. */
export const operations = {
  unasked: -2147483648,
  /** Read, delete, describe, describe and alter configs. */
  group: 3400,
  /** Read, write, create, delete, alter, describe, describe and alter configs. */
  topic: 3576,
  /** Create, alter, describe, cluster action, describe and alter configs, idempotent write. */
  cluster: 8096,
} as const;
