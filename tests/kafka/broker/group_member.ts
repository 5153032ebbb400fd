/** A kafkajs member in a process of its own, to be killed: `deno run group_member.ts PORT GROUP`. Prints its
 * partitions whenever they change. @module */
import kafkajs from "kafkajs";
import { Member } from "./kafkajs_groups.ts";

const [port, groupId = ""] = Deno.args;
const kafka = new kafkajs.Kafka({ brokers: [`127.0.0.1:${port}`], logLevel: kafkajs.logLevel.NOTHING });
const member = await new Member(kafka, groupId).start();
console.log(JSON.stringify(member.assigned));
