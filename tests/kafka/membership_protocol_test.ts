import { assertEquals, assertThrows } from "@std/assert";
import assignerProtocol from "kafkajs/src/consumer/assignerProtocol.js";
import { Buffer } from "node:buffer";
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "../../kafka/membership_protocol.ts";

const { MemberAssignment, MemberMetadata } = assignerProtocol;

Deno.test("encodeSubscription() writes Kafka's bytes of version 2", () => {
  const bytes = encodeSubscription({ topics: ["t", "ü"], owned: new Map([["t", [0, 258]]]), generation: 5 });
  const hex = "0002" + "00000002" + "000174" + "0002c3bc" + "00000000" +
    "00000001" + "000174" + "00000002" + "00000000" + "00000102" + "00000005";
  assertEquals(bytes.toString("hex"), hex);
});

Deno.test("decodeSubscription() reads what encodeSubscription() wrote, wherever the bytes lie", () => {
  const said = { topics: ["temperature", "größe"], owned: new Map([["größe", []]]), generation: 7 };
  const bytes = encodeSubscription(said);
  assertEquals(decodeSubscription(bytes), said);
  const inside = Buffer.concat([Buffer.alloc(3), bytes, Buffer.alloc(9)]).subarray(3, 3 + bytes.length);
  assertEquals(decodeSubscription(inside), said);
});

Deno.test("decodeSubscription() reads the versions of others: without owned partitions, with user data, with more fields", () => {
  const old = MemberMetadata.encode({ version: 0, topics: ["a"], userData: Buffer.from("xyz") });
  assertEquals(decodeSubscription(old), { topics: ["a"], owned: new Map(), generation: -1 });
  const noData = Buffer.from("0001" + "00000000" + "ffffffff" + "00000000", "hex");
  assertEquals(decodeSubscription(noData), { topics: [], owned: new Map(), generation: -1 });
  const newer = encodeSubscription({ topics: ["a"], owned: new Map(), generation: 3 });
  newer.writeInt16BE(3);
  const rack = Buffer.from("0004" + "7261636b", "hex");
  assertEquals(decodeSubscription(Buffer.concat([newer, rack])).generation, 3);
});

Deno.test("encodeAssignment() is read by another client, and decodeAssignment() reads that of another", () => {
  const assigned = new Map([["a", [0, 1]], ["b", []]]);
  assertEquals(MemberAssignment.decode(encodeAssignment(assigned))!.assignment, { a: [0, 1], b: [] });
  const theirs = MemberAssignment.encode({ version: 1, assignment: { a: [0, 1], b: [] } });
  assertEquals(decodeAssignment(theirs), assigned);
  assertEquals(decodeAssignment(new Uint8Array()), new Map(), "a member that the leader left out");
});

Deno.test("decodeSubscription() and decodeAssignment() refuse bytes that end too soon or claim too much", () => {
  const subscription = encodeSubscription({ topics: ["t"], owned: new Map([["t", [0]]]), generation: 1 });
  for (let end = 0; end < subscription.length; end++) {
    assertThrows(() => decodeSubscription(subscription.subarray(0, end)), RangeError);
  }
  const assignment = encodeAssignment(new Map([["t", [0]]]));
  for (let end = 1; end < assignment.length - 4; end++) {
    assertThrows(() => decodeAssignment(assignment.subarray(0, end)), RangeError);
  }
  assertThrows(() => decodeAssignment(Buffer.from("0000" + "7fffffff" + "0001", "hex")), RangeError);
  assertThrows(() => decodeSubscription(Buffer.from("0000" + "00000001" + "ffff", "hex")), RangeError);
  assertThrows(() => decodeSubscription(Buffer.from("0000" + "00000001" + "0001ff", "hex")), TypeError);
});
