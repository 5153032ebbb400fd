import { assertEquals, assertThrows } from "@std/assert";
import { readMessage } from "../../routes/socket_messages.ts";

const id = "v1.0a1b2c3d.0:4";

Deno.test("readMessage() reads what a client may say", () => {
  const read = (message: object) => readMessage(JSON.stringify(message));
  assertEquals(read({ type: "ping", anything: 1 }), { type: "ping" });
  assertEquals(read({ type: "pause" }), { type: "pause" });
  assertEquals(read({ type: "resume", stream: "/a" }), { type: "resume", stream: "/a" });
  assertEquals(read({ type: "seek", cursor: "earliest" }), { type: "seek", start: { kind: "earliest" } });
  assertEquals(read({ type: "seek", cursor: id, stream: "/a" }), {
    type: "seek",
    start: { kind: "id", text: id, cluster: "0a1b2c3d", positions: [5] },
    stream: "/a",
  });
  assertEquals(read({ type: "speed", speed: 2.5 }), { type: "speed", speed: 2.5 });
  assertEquals(read({ type: "speed", speed: null }), { type: "speed", speed: null });
  assertEquals(read({ type: "subscribe", stream: "/a" }), { type: "subscribe", stream: "/a" });
  assertEquals(read({ type: "subscribe", stream: "/a", cursor: "latest" }), {
    type: "subscribe",
    stream: "/a",
    cursor: "latest",
  });
  assertEquals(read({ type: "ack", frame: "2:41" }), { type: "ack", frame: { partition: 2, offset: 41 } });
  assertEquals(read({ type: "ack", frame: "0:0", stream: "/a" }), {
    type: "ack",
    frame: { partition: 0, offset: 0 },
    stream: "/a",
  });
  assertEquals(read({ type: "unsubscribe", stream: "/a" }), { type: "unsubscribe", stream: "/a" });
});

Deno.test("readMessage() says what it found and what is wanted", () => {
  const wrong: [text: string, ...named: string[]][] = [
    ["", "JSON object is wanted"],
    ["nonsense", "nonsense", "JSON object is wanted"],
    ["[]", "[]", "JSON object is wanted"],
    ["null", "null", "JSON object is wanted"],
    ["{}", "type none", "ping, pause, resume, seek, speed, ack, subscribe, unsubscribe"],
    ['{"type":"dance"}', '"dance"', "is wanted"],
    ['{"type":"constructor"}', '"constructor"', "is wanted"],
    ['{"type":"__proto__"}', '"__proto__"', "is wanted"],
    ['{"type":7}', "type 7", "is wanted"],
    ['{"type":"seek"}', "cursor none", "earliest"],
    ['{"type":"seek","cursor":17}', "seek", "cursor 17", "latest, earliest"],
    ['{"type":"seek","cursor":"yesterday"}', "yesterday", "latest, earliest"],
    ['{"type":"seek","cursor":"latest","stream":null}', "stream null", "address"],
    ['{"type":"pause","stream":3}', "stream 3", "address"],
    ['{"type":"speed"}', "speed none", "0.01", "1000", "null"],
    ['{"type":"speed","speed":"2"}', 'speed "2"', "0.01"],
    ['{"type":"speed","speed":0}', "speed 0", "0.01"],
    ['{"type":"speed","speed":1e400}', "speed", "0.01"],
    ['{"type":"ack"}', "ack", "frame none", "<partition>:<offset>"],
    ['{"type":"ack","frame":"7"}', 'frame "7"', "<partition>:<offset>"],
    ['{"type":"ack","frame":"0:-1"}', 'frame "0:-1"', "<partition>:<offset>"],
    ['{"type":"ack","frame":"0:9007199254740991"}', "9007199254740991", "<partition>:<offset>"],
    ['{"type":"ack","frame":"4294967296:1"}', "4294967296", "<partition>:<offset>"],
    ['{"type":"ack","frame":[0,1]}', "frame [0,1]", "<partition>:<offset>"],
    ['{"type":"ack","frame":"0:1","stream":0}', "stream 0", "address"],
    ['{"type":"subscribe"}', "stream none", "address"],
    ['{"type":"subscribe","stream":"/a","cursor":1}', "cursor 1", "latest"],
    ['{"type":"unsubscribe","stream":{}}', "stream {}", "address"],
  ];
  for (const [text, ...named] of wrong) {
    const { message } = assertThrows(() => readMessage(text), SyntaxError);
    for (const part of named) assertEquals(message.includes(part), true, `${part} in: ${message}`);
  }
  const { message } = assertThrows(() => readMessage(`{"type":"${"x".repeat(10_000)}"}`), SyntaxError);
  assertEquals(message.length < 300, true, "what was found is cut");
});
