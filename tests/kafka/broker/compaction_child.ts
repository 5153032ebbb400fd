/** A broker that compacts its folder again and again until it is killed; says so with a line. For
 * compaction_kill_test.ts. @module */
import { startBroker } from "../../../kafka/broker/mod.ts";
import { optionsFor } from "./harness.ts";

const broker = await startBroker(optionsFor(Deno.args[0] ?? "", { retentionCheckMs: 1e9 }));
console.log("compacting");
await broker.sweep();
console.log("done");
