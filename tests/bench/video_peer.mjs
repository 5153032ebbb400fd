/** A plain server beside which ours is measured: Node with `ws`; every frame of a topic to every client, one `send` each.
 *
 *     node video_peer.mjs FOLDER_WITH_NODE_MODULES BOOTSTRAP TOPIC
 *
 * Prints `{"port":n}` when it listens and reads. Left out: whatever a service needs besides.
 * @module */
import { createRequire } from "node:module";
import process from "node:process";

const [, , folder = ".", bootstrap = "", topic = ""] = process.argv;
const require = createRequire(`${folder}/package.json`);
const { WebSocketServer } = require("ws");
const { Kafka, logLevel } = require("kafkajs");

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
const consumer = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR }).consumer({
  groupId: `peer-${topic}`,
});
await consumer.connect();
await consumer.subscribe({ topic });
consumer.on(consumer.events.GROUP_JOIN, () => console.log(JSON.stringify({ port: server.address().port })));
await consumer.run({
  // deno-lint-ignore require-await
  async eachMessage({ message }) {
    for (const client of server.clients) client.send(message.value ?? "", { binary: true });
  },
});
