/** A plain server beside which ours is measured: Deno and MJPEG; every frame of a topic to every client, one `enqueue` each.
 *
 *     deno run -A video_peer.ts BOOTSTRAP TOPIC
 *
 * Prints `{"port":n}` when it listens and reads. Left out: whatever a service needs besides.
 * @module */
import process from "node:process";
import { Kafka, logLevel } from "kafkajs";

const [bootstrap = "", topic = ""] = Deno.args;
const encoder = new TextEncoder();
const clients = new Set<ReadableStreamDefaultController<Uint8Array>>();

process.emitWarning = () => {}; // kafkajs sets a timer to a time long past

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
  let own: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      own = controller;
      controller.enqueue(encoder.encode("--frame\r\n"));
      clients.add(controller);
    },
    cancel: () => void clients.delete(own),
  });
  return new Response(body, { headers: { "content-type": "multipart/x-mixed-replace; boundary=frame" } });
});

function partOf(jpeg: Uint8Array): Uint8Array {
  const head = encoder.encode(`Content-Type: image/jpeg\r\nContent-Length: ${jpeg.length}\r\n\r\n`);
  const tail = encoder.encode("\r\n--frame\r\n");
  const part = new Uint8Array(head.length + jpeg.length + tail.length);
  part.set(head);
  part.set(jpeg, head.length);
  part.set(tail, head.length + jpeg.length);
  return part;
}

const consumer = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR }).consumer({
  groupId: `peer-${topic}`,
});
await consumer.connect();
await consumer.subscribe({ topic });
consumer.on(consumer.events.GROUP_JOIN, () => console.log(JSON.stringify({ port: server.addr.port })));
await consumer.run({
  // deno-lint-ignore require-await
  eachMessage: async ({ message }) => {
    const part = partOf(message.value!);
    for (const client of clients) client.enqueue(part);
  },
});
