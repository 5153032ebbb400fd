/** A member of a group in a process of its own, for tests that stop or kill it: prints a line of JSON whenever what it believes changes,
 * with the time until which it had believed what was before. @module */
import { GroupMembership } from "../../kafka/membership.ts";
import { silentLogger } from "../../logger.ts";
import { connect } from "./test_broker.ts";

const [bootstrap, group, ...topics] = Deno.args;
const kafka = connect(bootstrap!);
const membership = new GroupMembership(kafka, {
  group: group!,
  topics,
  log: silentLogger,
  onAssigned() {},
  onLost() {},
});
let believed = "null", believedAt = Date.now();
/** Often, so that after a stop it is among the first to run. */
setInterval(() => {
  const { assigned } = membership, now = Date.now();
  const believes = JSON.stringify(assigned && [...assigned.keys()]);
  if (believes !== believed) {
    console.log(JSON.stringify({ assigned: assigned && [...assigned.keys()], before: believedAt, at: now }));
  }
  believed = believes;
  believedAt = now;
}, 1);
